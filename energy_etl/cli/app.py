"""The command line itself: the commands, and how the process ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, NoReturn

import typer

from energy_etl import __version__, settings
from energy_etl.cli import analytics, db, generate, ingest, inspect, link, live, loads, rejects
from energy_etl.cli.context import DatabaseUrl, Debug, Quiet, Shared, Verbose, with_examples_kept
from energy_etl.errors import ExitCode, Terminated, UsageError
from energy_etl.present.diagnostics import Diagnostics

_EXIT_CODES = "Exit codes: " + "; ".join(f"{code.value} {code.summary}" for code in ExitCode) + "."

app = typer.Typer(
    name="energy-etl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXIT_CODES,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def energy_etl(
    ctx: typer.Context,
    *,
    database_url: DatabaseUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Configuration. [default: ENERGY_ETL_CONFIG, else energy-etl.toml, else the user's own]",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - done by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Load smart-meter and EV telemetry into PostgreSQL or TimescaleDB, exactly once, and judge it.

    Examples:

        energy-etl ingest meters.csv vehicles.parquet

        energy-etl analytics EV-00001

        energy-etl live vehicles

    Without DATABASE_URL, --database-url or libpq's PG* variables, a PostgreSQL of its own is used; it is
    made and started when it is needed.
    """
    said = Diagnostics(quiet=quiet, verbose=verbose, debug=debug)
    try:
        found = settings.read(config)
    except UsageError as error:
        raise typer.Exit(said.error(error)) from error
    if found.path:
        said.detail(f"configuration: {found.path}")
    # What `inspect` says of a dump has to hold for the `ingest` that follows.
    ctx.default_map = {"inspect": found.defaults.get("ingest", {}), **found.defaults}
    ctx.obj = Shared(database_url, found.database_url, quiet=quiet, verbose=verbose, debug=debug)


app.callback(help=with_examples_kept(energy_etl.__doc__))(energy_etl)
app.command("ingest")(ingest.ingest)
app.command("inspect")(inspect.inspect)
app.command("analytics")(analytics.analytics)
app.add_typer(live.app, name="live")
app.add_typer(link.app, name="link")
app.add_typer(loads.app, name="loads")
app.add_typer(rejects.app, name="rejects")
app.add_typer(db.app, name="db")
app.command("generate")(generate.generate)


def main() -> NoReturn:
    """Run the command line; the process ends with one of :class:`energy_etl.errors.ExitCode`."""
    signal.signal(signal.SIGTERM, _terminate)
    # NumPy's linear algebra, which nothing here uses, would start a thread per core that spins for work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Batches of rows are freed by reference counts; importing the libraries is a tenth faster.
    gc.set_threshold(100_000)
    code: int | str | None = ExitCode.DONE
    try:
        app()
    except SystemExit as ended:
        code = ended.code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - before any command took over
        code = Diagnostics().error(error)
    _leave(code if isinstance(code, int) else ExitCode.DONE)


def _leave(code: int) -> NoReturn:
    """End the process, and do not take the interpreter apart first.

    Arrow's threads may still be reading ahead of a dump that is given up. One that calls into an interpreter
    that is going away ends the process with SIGABRT, whatever it had to say.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            continue
        except OSError:
            code = code or ExitCode.BUG
    os._exit(code)


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise Terminated
