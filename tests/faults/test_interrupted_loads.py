"""Loaders, backends and connections that die: what is there afterwards is all of a dump or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from energy_etl.errors import ExitCode
from tests.faults.conftest import ROWS, Left
from tests.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import Start
    from tests.servers import Server


@pytest.fixture(scope="module")
def conversation(server: Server, dump: Path) -> int:
    """Bytes that a load of the dump sends when nothing happens."""
    with server.migrated() as address, Proxy(address) as proxy:
        loader = [sys.executable, "-m", "energy_etl", "ingest", str(dump)]
        subprocess.run(
            loader, env={**os.environ, "DATABASE_URL": proxy.address}, check=True, capture_output=True
        )
        Left(address).check(ROWS)
        return proxy.sent


COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The statement as a message of the protocol."""

# From before anything is claimed to between the last statement and the answer to COMMIT.
POINTS = [0.0, 0.00002, 0.001, 0.1, 0.45, 0.6, 0.9, 0.999, 0.9999, 0.99999]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_loader_leaves_all_or_nothing_and_the_next_one_completes_it(
    database_url: str, dump: Path, conversation: int, start: Start, point: float
) -> None:
    with Proxy(database_url) as proxy:
        killed = start(proxy.address, "ingest", dump)
        proxy.at(int(point * conversation), killed.kill)
        killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    left = Left(database_url)
    left.check(ROWS if left.readings else 0)

    again = start(database_url, "ingest", dump)
    _, said = again.communicate(timeout=60)
    assert again.returncode == ExitCode.DONE, said
    Left(database_url).check(ROWS)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_loader_takes_everything_back_and_says_so(
    database_url: str, dump: Path, conversation: int, start: Start, sent: signal.Signals, code: int
) -> None:
    with Proxy(database_url) as proxy:
        proxy.at(conversation // 2, lambda: stopped.send_signal(sent))
        stopped = start(proxy.address, "ingest", dump)
        _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == code, said
    assert "error: stopped by" in said
    assert "Traceback" not in said
    Left(database_url).check(0)


def test_a_backend_that_is_terminated_during_copy_costs_a_second_try(
    database_url: str, dump: Path, conversation: int, start: Start
) -> None:
    def terminate() -> None:
        with psycopg.connect(database_url, autocommit=True) as conn:
            done = conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'COPY %'"
            ).fetchall()
            assert done == [(True,)]

    with Proxy(database_url) as proxy:
        proxy.at(conversation // 2, terminate)
        loader = start(proxy.address, "ingest", dump)
        _, said = loader.communicate(timeout=60)
    assert loader.returncode == ExitCode.DONE, said
    assert "trying again" in said
    Left(database_url).check(ROWS)


def test_a_connection_lost_before_the_answer_to_commit_is_no_second_load(
    database_url: str, dump: Path, conversation: int, start: Start
) -> None:
    with Proxy(database_url) as proxy:
        proxy.at(int(conversation * 0.99), lambda: proxy.lose_reply_to(COMMIT))
        loader = start(proxy.address, "ingest", dump)
        _, said = loader.communicate(timeout=60)
    assert loader.returncode == ExitCode.DONE, said
    assert "already loaded" in said
    Left(database_url).check(ROWS)


def test_a_dump_that_changes_before_it_is_read_is_refused(
    database_url: str, dump: Path, start: Start, tmp_path: Path
) -> None:
    """By then its content is known, and claimed."""
    changing = tmp_path / "changing.parquet"
    changing.write_bytes(dump.read_bytes())
    with Proxy(database_url) as proxy:
        proxy.when(b"INSERT INTO load ", changing.touch)
        loader = start(proxy.address, "ingest", changing)
        _, said = loader.communicate(timeout=60)
    assert loader.returncode == ExitCode.INPUT, said
    assert "changing.parquet: changed while it was read" in said
    Left(database_url).check(0)


def test_a_server_that_stays_away_ends_in_an_error_that_says_to_try_again(
    database_url: str, dump: Path, conversation: int, start: Start
) -> None:
    with Proxy(database_url) as proxy:
        proxy.at(conversation // 2, proxy.close)
        loader = start(proxy.address, "ingest", dump, "--retry-for", "2")
        _, said = loader.communicate(timeout=60)
    assert loader.returncode == ExitCode.DATABASE, said
    assert "trying again" in said
    assert "Connection refused" in said
    Left(database_url).check(0)
