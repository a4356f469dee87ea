"""The readings and rejects of one transaction into their tables, in the order that keeps every promise.

New readings straight into history, rejects into their table, readings that may exist already aside; at the
end new partitions become part of history, what was set aside is compared with it, and live moves forward.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from energy_etl.db import history, live
from energy_etl.db.history import History
from energy_etl.db.known import Known
from energy_etl.db.late import LateReadings, Outcome
from energy_etl.db.rejects import Rejects
from energy_etl.dump import Dump, RejectLimitError
from energy_etl.errors import ConservationError
from energy_etl.feed import Fed, Feed
from energy_etl.frames import checksum
from energy_etl.frames.arrange import Watermarks, merge_newest
from energy_etl.options import OnConflict
from energy_etl.outcome import LoadResult, Status
from energy_etl.prefetch import prefetch
from energy_etl.streams import STREAMS, Stream

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Generator, Sequence
    from datetime import date

    import polars as pl
    from psycopg import Connection

    from energy_etl.db.storage import Storage
    from energy_etl.options import LoadOptions
    from energy_etl.plan import StreamBatch

CLOCK_TOLERANCE = timedelta(hours=1)
"""How far a device's clock may run ahead of ours."""


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
        storage.prepare()
        self._rejects = Rejects(conn, dry_run=options.dry_run)
        self._streams = {s.name: _StreamStore(conn, s, storage, dry_run=options.dry_run) for s in streams}
        self._days: set[tuple[str, date]] = set()

    def feed(self) -> Generator[Fed]:
        """The batches of the dumps."""
        feed = Feed(
            list(self._dumps.values()),
            {name: stream.watermarks() for name, stream in self._streams.items()},
            self._options,
            latest=datetime.now(UTC) + CLOCK_TOLERANCE,
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
        return {dump: self._closed(dump) for dump in dumps}

    def publish(self) -> None:
        """Let readers see all of it at once: the last thing before the commit."""
        for stream in self._streams.values():
            stream.publish()

    def _closed(self, dump: Dump) -> LoadResult:
        if dump.rejects_part is not None:
            self._rejects.export(dump.load_id, dump.rejects_part)
        status = Status.DRY_RUN if self._options.dry_run else Status.LOADED
        rules = self._rejects.counts(dump.load_id) if dump.has_rejects else {}
        result = dump.result(status, rules, self._options.timezone)
        if dump.over(self._options.max_rejects):
            raise RejectLimitError(result, self._options.max_rejects)
        dump.check()
        return result


class _StreamStore:
    """One stream's part of it."""

    def __init__(self, conn: Connection[Any], stream: Stream, storage: Storage, *, dry_run: bool) -> None:
        self.stream = stream
        self._conn = conn
        self._dry_run = dry_run
        self._history = History(conn, stream, storage.flavour, dry_run=dry_run)
        self._known = Known(conn, stream)
        self._late = LateReadings(conn, stream, self._known, dry_run=dry_run)
        self._newest: pl.DataFrame | None = None
        self._sums: list[pl.DataFrame] = []

    def watermarks(self) -> Watermarks:
        """What history holds before anything is added."""
        return Watermarks(self.stream, history.watermarks(self._conn, self.stream))

    def add(self, batch: StreamBatch) -> None:
        """New readings into history, the others aside."""
        for part in batch.parts:
            self._history.append(part.day, part.readings)
        self._history.make_room(batch.late_days)
        self._late.add(batch.late, batch.late_checksums)
        self._sums += batch.new_checksums
        if batch.newest is not None:
            seen = [] if self._newest is None else [self._newest]
            self._newest = merge_newest(self.stream, [*seen, batch.newest])

    def settle(self, load_ids: list[int], on_conflict: OnConflict) -> Outcome:
        """Everything into its place; what became of the readings that were set aside.

        Raises:
            ConservationError: The server holds other readings than were sent.
        """
        self._history.settle()
        if self._sums:
            self._verify(load_ids, checksum.merged(self.stream, self._sums))
        outcome = self._late.settle(replace=on_conflict is OnConflict.REPLACE)
        if not self._dry_run:
            live.advance(self._conn, self.stream, self._newest, restated=bool(outcome.replaced))
        return outcome

    def publish(self) -> None:
        """See :meth:`History.publish`."""
        self._history.publish()

    def _verify(self, load_ids: list[int], sent: pl.DataFrame) -> None:
        """Direct compress is young: what it stored is compared with what was sent, by count and checksum."""
        first, last = sent["first_ts"].min(), sent["last_ts"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        found = self._known.of_loads(load_ids, first, last)
        agreed = sent.join(found, on=[self.stream.device, "readings", "checksum"], how="semi")
        if not agreed.height == sent.height == found.height:
            wrong = max(sent.height, found.height) - agreed.height
            raise ConservationError(
                f"{self.stream.history} does not hold the readings that were sent, of {wrong} devices",
                hint="load again with --direct-compress off, and report this",
            )
