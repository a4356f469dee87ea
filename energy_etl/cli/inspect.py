"""``energy-etl inspect``: a look at dumps before they are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.cli.context import Output, shared_options
from energy_etl.cli.reading import (
    DateOrderChoice,
    DecimalChoice,
    FoldChoice,
    MeterEnergy,
    ProfileName,
    Timezone,
    VehicleEnergy,
    named_profile,
)
from energy_etl.options import LoadOptions
from energy_etl.present.output import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from energy_etl.inspection.report import Inspection, Verdict


@shared_options
def inspect(
    ctx: typer.Context,  # noqa: ARG001 - what goes wrong is told by it
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, directories, globs; - for standard input."),
    ],
    *,
    profile: ProfileName = None,
    timezone: Timezone = None,
    fold: FoldChoice = None,
    date_order: DateOrderChoice = None,
    decimal: DecimalChoice = None,
    meter_energy: MeterEnergy = None,
    vehicle_energy: VehicleEnergy = None,
    output: Output = Format.TABLE,
) -> None:
    """Say what dumps are and what `ingest` would do with them; nothing is loaded, no database is needed.

    Examples:

        energy-etl inspect export.csv

        energy-etl inspect dumps/ --format json

        energy-etl inspect export.csv --profile mine.toml

    For each file: its format, the profile it is read by, what its columns hold, what its readings are like,
    what would be rejected, and the command that loads it. Ends as `ingest` would: 2 if an option is missing,
    4 if a file is unusable, 5 if some readings would be left out.
    """
    from energy_etl.inspection.look import inspect as look
    from energy_etl.inspection.report import exit_code
    from energy_etl.present.inspection import write_inspections
    from energy_etl.sources.discover import discover

    options = LoadOptions(
        profile=named_profile(profile),
        timezone=timezone,
        fold=fold,
        date_order=date_order,
        decimal=decimal,
        meter_energy=meter_energy,
        vehicle_energy=vehicle_energy,
    )
    verdicts: list[Verdict] = []
    with discover(paths) as found:

        def looked() -> Iterator[Inspection]:
            for file in found:
                one = look(file, options, profile)
                verdicts.append(one.verdict)
                yield one

        write_inspections(looked(), output)
    raise typer.Exit(exit_code(verdicts))
