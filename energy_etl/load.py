"""The load protocol, top to bottom: one dump into history, live, rejects and ledger, wholly or not at all.

The only module that knows the order:

1. fingerprint the file; the ledger knows it: nothing to do;
2. in one transaction: claim the ledger row, lock the streams, read the watermarks;
3. for each batch, planned ahead in a thread: new readings straight into history, late ones compared with it,
   rejects into their table;
4. move live forward, hold our counts against the server's, complete the ledger row, commit.

Whatever dies when: the transaction is the file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from energy_etl.db import history, ledger, live, schema
from energy_etl.db.history import History
from energy_etl.db.partitions import DayPartitions
from energy_etl.errors import DatabaseError, InputError, UsageError
from energy_etl.frames.arrange import Watermarks, newest
from energy_etl.frames.split import streams_of
from energy_etl.frames.timestamps import is_zone
from energy_etl.outcome import UNASSIGNED, Counts, LoadResult, OnConflict, RejectLimit, Status
from energy_etl.plan import Planned, StreamBatch, plan
from energy_etl.prefetch import prefetch
from energy_etl.sources.fingerprint import fingerprint, verify_unchanged
from energy_etl.sources.reader import open_source
from energy_etl.streams import STREAMS, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from energy_etl.db.session import Sessions
    from energy_etl.sources.fingerprint import Fingerprint
    from energy_etl.sources.source import Reader, SourceFile

BATCH_ROWS = 500_000
"""Rows read at a time. More gains little, and memory grows with it."""

CLOCK_TOLERANCE = timedelta(hours=1)
"""How far a device's clock may run ahead of ours."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load."""

    timezone: str = "UTC"
    on_conflict: OnConflict = OnConflict.KEEP
    max_rejects: RejectLimit = field(default_factory=RejectLimit)
    dry_run: bool = False
    lock_wait: float = 300.0
    """Seconds to wait for another load of the same stream or file."""
    retry_for: float = 60.0
    """Seconds in which a dump is tried again when the server is lost or asks for it; 0: not at all."""

    def __post_init__(self) -> None:
        if not is_zone(self.timezone):
            raise UsageError(
                f"--timezone {self.timezone!r} is no time zone",
                hint="write an IANA name such as Europe/Berlin, or UTC",
            )

    def recorded(self) -> dict[str, str]:
        """What of it decides the outcome, for the ledger."""
        return {
            "timezone": self.timezone,
            "on_conflict": self.on_conflict.value,
            "max_rejects": str(self.max_rejects),
        }


class RejectLimitError(InputError):
    """A dump with more rejected rows than allowed; ``result`` holds what was counted."""

    def __init__(self, result: LoadResult, limit: RejectLimit) -> None:
        rejected, read = result.total("rejected"), result.total("read")
        # What was found new, known or conflicting was taken back.
        streams = {name: Counts(read=c.read, rejected=c.rejected) for name, c in result.streams.items()}
        super().__init__(
            result.source,
            f"{rejected} of {read} readings are rejected, more than --max-rejects allows ({limit})",
            hint="see the rules above; --rejects-to FILE writes the rows, --max-rejects sets the limit",
        )
        self.result = replace(
            result, status=Status.FAILED, load_id=None, streams=streams, error=self.message, hint=self.hint
        )


class LoadObserver(Protocol):
    """Who is told how a load goes."""

    def file_started(self, name: str, bytes_total: int) -> None: ...

    def advanced(self, rows: int, bytes_read: int) -> None: ...

    def file_finished(self) -> None: ...


