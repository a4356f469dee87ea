"""The ledger as table, JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from energy_etl.present import cells
from energy_etl.present.output import (
    Format,
    camel,
    write_json,
    write_json_list,
    write_record,
    write_table,
)
from energy_etl.present.rejects import raw_values
from energy_etl.present.tables import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energy_etl.db.ledger_view import LoadDetail, LoadEntry, StreamCounts

SCHEMA_VERSION = 1
"""Of the JSON document of one load."""

_COUNTS = ("read", "loaded", "duplicate", "conflicting", "rejected")

_LIST = (
    Column("load_id", "Load", right=True),
    Column("status", "Status"),
    Column("started_at", "Started", cells.second),
    Column("finished_at", "Finished", cells.second),
    *(Column(name, name.title(), cells.count, right=True) for name in _COUNTS),
    Column("source", "Source"),
    Column("format", "Format"),
    Column("bytes", "Bytes"),
    Column("sha256", "SHA-256"),
    Column("error", "Error"),
    Column("version", "Version"),
)
_IN_TABLE = ("load_id", "status", "started_at", *_COUNTS, "source")
_STREAMS = (
    Column("stream", "Stream"),
    *(Column(name, name.title(), cells.count, right=True) for name in (*_COUNTS, "replaced")),
    Column("min_ts", "Oldest"),
    Column("max_ts", "Newest"),
)
_RULES = (
    Column("stream", "Stream"),
    Column("rule", "Rule"),
    Column("rejects", "Rejects", cells.count, right=True),
    Column("open", "Open", cells.count, right=True),
)


_REJECTS = (
    Column("row_number", "Row", right=True),
    Column("stream", "Stream"),
    Column("rule", "Rule"),
    Column("detail", "Detail"),
    Column("resolved_by", "Resolved by", right=True),
    Column("raw", "As read", raw_values),
)


def write_loads(loads: Sequence[LoadEntry], output: Format, *, width: int | None = None) -> None:
    """Write the ledger's entries; table and CSV sum the counts over the streams, JSON has them apart."""
    if output is Format.JSON:
        write_json_list(_document(load) for load in loads)
        return
    columns = [column for column in _LIST if output is Format.CSV or column.key in _IN_TABLE]
    rows = ([_listed(load, column.key) for column in columns] for load in loads)
    write_table(columns, rows, output=output, width=width)


def write_load(detail: LoadDetail, output: Format, *, width: int | None = None) -> None:
    """Write one entry: its counts per stream, its rejects by rule, and the first of them.

    CSV has the counts only, a row per stream.
    """
    load = detail.entry
    if output is Format.JSON:
        write_json(_detail_document(detail))
        return
    if output is Format.TABLE:
        write_record(_fields(detail), width=width)
    title = "Readings" if output is Format.TABLE else None
    write_table(
        _STREAMS, [_stream_row(counts) for counts in load.streams], output=output, title=title, width=width
    )
    if output is Format.TABLE and detail.rules:
        rules = [(rule.stream, rule.rule, rule.rejects, rule.open) for rule in detail.rules]
        write_table(_RULES, rules, output=output, title="Rejects by rule", width=width)
        rejects = [[getattr(row, column.key) for column in _REJECTS] for row in detail.rejects]
        title = f"Rejects, {len(rejects):,} of {detail.rejects_total:,}"
        write_table(_REJECTS, rejects, output=output, title=title, width=width)


def _listed(load: LoadEntry, key: str) -> object:
    return load.total(key) if key in _COUNTS else getattr(load, key)


def _stream_row(counts: StreamCounts) -> list[Any]:
    return [getattr(counts, column.key) for column in _STREAMS]


def _fields(detail: LoadDetail) -> list[tuple[str, str]]:
    load = detail.entry
    fields = [
        ("Load", str(load.load_id)),
        ("Source", cells.visible(load.source)),
        ("Status", load.status),
        ("Started", cells.second(load.started_at)),
        ("Finished", cells.second(load.finished_at)),
        ("Content", f"{cells.visible(load.format)}, {cells.size(load.bytes)}, SHA-256 {load.sha256}"),
        ("Options", raw_values(load.options)),
        ("Version", load.version),
    ]
    if detail.rejects_open:
        fields.append(
            ("Open rejects", f"{detail.rejects_open:,}; `energy-etl rejects list --load {load.load_id}`")
        )
    return fields + ([("Error", cells.visible(load.error))] if load.error else [])


def _document(load: LoadEntry) -> dict[str, Any]:
    return {
        "loadId": load.load_id,
        "source": load.source,
        "status": load.status,
        "startedAt": load.started_at,
        "finishedAt": load.finished_at,
        "format": load.format,
        "bytes": load.bytes,
        "sha256": load.sha256,
        "streams": [_camel(asdict(counts)) for counts in load.streams],
        "options": dict(load.options),
        "error": load.error,
        "version": load.version,
    }


def _detail_document(detail: LoadDetail) -> dict[str, Any]:
    return {
        "schemaVersion": SCHEMA_VERSION,
        **_document(detail.entry),
        "rejectsTotal": detail.rejects_total,
        "rejectsOpen": detail.rejects_open,
        "rejectsByRule": [_camel(asdict(rule)) for rule in detail.rules],
        "rejects": [_camel(asdict(row)) for row in detail.rejects],
    }


def _camel(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {camel(key): value for key, value in fields.items()}
