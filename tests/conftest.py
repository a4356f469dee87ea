"""What every test may ask for: servers, databases and the command line as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from energy_etl import dsn
from tests.servers import GIVEN, Server, embedded_server, given_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Run(Protocol):
    """Run the command line; ``env`` adds to a clean environment, and None removes from it."""

    def __call__(
        self,
        *args: str | Path,
        stdin: str | bytes = b"",
        env: Mapping[str, str | None] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]: ...


def pytest_configure() -> None:
    """A developer's own server must not be what the tests work on."""
    for name in ("DATABASE_URL", "ENERGY_ETL_HOME", "ALERT_THRESHOLD", *dsn.LIBPQ_VARIABLES):
        os.environ.pop(name, None)


def pytest_report_header() -> list[str]:
    """Which servers the tests run on, said once instead of with every test that is skipped."""
    lines = ["server postgres: embedded"]
    for name, variable in GIVEN.items():
        state = "given" if os.environ.get(variable) else "skipped, not set"
        lines.append(f"server {name}: {variable} {state}")
    return lines


@pytest.fixture(
    scope="session",
    params=[
        "postgres",
        *(
            pytest.param(
                name,
                marks=[
                    pytest.mark.timescale,
                    pytest.mark.skipif(not os.environ.get(variable), reason=f"{variable} is not set"),
                ],
            )
            for name, variable in GIVEN.items()
        ),
    ],
)
def flavour(request: pytest.FixtureRequest) -> str:
    """The kind of server: tests that ask for a database run once per kind that is available."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def server(flavour: str) -> Iterator[Server]:
    """The server itself, for tests that need several databases (hypothesis: one per example)."""
    with embedded_server() if flavour == "postgres" else given_server(flavour) as found:
        yield found


@pytest.fixture
def bare_database_url(server: Server) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    with server.bare() as address:
        yield address


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """The address of a database of the test's own, with the current schema and no rows."""
    with server.migrated() as address:
        yield address


def run_command(
    command: list[str], env: Mapping[str, str], cwd: Path, stdin: str | bytes, timeout: float
) -> subprocess.CompletedProcess[str]:
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        command, input=given, capture_output=True, env=env, cwd=cwd, timeout=timeout, check=False
    )
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def clean_env(tmp_path: Path) -> dict[str, str]:
    """Nothing of the developer's environment but the way to find programs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path),
        "COLUMNS": "120",
    }


@pytest.fixture
def run_without_server(clean_env: dict[str, str], tmp_path: Path) -> Run:
    """``energy-etl`` as a user starts it: its own process, in the test's folder; no server is named."""

    def run_here(
        *args: str | Path,
        stdin: str | bytes = b"",
        env: Mapping[str, str | None] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "energy_etl", *map(str, args)]
        merged = {**clean_env, **(env or {})}
        present = {name: value for name, value in merged.items() if value is not None}
        return run_command(command, present, tmp_path, stdin, timeout)

    return run_here


@pytest.fixture
def run(run_without_server: Run, database_url: str) -> Run:
    """The same on the test's database."""

    def run_there(
        *args: str | Path,
        stdin: str | bytes = b"",
        env: Mapping[str, str | None] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        merged = {"DATABASE_URL": database_url, **(env or {})}
        return run_without_server(*args, stdin=stdin, env=merged, timeout=timeout)

    return run_there
