"""Waiting for sessions that wait for a lock: what a test needs to act while a command is under way."""

from __future__ import annotations

import time

import psycopg

_WAITING = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND NOT l.granted
"""


def wait_for_waiters(address: str, count: int = 1) -> None:
    """Return once so many sessions of the database wait for a lock; asked again and again, as nothing tells.

    Raises:
        TimeoutError: They do not within a minute.
    """
    deadline = time.monotonic() + 60
    with psycopg.connect(address, autocommit=True) as conn:
        while True:
            row = conn.execute(_WAITING).fetchone()
            if row and row[0] >= count:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{row} of {count} sessions wait for a lock")