def load(
    source: SourceFile,
    sessions: Sessions,
    options: LoadOptions,
    observer: LoadObserver,
    rejects_part: Path | None = None,
) -> LoadResult:
    """Load one dump.

    Args:
        source: The dump.
        sessions: On a database whose schema is up to date.
        options: How.
        observer: Told about progress.
        rejects_part: Where to write the rejects as CSV rows, also those of a dump that is refused.

    Raises:
        InputError: The dump is unusable, or has too many rejects; nothing of it is loaded.
        LockHeldError: Another load works on the same; nothing of it is loaded, try again later.
        DatabaseError: The database is not in the state the job needs.
        ConservationError: Counts do not add up; nothing of it is loaded.
        psycopg.Error: What else the server says; nothing of it is loaded.
    """
    started, started_at = time.monotonic(), datetime.now(UTC)
    observer.file_started(source.name, source.bytes)
    try:
        taken = fingerprint(source)
        entry = ledger.Entry(source.name, taken.sha256, source.bytes, source.format)
        job = _Job(source, taken, entry, sessions, options)
        try:
            result = job.run(observer, rejects_part)
        except InputError as error:
            if not options.dry_run:
                counts = _recorded(error.result.streams) if isinstance(error, RejectLimitError) else {}
                ledger.record_failure(
                    sessions.kept(), entry, started_at, options.recorded(), counts, error.message
                )
            raise
        return replace(result, seconds=time.monotonic() - started)
    finally:
        observer.file_finished()


@dataclass(frozen=True, slots=True)
class _Job:
    """One dump to load, once its content is known."""

    source: SourceFile
    taken: Fingerprint
    entry: ledger.Entry
    sessions: Sessions
    options: LoadOptions

    def run(self, observer: LoadObserver, rejects_part: Path | None) -> LoadResult:
        """Load it, unless the ledger has it."""
        conn = self.sessions.kept()
        known = ledger.find_loaded(conn, self.entry.sha256)
        if known is None:
            reader = open_source(self.source)
            with conn.transaction(force_rollback=self.options.dry_run):
                load_id = self._claim()
                if load_id is not None:
                    return self._store(reader, load_id, observer, rejects_part)
            # Someone else had the same bytes under way when we asked, and has committed them since.
            known = ledger.find_loaded(conn, self.entry.sha256)
        load_id, loaded_at = known or (None, None)
        return LoadResult(
            self.entry.source,
            Status.ALREADY_LOADED,
            load_id=load_id,
            sha256=self.entry.sha256,
            bytes=self.entry.bytes,
            loaded_at=loaded_at,
        )

    def _claim(self) -> int | None:
        if self.options.dry_run:
            return 0
        options = self.options
        return ledger.claim(self.sessions.kept(), self.entry, options.recorded(), options.lock_wait)

    def _store(
        self, reader: Reader, load_id: int, observer: LoadObserver, rejects_part: Path | None
    ) -> LoadResult:
        # JSON has no header that announces its streams: readings of another one may come at any time.
        streams = streams_of(reader.columns) if self.source.format.has_header else STREAMS
        work = _Load(self.sessions, reader, streams, self.options, load_id)
        work.store(observer)
        verify_unchanged(self.source, self.taken)
        result = work.close(self.entry, rejects_part)
        if not self.options.dry_run:
            ledger.finish(self.sessions.kept(), load_id, _recorded(result.streams))
        return result


