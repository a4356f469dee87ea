"""Readings that history may have already: collected while a load goes on, compared with history at its end.

Until then the load's own new readings may lie in partitions that are not part of history yet; and one
comparison of all is faster than many. Of readings of the same key the first that was stored wins, or with
``replace`` the last one, in the order of the loads and of the rows in their files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from energy_etl.db.copying import copy_in
from energy_etl.db.sql import query
from energy_etl.db.tables import names
from energy_etl.frames.copy_binary import encode

if TYPE_CHECKING:
    import polars as pl
    from psycopg import Connection

    from energy_etl.db.known import Known
    from energy_etl.streams import Stream

    Counts = Counter[int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of late readings: load_id → how many."""

    loaded: Counts = field(default_factory=Counter)
    duplicate: Counts = field(default_factory=Counter)
    conflicting: Counts = field(default_factory=Counter)
    replaced: Counts = field(default_factory=Counter)
    """Stored readings that were restated; none unless asked for."""
    flags: Counter[str] = field(default_factory=Counter)
    """Flag of a derived reading → how many of those loaded carry it."""
    rederived: bool = False
    """Stored readings were derived anew."""


class LateReadings:
    """One stream's late readings, as one load meets them. Expects the load's transaction."""

    def __init__(
        self, conn: Connection[Any], stream: Stream, known: Known | None, *, dry_run: bool = False
    ) -> None:
        """Nothing is made yet.

        Args:
            conn: In the load's transaction, holding the stream's lock.
            stream: Whose.
            known: Asks the stream's history by checksum; None where that says nothing.
            dry_run: Compare with what the load would have stored, too.
        """
        self._conn = conn
        self._stream = stream
        self._names = names(stream, dry_run=dry_run)
        self._restate = "count_restated" if dry_run else "restate"
        # In a dry run there is no index to ask by.
        self._known = None if dry_run else known
        self._sent: Counts = Counter()
        self._duplicate: Counts = Counter()
        self._aside: set[str] = set()
        self._oldest: list[Any] = []
        self._newest: list[Any] = []

    def add(self, late: pl.DataFrame, checksums: pl.DataFrame | None) -> None:
        """Take readings in; those of devices that history knows by their checksum are done with.

        Args:
            late: load_id, row_number, the stream's device, ts and reported measures.
            checksums: Of these very readings by device; None where it is not worth asking.
        """
        if checksums is not None and self._known is not None:
            devices = self._known.devices(checksums)
            # Where other values lie aside already, a reading like the stored one may be the last word.
            devices = devices.filter(~devices.is_in(self._aside))
            known = late[self._stream.device].is_in(devices.implode())
            self._duplicate.update(_by_load(late.filter(known)))
            late = late.filter(~known)
        if late.is_empty():
            return
        if not self._sent:
            self._do("create")
        self._sent.update(_by_load(late))
        self._aside.update(late[self._stream.device].unique())
        self._oldest.append(late["ts"].min())
        self._newest.append(late["ts"].max())
        stream = self._stream
        columns = late.select("load_id", "row_number", stream.device, "ts", *stream.reported)
        copy_in(self._conn, query("late.copy").format(**self._names), encode(columns), "a temporary table")

    def settle(self, *, replace: bool) -> Outcome:
        """Compare with history; add the new ones, report those with other values.

        Args:
            replace: Conflicting readings restate the stored ones.
        """
        if not self._sent:
            return Outcome(duplicate=self._duplicate)
        self._do("analyze")
        bounds = {"oldest": min(self._oldest), "newest": max(self._newest), "stream": self._stream.name}
        compared = self._rows("compare", bounds)
        same = Counter({load_id: count for load_id, count, _ in compared})
        if same == self._sent:
            return Outcome(duplicate=self._duplicate + same)
        new = any(count for _, _, count in compared)
        loaded = self._insert(bounds) if new else Counter()
        conflicting = self._counts("report_restated" if replace else "report_conflicts", bounds)
        replaced = self._counts(self._restate, bounds) if replace and conflicting else Counter()
        duplicate = self._duplicate + (self._sent - loaded - conflicting)
        return Outcome(loaded, duplicate, conflicting, replaced)

    def _insert(self, bounds: dict[str, Any]) -> Counts:
        return self._counts("insert", bounds)

    def _counts(self, statement: str, values: dict[str, Any]) -> Counts:
        return Counter(dict(self._rows(statement, values)))

    def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self._conn.execute(query(f"late.{statement}").format(**self._names), values).fetchall()

    def _do(self, statement: str) -> None:
        self._conn.execute(query(f"late.{statement}").format(**self._names))


def _by_load(readings: pl.DataFrame) -> dict[int, int]:
    return dict(readings["load_id"].value_counts().iter_rows())
