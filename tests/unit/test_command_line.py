"""The command line as a whole: its help, the options every command has, and how the process ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from energy_etl import __version__
from energy_etl.cli.app import app
from energy_etl.db import schema
from energy_etl.errors import ExitCode
from tests.locks import wait_for_waiters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run

ROOT: Any = typer.main.get_command(app)
GROUPS = ("live", "link", "rejects", "db")  # have commands and do nothing by themselves
ELSEWHERE = "postgresql://ana@localhost/energy"
DUMP = "meterId,kwhConsumedAc,voltage,timestamp\nM-1,0.5,230.1,2026-03-01T10:00:00Z\n"

# As the console script starts, even where whoever runs the tests has SIGINT ignored.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from energy_etl.cli.app import main
main()
"""
# A command with a bug.
FAILING = """
import typer
from energy_etl.cli import app, context

@app.app.command("fail")
@context.shared_options
def fail(ctx: typer.Context) -> None:
    {}["\\x1b[31m"]

app.main()
"""
IMPORTED = """
import sys
from energy_etl.cli.app import app
try:
    app()
except SystemExit as end:
    assert not end.code, end.code
print("IMPORTED", *sorted(name for name in sys.modules if "." not in name))
"""


def commands(command: Any, *path: str) -> Iterator[str]:
    """What a user can call, as the words after energy-etl; groups included."""
    if path:
        yield " ".join(path)
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


EVERY = list(commands(ROOT))


def shown(*args: str) -> str:
    done = CliRunner().invoke(app, args, env={"COLUMNS": "110"}, prog_name="energy-etl")
    assert done.exit_code == 0
    return done.output


def python(program: str, *args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *args]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60)


def examples(text: str) -> list[str]:
    """What follows energy-etl in a help's examples, behind a pipe into it or within psql's argument too."""
    return re.findall(r'^ *(?:zcat \S+ \| |psql "\$\(|\w+=\S+ )?energy-etl ([^>)\n]+)', text, re.MULTILINE)


def test_these_are_the_commands() -> None:
    assert (
        ", ".join(EVERY) == "ingest, inspect, analytics, generate, live, live meters, live vehicles,"
        " link, link add, link list, link remove, link import, loads, loads show, rejects, rejects list,"
        " rejects export, rejects retry,"
        " db, db init, db status, db url, db stop"
    )


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help_with_an_example_and_the_shared_options(name: str) -> None:
    text = shown(*name.split(), "--help")
    assert text.startswith(f"Usage: energy-etl {name} [OPTIONS]")
    assert text == shown(*name.split(), "-h")
    for option in ("--database-url URL", "-q, --quiet", "-v, --verbose", "--debug"):
        assert f"\n  {option}  " in text
    if name not in GROUPS:
        assert [example for example in examples(text) if f"{example} ".startswith(f"{name} ")]


@pytest.mark.parametrize("name", ["", *EVERY])
def test_every_example_is_understood(name: str) -> None:
    command = ROOT
    for word in name.split():
        command = command.commands[word]
    for example in examples(command.help):
        called, words = ROOT, example.split()
        while words and words[0] in getattr(called, "commands", {}):
            called, words = called.commands[words[0]], words[1:]
        called.make_context("energy-etl", words)


def test_root_help_lists_every_command_and_exit_code() -> None:
    text = re.sub(r"\s*\n\s*", " ", shown("--help")).replace("fail-on- alert", "fail-on-alert")
    listed = text.partition("Exit codes: ")[2].rstrip(" .").split("; ")
    assert listed == [f"{code.value} {code.summary}" for code in ExitCode]
    for name in ROOT.commands:
        assert f" {name} " in text


def test_without_a_command_help_is_shown(run_without_server: Run) -> None:
    done = run_without_server()
    assert done.returncode == 2
    assert done.stdout + done.stderr == run_without_server("--help").stdout


def test_version(run_without_server: Run) -> None:
    done = run_without_server("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_shared_options_are_understood_wherever_they_stand(
    run_without_server: Run, tmp_path: Path, place: int
) -> None:
    def stop(*options: str) -> subprocess.CompletedProcess[str]:
        words = ["db", "stop"]
        home = {"ENERGY_ETL_HOME": str(tmp_path / "home")}
        return run_without_server(*words[:place], *options, *words[place:], env=home)

    assert stop().stderr == "note: the embedded server was not running\n"
    assert stop("--quiet").stderr == stop("-q").stderr == ""
    elsewhere = stop("--database-url", ELSEWHERE)
    assert elsewhere.returncode == 2
    assert elsewhere.stderr.startswith("error: `db stop` is about the embedded server")
    assert stop("-v", "--database-url", ELSEWHERE).stderr.startswith("note: server: ana@localhost")
    assert "Traceback" in stop("--debug", "--database-url", ELSEWHERE).stderr


