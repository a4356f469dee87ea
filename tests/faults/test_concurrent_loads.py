"""Loaders at the same time: each reading once, whoever is first."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
import psycopg

from energy_etl.db.schema import LOCK_KEY
from energy_etl.db.session import Sessions
from energy_etl.errors import ExitCode
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions
from energy_etl.outcome import Status
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import LoadProgress
from tests.faults.conftest import PLAN, ROWS, Left

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import Start


def test_two_loaders_of_one_dump_load_it_once(database_url: str, dump: Path, start: Start) -> None:
    loaders = [start(database_url, "ingest", dump, "--format", "json") for _ in range(3)]
    results = [loader.communicate(timeout=120) for loader in loaders]
    assert [loader.returncode for loader in loaders] == [ExitCode.DONE] * 3, results
    statuses = [json.loads(out)["files"][0]["status"] for out, _ in results]
    assert sorted(statuses) == ["already loaded", "already loaded", "loaded"]
    Left(database_url).check(ROWS)


def test_overlapping_dumps_loaded_at_once_hold_each_reading_once(
    database_url: str, dump: Path, start: Start, tmp_path: Path
) -> None:
    minutes = pl.read_parquet(dump).head(PLAN.meters * 60).sort("timestamp", "meterId")
    thirds = [minutes.filter(pl.col("timestamp").rank("dense").is_between(at, at + 30)) for at in (1, 15, 29)]
    # Backwards, so that the loaders meet each other's devices in opposite order.
    thirds[1] = thirds[1].reverse()
    dumps = [tmp_path / f"{number}.parquet" for number in range(3)]
    for third, path in zip(thirds, dumps, strict=True):
        third.write_parquet(path)

    loaders = [start(database_url, "ingest", path, "--format", "json") for path in dumps]
    results = [loader.communicate(timeout=120) for loader in loaders]
    assert [loader.returncode for loader in loaders] == [ExitCode.DONE] * 3, results

    totals = [json.loads(out)["totals"] for out, _ in results]
    distinct = pl.concat(thirds).unique(["meterId", "timestamp"]).height
    assert sum(total["loaded"] for total in totals) == distinct
    assert sum(total["duplicate"] for total in totals) == sum(third.height for third in thirds) - distinct
    left = Left(database_url)
    assert left.readings == left.distinct == distinct
    assert left.stale == 0


def test_a_load_that_waits_in_vain_names_the_one_it_waits_for(
    database_url: str, dump: Path, start: Start
) -> None:
    with psycopg.connect(database_url, application_name="the nightly load") as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY + 1])
        loader = start(database_url, "ingest", dump, "--lock-wait", "0")
        _, said = loader.communicate(timeout=60)
        assert loader.returncode == ExitCode.TEMPORARY, said
        assert "another load is writing meter_history (the nightly load, server process" in said
        assert f"process {holder.info.backend_pid}" in said
        assert "--lock-wait" in said
    Left(database_url).check(0)


ONE_STATE = """
SELECT (SELECT count(*) FROM meter_history),
       (SELECT coalesce(sum((counts->'meter'->>'loaded')::int), 0) FROM load WHERE status = 'loaded'),
       (SELECT count(*) FROM meter_history h JOIN meter_live l USING (meter_id, ts)),
       (SELECT count(*) FROM meter_live)
"""


def test_readers_see_a_dump_wholly_or_not_at_all(database_url: str, tmp_path: Path) -> None:
    """Each dump is of a day that has no partition or chunk yet: its readers are those most easily misled."""
    stop = threading.Event()

    def read() -> set[tuple[int, ...]]:
        seen = set()
        with psycopg.connect(database_url, autocommit=True) as reader:
            while not stop.is_set():
                seen.add(reader.execute(ONE_STATE).fetchone() or ())
        return seen

    with ThreadPoolExecutor(2) as pool, Sessions(database_url) as sessions:
        readers = [pool.submit(read) for _ in range(2)]
        for day in range(1, 29):
            dump = tmp_path / f"{day}.csv"
            row = f"M-{day},0.5,230,2026-02-{day:02d}T10:00:00Z\n"
            dump.write_text(f"meterId,kwhConsumedAc,voltage,timestamp\n{row}")
            (result,) = ingest([str(dump)], sessions, LoadOptions(), LoadProgress(Diagnostics(quiet=True)))
            assert result.status is Status.LOADED
        stop.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert len(seen) > 10
    assert [state for state in sorted(seen) if len(set(state)) > 1] == []


def test_a_reader_that_takes_its_time_holds_no_load_up(database_url: str, dump: Path, start: Start) -> None:
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM meter_history")
        loader = start(database_url, "ingest", dump)
        _, said = loader.communicate(timeout=60)
        assert loader.returncode == ExitCode.DONE, said
    Left(database_url).check(ROWS)
