"""``energy-etl generate``: a synthetic fleet as dumps, with the truth about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.cli.context import diagnostics, shared_options
from energy_etl.errors import UsageError
from energy_etl.generate.plan import DEFAULT_START, DumpFormat, FleetPlan

if TYPE_CHECKING:
    from datetime import datetime

    from energy_etl.generate.generation import Generated


@shared_options
def generate(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the files; made if missing.")],
    *,
    meters: Annotated[
        int, typer.Option(help="Meters; those beyond the vehicles are buildings and idle.")
    ] = 1_000,
    vehicles: Annotated[int, typer.Option(help="Vehicles; vehicle i charges at meter i.")] = 1_000,
    hours: Annotated[int, typer.Option(help="Span; a reading per device and minute.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    faulty: Annotated[int, typer.Option(help="Vehicles whose charger leaks (60 to 80 % efficiency).")] = 0,
    dump_format: Annotated[
        DumpFormat, typer.Option("--format", help="Of the dumps.", case_sensitive=False)
    ] = DumpFormat.PARQUET,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="Begin of the first interval; UTC unless it says otherwise.")
    ] = f"{DEFAULT_START:%Y-%m-%dT%H:%M:%SZ}",
    files_per_stream: Annotated[int, typer.Option(help="Cut each stream by time into so many files.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace the fleet already in OUT.")] = False,
) -> None:
    """Write dumps of a synthetic fleet, and what analytics must report about it.

    For example, a fleet with three leaking chargers, loaded and judged:

        energy-etl generate --meters 1000 --vehicles 1000 --hours 24 --seed 7 --faulty 3 fleet/

        energy-etl ingest fleet/meters.parquet fleet/vehicles.parquet

        energy-etl link import fleet/links.csv

    OUT receives meters and vehicles as Parquet or CSV, links.csv (which vehicle charges at which meter) and
    truth.json (energies, efficiency, temperatures and status of each vehicle over the last 24 hours).
    """
    from datetime import UTC, datetime

    from energy_etl.generate.generation import generate_fleet

    plan = FleetPlan(
        meters=meters, vehicles=vehicles, hours=hours, seed=seed, faulty=faulty, start=_utc(start)
    )
    generated = generate_fleet(plan, out, dump_format, files_per_stream=files_per_stream, replace=force)
    say = diagnostics(ctx)
    for line in _summary(generated):
        say.note(line)
    if plan.end > datetime.now(UTC):
        say.warn(
            f"the readings go on to {plan.end:%Y-%m-%d %H:%M} UTC; ingest rejects those still to come",
            "choose an earlier --start or fewer --hours",
        )


def _utc(text: str) -> datetime:
    from datetime import UTC, datetime

    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--start {text!r} is not a time", hint="Write it as 2026-01-01T00:00:00Z."
        ) from error


def _summary(generated: Generated) -> list[str]:
    dumps = (*generated.meters, *generated.vehicles)
    lines = [f"{dump.path}: {dump.rows:,} readings, {dump.bytes / 1e6:,.1f} MB" for dump in dumps]
    total = (
        f"{sum(dump.rows for dump in dumps):,} readings, {sum(dump.bytes for dump in dumps) / 1e6:,.1f} MB"
    )
    return [*lines, f"{generated.links}: links", f"{generated.truth}: truth", f"Total: {total}"]
