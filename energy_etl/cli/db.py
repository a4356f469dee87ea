"""``energy-etl db``: the database itself."""

from __future__ import annotations

import typer

from energy_etl.cli.context import Output, diagnostics, group, shared_options, target
from energy_etl.errors import UsageError
from energy_etl.present.output import Format

app = group("Set up and look at the database.")


@app.command()
@shared_options
def init(ctx: typer.Context) -> None:
    """Make the tables, or bring them up to date; the first ingest does it too.

    Examples:

        energy-etl db init

        DATABASE_URL=postgresql://me@host/energy energy-etl db init
    """
    from energy_etl.db import schema, session

    said = diagnostics(ctx)
    with session.connect(target(ctx), autocommit=True, announce=said.note) as conn, session.wrap_errors():
        before = schema.current(conn)
        found = schema.migrate(conn, said.note)
    if before == found:
        said.note(f"schema version {found.version} is there already ({schema.describe(found.flavour)})")


@app.command()
@shared_options
def status(
    ctx: typer.Context,
    *,
    output: Output = Format.TABLE,
) -> None:
    """Show server, version, flavour, schema version, sizes, and the newest reading per stream.

    Examples:

        energy-etl db status

        energy-etl db status --format json

    CSV has the tables' sizes only.
    """
    from energy_etl import dsn
    from energy_etl.db import schema, session
    from energy_etl.db.status import status as look
    from energy_etl.present.status import write_status

    found = target(ctx)
    with (
        session.connect(found, autocommit=True, announce=diagnostics(ctx).note) as conn,
        session.wrap_errors(),
    ):
        state = look(conn)
        where = dsn.describe(conn.info.dsn)
    server = f"{where} (embedded)" if found.kind == "embedded" else where
    write_status(state, output, server=server, layout=schema.describe(state.flavour))


@app.command()
@shared_options
def url(ctx: typer.Context) -> None:
    """Start the embedded server if need be and print its address, for psql and other programs.

    Examples:

        psql "$(energy-etl db url)"
    """
    from energy_etl.db import embedded
    from energy_etl.present.output import write_line

    _only_embedded(ctx, "url")
    write_line(embedded.ensure_running(announce=diagnostics(ctx).note))


@app.command()
@shared_options
def stop(ctx: typer.Context) -> None:
    """Stop the embedded server; the next command that needs it starts it again.

    Examples:

        energy-etl db stop
    """
    from energy_etl.db import embedded

    _only_embedded(ctx, "stop")
    said = diagnostics(ctx)
    stopped = embedded.stop()
    said.note("the embedded server is stopped" if stopped else "the embedded server was not running")


def _only_embedded(ctx: typer.Context, command: str) -> None:
    found = target(ctx)
    if found.kind != "embedded":
        raise UsageError(
            f"`db {command}` is about the embedded server, but {found.origin} names another one",
            hint=f"run it without {found.origin}",
        )
