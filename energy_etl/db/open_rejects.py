"""Rejects that are still to be acted on: the rows, their counts, and the fields they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from energy_etl.db.sql import query
from energy_etl.errors import UsageError
from energy_etl.streams import SOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection, sql

    from energy_etl.selection import Grouping, Selection

UNREAD_FIELD = "line"
"""The only field of a row that could not be read as one: its text."""

FETCHED_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class OpenReject:
    """A row that is not in history, why, and where it came from."""

    reject_id: int
    load_id: int
    source: str
    row_number: int
    stream: str | None
    rule: str
    detail: str
    raw: dict[str, Any]
    """The values as read; when exported, all of them text."""


def matching() -> sql.SQL:
    """The condition on a reject r and its load l; its parameters are ``Selection.values``."""
    return _query("matching")


def check(conn: Connection[Any], selection: Selection) -> None:
    """Make sure that what is asked for can be there.

    Raises:
        UsageError: There is no such load.
    """
    load_id = selection.load_id
    if load_id is not None and conn.execute(_query("has_load"), [load_id]).fetchone() is None:
        raise UsageError(f"there is no load {load_id}", hint="`energy-etl loads` lists those there are")


def count(conn: Connection[Any], selection: Selection) -> int:
    """How many there are."""
    row = conn.execute(_query("count").format(matching=matching()), selection.values()).fetchone()
    return row[0] if row else 0


def rows(conn: Connection[Any], selection: Selection, limit: int | None = None) -> Iterator[OpenReject]:
    """The rejects: the newest load's first, then as they stand in the file; in bounded memory."""
    return _streamed(conn, "list", selection, limit)


def exported(conn: Connection[Any], selection: Selection, limit: int | None = None) -> Iterator[OpenReject]:
    """The same with every value as text."""
    return _streamed(conn, "export", selection, limit)


def counts(
    conn: Connection[Any], selection: Selection, by: Grouping, limit: int | None = None
) -> list[tuple[Any, ...]]:
    """How many there are, the most first: columns as ``open_rejects.by_…`` has them."""
    statement = _query(f"by_{by}").format(matching=matching())
    return conn.execute(statement, selection.values() | {"limit": limit}).fetchall()


def fields(conn: Connection[Any], selection: Selection) -> list[str]:
    """The names of all raw fields, those that every dump has first."""
    found = {
        name for (name,) in conn.execute(_query("fields").format(matching=matching()), selection.values())
    }
    known = [name for name in SOURCE_COLUMNS if name in found]
    return [*known, *sorted(found.difference(known, [UNREAD_FIELD])), *(found & {UNREAD_FIELD})]


def _streamed(
    conn: Connection[Any], statement: str, selection: Selection, limit: int | None
) -> Iterator[OpenReject]:
    values = selection.values() | {"limit": limit}
    with conn.transaction(), conn.cursor(name="rejects") as cursor:
        cursor.itersize = FETCHED_ROWS
        for row in cursor.execute(_query(statement).format(matching=matching()), values):
            yield OpenReject(*row)


def _query(name: str) -> sql.SQL:
    return query(f"open_rejects.{name}")
