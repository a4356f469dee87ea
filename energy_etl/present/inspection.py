"""What a look at dumps found: a report for people, a document and a list for programs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from energy_etl.frames.normalise import IDS
from energy_etl.kinds import Origin
from energy_etl.present import cells
from energy_etl.present.output import Format, write_json, write_line, write_record, write_table
from energy_etl.present.tables import Column as Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from energy_etl.frames.column_facts import ColumnFacts
    from energy_etl.frames.evidence import DeviceEvidence
    from energy_etl.inspection.report import Column, Inspection, StreamReport

SCHEMA_VERSION = 1
"""Of the JSON document."""

COMMANDS_SHOWN = 4
NEAR_SHOWN = 2
IGNORED = "(ignored)"
UNKNOWN = "(unknown)"

_COLUMNS = (
    Shown("column", "Column"),
    Shown("means", "Means"),
    Shown("type", "Type"),
    Shown("unit", "Unit"),
    Shown("values", "Values", cells.count, right=True),
    Shown("missing", "Missing", right=True),
    Shown("range", "Range"),
    Shown("example", "Example"),
)

_CSV = (
    *("source", "verdict", "format", "bytes", "rows", "profile", "stream"),
    *("read", "loaded", "duplicate", "conflicting", "rejected", "devices", "min_ts", "max_ts"),
    *("cadence_s", "order", "backward_steps", "energy", "kwh", "problem", "command"),
)


def write_inspections(inspections: Iterable[Inspection], output: Format) -> None:
    """Write what was found; a report for people file by file, as it comes."""
    if output is Format.JSON:
        files = [_document(one) for one in inspections]
        write_json({"schemaVersion": SCHEMA_VERSION, "files": files})
    elif output is Format.CSV:
        rows = (row for one in inspections for row in _csv_rows(one))
        write_table([Shown(key, key) for key in _CSV], rows, output=output)
    else:
        for number, one in enumerate(inspections):
            if number:
                write_line("")
            _report(one)


def _report(one: Inspection) -> None:
    write_record(_head(one))
    if one.columns:
        write_line("")
        # Where a profile is known, a column that it does not name is ignored.
        unnamed = UNKNOWN if one.profile is None else IGNORED
        write_table(_COLUMNS, (_column_row(column, unnamed) for column in one.columns), output=Format.TABLE)
    if readings := [field for stream in one.streams for field in _stream_fields(stream)]:
        write_line("")
        write_record(readings + _rows_left_out(one))
    if one.commands:
        choose = "To load it, choose what is meant:" if len(one.commands) > 1 else "To load it:"
        write_line(f"\n{choose}\n")
        for command in one.commands[:COMMANDS_SHOWN]:
            write_line(f"    {cells.visible(command)}")
        if len(one.commands) > COMMANDS_SHOWN:
            write_line(f"    (and {len(one.commands) - COMMANDS_SHOWN} more)")


def _head(one: Inspection) -> list[tuple[str, str]]:
    fields = [("File", cells.text(one.name)), ("Verdict", str(one.verdict))]
    for problem in one.problems:
        fields.append(("Problem", cells.visible(problem.message)))
        if problem.hint:
            fields.append(("", f"hint: {cells.visible(problem.hint)}"))
    if one.format is not None:
        fields.append(("Format", cells.visible(_format(one))))
    if one.profile is not None:
        fields.append(("Profile", cells.visible(f"{one.profile}: {one.why}")))
    for near in one.near[:NEAR_SHOWN]:
        lacks = f"lacks {', '.join(near.missing)}" if near.missing else "fits"
        fields.append(("Nearest profile", cells.visible(f"{near.profile}: {lacks}")))
    fields += [("Note", cells.visible(note)) for note in _notes(one)]
    for column in one.columns:
        if column.doubt is not None:
            names = " and ".join(column.names)
            fields.append(("Doubtful unit", cells.visible(f"{names}: {column.doubt}")))
    return fields


def _format(one: Inspection) -> str:
    said = [str(one.format)]
    if one.compression not in (None, "none"):
        said.append(f"in {one.compression}")
    said += [one.encoding] if one.encoding is not None else []
    if one.delimiter is not None:
        said.append(f"fields parted by {'a tab' if one.delimiter == chr(9) else repr(one.delimiter)}")
    if one.decimal is not None:
        said.append(f"decimal mark '{one.decimal}'")
    said.append(cells.size(one.bytes))
    said += [cells.things(one.rows, "row")] if one.rows is not None else []
    return ", ".join(said)


def _notes(one: Inspection) -> list[str]:
    notes = list(one.notes)
    if one.naive_timestamps:
        stamps = cells.things(one.naive_timestamps, "timestamp")
        notes.append(f"{stamps} without an offset taken as {one.timezone} (--timezone names another zone)")
    if one.passed_over:
        listed = ", ".join(f"{count:,} × {what}" for what, count in one.passed_over.items())
        notes.append(f"rows that are no part of a reading are passed over: {listed}")
    return notes


def _column_row(column: Column, unnamed: str) -> list[Any]:
    facts = column.facts
    names = " + ".join(column.names) or "(constant)"
    means = column.means or unnamed
    if facts is None:
        return [names, means, *(None for _ in _COLUMNS[2:])]
    return [
        *(names, means, _type(column, facts), column.unit, facts.values, _missing(facts)),
        *(_range(facts), facts.example),
    ]


def _type(column: Column, facts: ColumnFacts) -> str:
    told = facts.type
    if not column.names:
        return "constant"
    if told == "text" and column.means is not None and column.means not in IDS:
        told = "time" if column.means == "ts" else "number"
    return f"{told}, {facts.unread:,} unreadable" if facts.unread else told


def _missing(facts: ColumnFacts) -> str:
    if not facts.words:
        return cells.count(facts.missing)
    words = ", ".join(f'{count:,} × "{word}"' for word, count in facts.words.most_common())
    return f"{facts.missing:,}: {words}"


def _range(facts: ColumnFacts) -> str | None:
    if facts.low is None:
        return None
    return f"{_bound(facts.low)} to {_bound(facts.high)}"


def _bound(value: float | datetime | None) -> str:
    return cells.second(value) if isinstance(value, datetime) else f"{value:.10g}"


def _stream_fields(stream: StreamReport) -> list[tuple[str, str]]:
    name, judged = stream.name, stream.judged
    repeated = judged.repeated
    counted = (
        f"{stream.read:,} read: {stream.loaded:,} to load, {repeated.duplicate:,} duplicate,"
        f" {repeated.conflicting:,} conflicting, {stream.rejected:,} rejected"
    )
    if not stream.all_judged:
        counted += f" (repetitions and energy are of the first {judged.readings:,}: there may be more)"
    fields = [(f"{name} readings", f"{counted}; of {cells.things(stream.devices, 'device')}")]
    if stream.first_ts is not None:
        back = f", {cells.things(stream.backward, 'step')} backward" if stream.backward else ""
        cadence = f", every {judged.cadence_s:g} s" if judged.cadence_s is not None else ""
        span = f"{cells.second(stream.first_ts)} to {cells.second(stream.last_ts)}"
        fields.append((f"{name} time", f"{span}{cadence}, {stream.order}{back}"))
    likely = f", its readings look like {stream.likely}" if stream.likely is not None else ""
    energy = str(stream.kind) if stream.kind is not None else f"not plain{likely}"
    if judged.kwh is not None:
        energy += f": {cells.kwh(judged.kwh)} kWh"
        if judged.flags:
            energy += f", derived with {', '.join(f'{n:,} × {flag}' for flag, n in judged.flags.items())}"
    fields.append((f"{name} energy", energy))
    known = stream.kind is not None and stream.kind.origin is not Origin.FOUND
    shown = stream.evidence[:1] if known else stream.evidence
    fields += [(f"{name} evidence", cells.visible(str(evidence))) for evidence in shown]
    return fields


def _rows_left_out(one: Inspection) -> list[tuple[str, str]]:
    if not one.rules:
        return []
    rules = [
        f"{count:,} × {rule}" + (f" ({stream})" if stream else "")
        for (stream, rule), count in one.rules.items()
    ]
    return [("rejects", ", ".join(rules))]


def _document(one: Inspection) -> dict[str, Any]:
    return {
        "source": one.name,
        "verdict": one.verdict,
        "exitCode": one.verdict.exit_code.value,
        "problems": [
            {"message": problem.message, "hint": problem.hint, "choices": list(problem.choices)}
            for problem in one.problems
        ],
        "format": one.format,
        "compression": one.compression,
        "encoding": one.encoding,
        "delimiter": one.delimiter,
        "decimal": one.decimal,
        "bytes": one.bytes,
        "sha256": one.sha256,
        "rows": one.rows,
        "profile": one.profile,
        "why": one.why,
        "nearestProfiles": [
            {"profile": near.profile, "found": list(near.found), "missing": list(near.missing)}
            for near in one.near
        ],
        "notes": one.notes,
        "timezone": one.timezone,
        "naiveTimestamps": one.naive_timestamps,
        "columns": [_column_document(column) for column in one.columns],
        "streams": {stream.name: _stream_document(stream) for stream in one.streams},
        "unassigned": one.unassigned,
        "rejectsByRule": [
            {"stream": stream, "rule": rule, "rejects": count} for (stream, rule), count in one.rules.items()
        ],
        "passedOver": [{"what": what, "rows": rows} for what, rows in one.passed_over.items()],
        "commands": one.commands,
    }


def _column_document(column: Column) -> dict[str, Any]:
    facts = column.facts
    about = {"names": list(column.names), "means": column.means}
    if facts is None:
        return about
    return about | {
        "type": _type(column, facts).partition(",")[0],
        "unit": column.unit,
        "doubt": column.doubt,
        "values": facts.values,
        "missing": facts.missing,
        "nullTokens": dict(facts.words),
        "unreadable": facts.unread,
        "min": facts.low,
        "max": facts.high,
        "example": facts.example,
    }


def _stream_document(stream: StreamReport) -> dict[str, Any]:
    judged = stream.judged
    return {
        "read": stream.read,
        "loaded": stream.loaded,
        "duplicate": judged.repeated.duplicate,
        "conflicting": judged.repeated.conflicting,
        "rejected": stream.rejected,
        "repetitionsCountedAmong": judged.readings,
        "devices": stream.devices,
        "minTs": stream.first_ts,
        "maxTs": stream.last_ts,
        "cadenceS": judged.cadence_s,
        "order": stream.order,
        "backwardSteps": stream.backward,
        "energy": {
            "kind": stream.kind.rule.kind if stream.kind is not None else None,
            "likely": stream.likely,
            "origin": stream.kind.origin if stream.kind is not None else None,
            "kwh": judged.kwh,
            "flags": judged.flags,
            "evidence": [_evidence(one) for one in stream.evidence],
        },
    }


def _evidence(one: DeviceEvidence) -> dict[str, Any]:
    return {
        "device": one.device,
        "readings": one.readings,
        "cadenceS": one.cadence_s,
        "median": one.median,
        "highest": one.highest,
        "ceiling": one.ceiling,
        "risingShare": one.rising,
        "fallingShare": one.falling,
        "restarts": one.restarts,
        "kind": one.kind,
    }


def _csv_rows(one: Inspection) -> Iterable[list[Any]]:
    about = {
        "source": one.name,
        "verdict": one.verdict,
        "format": one.format,
        "bytes": one.bytes,
        "rows": one.rows,
        "profile": one.profile,
        "problem": "; ".join(problem.message for problem in one.problems) or None,
        # Where one has to be chosen, none is recommended.
        "command": one.commands[0] if len(one.commands) == 1 else None,
    }
    for of_stream in [_csv_stream(stream) for stream in one.streams] or [{}]:
        yield [(about | of_stream).get(key) for key in _CSV]


def _csv_stream(stream: StreamReport) -> dict[str, Any]:
    return {
        "stream": stream.name,
        "read": stream.read,
        "loaded": stream.loaded,
        "duplicate": stream.judged.repeated.duplicate,
        "conflicting": stream.judged.repeated.conflicting,
        "rejected": stream.rejected,
        "devices": stream.devices,
        "min_ts": stream.first_ts,
        "max_ts": stream.last_ts,
        "cadence_s": stream.judged.cadence_s,
        "order": stream.order,
        "backward_steps": stream.backward,
        "energy": stream.kind.rule.kind if stream.kind is not None else None,
        "kwh": stream.judged.kwh,
    }
