"""Readings into history: those that cannot exist yet, straight in.

Expects the transaction of the load, opened by the caller, who commits. Rows arrive as binary COPY streams;
every count is the server's own, compared with what was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from psycopg import errors

from energy_etl.db.copying import copy_in
from energy_etl.db.partitions import DayPartitions
from energy_etl.db.schema import LOCK_KEY, Flavour
from energy_etl.db.session import LockHeldError, limit_lock_wait
from energy_etl.db.sql import query
from energy_etl.db.tables import names
from energy_etl.errors import DatabaseError
from energy_etl.streams import STREAMS, Stream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date, datetime

    from psycopg import Connection

    from energy_etl.frames.copy_binary import Encoded


_PUBLISH_TRIES, _PUBLISH_WAIT_SECONDS = 4, 0.25


class History:
    """One stream's history, as one load adds to it."""

    def __init__(
        self, conn: Connection[Any], stream: Stream, flavour: Flavour, *, dry_run: bool = False
    ) -> None:
        """Look at what is there.

        Args:
            conn: In the load's transaction, holding the stream's lock.
            stream: Which.
            flavour: Of the server.
            dry_run: Write to a temporary table only.
        """
        self._conn = conn
        self._stream = stream
        self._names = names(stream, dry_run=dry_run)
        self._partitions = (
            DayPartitions(conn, stream) if flavour is Flavour.POSTGRES and not dry_run else None
        )
        if dry_run:
            conn.execute(query("history.create_dry_history").format(**self._names))
            conn.execute(query("history.create_dry_stored").format(**self._names))
        self._dry_run = dry_run
        self._grown = False

    def append(self, day: date, readings: Encoded) -> None:
        """Add readings of one UTC day that history cannot have yet.

        Args:
            day: Of all of them.
            readings: The stream's columns and load_id, sorted by (device, ts).

        Raises:
            DatabaseError: History has one of them after all: the live table does not match it.
        """
        self._grown = True
        table = self._partitions.table(day) if self._partitions else self._names["history"]
        statement = query("history.copy_history").format(**self._names, table=table)
        try:
            copy_in(self._conn, statement, readings, self._stream.history)
        except errors.UniqueViolation as error:
            raise DatabaseError(
                f"{self._stream.history} holds readings that {self._stream.live} does not know of",
                hint="something else wrote to these tables; bring the live table in line with history first",
            ) from error

    def make_room(self, days: Collection[date]) -> None:
        """Let readings of these days be inserted."""
        self._grown = self._grown or bool(days)
        if self._partitions:
            self._partitions.make(days)

    def settle(self) -> None:
        """Make everything that was appended part of history."""
        if self._partitions:
            self._grown = self._partitions.attach()

    def publish(self) -> None:
        """Let no reader plan between this and the commit, which must be next.

        A query that was planned before a partition or chunk was there and runs after it is committed would
        find the load in live and in the ledger, but not in history. Readers that are under way are waited
        for, but not for long, as new ones would wait behind us: then such a query may see what it may.
        """
        if self._dry_run or not self._grown:
            return
        for _ in range(_PUBLISH_TRIES):
            try:
                with self._conn.transaction():
                    limit_lock_wait(self._conn, _PUBLISH_WAIT_SECONDS)
                    self._conn.execute(query("history.hold_readers").format(**self._names))
                    return
            except errors.LockNotAvailable:
                continue


def lock(conn: Connection[Any], streams: Iterable[Stream], wait_seconds: float) -> None:
    """Take the streams' locks until the transaction ends, so that one load at a time plans against a history.

    Raises:
        LockHeldError: Another load held one of them for longer than ``wait_seconds``.
    """
    for stream in STREAMS:
        if stream not in streams:
            continue
        key = LOCK_KEY + 1 + STREAMS.index(stream)
        try:
            with conn.transaction():
                limit_lock_wait(conn, wait_seconds)
                conn.execute(query("history.lock_stream"), [key])
        except errors.LockNotAvailable:
            raise LockHeldError(
                f"another load is writing {stream.history}{_holder(conn, key)}",
                hint="run the same command again later, or wait longer with --lock-wait SECONDS",
            ) from None


def watermarks(conn: Connection[Any], stream: Stream) -> pl.DataFrame:
    """What history holds per device: device, first_ts, last_ts."""
    rows = conn.execute(query("history.watermarks").format(**names(stream))).fetchall()
    moment = pl.Datetime("us", "UTC")
    schema = {stream.device: pl.String(), "first_ts": moment, "last_ts": moment}
    return pl.DataFrame(rows, schema=schema, orient="row")


_ALWAYS_THERE = 500
"""Locks that any server has to spare; below, it need not be asked."""

_LOCKS_PER_DAY = {Flavour.POSTGRES: 5, Flavour.TIMESCALE_APACHE: 3, Flavour.TIMESCALE: 8}
"""A partition or chunk, its index and TOAST table; the columnstore doubles them."""


def check_lock_capacity(conn: Connection[Any], flavour: Flavour, days: int) -> None:
    """Refuse a dump that touches more days than the server has locks for, before it fails half-way.

    Raises:
        DatabaseError: It does.
    """
    needed = days * _LOCKS_PER_DAY[flavour]
    if needed < _ALWAYS_THERE:
        return
    row = conn.execute(query("history.lock_capacity")).fetchone()
    capacity = int(row[0]) if row else 0
    if needed > capacity // 2:
        raise DatabaseError(
            f"the dump touches {days} days, about {needed} locks; the server has {capacity}",
            hint="cut the dump by time, or raise max_locks_per_transaction on the server",
        )


def _holder(conn: Connection[Any], key: int) -> str:
    row = conn.execute(query("history.lock_holder"), [key]).fetchone()
    if row is None:
        return ""
    pid, application, host, since = row
    started: datetime | None = since
    at = f" since {started:%Y-%m-%d %H:%M:%S} UTC" if started else ""
    return f" ({application or 'unnamed'}, server process {pid}, from {host}{at})"
