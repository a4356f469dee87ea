"""What the fault tests share: a dump of several batches, and how to look at what is left."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from energy_etl.db.storage import ROWS as BATCH_ROWS
from energy_etl.generate.generation import generate_fleet
from energy_etl.generate.plan import DumpFormat, FleetPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

PLAN = FleetPlan(meters=400, vehicles=2, hours=24, seed=3, faulty=0)
ROWS = PLAN.meters * PLAN.minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A meter dump of more than one batch."""
    assert BATCH_ROWS < ROWS
    folder = tmp_path_factory.mktemp("fleet")
    generate_fleet(PLAN, folder, DumpFormat.PARQUET)
    return folder / "meters.parquet"


@pytest.fixture
def start(clean_env: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start ``energy-etl`` on a database and return while it runs."""
    running: list[subprocess.Popen[str]] = []

    def started(address: str, *args: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "energy_etl", *map(str, args)],
            env={**clean_env, "DATABASE_URL": address},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield started
    for process in running:
        process.kill()
        process.communicate()


class Left:
    """What a load left in a database, seen once the server is done with it."""

    def __init__(self, address: str) -> None:
        with psycopg.connect(address, autocommit=True) as conn:
            while _one(
                conn,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND application_name = 'energy-etl'",
            ):
                pass
            self.readings = _one(conn, "SELECT count(*) FROM meter_history")
            self.distinct = _one(
                conn, "SELECT count(*) FROM (SELECT DISTINCT meter_id, ts FROM meter_history)"
            )
            self.live = _one(conn, "SELECT count(*) FROM meter_live")
            self.stale = _one(
                conn,
                "SELECT count(*) FROM meter_live l WHERE ts <>"
                " (SELECT max(ts) FROM meter_history h WHERE h.meter_id = l.meter_id)",
            )
            self.loaded = _one(conn, "SELECT count(*) FROM load WHERE status = 'loaded'")
            self.told = _one(
                conn,
                "SELECT coalesce(sum((counts->'meter'->>'loaded')::int), 0) FROM load"
                " WHERE status = 'loaded'",
            )

    def check(self, readings: int) -> None:
        """Wholly or not at all: history, live and ledger agree on this."""
        assert self.readings == self.distinct == self.told == readings
        assert self.live == (PLAN.meters if readings else 0)
        assert self.loaded == (1 if readings else 0)
        assert self.stale == 0


def _one(conn: psycopg.Connection, statement: str) -> int:
    row = conn.execute(statement.encode()).fetchone()
    assert row
    return int(row[0])
