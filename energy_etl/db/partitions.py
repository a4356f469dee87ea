"""Partitions of history, a UTC day each, made when the first reading of the day arrives.

Made on a connection of their own and committed at once, so that the load's long transaction holds no lock
that others would wait for. A load that fails afterwards leaves an empty partition, which holds no data and
does no harm. TimescaleDB makes its chunks itself.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from energy_etl.db.schema import LOCK_KEY
from energy_etl.db.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psycopg import Connection


class DayPartitions:
    """The day partitions of one history table."""

    def __init__(self, history: str, connect: Callable[[], Connection[Any]]) -> None:
        """Nothing is read or made yet.

        Args:
            history: The partitioned table.
            connect: Opens a connection in autocommit mode.
        """
        self._history = history
        self._connect = connect
        self._known: set[str] = set()

    def ensure(self, days: Iterable[date]) -> None:
        """Make the partitions of these days where they are missing."""
        wanted = {self._name(day): day for day in days}
        if wanted.keys() <= self._known:
            return
        with self._connect() as conn:
            rows = conn.execute(query("partitions.existing"), [self._history]).fetchall()
            self._known.update(name for (name,) in rows)
            for name in sorted(wanted.keys() - self._known):
                self._create(conn, name, wanted[name])
                self._known.add(name)

    def _name(self, day: date) -> str:
        return f"{self._history}_{day:%Y%m%d}"

    def _create(self, conn: Connection[Any], name: str, day: date) -> None:
        names = {"history": sql.Identifier(self._history), "partition": sql.Identifier(name)}
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        bounds = {"start": sql.Literal(start), "end": sql.Literal(start + timedelta(days=1))}
        with conn.transaction():
            # Another process may be making the same partition: one of them does it.
            conn.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
            try:
                with conn.transaction():
                    conn.execute(query("partitions.create").format(**names))
                    conn.execute(query("partitions.attach").format(**names, **bounds))
            except errors.DuplicateTable:
                return
