"""The live tables: each device's newest reading, moved forward by a load, never back.

Expects the transaction of the load, after its readings are in history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energy_etl.db.history import names
from energy_etl.db.sql import query
from energy_etl.frames.copy_binary import encode

if TYPE_CHECKING:
    import polars as pl
    from psycopg import Connection

    from energy_etl.streams import Stream


def advance(
    conn: Connection[Any], stream: Stream, newest: pl.DataFrame | None, load_id: int, *, restated: bool
) -> None:
    """Let live follow what a load added to history.

    Args:
        conn: In the load's transaction.
        stream: Which.
        newest: The stream's columns and first_ts: the newest reading the load added per device, and the
            oldest ts it added; None if it added none.
        load_id: Of the load.
        restated: The load replaced stored values, newest readings perhaps among them.
    """
    fill = names(stream)
    if newest is not None:
        conn.execute(query("live.create_newest").format(**fill))
        with conn.cursor() as cursor, cursor.copy(query("live.copy_newest").format(**fill)) as copy:
            for piece in encode(newest.select(*stream.columns, "first_ts")):
                copy.write(piece)
        conn.execute(query("live.advance").format(**fill), {"load_id": load_id})
        conn.execute(query("live.extend_back").format(**fill))
    if restated:
        conn.execute(query("live.restate").format(**fill))
