"""The rows of dumps that are not loaded, stored with their reason. Expects the transaction of the load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from psycopg import sql

from energy_etl.db.sql import query
from energy_etl.db.tables import reject_table

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

    from energy_etl.outcome import Rules


class Rejects:
    """Where rejects go: the reject table, or a temporary one in a dry run."""

    def __init__(self, conn: Connection[Any], *, dry_run: bool = False) -> None:
        self._conn = conn
        self._names = {"reject": reject_table(dry_run=dry_run)}
        if dry_run:
            conn.execute(self._format("create_dry"))

    def add(self, load_id: int, rejects: pl.DataFrame) -> None:
        """Store rejects: row_number, stream, rule, detail, raw (JSON text)."""
        if rejects.is_empty():
            return
        load = pl.lit(load_id).alias("load_id")
        lines = rejects.select(load, "row_number", "stream", "rule", "detail", "raw")
        with self._conn.cursor() as cursor, cursor.copy(self._format("copy")) as copy:
            copy.write(lines.write_csv(include_header=False))

    def counts(self, load_id: int) -> Rules:
        """A load's rejects by (stream, rule), most frequent first; conflicting readings included."""
        rows = self._conn.execute(self._format("count"), [load_id]).fetchall()
        return {(stream or None, rule): count for stream, rule, count in rows}

    def export(self, load_id: int, path: Path) -> None:
        """Write row_number, stream, rule, detail and raw as CSV rows (no header) to a file."""
        statement = self._format("export", load_id=sql.Literal(load_id))
        with path.open("wb") as file, self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in copy:
                file.write(piece)

    def _format(self, statement: str, **names: sql.Composable) -> sql.Composed:
        return query(f"rejects.{statement}").format(**self._names, **names)
