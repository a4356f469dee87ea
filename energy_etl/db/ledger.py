"""The ledger: which dumps are in, with their counts; and the rows of them that are not.

A dump's ledger row is the first thing its transaction writes and the last it completes, so the row is there
exactly when the readings are. A unique index on the content makes a second loader of the same bytes wait for
the first and then find them loaded, which also answers a connection lost during COMMIT: try again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from energy_etl import __version__
from energy_etl.db.session import LockHeldError, limit_lock_wait
from energy_etl.db.sql import query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a dump before it is read."""

    source: str
    sha256: str
    bytes: int
    format: str


class Rejects:
    """Where a load's rejects go: the reject table, or a temporary one in a dry run."""

    def __init__(self, conn: Connection[Any], load_id: int, *, dry_run: bool = False) -> None:
        self._conn = conn
        self._load_id = load_id
        self._names = {"reject": sql.Identifier("dry_reject" if dry_run else "reject")}
        if dry_run:
            conn.execute(query("ledger.create_dry_reject").format(**self._names))

    def add(self, rejects: pl.DataFrame) -> None:
        """Store rejects: row_number, stream, rule, detail, raw (JSON text)."""
        if rejects.is_empty():
            return
        load_id = pl.lit(self._load_id).alias("load_id")
        frame = rejects.select(load_id, "row_number", "stream", "rule", "detail", "raw")
        with self._conn.cursor() as cursor, cursor.copy(self._format("copy_rejects")) as copy:
            copy.write(frame.write_csv(include_header=False))

    def counts(self) -> dict[tuple[str | None, str], int]:
        """Rejects by (stream, rule), most frequent first; conflicting readings included."""
        rows = self._conn.execute(self._format("count_rejects"), [self._load_id]).fetchall()
        return {(stream or None, rule): count for stream, rule, count in rows}

    def export(self, path: Path) -> None:
        """Write row_number, stream, rule, detail and raw as CSV rows (no header) to a file."""
        statement = self._format("export_rejects", load_id=sql.Literal(self._load_id))
        with path.open("wb") as file, self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in copy:
                file.write(piece)

    def _format(self, statement: str, **names: sql.Composable) -> sql.Composed:
        return query(f"ledger.{statement}").format(**self._names, **names)


def find_loaded(conn: Connection[Any], sha256: str) -> tuple[int, datetime] | None:
    """The load that these bytes came in with, and when; None if they did not."""
    return conn.execute(query("ledger.find_loaded"), [sha256]).fetchone()


def claim(conn: Connection[Any], entry: Entry, options: Mapping[str, Any], wait_seconds: float) -> int | None:
    """Open the dump's ledger row: its load_id, or None where the same bytes are loaded already.

    Raises:
        LockHeldError: Another process has been loading the same bytes for longer than ``wait_seconds``.
    """
    try:
        with conn.transaction():
            limit_lock_wait(conn, wait_seconds)
            values = {**asdict(entry), "options": Jsonb(dict(options)), "version": __version__}
            row = conn.execute(query("ledger.claim"), values).fetchone()
    except errors.LockNotAvailable:
        raise LockHeldError(
            f"{entry.source}: another process is loading the same content",
            hint="run the same command again later, or wait longer with --lock-wait SECONDS",
        ) from None
    return row[0] if row else None


def finish(conn: Connection[Any], load_id: int, counts: Mapping[str, Any]) -> None:
    """Complete the ledger row; the transaction is committed next."""
    conn.execute(query("ledger.finish"), {"load_id": load_id, "counts": Jsonb(dict(counts))})


def record_failure(
    conn: Connection[Any],
    entry: Entry,
    started_at: datetime,
    options: Mapping[str, Any],
    counts: Mapping[str, Any],
    error: str,
) -> None:
    """Note a dump that was refused, for whoever looks at `loads` in the morning. In its own transaction."""
    values = {
        **asdict(entry),
        "started_at": started_at,
        "counts": Jsonb(dict(counts)),
        "options": Jsonb(dict(options)),
        "error": error,
        "version": __version__,
    }
    conn.execute(query("ledger.record_failure"), values)
