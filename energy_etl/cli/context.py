"""What every command shares: the options that may stand anywhere, the diagnostics, the connection."""

from __future__ import annotations

import inspect
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from energy_etl.errors import DatabaseError, UsageError
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.output import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from energy_etl import dsn

    Command = TypeVar("Command", bound=Callable[..., None])

_PANEL = "Everywhere"

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Only warnings, errors and results.", rich_help_panel=_PANEL),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.", rich_help_panel=_PANEL)]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks, and say more.", rich_help_panel=_PANEL)
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="The server. [default: DATABASE_URL, else libpq's PG* variables, else the embedded one]",
        rich_help_panel=_PANEL,
    ),
]
Output = Annotated[Format, typer.Option("--format", help="Of the result.", case_sensitive=False)]
"""For the commands whose result is a table."""
Limit = Annotated[int | None, typer.Option(min=1, help="Rows at most. [default: 50 in a table, else all]")]

TABLE_ROWS = 50
"""A table is for looking at; JSON and CSV are complete unless a limit is given."""

_SHARED: dict[str, tuple[Any, object]] = {
    "database_url": (DatabaseUrl, None),
    "quiet": (Quiet, False),
    "verbose": (Verbose, False),
    "debug": (Debug, False),
}


@dataclass(frozen=True, slots=True)
class Shared:
    """The values of the options that may stand before or after the command."""

    database_url: str | None = None
    configured_url: str | None = None
    """What the configuration file says: for want of anything else."""
    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    def merged(self, given: dict[str, Any]) -> Shared:
        """With what was given in a second place; what was given first stays where nothing is said."""
        return replace(self, **{name: value for name, value in given.items() if value})


def shared_options(function: Command) -> Command:
    """Give a command the shared options: wherever a user writes them, they are understood.

    The command itself takes none of them: :func:`diagnostics` and :func:`connection` know their values. What
    goes wrong in the command is told here, and becomes its exit code.
    """
    signature = inspect.signature(function, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in _SHARED.items()
    ]

    @wraps(function)
    def command(ctx: typer.Context, *args: object, **options: object) -> None:
        given = {name: options.pop(name) for name in _SHARED}
        ctx.obj = shared(ctx).merged(given)
        try:
            function(ctx, *args, **options)
        except (typer.Exit, typer.Abort, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            # A panic of Polars is no Exception, but a bug like any other.
            raise typer.Exit(diagnostics(ctx).error(error)) from error

    parameters = [*signature.parameters.values(), *added]
    command.__doc__ = with_examples_kept(function.__doc__)
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command  # type: ignore[return-value]


def with_examples_kept(text: str | None) -> str:
    """A help text whose indented paragraphs stand together and are not wrapped: they are to be copied."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    kept: list[str] = []
    for paragraph in paragraphs:
        if not paragraph.startswith(" "):
            kept.append(paragraph)
        elif kept and kept[-1].startswith("\b"):
            kept[-1] += f"\n{paragraph}"
        else:
            kept.append(f"\b\n{paragraph}")
    return "\n\n".join(kept)


def group(summary: str) -> typer.Typer:
    """A command that only has commands of its own; the shared options may stand between the two as well."""
    made = typer.Typer(no_args_is_help=True, help=summary)

    @made.callback()
    @shared_options
    def options_only(ctx: typer.Context) -> None:
        pass

    return made


def shared(ctx: typer.Context) -> Shared:
    """The shared options of the command under way."""
    found = ctx.obj
    return found if isinstance(found, Shared) else Shared()


def diagnostics(ctx: typer.Context) -> Diagnostics:
    """Where the command says what is not its result."""
    options = shared(ctx)
    return Diagnostics(quiet=options.quiet, verbose=options.verbose, debug=options.debug)


def target(ctx: typer.Context) -> dsn.Target:
    """The server the command is about; what is risky about its address is said.

    Raises:
        UsageError: The address cannot be read.
    """
    from energy_etl import dsn

    said = diagnostics(ctx)
    url = shared(ctx).database_url
    found = dsn.resolve(url, os.environ, shared(ctx).configured_url)
    if found.kind == "given":
        said.detail(f"server: {dsn.describe(found.conninfo)} (from {found.origin})")
        if url and dsn.parse(found.conninfo).get("password"):
            said.warn(
                "a password on the command line is shown to every user of this machine",
                hint="put the address into DATABASE_URL, or the password into ~/.pgpass",
            )
        if warning := dsn.tls_warning(found.conninfo):
            said.warn(warning)
    return found


@contextmanager
def connection(ctx: typer.Context, *, write: bool = False) -> Iterator[Connection[Any]]:
    """An autocommit connection to the command's database.

    Args:
        ctx: Of the command.
        write: Set the schema up where it is missing or old; without, a missing one is an error.

    Raises:
        UsageError: The address cannot be read, or an argument is no text.
        DatabaseError: The server cannot be reached or refuses, or there is nothing in the database yet.
        TemporaryError: Trying again may help.
    """
    from energy_etl.db import schema, session

    said = diagnostics(ctx)
    _check_texts(ctx)
    conn = session.connect(target(ctx), autocommit=True, announce=said.note)
    with session.wrap_errors(), conn:
        if write:
            schema.migrate(conn, said.note)
        elif schema.check(conn) is None:
            raise DatabaseError(
                "the database is empty: nothing was ever loaded into it",
                hint="`energy-etl ingest FILE...` loads dumps, `energy-etl db init` only makes the tables",
            )
        yield conn


def _check_texts(ctx: typer.Context) -> None:
    """Bytes on the command line that are no UTF-8 arrive as lone surrogates, which no server takes."""
    for given in ctx.params.values():
        for text in given if isinstance(given, list | tuple) else (given,):
            if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
                raise UsageError(f"{text!r} is not UTF-8 text", hint="no id has such characters")


def rows_at_most(limit: int | None, output: Format) -> int | None:
    """How many rows of a result are shown; None: all."""
    return TABLE_ROWS if limit is None and output is Format.TABLE else limit
