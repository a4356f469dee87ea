"""What a database holds, as table, JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from energy_etl.present import cells
from energy_etl.present.output import Format, camel, write_json, write_record, write_table
from energy_etl.present.tables import Column

if TYPE_CHECKING:
    from energy_etl.db.status import DatabaseStatus

SCHEMA_VERSION = 1
"""Of the JSON document, not of the database."""

_STREAMS = (
    Column("stream", "Stream"),
    Column("devices", "Devices", cells.count, right=True),
    Column("oldest_ts", "Oldest reading"),
    Column("newest_ts", "Newest reading"),
)
_TABLES = (
    Column("name", "Table"),
    Column("bytes", "Size", cells.size, right=True),
    Column("parts", "Parts", cells.count, right=True),
    Column("rows", "Rows, about", cells.count, right=True),
)


def write_status(
    state: DatabaseStatus, output: Format, *, server: str, layout: str, width: int | None = None
) -> None:
    """Write a database's status; CSV has the tables only.

    Args:
        state: What was found.
        output: The format.
        server: The address without a password.
        layout: The flavour in words.
        width: Characters per line of the tables; by default the terminal's.
    """
    if output is Format.JSON:
        write_json(_document(state, server))
        return
    if output is Format.TABLE:
        write_record(_fields(state, server, layout), width=width)
        if state.schema_version is None:
            return
        streams = [tuple(asdict(stream).values()) for stream in state.streams]
        write_table(_STREAMS, streams, output=output, title="Streams", width=width)
    tables = [tuple(asdict(table).values()) for table in state.tables]
    title = "Tables" if output is Format.TABLE else None
    write_table(_TABLES, tables, output=output, title=title, width=width)


def _fields(state: DatabaseStatus, server: str, layout: str) -> list[tuple[str, str]]:
    extension = f", TimescaleDB {state.extension_version}" if state.extension_version else ""
    return [
        ("Server", cells.visible(server)),
        ("Database", cells.visible(state.database)),
        ("Version", f"PostgreSQL {state.server_version}{extension}"),
        ("Layout", layout),
        ("Schema", _schema(state)),
    ]


def _schema(state: DatabaseStatus) -> str:
    if state.schema_version is None:
        return "none yet; `energy-etl db init` or the first ingest makes it"
    if state.schema_version < state.schema_latest:
        return f"version {state.schema_version}; `energy-etl db init` brings version {state.schema_latest}"
    return f"version {state.schema_version}"


def _document(state: DatabaseStatus, server: str) -> dict[str, Any]:
    return {
        "schemaVersion": SCHEMA_VERSION,
        "server": server,
        "database": state.database,
        "serverVersion": state.server_version,
        "flavour": state.flavour,
        "extensionVersion": state.extension_version,
        "databaseSchemaVersion": state.schema_version,
        "databaseSchemaLatest": state.schema_latest,
        "streams": [{camel(key): value for key, value in asdict(stream).items()} for stream in state.streams],
        "tables": [asdict(table) for table in state.tables],
    }
