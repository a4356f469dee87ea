"""Asks history for readings by their checksum: whether it holds them, without sending them.

The checksums are those of ``frames.checksum``. Expects the transaction of the load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from psycopg import sql

from energy_etl.db.copying import copy_in
from energy_etl.db.sql import query
from energy_etl.db.tables import names
from energy_etl.frames.copy_binary import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import Connection

    from energy_etl.streams import Stream


class Known:
    """One stream's history, asked by checksum."""

    def __init__(self, conn: Connection[Any], stream: Stream) -> None:
        self._conn = conn
        self._stream = stream
        self._names = {**names(stream), "hash": reading_hash(stream, conn.info.server_version)}
        self._has_table = False

    def devices(self, checksums: pl.DataFrame) -> pl.Series:
        """The devices of which history holds exactly these readings, and no other between them.

        Args:
            checksums: As ``checksum.by_device``, a row per device.
        """
        self._do("clear" if self._has_table else "create")
        self._has_table = True
        columns = (self._stream.device, "first_ts", "last_ts", "readings", "checksum")
        statement = query("known.copy").format(**self._names)
        copy_in(self._conn, statement, encode(checksums.select(columns)), "a temporary table")
        self._do("analyze")
        bounds = {"oldest": checksums["first_ts"].min(), "newest": checksums["last_ts"].max()}
        rows = self._conn.execute(query("known.matching").format(**self._names), bounds).fetchall()
        return pl.Series(self._stream.device, [device for (device,) in rows], dtype=pl.String)

    def of_loads(self, load_ids: Sequence[int], oldest: datetime, newest: datetime) -> tuple[int, int]:
        """How many readings loads have stored between two moments, and their checksum."""
        values = {"load_ids": list(load_ids), "oldest": oldest, "newest": newest}
        row = self._conn.execute(query("known.of_loads").format(**self._names), values).fetchone()
        readings, checksum = row or (0, 0)
        return readings, checksum or 0

    def _do(self, statement: str) -> None:
        self._conn.execute(query(f"known.{statement}").format(**self._names))


_HASHES_TIMESTAMPTZ = 18_00_00
"""Servers from this version on hash a timestamptz as it is; others need it converted first, which takes as
long as its hash."""


def reading_hash(stream: Stream, server_version: int) -> sql.Composable:
    """The hash of a stored reading, as ``frames.checksum`` computes it; the session speaks UTC."""
    by_itself = server_version >= _HASHES_TIMESTAMPTZ
    of_moment = "timestamptz_hash_extended(h.ts" if by_itself else "timestamp_hash_extended(h.ts::timestamp"
    device = sql.Identifier(stream.device)
    chained: sql.Composable = sql.SQL("{}, hashtextextended(h.{}, 0))").format(sql.SQL(of_moment), device)
    for number, measure in enumerate(stream.floats, start=1):
        value = sql.SQL("coalesce(h.{}, 'NaN')").format(sql.Identifier(measure))
        chained = sql.SQL("hashfloat8extended({}, {} # {})").format(value, chained, sql.Literal(number))
    return chained
