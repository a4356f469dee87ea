"""Dumps into the database: found, recognised, known ones passed over, small ones gathered, and loaded.

One unusable dump does not stop the others. What would stop every one of them, such as a server that is gone,
ends the run; what was loaded by then stays. The libraries that read dumps are imported when there is
something to load: a cron job that finds nothing new ends in a moment.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from energy_etl.db import ledger, schema
from energy_etl.db.session import LockHeldError, UnreachableError, wrap_errors
from energy_etl.errors import EnergyEtlError, InputError, TemporaryError
from energy_etl.outcome import Entry, LoadResult, Status, already_loaded
from energy_etl.sources.discover import discover
from energy_etl.sources.fingerprint import fingerprint
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from energy_etl.db.session import Sessions
    from energy_etl.dump import Dump
    from energy_etl.load import Loaded
    from energy_etl.options import LoadOptions
    from energy_etl.sources.discover import FoundFile

Done = TypeVar("Done")

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 10.0
"""Between two tries; the wait doubles each time."""

SMALL_BYTES = 4 << 20
"""A dump up to this size may share a transaction; if it has many rows all the same, it gets its own."""
TOGETHER_BYTES = 64 << 20
TOGETHER_FILES = 200


class Observer(Protocol):
    """Who is told how a run goes."""

    def file_started(self, name: str, bytes_total: int) -> None: ...

    def advanced(self, rows: int, bytes_read: int) -> None: ...

    def file_finished(self) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass
class Gathered:
    """Small dumps that will share a transaction, and the results that come between them."""

    slots: list[Dump | LoadResult] = field(default_factory=list)
    bytes: int = 0

    @property
    def dumps(self) -> list[Dump]:
        return [slot for slot in self.slots if not isinstance(slot, LoadResult)]

    def has_room_for(self, dump: Dump) -> bool:
        """Whether it may join: all are small, not too many, and none has the same content."""
        return (
            dump.source.bytes <= SMALL_BYTES
            and self.bytes + dump.source.bytes <= TOGETHER_BYTES
            and len(self.slots) < TOGETHER_FILES
            and dump.entry.sha256 not in {other.entry.sha256 for other in self.dumps}
        )

    def add(self, dump: Dump) -> None:
        self.slots.append(dump)
        self.bytes += dump.source.bytes


def ingest(
    paths: Sequence[str],
    sessions: Sessions,
    options: LoadOptions,
    observer: Observer,
    rejects_part: Callable[[str], Path] | None = None,
) -> Iterator[LoadResult]:
    """Load dumps, each wholly or not at all.

    Args:
        paths: Files, directories, globs, ``-`` for standard input.
        sessions: On the database, whose schema is made or brought up to date first.
        options: How to load.
        observer: Told about progress.
        rejects_part: A dump's name → where its rejects are written to as well, as CSV rows.

    Yields:
        What became of each dump in their order, the failed ones included.

    Raises:
        InputError: Nothing is found where a path points.
        UsageError: No path, or standard input is a terminal.
        EnergyEtlError: What stopped the run, after the dumps it happened to were yielded as failed.
    """
    run = _Run(sessions, options, observer, rejects_part)
    with discover(paths) as found, _schema(sessions, options, observer):
        gathered = Gathered()
        for file in found:
            dump = run.prepare(file)
            if isinstance(dump, LoadResult):
                gathered.slots.append(dump)
                continue
            if gathered.dumps and not gathered.has_room_for(dump):
                yield from run.load(gathered)
                gathered = Gathered()
            gathered.add(dump)
            if dump.source.bytes > SMALL_BYTES:
                yield from run.load(gathered)
                gathered = Gathered()
        yield from run.load(gathered)


@contextmanager
def _schema(sessions: Sessions, options: LoadOptions, observer: Observer) -> Iterator[None]:
    """Set the schema up; for a dry run only until the run ends, and only where it is not up to date."""
    with wrap_errors():
        conn = sessions.kept()
        if not options.dry_run:
            schema.migrate(conn, observer.note)
        elif not schema.is_current(conn):
            with conn.transaction(force_rollback=True):
                schema.migrate(conn)
                yield
                return
    yield


class _Run:
    """One call of :func:`ingest`."""

    def __init__(
        self,
        sessions: Sessions,
        options: LoadOptions,
        observer: Observer,
        rejects_part: Callable[[str], Path] | None,
    ) -> None:
        self._sessions = sessions
        self._options = options
        self._observer = observer
        self._rejects_part = rejects_part
        self._rehearsed: set[str] = set()
        """Content that a dry run has been through: the ledger does not know it."""

    def prepare(self, file: FoundFile) -> Dump | LoadResult:
        """A dump to load, or the result for one that is unusable or loaded already."""
        try:
            source = recognise(file.path, file.name)
        except InputError as error:
            self._note_unrecognised(file, error)
            return _failed(file.name, error)
        try:
            taken = fingerprint(source)
        except InputError as error:
            return _failed(file.name, error)
        entry = Entry(source.name, taken.sha256, source.bytes, source.format)
        with wrap_errors():
            known = ledger.find_loaded(self._sessions.kept(), entry.sha256)
        if known:
            return already_loaded(entry, *known)
        from energy_etl.dump import Dump

        part = self._rejects_part(file.name) if self._rejects_part else None
        return Dump(source, taken, entry, self._options, part)

    def _note_unrecognised(self, file: FoundFile, error: InputError) -> None:
        """Put a file of no known kind into the ledger, if its content can be told from others'."""
        if self._options.dry_run:
            return
        with suppress(InputError), wrap_errors():
            taken = fingerprint(file)
            entry = Entry(file.name, taken.sha256, taken.bytes, "unknown")
            conn, recorded = self._sessions.kept(), self._options.recorded()
            ledger.record_failure(conn, entry, datetime.now(UTC), recorded, {}, error.message)

    def load(self, gathered: Gathered) -> Iterator[LoadResult]:
        """Load what was gathered, and give the results in order.

        Raises:
            EnergyEtlError: What stopped the run.
        """
        results: dict[Dump, LoadResult] = {}
        stopped: EnergyEtlError | None = None
        waiting = [gathered.dumps] if gathered.dumps else []
        while waiting:
            dumps = waiting.pop(0)
            again = {dump for dump in dumps if dump.entry.sha256 in self._rehearsed}
            results |= {dump: already_loaded(dump.entry, None, None) for dump in again}
            dumps = [dump for dump in dumps if dump not in again]
            if not dumps:
                continue
            try:
                done, alone = self._load_together(dumps)
                results |= done
                waiting += [[dump] for dump in alone]
            except EnergyEtlError as error:
                results |= {dump: _failed(dump.source.name, error) for dump in dumps}
                stopped = error
                break
        self._rehearsed |= {result.sha256 for result in results.values() if result.status is Status.DRY_RUN}
        for slot in gathered.slots:
            if isinstance(slot, LoadResult):
                yield slot
            elif slot in results:
                yield results[slot]
        if stopped:
            raise stopped

    def _load_together(self, dumps: Sequence[Dump]) -> tuple[dict[Dump, LoadResult], list[Dump]]:
        """Load dumps in one transaction, and try again while it may help."""
        from energy_etl.load import load

        name = dumps[0].source.name if len(dumps) == 1 else f"{len(dumps)} small files"

        def attempt() -> Loaded:
            return load(dumps, self._sessions, self._options, self._observer)

        loaded = persistently(attempt, name, self._options, self._observer)
        return loaded.results, loaded.alone


