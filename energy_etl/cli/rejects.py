"""``energy-etl rejects``: rows that are not loaded, and what can be done about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.cli.context import (
    Limit,
    Output,
    connection,
    diagnostics,
    group,
    rows_at_most,
    shared_options,
    target,
)
from energy_etl.cli.loading import DirectCompressChoice, DryRun, LockWait, ResultFormat, RetryFor, exit_code
from energy_etl.cli.reading import named_profile
from energy_etl.energy import EnergyKind
from energy_etl.errors import ExitCode
from energy_etl.options import DirectCompress, LoadOptions, OnConflict
from energy_etl.present.output import Format
from energy_etl.profiles.model import DateOrder, DecimalMark, Fold
from energy_etl.selection import Grouping, Selection, StreamName

if TYPE_CHECKING:
    from energy_etl.db.retry import LeftOut
    from energy_etl.present.diagnostics import Diagnostics

app = group("Act on rows that are not loaded: list them, export and repair them, load them after all.")

Load = Annotated[int | None, typer.Option("--load", metavar="N", help="Only of this load.")]
Rule = Annotated[
    str | None, typer.Option("--rule", metavar="RULE", help="Only by this rule; 'ts:*' means all of ts.")
]
File = Annotated[
    str | None,
    typer.Option("--file", metavar="GLOB", help="Only of files named so, with or without their folder."),
]
Stream = Annotated[
    StreamName | None, typer.Option("--stream", help="Only of this stream.", case_sensitive=False)
]
_AS_BEFORE = "[default: as when their dump was loaded]"


@app.command("list")
@shared_options
def list_(
    ctx: typer.Context,
    *,
    load_id: Load = None,
    rule: Rule = None,
    file: File = None,
    stream: Stream = None,
    by: Annotated[
        Grouping | None,
        typer.Option(help="Count them by this instead of listing them.", case_sensitive=False),
    ] = None,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """List open rejects, those of the newest load first, or count them.

    Examples:

        energy-etl rejects list --load 7

        energy-etl rejects list --by rule

        energy-etl rejects list --file 'meters-*.csv' --rule 'ts:*' --format json

    A reject is open until a retry loads its row.
    """
    from energy_etl.db import open_rejects
    from energy_etl.present.cells import things
    from energy_etl.present.rejects import write_counts, write_rejects

    selection = Selection(load_id, rule, file, stream)
    most = rows_at_most(limit, output) if by is None else limit
    with connection(ctx) as conn:
        open_rejects.check(conn, selection)
        if by is not None:
            write_counts(open_rejects.counts(conn, selection, by, most), by, output)
            return
        write_rejects(open_rejects.rows(conn, selection, most), output)
        total = open_rejects.count(conn, selection) if most is not None else 0
    if most is not None and total > most:
        diagnostics(ctx).note(
            f"{things(total - most, 'more reject')} not shown; --limit {total} shows all,"
            " --by rule counts them"
        )


@app.command()
@shared_options
def export(
    ctx: typer.Context,
    *,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="Ends in .csv, .parquet or .ndjson; it is replaced.")
    ],
    load_id: Load = None,
    rule: Rule = None,
    file: File = None,
    stream: Stream = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows at most.")] = None,
) -> None:
    """Write open rejects to a file to repair them in: a column per field.

    Examples:

        energy-etl rejects export --load 7 --to repair.csv

        energy-etl rejects retry --from repair.csv

    The columns reject_id, load_id and row_number say which row it is: leave them. Rows may be taken out. A
    row that could not be read as one has its text in the column line: fill in its fields.
    """
    from energy_etl.db import open_rejects
    from energy_etl.present.cells import things
    from energy_etl.present.reject_export import check_suffix, write_export

    check_suffix(to)
    selection = Selection(load_id, rule, file, stream)
    with connection(ctx) as conn:
        open_rejects.check(conn, selection)
        fields = open_rejects.fields(conn, selection)
        written = write_export(to, open_rejects.exported(conn, selection, limit), fields)
    diagnostics(ctx).note(f"{things(written, 'reject')} written to {to}")


@app.command()
@shared_options
def retry(
    ctx: typer.Context,
    *,
    load_id: Load = None,
    rule: Rule = None,
    file: File = None,
    stream: Stream = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Rows as repaired in a file that `export` has written."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"What the fields mean: a built-in profile, or a .toml file. {_AS_BEFORE}",
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help=f"Of timestamps without an offset. {_AS_BEFORE}")
    ] = None,
    fold: Annotated[
        Fold | None, typer.Option(help=f"Which is meant where a local time occurs twice. {_AS_BEFORE}")
    ] = None,
    date_order: Annotated[
        DateOrder | None, typer.Option(help=f"Of dates like 11/01/2017. {_AS_BEFORE}")
    ] = None,
    decimal: Annotated[
        DecimalMark | None, typer.Option(help=f"What stands before a fraction. {_AS_BEFORE}")
    ] = None,
    meter_energy: Annotated[
        EnergyKind | None, typer.Option(help=f"What the energy of meter readings is. {_AS_BEFORE}")
    ] = None,
    vehicle_energy: Annotated[EnergyKind | None, typer.Option(help="The same of vehicle readings.")] = None,
    on_conflict: Annotated[
        OnConflict,
        typer.Option(
            help="Readings that are stored with other values: leave them be, or replace what is stored."
        ),
    ] = OnConflict.KEEP,
    dry_run: DryRun = False,
    lock_wait: LockWait = 300.0,
    retry_for: RetryFor = 60.0,
    direct_compress: DirectCompressChoice = DirectCompress.AUTO,
    output: ResultFormat = None,
) -> None:
    """Judge open rejects again, and load the rows that pass.

    Examples:

        energy-etl rejects retry --load 7 --timezone Europe/Berlin

        energy-etl rejects retry --rule reading:conflicting --on-conflict replace

        energy-etl rejects retry --from repair.csv

    A retry is a load of its own. A row that passes is no open reject any more; one that does not stays what
    it is. Running it again does no harm.
    """
    from energy_etl.db.session import Sessions
    from energy_etl.present.cells import from_csv_text
    from energy_etl.present.progress import load_progress
    from energy_etl.present.summary import summarise, write_results
    from energy_etl.retry import Repaired
    from energy_etl.retry import retry as run
    from energy_etl.sources.repaired import repaired_rows

    said = diagnostics(ctx)
    options = LoadOptions(
        profile=named_profile(profile),
        timezone=timezone,
        fold=fold,
        date_order=date_order,
        decimal=decimal,
        meter_energy=meter_energy,
        vehicle_energy=vehicle_energy,
        on_conflict=on_conflict,
        dry_run=dry_run,
        lock_wait=lock_wait,
        retry_for=retry_for,
        direct_compress=direct_compress,
    )
    repaired = Repaired(str(source), lambda: repaired_rows(source, from_csv_text)) if source else None
    selection = Selection(load_id, rule, file, stream)
    with load_progress(said) as progress, Sessions(target(ctx), progress.note) as sessions:
        done = run(selection, sessions, options, progress, repaired=repaired)
    results = [done.result] if done.result else []
    if results:
        summarise(results, said, listing="energy-etl rejects list")
    else:
        said.note("there is no open reject to judge again")
    _remark(done.left_out, said)
    if output is not None:
        write_results(results, output)
    raise typer.Exit(exit_code(results, on_conflict) if results else ExitCode.DONE)


def _remark(left_out: LeftOut, said: Diagnostics) -> None:
    from energy_etl.present.cells import things

    if left_out.unread:
        said.note(
            f"{things(left_out.unread, 'reject')} could not be read as rows: `energy-etl rejects export`"
            " writes them to a file; fill in their fields, and `rejects retry --from` it"
        )
    if left_out.conflicting:
        said.note(
            f"{things(left_out.conflicting, 'conflicting reading')} left alone;"
            " --on-conflict replace lets them replace what is stored"
        )
    if left_out.closed:
        said.note(f"{things(left_out.closed, 'row')} of the file came in before, and were passed over")
