"""The live tables: each device's newest reading, moved forward by a load, never back.

Expects the transaction of the load, after its readings are in history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energy_etl.db.copying import copy_in
from energy_etl.db.sql import query
from energy_etl.db.tables import names
from energy_etl.frames.copy_binary import encode

if TYPE_CHECKING:
    import polars as pl
    from psycopg import Connection

    from energy_etl.streams import Stream


def advance(conn: Connection[Any], stream: Stream, newest: pl.DataFrame | None, *, restated: bool) -> None:
    """Let live follow what a load added to history.

    Args:
        conn: In the load's transaction.
        stream: Which.
        newest: The stream's columns, load_id and first_ts: the newest reading added per device, and the
            oldest ts added; None if there is none.
        restated: The load replaced stored values, newest readings perhaps among them.
    """
    fill = names(stream)
    if newest is not None:
        conn.execute(query("live.create_newest").format(**fill))
        rows = encode(newest.select(*stream.stored, "load_id", "first_ts"))
        copy_in(conn, query("live.copy_newest").format(**fill), rows, "a temporary table")
        conn.execute(query("live.advance").format(**fill))
        conn.execute(query("live.extend_back").format(**fill))
    if restated:
        conn.execute(query("live.restate").format(**fill))
