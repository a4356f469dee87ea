"""What a run of ``ingest`` did: a summary for people on standard error, a result for programs."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

from energy_etl.errors import ExitCode
from energy_etl.outcome import COUNTED, Status
from energy_etl.present import cells
from energy_etl.present.output import Format, camel, write_json, write_table
from energy_etl.present.tables import Column, list_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from energy_etl.outcome import Counts, LoadResult
    from energy_etl.present.diagnostics import Diagnostics

SCHEMA_VERSION = 1
"""Of the JSON document."""

AS_USUAL = "interval (declared)"
"""What the energy of a dump with the documented columns is."""

RESTATED = "reading:restated"
"""The rule of a reading that has replaced the stored one."""

RULES_SHOWN = 10
"""Of a dump's broken rules, the most frequent."""

_CSV = (
    *("source", "status", "load_id", "stream", *COUNTED),
    *("min_ts", "max_ts", "bytes", "sha256", "seconds", "error"),
)


def summarise(results: Sequence[LoadResult], said: Diagnostics, *, listing: str | None = None) -> None:
    """Say what was done: a table, then what about it deserves attention.

    Args:
        results: Of each dump.
        said: Where to.
        listing: The command that lists rejects, where they are not those of the load.
    """
    if not said.quiet:
        said.block(_table(results))
        said.note(_total(results))
    for result in results:
        _remark(result, said, listing)


def write_results(results: Sequence[LoadResult], output: Format) -> None:
    """Write the result to standard output; CSV and table have a row per dump and stream."""
    if output is Format.JSON:
        write_json(_document(results))
    elif output is Format.CSV:
        write_table([Column(key, key) for key in _CSV], _csv_rows(results), output=output)
    else:
        columns = _columns(results)
        write_table(columns, _rows(results, columns), output=output)


def _columns(results: Iterable[LoadResult]) -> list[Column]:
    """Counts that only ``--on-conflict replace`` and mixed dumps have are left out where they are 0."""
    replaced = any(result.total("replaced") for result in results)
    shown = [name for name in COUNTED if name != "replaced" or replaced]
    return [
        Column("source", "File"),
        Column("status", "Status"),
        Column("stream", "Stream"),
        *(Column(name, name.title(), cells.count, right=True) for name in shown),
    ]


def _rows(results: Iterable[LoadResult], columns: Sequence[Column]) -> Iterable[list[Any]]:
    for result in results:
        status = f"load {result.load_id}" if result.status is Status.LOADED else str(result.status)
        if result.status is Status.ALREADY_LOADED and result.load_id:
            status = f"{result.status}: load {result.load_id}"
        if not result.streams:
            yield [result.source, status, None, *(None for _ in columns[3:])]
        for stream, counts in result.streams.items():
            yield [result.source, status, stream, *(getattr(counts, column.key) for column in columns[3:])]


def _table(results: Sequence[LoadResult]) -> str:
    columns = _columns(results)
    return list_table(columns, _rows(results, columns), sys.stderr)


def _done(results: Iterable[LoadResult]) -> list[LoadResult]:
    """Without those that failed: what was counted of them is not in the database."""
    return [result for result in results if result.status is not Status.FAILED]


def _total(results: Sequence[LoadResult]) -> str:
    done = _done(results)
    rows, loaded, seconds = (
        sum(result.rows for result in done),
        sum(result.total("loaded") for result in done),
        sum(result.seconds for result in done),
    )
    what = "would be loaded" if any(result.status is Status.DRY_RUN for result in results) else "loaded"
    speed = f", {rows / seconds:,.0f} rows/s" if rows and seconds else ""
    return (
        f"{cells.things(loaded, 'reading')} {what} from {cells.things(rows, 'row')} in {seconds:.1f} s{speed}"
    )


