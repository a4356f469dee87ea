"""What a database holds: server, schema, sizes, and how fresh each stream is. Says nothing secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from energy_etl.db import schema
from energy_etl.db.schema import Flavour
from energy_etl.db.sql import query

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg import Connection

_HISTORY = ["meter_history", "vehicle_history"]
_TABLES = ["meter_live", "vehicle_live", "vehicle_meter_link", "load", "reject"]


@dataclass(frozen=True, slots=True)
class TableSize:
    """How large a table is."""

    name: str
    bytes: int
    """Indexes and compressed data included."""
    parts: int | None
    """Partitions or chunks; None for a table without."""
    rows: int
    """The server's estimate."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far a stream reaches."""

    stream: str
    """``meter`` or ``vehicle``."""
    devices: int
    oldest_ts: datetime | None
    newest_ts: datetime | None


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What ``db status`` shows."""

    database: str
    server_version: str
    flavour: Flavour
    """That of the schema; before there is one, that of the server."""
    extension_version: str | None
    """TimescaleDB's, where the extension is there."""
    schema_version: int | None
    """None before ``db init``; there are no tables and streams then."""
    schema_latest: int
    """The version this release brings."""
    tables: tuple[TableSize, ...]
    streams: tuple[StreamState, ...]


def status(conn: Connection[Any]) -> DatabaseStatus:
    """Look at a database, with or without the schema.

    Raises:
        DatabaseError: TimescaleDB is too old to tell.
    """
    [(database, server_version, extension_version)] = conn.execute(query("status.server")).fetchall()
    found = schema.current(conn)
    flavour = found.flavour if found else schema.detect(conn)
    return DatabaseStatus(
        database=database,
        server_version=server_version,
        flavour=flavour,
        extension_version=extension_version,
        schema_version=found.version if found else None,
        schema_latest=schema.latest_version(flavour),
        tables=_tables(conn, flavour) if found else (),
        streams=_streams(conn) if found else (),
    )


def _tables(conn: Connection[Any], flavour: Flavour) -> tuple[TableSize, ...]:
    of_history = "status.tables" if flavour is Flavour.POSTGRES else "status.hypertables"
    rows = conn.execute(query(of_history), {"tables": _HISTORY}).fetchall()
    rows += conn.execute(query("status.tables"), {"tables": _TABLES}).fetchall()
    return tuple(TableSize(*row) for row in rows)


def _streams(conn: Connection[Any]) -> tuple[StreamState, ...]:
    return tuple(StreamState(*row) for row in conn.execute(query("status.streams")).fetchall())
