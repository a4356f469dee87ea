"""COPY into a table, and the server's word on how many rows arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energy_etl.errors import ConservationError

if TYPE_CHECKING:
    from psycopg import Connection, sql

    from energy_etl.frames.copy_binary import Encoded


def copy_in(conn: Connection[Any], statement: sql.Composed, rows: Encoded, table: str) -> None:
    """Send rows.

    Args:
        conn: In a transaction.
        statement: ``COPY … FROM STDIN (FORMAT binary)``.
        rows: What to send.
        table: Named in the error.

    Raises:
        ConservationError: The server counted other than we did.
    """
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for piece in rows.pieces:
                copy.write(piece)
        if cursor.rowcount != rows.rows:
            raise ConservationError(
                f"{rows.rows} rows were sent to {table}, the server took {cursor.rowcount}"
            )
