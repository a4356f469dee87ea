"""Dumps that share readings, in one call: each reading counts for the file and the row it came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from energy_etl.errors import ExitCode
from tests.small_dumps import BAD, counts, files, ledger, line, rows, stored, transactions, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

OVERLAPPING = {
    "a.csv": [line("M-1", 0, 0.5), line("M-1", 1, 0.25)],
    "b.csv": [line("M-1", 1, 0.25), line("M-1", 0, 9.5), line("M-1", 2, 0.125)],
    "c.csv": [line("M-2", 0, 1.5), line("M-1", 0, 9.5), line("M-1", 2, 7.5)],
}


def test_what_files_of_a_call_share_is_attributed_to_the_file_and_the_row(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    for name, lines in OVERLAPPING.items():
        write(tmp_path, name, *lines)
    done = run("ingest", *OVERLAPPING)
    assert done.returncode == ExitCode.PROBLEMS
    assert transactions(database_url) == 1
    assert ledger(database_url) == {
        "a.csv": (1, "loaded", (2, 2, 0, 0, 0)),
        "b.csv": (2, "loaded", (3, 1, 1, 1, 0)),
        "c.csv": (3, "loaded", (3, 1, 0, 2, 0)),
    }
    assert stored(database_url) == [
        ("M-1", 0, 0.5, 1),
        ("M-1", 1, 0.25, 1),
        ("M-1", 2, 0.125, 2),
        ("M-2", 0, 1.5, 3),
    ]
    found = rows(
        database_url,
        "SELECT load_id, row_number, rule, detail, raw->'kwh_consumed_ac' FROM reject ORDER BY 1, 2",
    )
    kept = "load {} stored other values, which were kept, kwh_consumed_ac {}, voltage 230"
    assert found == [
        (2, 2, "reading:conflicting", kept.format(1, 0.5), 9.5),
        (3, 2, "reading:conflicting", kept.format(1, 0.5), 9.5),
        (3, 3, "reading:conflicting", kept.format(2, 0.125), 7.5),
    ]


def test_with_replace_the_last_file_of_a_call_wins(run: Run, database_url: str, tmp_path: Path) -> None:
    for name, lines in OVERLAPPING.items():
        write(tmp_path, name, *lines)
    assert run("ingest", *OVERLAPPING, "--on-conflict", "replace").returncode == ExitCode.DONE
    # The row of c.csv that repeats what b.csv had restated is no conflict.
    assert ledger(database_url) == {
        "a.csv": (1, "loaded", (2, 2, 0, 0, 0)),
        "b.csv": (2, "loaded", (3, 1, 1, 1, 0)),
        "c.csv": (3, "loaded", (3, 1, 1, 1, 0)),
    }
    assert [row[:3] for row in stored(database_url)] == [
        ("M-1", 0, 9.5),
        ("M-1", 1, 0.25),
        ("M-1", 2, 7.5),
        ("M-2", 0, 1.5),
    ]
    assert rows(database_url, "SELECT kwh_consumed_ac, load_id FROM meter_live ORDER BY meter_id") == [
        (7.5, 3),
        (1.5, 3),
    ]


@pytest.mark.parametrize(("on_conflict", "kept"), [("keep", (0.5, 2)), ("replace", (9.5, 3))])
def test_of_readings_that_fill_a_gap_the_order_of_the_files_decides(
    run: Run, database_url: str, tmp_path: Path, on_conflict: str, kept: tuple[float, int]
) -> None:
    write(tmp_path, "ends.csv", line("M-1", 0, 0.25), line("M-1", 9, 0.25))
    run("ingest", "ends.csv")
    write(tmp_path, "first.csv", line("M-2", 0, 1.5), line("M-1", 5, 0.5))
    write(tmp_path, "second.csv", line("M-1", 5, 9.5))
    run("ingest", "first.csv", "second.csv", "--on-conflict", on_conflict)
    assert ledger(database_url) == {
        "ends.csv": (1, "loaded", (2, 2, 0, 0, 0)),
        "first.csv": (2, "loaded", (2, 2, 0, 0, 0)),
        "second.csv": (3, "loaded", (1, 0, 0, 1, 0)),
    }
    assert stored(database_url) == [
        ("M-1", 0, 0.25, 1),
        ("M-1", 5, *kept),
        ("M-1", 9, 0.25, 1),
        ("M-2", 0, 1.5, 2),
    ]


def test_a_dry_run_counts_what_its_files_share_and_writes_nothing(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    write(tmp_path, "old.csv", line("M-1", 0, 0.5))
    run("ingest", "old.csv")
    write(tmp_path, "over.csv", BAD)
    for name, lines in OVERLAPPING.items():
        write(tmp_path, name, *lines)
    done = run(
        "ingest", *OVERLAPPING, "over.csv", "--dry-run", "--format", "json", "--rejects-to", "rejects.csv"
    )
    assert done.returncode == ExitCode.PROBLEMS
    told = files(done)
    assert [(file["status"], file["loadId"]) for file in told] == [("dry run", None)] * 3 + [("failed", None)]
    assert [counts(file["streams"]) for file in told] == [
        (2, 1, 1, 0, 0),
        (3, 1, 1, 1, 0),
        (3, 1, 0, 2, 0),
        (1, 0, 0, 0, 1),
    ]
    rejects = pl.read_csv(tmp_path / "rejects.csv").select("source", "row_number").rows()
    assert rejects == [("b.csv", 2), ("c.csv", 2), ("c.csv", 3), ("over.csv", 1)]
    assert stored(database_url) == [("M-1", 0, 0.5, 1)]
    assert list(ledger(database_url)) == ["old.csv"]
