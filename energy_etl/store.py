"""The readings and rejects of one transaction into their tables, in the order that keeps every promise.

New readings straight into history, rejects into their table, readings that may exist already aside; at the
end new partitions become part of history, what was set aside is compared with it, and live moves forward.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from energy_etl.db import history, live
from energy_etl.db.derived import DerivedReadings
from energy_etl.db.energy import baselines, remember, remembered
from energy_etl.db.history import History
from energy_etl.db.known import Known
from energy_etl.db.late import LateReadings, Outcome
from energy_etl.db.rejects import Rejects
from energy_etl.dump import Dump, RejectLimitError
from energy_etl.errors import ConservationError
from energy_etl.feed import Fed, Feed
from energy_etl.frames.arrange import Watermarks, merge_newest
from energy_etl.kinds import Energy, Kind, Reported, resolve
from energy_etl.options import OnConflict
from energy_etl.outcome import LoadResult, Status
from energy_etl.prefetch import prefetch
from energy_etl.streams import CLOCK_TOLERANCE, STREAMS, Stream

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Generator, Mapping, Sequence
    from datetime import date

    import polars as pl
    from psycopg import Connection

    from energy_etl.db.storage import Storage
    from energy_etl.frames.checksum import Total
    from energy_etl.options import LoadOptions
    from energy_etl.plan import StreamBatch


class Store:
    """What one transaction writes of its dumps; expects that transaction, with the dumps claimed."""

    def __init__(
        self, conn: Connection[Any], storage: Storage, dumps: Sequence[Dump], options: LoadOptions
    ) -> None:
        self._conn = conn
        self._storage = storage
        self._dumps = {dump.load_id: dump for dump in dumps}
        self._options = options
        streams = [stream for stream in STREAMS if any(stream in dump.streams for dump in dumps)]
        if not options.dry_run:
            history.lock(conn, streams, options.lock_wait)
        self._latest = datetime.now(UTC) + CLOCK_TOLERANCE
        marks = {stream.name: history.watermarks(conn, stream) for stream in streams}
        self._energies = self._resolved(streams, marks)
        storage.prepare()
        self._rejects = Rejects(conn, dry_run=options.dry_run)
        self._streams = {
            name: _StreamStore(conn, energy, marks[name], storage, dry_run=options.dry_run)
            for name, energy in self._energies.items()
        }
        self._days: set[tuple[str, date]] = set()

    def feed(self) -> Generator[Fed]:
        """The batches of the dumps."""
        feed = Feed(
            list(self._dumps.values()),
            {name: stream.watermarks for name, stream in self._streams.items()},
            self._energies,
            self._options,
            latest=self._latest,
            batch_rows=self._storage.batch_rows,
            summed=self._storage.compressing and not self._options.dry_run,
        )
        return prefetch(iter(feed), on_stop=feed.stop)

    def store(self, fed: Fed) -> None:
        """A batch into history and rejects, or aside."""
        for dump, checked in fed.checked:
            dump.add(checked)
            self._rejects.add(dump.load_id, checked.rejects)
            # A count that is exceeded stays so: reading on would be for nothing.
            if self._options.max_rejects.count is not None and dump.over(self._options.max_rejects):
                self._closed(dump)
        for name, batch in fed.streams.items():
            self._days.update((name, part.day) for part in batch.parts)
            self._days.update((name, day) for day in batch.late_days)
            history.check_lock_capacity(self._conn, self._storage.flavour, len(self._days))
            stream = self._streams[name]
            stream.add(batch)
            self._count_flags(stream, batch.flags)
            for load_id, count in batch.new.items():
                self._dumps[load_id].count(stream.stream, loaded=count)

    def close(self, dumps: Sequence[Dump]) -> dict[Dump, LoadResult]:
        """What became of each dump, after holding everything to its promises."""
        for stream in self._streams.values():
            outcome = stream.settle(list(self._dumps), self._options.on_conflict)
            for name in ("loaded", "duplicate", "conflicting", "replaced"):
                counts: Counter[int] = getattr(outcome, name)
                for load_id, count in counts.items():
                    self._dumps[load_id].count(stream.stream, **{name: count})
            self._count_flags(stream, outcome.flags)
        return {dump: self._closed(dump) for dump in dumps}

    def _resolved(self, streams: Sequence[Stream], marks: dict[str, pl.DataFrame]) -> dict[str, Energy]:
        """What the dumps carry as each stream's energy."""
        known = {
            stream.name: Reported(marks[stream.name][stream.device], remembered(self._conn, stream))
            for stream in streams
        }
        kinds: dict[str, Kind] = {}
        for dump in self._dumps.values():
            # Several dumps share a transaction only where all of them carry interval energy.
            found = resolve(dump, self._options, known, self._latest)
            dump.energy = {name: str(kind) for name, kind in found.items()}
            kinds |= found
        energies = {}
        for stream in streams:
            kind, before = kinds[stream.name], known[stream.name]
            own = stream.of_kind(kind.rule.kind)
            counted_from = baselines(self._conn, own, before.rules) if own.raw else {}
            energies[stream.name] = Energy(own, kind, before, counted_from)
        return energies

    def _count_flags(self, stream: _StreamStore, flags: Mapping[str, int]) -> None:
        if flags:
            # Where energy is derived, the dump has the transaction for itself.
            (dump,) = self._dumps.values()
            dump.count_flags(stream.stream, flags)

    def publish(self) -> None:
        """Let readers see all of it at once: the last thing before the commit."""
        for stream in self._streams.values():
            stream.publish()

    def _closed(self, dump: Dump) -> LoadResult:
        if dump.rejects_part is not None:
            self._rejects.export(dump.load_id, dump.rejects_part)
        status = Status.DRY_RUN if self._options.dry_run else Status.LOADED
        rules = self._rejects.counts(dump.load_id) if dump.has_rejects else {}
        result = dump.result(status, rules)
        if dump.over(self._options.max_rejects):
            raise RejectLimitError(result, self._options.max_rejects)
        dump.check()
        return result


