"""``energy-etl ingest``: dumps into the database."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from energy_etl.cli.context import diagnostics, shared_options, target
from energy_etl.cli.loading import DirectCompressChoice, DryRun, LockWait, ResultFormat, RetryFor, exit_code
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
from energy_etl.options import DirectCompress, LoadOptions, OnConflict
from energy_etl.outcome import LoadResult, RejectLimit


@shared_options
def ingest(
    ctx: typer.Context,
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
    on_conflict: Annotated[
        OnConflict,
        typer.Option(help="A reading that is stored with other values: keep it, or replace it."),
    ] = OnConflict.KEEP,
    max_rejects: Annotated[
        str,
        typer.Option(metavar="N|P%", help="Refuse a file with more rejected readings than this, as a whole."),
    ] = "10%",
    rejects_to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the rejects to a .csv or .parquet file, too."),
    ] = None,
    dry_run: DryRun = False,
    lock_wait: LockWait = 300.0,
    retry_for: RetryFor = 60.0,
    direct_compress: DirectCompressChoice = DirectCompress.AUTO,
    meter_energy: MeterEnergy = None,
    vehicle_energy: VehicleEnergy = None,
    output: ResultFormat = None,
) -> None:
    """Load dumps: CSV, Parquet, NDJSON and JSON, plain or as .gz or .zst.

    Examples:

        energy-etl ingest meters.csv vehicles.parquet

        energy-etl ingest /data/dumps/ --rejects-to rejects.csv

        energy-etl ingest export.csv --profile utility.toml

        zcat export.csv.gz | energy-etl ingest - --format json

    Each file is loaded wholly or not at all, and once: the same content again is recognised, the same
    readings in another file are counted as duplicates. A row that cannot be loaded is rejected with its
    reason; `energy-etl rejects list --load N` shows them.
    """
    from energy_etl.db.session import Sessions
    from energy_etl.ingest import ingest as run
    from energy_etl.present.progress import load_progress
    from energy_etl.present.reject_file import RejectFile
    from energy_etl.present.summary import summarise, write_results

    said = diagnostics(ctx)
    options = LoadOptions(
        profile=named_profile(profile),
        timezone=timezone,
        fold=fold,
        date_order=date_order,
        decimal=decimal,
        on_conflict=on_conflict,
        max_rejects=RejectLimit.parse(max_rejects),
        dry_run=dry_run,
        lock_wait=lock_wait,
        retry_for=retry_for,
        direct_compress=direct_compress,
        meter_energy=meter_energy,
        vehicle_energy=vehicle_energy,
    )
    results: list[LoadResult] = []
    try:
        with (
            RejectFile(rejects_to) if rejects_to else nullcontext() as rejects,
            load_progress(said) as progress,
            Sessions(target(ctx), progress.note) as sessions,
        ):
            part = rejects.part if rejects else None
            for result in run(paths, sessions, options, progress, part):
                results.append(result)
    finally:
        if results:
            summarise(results, said)
            if output is not None:
                write_results(results, output)
    raise typer.Exit(exit_code(results, on_conflict))
