"""Readings into history: straight in where they cannot exist yet, compared first where they may.

Expects the transaction of the load, opened by the caller, who commits. Rows arrive as binary COPY streams;
every count is the server's own, compared with what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from psycopg import errors, sql

from energy_etl.db.schema import LOCK_KEY, Flavour
from energy_etl.db.session import LockHeldError, limit_lock_wait
from energy_etl.db.sql import query
from energy_etl.errors import ConservationError, DatabaseError
from energy_etl.frames.copy_binary import encode
from energy_etl.streams import STREAMS, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from psycopg import Connection

WATERMARK_SCHEMA = {
    "first_ts": pl.Datetime("us", "UTC"),
    "last_ts": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Late:
    """What became of readings that might have existed."""

    loaded: int = 0
    duplicate: int = 0
    conflicting: int = 0
    replaced: int = 0
    """Stored readings that were restated; 0 unless asked for."""


class History:
    """One stream's history, as one load writes it."""

    def __init__(self, conn: Connection[Any], stream: Stream, load_id: int, *, dry_run: bool = False) -> None:
        """Set up the load's temporary tables.

        Args:
            conn: In the load's transaction, holding the stream's lock.
            stream: Which.
            load_id: Written with every reading.
            dry_run: Compare with history, write to temporary tables only.
        """
        self._conn = conn
        self._stream = stream
        self._load_id = load_id
        self._names = names(stream, dry_run=dry_run)
        self._has_late_table = False
        if dry_run:
            self._do("create_dry_history")
            self._do("create_dry_stored")

    def append(self, readings: pl.DataFrame) -> None:
        """Add readings that history cannot have yet.

        Args:
            readings: The stream's columns, sorted by (device, ts).

        Raises:
            DatabaseError: History has one of them after all: the live table does not match it.
        """
        frame = readings.select(*self._stream.columns, load_id=pl.lit(self._load_id, pl.Int32))
        try:
            self._copy("copy_history", encode(frame), frame.height)
        except errors.UniqueViolation as error:
            raise DatabaseError(
                f"{self._stream.history} holds readings that {self._stream.live} does not know of",
                hint="something else wrote to these tables; bring the live table in line with history first",
            ) from error

    def reconcile(self, late: pl.DataFrame, *, replace: bool) -> Late:
        """Compare readings with history; add the new ones, report those with other values.

        Args:
            late: row_number and the stream's columns, in any order, repetitions allowed.
            replace: Conflicting readings restate the stored ones, the last row of the file winning.
        """
        if not self._has_late_table:
            self._do("create_late")
            self._has_late_table = True
        self._copy("copy_late", encode(late.select("row_number", *self._stream.columns)), late.height)
        self._do("analyze_late")
        bounds = {
            "oldest": late["ts"].min(),
            "newest": late["ts"].max(),
            "load_id": self._load_id,
            "stream": self._stream.name,
        }
        row = self._conn.execute(query("history.compare_late").format(**self._names), bounds).fetchone()
        new, same = row if row else (0, 0)
        outcome = Late(duplicate=same)
        if same < late.height:
            outcome = self._take(late.height, new, bounds, replace=replace)
        self._do("clear_late")
        return outcome

    def _take(self, rows: int, new: int, bounds: dict[str, Any], *, replace: bool) -> Late:
        loaded = self._do("insert_late", bounds) if new else 0
        conflicting = self._do("report_restated" if replace else "report_conflicts", bounds)
        replaced = self._do("restate", bounds) if replace and conflicting else 0
        return Late(loaded, rows - loaded - conflicting, conflicting, replaced)

    def _copy(self, statement: str, pieces: Iterable[bytes], rows: int) -> None:
        with self._conn.cursor() as cursor:
            with cursor.copy(query(f"history.{statement}").format(**self._names)) as copy:
                for piece in pieces:
                    copy.write(piece)
            if cursor.rowcount != rows:
                table = self._stream.history
                raise ConservationError(
                    f"{rows} readings were sent to {table}, the server stored {cursor.rowcount}"
                )

    def _do(self, statement: str, values: dict[str, Any] | None = None) -> int:
        return self._conn.execute(query(f"history.{statement}").format(**self._names), values).rowcount


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


def prepare(conn: Connection[Any], flavour: Flavour) -> None:
    """Settings of a load's transaction; none of them touches durability."""
    conn.execute("SELECT set_config('work_mem', '128MB', true)")
    if flavour is Flavour.TIMESCALE:
        for name, value in _COLUMNSTORE_SETTINGS.items():
            conn.execute("SELECT set_config(%s, %s, true)", [name, value])


_COLUMNSTORE_SETTINGS = {
    "timescaledb.enable_direct_compress_copy": "on",
    # Every COPY is sorted by (device, ts) and overlaps no earlier one of the device: Watermarks sees to it.
    "timescaledb.enable_direct_compress_copy_client_sorted": "on",
    "timescaledb.max_tuples_decompressed_per_dml_transaction": "0",
}


def watermarks(conn: Connection[Any], stream: Stream) -> pl.DataFrame:
    """What history holds per device: device, first_ts, last_ts."""
    rows = conn.execute(query("history.watermarks").format(**names(stream))).fetchall()
    return pl.DataFrame(rows, schema={stream.device: pl.String, **WATERMARK_SCHEMA}, orient="row")


_ALWAYS_THERE = 500
"""Locks that any server has to spare; below, it need not be asked."""

_LOCKS_PER_DAY = {Flavour.POSTGRES: 3, Flavour.TIMESCALE_APACHE: 3, Flavour.TIMESCALE: 8}
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


def names(stream: Stream, *, dry_run: bool = False) -> dict[str, sql.Composable]:
    """What the braces in history.sql and live.sql stand for."""
    permanent = sql.Identifier(stream.history)
    device = sql.Identifier(stream.device)
    measures = [sql.Identifier(name) for name in stream.measures]

    def each(pattern: str, separator: str = ", ") -> sql.Composed:
        parts = [sql.SQL(pattern).format(m=m, name=sql.Literal(m._obj[0])) for m in measures]
        return sql.SQL(separator).join(parts)

    return {
        "permanent": permanent,
        "history": sql.Identifier(f"dry_{stream.history}") if dry_run else permanent,
        "stored": sql.Identifier(f"dry_{stream.name}_stored") if dry_run else permanent,
        "reject": sql.Identifier("dry_reject" if dry_run else "reject"),
        "live": sql.Identifier(stream.live),
        "newest": sql.Identifier(f"newest_{stream.name}"),
        "late": sql.Identifier(f"late_{stream.name}"),
        "device": device,
        "columns": sql.SQL(", ").join([device, sql.Identifier("ts"), *measures]),
        "late_columns": sql.SQL("l.{}, l.ts, ").format(device) + each("l.{m}"),
        "same": each("l.{m} IS NOT DISTINCT FROM h.{m}", " AND "),
        "same_as_previous": each("l.{m} IS NOT DISTINCT FROM lag(l.{m}) OVER reading", " AND "),
        "assignments": each("{m} = l.{m}"),
        "excluded_assignments": each("{m} = EXCLUDED.{m}"),
        "restated_assignments": each("{m} = h.{m}"),
        "stored_values": each("{name} || ' ' || coalesce(h.{m}::text, 'null')"),
    }