class _StreamStore:
    """One stream's part of it."""

    def __init__(
        self,
        conn: Connection[Any],
        energy: Energy,
        marks: pl.DataFrame,
        storage: Storage,
        *,
        dry_run: bool,
    ) -> None:
        self.stream = stream = energy.stream
        self.watermarks = Watermarks(stream, marks)
        """What history holds before anything is added."""
        self._energy = energy
        self._conn = conn
        self._dry_run = dry_run
        self._history = History(conn, stream, storage.flavour, dry_run=dry_run)
        self._known = Known(conn, stream)
        self._late = (
            DerivedReadings(conn, stream, energy.rules, dry_run=dry_run)
            if stream.raw
            else LateReadings(conn, stream, self._known, dry_run=dry_run)
        )
        self._newest: pl.DataFrame | None = None
        self._sent: Total | None = None

    def add(self, batch: StreamBatch) -> None:
        """New readings into history, the others aside."""
        for part in batch.parts:
            self._history.append(part.day, part.readings)
        self._history.make_room(batch.late_days)
        self._late.add(batch.late, batch.late_checksums)
        if batch.new_total is not None:
            self._sent = batch.new_total if self._sent is None else self._sent + batch.new_total
        if batch.newest is not None:
            seen = [] if self._newest is None else [self._newest]
            self._newest = merge_newest(self.stream, [*seen, batch.newest])

    def settle(self, load_ids: list[int], on_conflict: OnConflict) -> Outcome:
        """Everything into its place; what became of the readings that were set aside.

        Raises:
            ConservationError: The server holds other readings than were sent.
        """
        self._history.settle()
        if self._sent is not None:
            self._verify(load_ids, self._sent)
        outcome = self._late.settle(replace=on_conflict is OnConflict.REPLACE)
        if not self._dry_run:
            restated = bool(outcome.replaced) or outcome.rederived
            live.advance(self._conn, self.stream, self._newest, restated=restated)
            remember(self._conn, self.stream, self._energy.to_remember(), max(load_ids))
        return outcome

    def publish(self) -> None:
        """See :meth:`History.publish`."""
        self._history.publish()

    def _verify(self, load_ids: list[int], sent: Total) -> None:
        """Direct compress is young: what it stored is compared with what was sent, by count and checksum."""
        stored, checksum = self._known.of_loads(load_ids, sent.first_ts, sent.last_ts)
        if (stored, checksum) == (sent.readings, sent.checksum):
            return
        what = f"{stored:,} of them" if stored != sent.readings else "as many, but other ones"
        raise ConservationError(
            f"{sent.readings:,} readings were sent to {self.stream.history}, which holds {what}",
            hint="load again with --direct-compress off, and report this",
        )