def persistently(attempt: Callable[[], Done], name: str, options: LoadOptions, observer: Observer) -> Done:
    """Do something with the database, and try again while it may help.

    Args:
        attempt: What is done, wholly or not at all.
        name: What it is done with.
        options: How long to try.
        observer: Told about it.

    Raises:
        EnergyEtlError: What came of the last try.
    """
    import stamina

    def told(details: stamina.instrumentation.RetryDetails) -> None:
        observer.note(f"{name}: {details.caused_by}; trying again in {details.wait_for:.1f} s")

    stamina.instrumentation.set_on_retry_hooks([told])
    tries = stamina.retry_context(
        on=_worth_trying_again,
        attempts=None if options.retry_for else 1,
        timeout=options.retry_for or None,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_max=LONGEST_WAIT_SECONDS,
    )
    for one in tries:
        with one, wrap_errors():
            return attempt()
    raise AssertionError("stamina raises when its attempts are used up")


def _failed(name: str, error: EnergyEtlError) -> LoadResult:
    return LoadResult(name, Status.FAILED, error=error.message, hint=error.hint, exit_code=error.exit_code)


def _worth_trying_again(error: Exception) -> bool:
    """A lost connection or a deadlock is; a lock was waited for as long as the user wants.

    So is a server that does not answer: it did when the run began, and is perhaps restarting.
    """
    temporary = isinstance(error, TemporaryError | UnreachableError)
    return temporary and not isinstance(error, LockHeldError)
