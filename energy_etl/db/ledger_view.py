"""The ledger for display: what was loaded, with which counts, and which rows were not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from energy_etl.db.sql import query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

FIRST_REJECTS = 20
"""Enough to see what is wrong with a dump; all of them are in the table ``reject``."""


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """What became of one stream's rows: read = loaded + duplicate + conflicting + rejected."""

    stream: str
    """``meter``, ``vehicle`` or ``unassigned``."""
    read: int = 0
    loaded: int = 0
    duplicate: int = 0
    conflicting: int = 0
    rejected: int = 0
    replaced: int = 0
    min_ts: datetime | None = None
    """Oldest and newest timestamp of the stream's valid rows."""
    max_ts: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoadEntry:
    """One dump in the ledger."""

    load_id: int
    source: str
    sha256: str
    bytes: int
    format: str
    status: str
    """``loaded`` or ``failed``; ``loading`` is never seen outside its own transaction."""
    started_at: datetime
    finished_at: datetime | None
    streams: tuple[StreamCounts, ...]
    options: Mapping[str, Any]
    error: str | None
    version: str

    def total(self, count: str) -> int:
        """Sum over the streams of one count, by its name in :class:`StreamCounts`."""
        return sum(getattr(stream, count) for stream in self.streams)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that is not in history, and why."""

    stream: str | None
    row_number: int
    rule: str
    detail: str
    raw: Any
    """The values as read."""
    resolved_by: int | None = None
    """The retry that the row passed in."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many rows of a stream broke a rule."""

    stream: str | None
    rule: str
    rejects: int
    open: int
    """Those of them that are still to be acted on."""


@dataclass(frozen=True, slots=True)
class LoadDetail:
    """A dump with its rejects."""

    entry: LoadEntry
    rules: tuple[RuleCount, ...]
    """Most frequent first."""
    rejects: tuple[RejectedRow, ...]
    """The first of the file, see :data:`FIRST_REJECTS`."""

    @property
    def rejects_total(self) -> int:
        """All rejects, shown or not."""
        return sum(rule.rejects for rule in self.rules)

    @property
    def rejects_open(self) -> int:
        """Those of them that are still to be acted on."""
        return sum(rule.open for rule in self.rules)


@dataclass(frozen=True, slots=True)
class LoadPage:
    """Some of the ledger, newest load first."""

    rows: list[LoadEntry]
    total: int
    """Loads there are, shown or not."""


def newest_loads(conn: Connection[Any], limit: int | None = None) -> LoadPage:
    """The newest entries of the ledger; all of them without a limit."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("ledger_view.newest"), {"limit": limit}).fetchall()
    total = rows[0]["total"] if rows else 0
    return LoadPage([_entry(row) for row in rows], total)


def load_detail(conn: Connection[Any], load_id: int) -> LoadDetail | None:
    """One entry with its rejects; None if there is no such load."""
    wanted = {"load_id": load_id, "limit": FIRST_REJECTS}
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("ledger_view.one"), wanted).fetchone()
    if row is None:
        return None
    rules = conn.execute(query("ledger_view.rejects_by_rule"), wanted).fetchall()
    rejects = conn.execute(query("ledger_view.first_rejects"), wanted).fetchall()
    return LoadDetail(
        _entry(row),
        tuple(RuleCount(*columns) for columns in rules),
        tuple(RejectedRow(*columns) for columns in rejects),
    )


def _entry(row: Mapping[str, Any]) -> LoadEntry:
    columns = {key: value for key, value in row.items() if key not in ("total", "counts")}
    streams = tuple(_stream_counts(stream, counts) for stream, counts in row["counts"].items())
    return LoadEntry(**columns, streams=streams)


def _stream_counts(stream: str, recorded: Mapping[str, Any]) -> StreamCounts:
    values = {name: recorded[name] for name in StreamCounts.__dataclass_fields__ if name in recorded}
    for name in ("min_ts", "max_ts"):
        if values.get(name):
            values[name] = datetime.fromisoformat(values[name])
    return StreamCounts(stream, **values)
