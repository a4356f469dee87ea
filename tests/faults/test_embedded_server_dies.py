"""The embedded server is killed while it is loaded into: the run starts it again and goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from energy_etl.db import embedded
from energy_etl.db.postmaster import Postmaster
from energy_etl.errors import ExitCode
from tests.faults.conftest import ROWS, Left

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ee-"))
    folder.chmod(0o711)
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder)


def test_a_killed_server_costs_a_second_try(home: Path, dump: Path, clean_env: dict[str, str]) -> None:
    address = embedded.ensure_running(home)
    postmaster = Postmaster.of(home / "postgres")
    assert postmaster
    command = [sys.executable, "-m", "energy_etl", "ingest", str(dump)]
    environment = {**clean_env, "ENERGY_ETL_HOME": str(home)}
    with (
        psycopg.connect(address, autocommit=True) as watcher,
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as loader,
    ):
        while not watcher.execute(
            "SELECT FROM pg_stat_progress_copy WHERE tuples_processed > 1000"
        ).fetchall():
            assert loader.poll() is None
        os.kill(postmaster.pid, signal.SIGKILL)
        _, said = loader.communicate(timeout=120)
    assert loader.returncode == ExitCode.DONE, said
    assert "trying again" in said
    Left(embedded.ensure_running(home)).check(ROWS)
