"""The ledger: which dumps are in, with their counts.

A dump's ledger row is the first thing its transaction writes and the last it completes, so the row is there
exactly when the readings are. A unique index on the content makes a second loader of the same bytes wait for
the first and then find them loaded, which also answers a connection lost during COMMIT: try again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from psycopg import errors
from psycopg.types.json import Jsonb

from energy_etl import __version__
from energy_etl.db.session import LockHeldError, limit_lock_wait
from energy_etl.db.sql import query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from psycopg import Connection

    from energy_etl.outcome import Entry


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


def finish(
    conn: Connection[Any], load_id: int, counts: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Complete the ledger row; the transaction is committed next.

    Args:
        conn: In the load's transaction.
        load_id: Which.
        counts: By stream.
        options: What was known at its beginning, and what was found out since: how it was read and stored.
    """
    values = {"load_id": load_id, "counts": Jsonb(dict(counts)), "options": Jsonb(dict(options))}
    conn.execute(query("ledger.finish"), values)


def release(conn: Connection[Any], load_id: int) -> None:
    """Take back a claim in the transaction that made it."""
    conn.execute(query("ledger.release"), [load_id])


def record_failure(
    conn: Connection[Any],
    entry: Entry,
    started_at: datetime,
    options: Mapping[str, Any],
    counts: Mapping[str, Any],
    error: str,
) -> None:
    """Note a dump that was refused, for whoever looks at `loads` in the morning.

    Args:
        conn: In autocommit, or in the transaction of other dumps.
        entry: Which.
        started_at: When the run met it: what is noted of it again, as its load is tried again, is the same.
        options: How it was to be loaded.
        counts: By stream, as far as it was read.
        error: Why.
    """
    values = {
        **asdict(entry),
        "started_at": started_at,
        "counts": Jsonb(dict(counts)),
        "options": Jsonb(dict(options)),
        # A header is quoted as it is, and the server stores no NUL.
        "error": error.replace("\x00", "␀"),
        "version": __version__,
    }
    conn.execute(query("ledger.record_failure"), values)
