"""The command that loads an inspected dump: what the user said, what was found out, what has to be chosen."""

from __future__ import annotations

import shlex
from itertools import product
from typing import TYPE_CHECKING

from energy_etl.inspection.report import Verdict
from energy_etl.kinds import Origin
from energy_etl.profiles.model import CANONICAL
from energy_etl.streams import STREAMS

if TYPE_CHECKING:
    from energy_etl.inspection.report import Inspection, Problem
    from energy_etl.interpret import Interpretation
    from energy_etl.options import LoadOptions


def commands(
    report: Inspection, options: LoadOptions, found: Interpretation | None, named: str | None
) -> list[str]:
    """How to load it; nothing where no option helps."""
    if report.verdict is Verdict.UNUSABLE:
        return []
    name = report.name
    # A name that looks like an option would be taken for one.
    file = f"./{name}" if name.startswith("-") and name != "-" else name
    known = _known(report, options, found, named)
    said = [[f"--{option} {shlex.quote(value)}"] for option, value in known.items()]
    open_ones = [_choices(report, problem) for problem in report.problems]
    start = f"energy-etl ingest {shlex.quote(file)}"
    return [" ".join([start, *chosen]) for chosen in product(*said, *open_ones)]


def _choices(report: Inspection, problem: Problem) -> list[str]:
    """Its options, the one first that the readings look like."""
    likely = {f"--{stream.name}-energy {stream.likely}" for stream in report.streams if stream.likely}
    return sorted(problem.choices, key=lambda choice: choice not in likely)


def _known(
    report: Inspection, options: LoadOptions, found: Interpretation | None, named: str | None
) -> dict[str, str]:
    """The options that say what the user has said, and what was found out."""
    profile, zone, order, decimal = named, options.timezone, options.date_order, options.decimal
    if found is not None:
        if found.profile is not CANONICAL:
            profile = profile or found.profile.name
        if report.naive_timestamps and found.profile.time.zone is None:
            zone = found.zone
        order, decimal = order or found.survey.found_order, decimal or found.survey.found_decimal
    energies = {f"{stream.name}-energy": options.energy(stream) for stream in STREAMS}
    for stream in report.streams:
        if stream.kind is not None and stream.kind.origin is Origin.FOUND:
            energies[f"{stream.name}-energy"] = stream.kind.rule.kind
    said = {
        "profile": profile,
        "timezone": zone,
        "fold": options.fold,
        "date-order": order,
        "decimal": decimal,
        **energies,
    }
    return {name: str(value) for name, value in said.items() if value is not None}