def _remark(result: LoadResult, said: Diagnostics, listing: str | None) -> None:
    name = result.source
    if result.naive_timestamps:
        said.note(
            f"{name}: {cells.things(result.naive_timestamps, 'timestamp')} without an offset taken as"
            f" {result.timezone} (--timezone names another zone)"
        )
    for stream, energy in result.energy.items():
        if energy != AS_USUAL:
            said.note(f"{name}: the energy of {stream} readings is {energy}")
    for stream, counts in result.streams.items():
        if counts.flags:
            listed = ", ".join(f"{count:,} × {flag}" for flag, count in sorted(counts.flags.items()))
            said.note(f"{name}: {stream} energy derived with {listed}")
    for note in result.notes:
        said.note(f"{name}: {note}")
    if result.passed_over:
        listed = ", ".join(f"{count:,} × {what}" for what, count in result.passed_over.items())
        said.note(f"{name}: rows that are no part of a reading are passed over: {listed}")
    if result.ignored_columns:
        listed = ", ".join(f'"{column}"' for column in result.ignored_columns)
        said.note(f"{name}: columns that mean nothing here are ignored: {listed}")
    if result.loaded_at:
        said.detail(f"{name}: the same content came in at {cells.timestamp(result.loaded_at)}")
    if result.rules:
        rules = [
            f"{count:,} × {rule}" + (f" ({stream})" if stream else "")
            for (stream, rule), count in result.rules.items()
        ]
        more = f" and {len(rules) - RULES_SHOWN} other rules" if len(rules) > RULES_SHOWN else ""
        said.warn(f"{name}: {', '.join(rules[:RULES_SHOWN])}{more}", hint=_next_step(result, listing))
    if result.error:
        said.failure(result.error, _way_out(result, listing))


def _next_step(result: LoadResult, listing: str | None) -> str | None:
    if result.load_id is not None and all(rule == RESTATED for _, rule in result.rules):
        # What was replaced is no open reject: there is nothing to repair.
        listing = f"energy-etl loads show {result.load_id}"
    elif listing is None and result.load_id is not None:
        listing = f"energy-etl rejects list --load {result.load_id}"
    return f"`{listing}` shows the rows" if listing else None


def _way_out(result: LoadResult, listing: str | None) -> str | None:
    """The hint of a dump that failed; of one that needs to be told more, where that can be found out."""
    # Rejects that are read again are no file to look at.
    if result.exit_code is not ExitCode.USAGE or listing is not None:
        return result.hint
    look = f"`energy-etl inspect {shlex.quote(result.source)}` shows what is in it"
    return f"{result.hint}; {look}" if result.hint else look


def _document(results: Sequence[LoadResult]) -> dict[str, Any]:
    return {
        "schemaVersion": SCHEMA_VERSION,
        "totals": {name: sum(result.total(name) for result in _done(results)) for name in COUNTED},
        "files": [_file(result) for result in results],
    }


def _file(result: LoadResult) -> dict[str, Any]:
    return {
        "source": result.source,
        "status": result.status,
        "loadId": result.load_id,
        "loadedAt": result.loaded_at,
        "bytes": result.bytes,
        "sha256": result.sha256 or None,
        "rows": result.rows,
        "seconds": round(result.seconds, 3),
        "streams": {
            stream: {camel(name): value for name, value in _values(counts).items()} | _flags(counts)
            for stream, counts in result.streams.items()
        },
        "rejectsByRule": [
            {"stream": stream, "rule": rule, "rejects": count}
            for (stream, rule), count in result.rules.items()
        ],
        "naiveTimestamps": result.naive_timestamps,
        "timezone": result.timezone,
        "ignoredColumns": list(result.ignored_columns),
        "passedOver": [{"what": what, "rows": rows} for what, rows in result.passed_over.items()],
        "interpretation": {camel(name): value for name, value in result.interpretation.items()},
        "energy": result.energy,
        "error": result.error,
        "hint": result.hint,
    }


def _csv_rows(results: Iterable[LoadResult]) -> Iterable[list[Any]]:
    for result in results:
        about = {
            "source": result.source,
            "status": result.status,
            "load_id": result.load_id,
            "bytes": result.bytes,
            "sha256": result.sha256,
            "seconds": round(result.seconds, 3),
            "error": result.error,
        }
        for stream, counts in result.streams.items() or [(None, None)]:
            values = _values(counts) if counts else {}
            yield [{**about, "stream": stream, **values}.get(key) for key in _CSV]


def _flags(counts: Counts) -> dict[str, Any]:
    return {"flags": counts.flags} if counts.flags else {}


def _values(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in (*COUNTED, "min_ts", "max_ts")}
