"""A file's own columns: what is in those that no profile reads, and what makes up ours."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from energy_etl.errors import InputError
from energy_etl.frames.column_facts import UnknownFacts
from energy_etl.inspection.report import Column
from energy_etl.profiles import load as profile_files
from energy_etl.profiles.model import CANONICAL
from energy_etl.profiles.nearest import nearest
from energy_etl.sources.headers import canonical
from energy_etl.sources.reader import headers_of, open_source
from energy_etl.sources.source import Layout

if TYPE_CHECKING:
    from energy_etl.inspection.report import Inspection
    from energy_etl.interpret import Interpretation
    from energy_etl.options import LoadOptions
    from energy_etl.sources.source import SourceFile

BATCH_ROWS = 250_000

_UNITS = {
    "kwh_consumed_ac": "kWh",
    "voltage": "V",
    "soc": "%",
    "kwh_delivered_dc": "kWh",
    "battery_temp": "°C",
}


def unknown_columns(report: Inspection, source: SourceFile, options: LoadOptions) -> None:
    """What the columns of a file hold that no profile reads, and which profiles come near."""
    form = options.profile.format if options.profile is not None else CANONICAL.format
    source = replace(source, encoding=source.encoding or form.encoding)
    with suppress(InputError):
        headers = headers_of(source, delimiter=form.delimiter, skip_rows=form.skip_rows)
        delimiter, header = max(headers.items(), key=lambda one: len(one[1]))
        report.near = nearest(profile_files.builtin().values(), header)
        report.columns = [Column((name,), None) for name in dict.fromkeys(header)]
        # A name that is there twice, or is none, says nothing about which column is meant.
        names = tuple(name for name in header if header.count(name) == 1 and name not in ("", "row_number"))
        layout = Layout(names, ids=(), delimiter=delimiter or None, skip_rows=form.skip_rows)
        reader = open_source(source, layout)
        facts = {name: UnknownFacts() for name in names}
        rows = 0
        for batch in reader.batches(BATCH_ROWS):
            rows += batch.rows
            for name in names:
                facts[name].add(batch.frame[name])
        report.rows, report.encoding, report.delimiter = rows, reader.encoding, reader.delimiter
        judged = {name: one.judged() for name, one in facts.items()}
        report.columns = [Column((name,), None, judged.get(name)) for name in dict.fromkeys(header)]


def sources(found: Interpretation) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Our column → the file's; our measure → the unit it is read in."""
    binding = found.binding
    if binding is None:
        names: dict[str, tuple[str, ...]] = {}
        with suppress(InputError):
            for header in headers_of(found.source).values():
                names = {ours: (name,) for name in header if (ours := canonical(name))} | names
        return names, _UNITS
    names = {one.name: one.columns for one in binding.ids} | {"ts": binding.time}
    units: dict[str, str] = {}
    for one in binding.measures:
        names[one.name] = () if one.column is None else (one.column,)
        units[one.name] = one.unit or ("kW" if one.power else _UNITS[one.name])
        if binding.long is not None and binding.long.unit is not None and one.column is not None:
            units[one.name] = f'as "{binding.long.unit}" says, else {units[one.name]}'
    return names, units