class _Load:
    """One dump on its way in; lives as long as its transaction."""

    def __init__(
        self,
        sessions: Sessions,
        reader: Reader,
        streams: tuple[Stream, ...],
        options: LoadOptions,
        load_id: int,
    ) -> None:
        conn = sessions.kept()
        found = schema.current(conn)
        if found is None:
            raise DatabaseError("the database has no schema", hint="run `energy-etl db init`")
        self._conn = conn
        self._reader = reader
        self._options = options
        self._load_id = load_id
        self._flavour = found.flavour
        self._streams = streams
        if not options.dry_run:
            history.lock(conn, self._streams, options.lock_wait)
        history.prepare(conn, self._flavour)
        self._histories = {s.name: History(conn, s, load_id, dry_run=options.dry_run) for s in self._streams}
        self._partitions = {s.name: DayPartitions(s.history, sessions.open) for s in self._streams}
        self._rejects = ledger.Rejects(conn, load_id, dry_run=options.dry_run)
        self._counts = {s.name: Counts() for s in streams_of(reader.columns)}
        self._newest: dict[str, pl.DataFrame] = {}
        self._days: set[tuple[str, object]] = set()
        self._rows = 0
        self._naive = 0

    def store(self, observer: LoadObserver) -> None:
        """Every batch into history and rejects; then live follows."""
        marks = {s.name: Watermarks(s, history.watermarks(self._conn, s)) for s in self._streams}
        latest = datetime.now(UTC) + CLOCK_TOLERANCE
        batches = plan(self._reader, marks, zone=self._options.timezone, latest=latest, rows=BATCH_ROWS)
        for batch in prefetch(batches):
            self._rows += batch.rows
            self._naive += batch.naive_timestamps
            self._store_rejects(batch)
            for stream in self._streams:
                if stream.name in batch.streams:
                    self._store_readings(stream, batch.streams[stream.name])
            if self._over_count():
                break
            observer.advanced(self._rows, batch.bytes_read)
        if not self._options.dry_run:
            for stream in self._streams:
                added = self._newest.get(stream.name)
                restated = stream.name in self._counts and self._counts[stream.name].replaced > 0
                live.advance(self._conn, stream, added, self._load_id, restated=restated)

    def close(self, entry: ledger.Entry, rejects_part: Path | None) -> LoadResult:
        """The result, after holding it to its promises."""
        result = LoadResult(
            entry.source,
            Status.DRY_RUN if self._options.dry_run else Status.LOADED,
            load_id=None if self._options.dry_run else self._load_id,
            sha256=entry.sha256,
            bytes=entry.bytes,
            rows=self._rows,
            streams=self._counts,
            rules=self._rejects.counts(),
            naive_timestamps=self._naive,
            timezone=self._options.timezone,
            ignored_columns=self._reader.ignored,
        )
        if rejects_part is not None:
            self._rejects.export(rejects_part)
        if self._options.max_rejects.exceeded(result.total("rejected"), result.total("read")):
            raise RejectLimitError(result, self._options.max_rejects)
        for name, counts in self._counts.items():
            counts.check(name)
        return result

    def _store_rejects(self, batch: Planned) -> None:
        self._rejects.add(batch.rejects)
        if batch.unassigned:
            counts = self._counts.setdefault(UNASSIGNED, Counts())
            counts.read += batch.unassigned
            counts.rejected += batch.unassigned

    def _store_readings(self, stream: Stream, batch: StreamBatch) -> None:
        counts = self._counts.setdefault(stream.name, Counts())
        counts.read += batch.read
        counts.rejected += batch.rejected
        counts.span(batch.min_ts, batch.max_ts)
        self._make_room(stream, batch)
        table, arranged = self._histories[stream.name], batch.arranged
        for readings in (arranged.after, arranged.before):
            if not readings.is_empty():
                table.append(readings)
                counts.loaded += readings.height
        if not arranged.late.is_empty():
            replacing = self._options.on_conflict is OnConflict.REPLACE
            late = table.reconcile(arranged.late, replace=replacing)
            counts.loaded += late.loaded
            counts.duplicate += late.duplicate
            counts.conflicting += late.conflicting
            counts.replaced += late.replaced
        if batch.newest is not None:
            seen = self._newest.get(stream.name)
            merged = batch.newest if seen is None else newest(stream, pl.concat([seen, batch.newest]))
            self._newest[stream.name] = merged

    def _make_room(self, stream: Stream, batch: StreamBatch) -> None:
        self._days.update((stream.name, day) for day in batch.days)
        history.check_lock_capacity(self._conn, self._flavour, len(self._days))
        if self._flavour is schema.Flavour.POSTGRES and not self._options.dry_run:
            self._partitions[stream.name].ensure(batch.days)

    def _over_count(self) -> bool:
        """A count of rejects that is exceeded stays so: reading on would be for nothing."""
        limit = self._options.max_rejects
        rejected = sum(counts.rejected for counts in self._counts.values())
        return limit.count is not None and limit.exceeded(rejected, 0)


def _recorded(streams: dict[str, Counts]) -> dict[str, Any]:
    return {name: counts.recorded() for name, counts in streams.items()}
