"""Partitions of history on plain PostgreSQL, a UTC day each.

A new day's partition is made apart from history, filled without an index, and indexed and attached when the
load is through: keeping the index of a growing table up to date would take longer than all the rest.
Everything happens in the load's transaction, so a load that fails leaves no partition behind.

Measured with 14.4 M readings of a day: 13 s (COPY 5.5 s, index 6.5 s) against 24 s into a partition that has
its index. COPY … FREEZE gains nothing here, and would let older snapshots see the rows.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from energy_etl.db.sql import query
from energy_etl.errors import ConservationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

    from energy_etl.streams import Stream


class DayPartitions:
    """The day partitions of one history table, as one load finds and makes them.

    Expects the load's transaction, which holds the stream's lock.
    """

    def __init__(self, conn: Connection[Any], stream: Stream) -> None:
        self._conn = conn
        self._stream = stream
        rows = conn.execute(query("partitions.existing"), [stream.history]).fetchall()
        self._there = {name for (name,) in rows}
        self._apart: dict[str, date] = {}

    def table(self, day: date) -> sql.Identifier:
        """The table that takes the readings of a day; made if it is not there."""
        name = f"{self._stream.history}_{day:%Y%m%d}"
        if name not in self._there and name not in self._apart:
            self._conn.execute(query("partitions.create").format(**self._names(name, day)))
            self._apart[name] = day
        return sql.Identifier(name)

    def make(self, days: Iterable[date]) -> None:
        """Make sure that there is a partition for each of these days."""
        for day in days:
            self.table(day)

    def attach(self) -> bool:
        """Make the new partitions part of history; whether there are any.

        Raises:
            ConservationError: A reading is in a new partition twice.
        """
        attached = bool(self._apart)
        for name, day in self._apart.items():
            names = self._names(name, day)
            try:
                self._conn.execute(query("partitions.index").format(**names))
            except errors.UniqueViolation as error:
                raise ConservationError(f"a reading was about to be stored twice in {name}") from error
            self._conn.execute(query("partitions.attach").format(**names))
            self._conn.execute(query("partitions.drop_bounds").format(**names))
        self._there |= self._apart.keys()
        self._apart.clear()
        return attached

    def _names(self, name: str, day: date) -> dict[str, sql.Composable]:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return {
            "history": sql.Identifier(self._stream.history),
            "partition": sql.Identifier(name),
            "bounds": sql.Identifier(f"{name}_bounds"),
            "device": sql.Identifier(self._stream.device),
            "start": sql.Literal(start),
            "end": sql.Literal(start + timedelta(days=1)),
        }
