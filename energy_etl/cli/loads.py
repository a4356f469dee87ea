"""``energy-etl loads``: the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from energy_etl.cli.context import Limit, Output, connection, diagnostics, rows_at_most, shared_options
from energy_etl.errors import UsageError
from energy_etl.present.output import Format

app = typer.Typer(invoke_without_command=True)

OwnOutput = Annotated[
    Format | None,
    typer.Option("--format", help="Of the result. [default: that of `loads`, table]", case_sensitive=False),
]


@app.callback()
@shared_options
def loads(
    ctx: typer.Context,
    *,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """List what was loaded, newest first; `loads show N` shows one load.

    Examples:

        energy-etl loads

        energy-etl loads --limit 10 --format json

        energy-etl loads show 7

    For each load: rows read = loaded + duplicate + conflicting + rejected.
    """
    if ctx.invoked_subcommand:
        source = ctx.get_parameter_source("limit")
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"--limit is of the list, not of {ctx.invoked_subcommand}", hint="leave it out")
        return
    from energy_etl.db.ledger_view import newest_loads
    from energy_etl.present.cells import things
    from energy_etl.present.loads import write_loads

    rows = rows_at_most(limit, output)
    with connection(ctx) as conn:
        page = newest_loads(conn, rows)
    write_loads(page.rows, output)
    if page.total > len(page.rows):
        diagnostics(ctx).note(
            f"{things(page.total - len(page.rows), 'older load')} not shown; --limit {page.total} shows all"
        )


@app.command()
@shared_options
def show(
    ctx: typer.Context,
    load_id: Annotated[int, typer.Argument(metavar="N", help="Number of the load.")],
    *,
    output: OwnOutput = None,
) -> None:
    """Show one load: its counts per stream, its rejects by rule, and the first 20 rejected rows.

    Examples:

        energy-etl loads show 7

        energy-etl loads show 7 --format json

    CSV has the counts, a row per stream.
    """
    from energy_etl.db.ledger_view import load_detail
    from energy_etl.present.loads import write_load

    with connection(ctx) as conn:
        detail = load_detail(conn, load_id)
    if detail is None:
        raise UsageError(f"there is no load {load_id}", hint="`energy-etl loads` lists those there are")
    above = ctx.parent.params["output"] if ctx.parent else Format.TABLE
    write_load(detail, output or above)