def test_the_last_address_wins(run_without_server: Run) -> None:
    words = [
        "--database-url",
        "postgresql://bob@localhost/a",
        "db",
        "-v",
        "stop",
        "--database-url",
        ELSEWHERE,
    ]
    assert run_without_server(*words).stderr.startswith("note: server: ana@localhost")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--nonsense",), "No such option: --nonsense"),
        (("nonsense",), "No such command 'nonsense'"),
        (("link", "--nonsense", "list"), "No such option: --nonsense"),
        (("link", "list", "--nonsense"), "No such option: --nonsense"),
        (("--debug", "live", "meters", "--quite"), "No such option: --quite"),
        (("ingest",), "Missing argument 'PATH...'"),
        (("analytics", "V-1", "--alert-threshold", "x"), "Invalid value for '--alert-threshold'"),
        (("db", "status", "--database-url", "mysql://h/db"), "--database-url is not a PostgreSQL address"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(
    run_without_server: Run, args: tuple[str, ...], message: str
) -> None:
    done = run_without_server(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_panic_of_polars_is_a_bug_like_any_other(clean_env: dict[str, str]) -> None:
    panic = "import polars; raise polars.exceptions.PanicException('all lost')"
    done = python(FAILING.replace('{}["\\x1b[31m"]', panic), "fail", env=clean_env)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: unexpected PanicException: all lost"
    assert "Traceback" not in done.stderr


def test_a_bug_says_so_and_shows_its_traceback_only_when_asked(clean_env: dict[str, str]) -> None:
    plain = python(FAILING, "fail", env=clean_env)
    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr.splitlines() == [
        r"error: unexpected KeyError: '\x1b[31m'",
        "  hint: this is a bug: --debug shows where; please report it",
    ]
    for args in (("fail", "--debug"), ("--debug", "fail")):
        debug = python(FAILING, *args, env=clean_env)
        assert debug.returncode == 1
        assert debug.stderr.startswith("Traceback (most recent call last):\n")
        assert debug.stderr.endswith("error: unexpected KeyError: '\\x1b[31m'\n")
        assert "this is a bug" not in debug.stderr


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [(signal.SIGINT, 130, "stopped by Ctrl-C"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
@pytest.mark.parametrize("command", ["link add V-1 M-1", "ingest dump.csv"])
def test_a_signal_ends_a_command_that_waits(
    database_url: str,
    clean_env: dict[str, str],
    tmp_path: Path,
    command: str,
    sent: signal.Signals,
    code: int,
    message: str,
) -> None:
    (tmp_path / "dump.csv").write_text(DUMP)
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE vehicle_meter_link IN ACCESS EXCLUSIVE MODE")
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [schema.LOCK_KEY + 1])  # of the meters' history
        waiting = subprocess.Popen(
            [sys.executable, "-c", MAIN, *command.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean_env, "DATABASE_URL": database_url},
            cwd=tmp_path,
        )
        try:
            wait_for_waiters(database_url)
            waiting.send_signal(sent)
            out, err = waiting.communicate(timeout=30)
        finally:
            waiting.kill()
    assert waiting.returncode == code
    assert out == ""
    assert err.splitlines()[-1] == f"error: {message}"
    assert "Traceback" not in err
    with psycopg.connect(database_url) as conn:
        rows = conn.execute("SELECT 1 FROM load UNION ALL SELECT 1 FROM vehicle_meter_link").fetchall()
        assert rows == []


@pytest.mark.parametrize(
    "args", ["--help", "--version", "ingest --help", "inspect --help", "analytics --help", "link --help"]
)
def test_help_starts_without_the_heavy_libraries(args: str, clean_env: dict[str, str]) -> None:
    done = python(IMPORTED, *args.split(), env=clean_env)
    assert done.returncode == 0, done.stderr
    imported = done.stdout.rpartition("IMPORTED ")[2].split()
    assert "typer" in imported
    heavy = {"polars", "pyarrow", "dataframely", "psycopg", "pgpq", "numpy", "stamina", "rich"}
    assert heavy.isdisjoint(imported)


@pytest.mark.parametrize("args", ["live meters", "link list", "loads", "analytics V-1", "db status"])
def test_what_only_reads_starts_without_the_data_frame_libraries(
    args: str, clean_env: dict[str, str], database_url: str
) -> None:
    done = python(IMPORTED, *args.split(), env={**clean_env, "DATABASE_URL": database_url})
    assert done.returncode == 0, done.stderr
    imported = done.stdout.rpartition("IMPORTED ")[2].split()
    assert "psycopg" in imported
    assert {"polars", "pyarrow", "dataframely", "pgpq"}.isdisjoint(imported)
