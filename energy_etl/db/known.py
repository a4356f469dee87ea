"""Asks history for readings by their checksum: which it holds, without sending them.

The checksums are those of ``frames.checksum``. Expects the transaction of the load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

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
        self._names = names(stream)
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

    def of_loads(self, load_ids: Sequence[int], oldest: datetime, newest: datetime) -> pl.DataFrame:
        """What loads have stored between two moments: device, readings, checksum."""
        values = {"load_ids": list(load_ids), "oldest": oldest, "newest": newest}
        rows = self._conn.execute(query("known.of_loads").format(**self._names), values).fetchall()
        schema = {self._stream.device: pl.String, "readings": pl.Int64, "checksum": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _do(self, statement: str) -> None:
        self._conn.execute(query(f"known.{statement}").format(**self._names))
