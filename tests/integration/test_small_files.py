"""Many small dumps in one call: they share a transaction, and each keeps its own account."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from energy_etl.errors import ExitCode
from energy_etl.feed import READ_ROWS
from energy_etl.ingest import SMALL_BYTES
from tests.small_dumps import BAD, NOON, counts, files, ledger, line, rows, stored, transactions, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run


def test_thirty_small_files_are_one_transaction_and_thirty_loads(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    readings = {
        f"{number:02}.csv": [(f"M-{at % 4}", 100 * at - number, number + at / 8) for at in range(number)]
        for number in range(1, 31)
    }
    for name, lines in readings.items():
        write(tmp_path, name, *(line(*reading) for reading in lines))
    done = run("ingest", *readings, "--format", "json")
    assert done.returncode == ExitCode.DONE, done.stderr

    names = list(readings)
    assert [(file["source"], file["loadId"]) for file in files(done)] == [
        (name, at) for at, name in enumerate(names, 1)
    ]
    account = {name: (len(lines), len(lines), 0, 0, 0) for name, lines in readings.items()}
    assert {file["source"]: counts(file["streams"]) for file in files(done)} == account
    assert ledger(database_url) == {name: (at, "loaded", account[name]) for at, name in enumerate(names, 1)}
    assert transactions(database_url) == 1

    every = [(*reading, at) for at, lines in enumerate(readings.values(), 1) for reading in lines]
    assert stored(database_url) == sorted(every)
    live = rows(database_url, "SELECT meter_id, ts, kwh_consumed_ac, load_id, first_ts FROM meter_live")
    newest = {device: max(row[1:] for row in every if row[0] == device) for device, *_ in every}
    oldest = {device: min(row[1] for row in every if row[0] == device) for device in newest}
    assert sorted(live) == [
        (device, NOON + timedelta(minutes=at), energy, load, NOON + timedelta(minutes=oldest[device]))
        for device, (at, energy, load) in sorted(newest.items())
    ]


def test_what_cannot_be_loaded_does_not_take_the_others_with_it(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    good = [write(tmp_path, f"good{at}.csv", line("M-1", at, 0.5), line("M-2", at, 0.5)) for at in range(3)]
    write(tmp_path, "over.csv", line("M-1", 50, 0.5), BAD)
    write(tmp_path, "quote.csv", line("M-1", 51, 0.5), '"M-1,0.5,230')
    (tmp_path / "header.csv").write_text("a,b\n1,2\n")
    names = [good[0], "over.csv", good[1], "quote.csv", "header.csv", good[2]]
    done = run("ingest", *names, "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS, done.stderr

    told = files(done)
    assert [file["source"] for file in told] == names
    assert [file["status"] for file in told] == ["loaded", "failed", "loaded", "failed", "failed", "loaded"]
    assert "1 of 2 readings are rejected, more than --max-rejects allows (10 %)" in told[1]["error"]
    assert told[3]["error"].startswith("quote.csv: ")
    assert told[4]["error"].startswith("header.csv: no column meterId or vehicleId")
    assert [(file["loadId"] is None) for file in told] == [False, True, False, True, True, False]

    found = ledger(database_url)
    assert {name: told[1:] for name, told in found.items()} == {
        **dict.fromkeys(good, ("loaded", (2, 2, 0, 0, 0))),
        "over.csv": ("failed", (2, 0, 0, 0, 1)),
        "quote.csv": ("failed", None),
        "header.csv": ("failed", None),
    }
    errors = rows(database_url, "SELECT source, error FROM load WHERE error IS NOT NULL")
    assert sorted(errors) == sorted((told[at]["source"], told[at]["error"]) for at in (1, 3, 4))
    loads = [found[name][0] for name in good]
    assert stored(database_url) == [
        (device, at, 0.5, loads[at]) for device in ("M-1", "M-2") for at in range(3)
    ]
    assert rows(database_url, "SELECT count(*) FROM reject") == [(0,)]


def test_where_every_file_is_refused_nothing_is_loaded(run: Run, database_url: str, tmp_path: Path) -> None:
    names = [write(tmp_path, f"{at}.csv", BAD, line("M-1", at, 0.5)) for at in range(3)]
    done = run("ingest", *names, "--max-rejects", "0")
    assert done.returncode == ExitCode.INPUT
    assert {name: told[1] for name, told in ledger(database_url).items()} == dict.fromkeys(names, "failed")
    assert stored(database_url) == []


@pytest.mark.parametrize("rejected", [1, 2])
def test_a_limit_in_rows_is_that_of_each_file(
    run: Run, database_url: str, tmp_path: Path, rejected: int
) -> None:
    names = [write(tmp_path, f"{at}.csv", line("M-1", at, 0.5), *[BAD] * rejected) for at in range(3)]
    run("ingest", *names, "--max-rejects", "1")
    status = "loaded" if rejected == 1 else "failed"
    assert {name: told[1] for name, told in ledger(database_url).items()} == dict.fromkeys(names, status)


def test_the_same_content_twice_in_a_call_is_loaded_once(run: Run, database_url: str, tmp_path: Path) -> None:
    names = [write(tmp_path, name, line("M-1", 0, 0.5)) for name in ("a.csv", "copy.csv")]
    names.insert(1, write(tmp_path, "b.csv", line("M-1", 1, 0.5)))
    done = run("ingest", *names, "--format", "json")
    assert done.returncode == ExitCode.DONE, done.stderr
    told = [(file["source"], file["status"], file["loadId"]) for file in files(done)]
    assert told == [("a.csv", "loaded", 1), ("b.csv", "loaded", 2), ("copy.csv", "already loaded", 1)]
    assert stored(database_url) == [("M-1", 0, 0.5, 1), ("M-1", 1, 0.5, 2)]
    assert list(ledger(database_url)) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("unusable", [BAD, '"M-1,0.5,230'])
def test_what_is_wrong_with_a_file_is_not_said_of_the_copy_before_it(
    run: Run, database_url: str, tmp_path: Path, unusable: str
) -> None:
    for name in ("a.csv", "copy.csv"):
        write(tmp_path, name, line("M-1", 0, 0.5))
    write(tmp_path, "bad.csv", unusable)
    done = run("ingest", "a.csv", "copy.csv", "bad.csv", "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS
    told = [(file["source"], file["status"], file["loadId"]) for file in files(done)]
    assert told == [("a.csv", "loaded", 1), ("copy.csv", "already loaded", 1), ("bad.csv", "failed", None)]
    assert [(name, told[1]) for name, told in ledger(database_url).items()] == [
        ("a.csv", "loaded"),
        ("bad.csv", "failed"),
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_rejects_of_every_file_are_written_those_of_a_refused_one_too(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    odd = 'M-1,"very, ""very""\nmuch",230,2026-03-01T12:00:00Z'
    write(tmp_path, "a.csv", line("M-1", 0, 0.5), BAD, *[line("M-1", at, 0.5) for at in range(1, 19)])
    write(tmp_path, "fine.csv", line("M-2", 0, 0.5))
    write(tmp_path, "over.csv", odd, line("M-1", 40, 0.5), "M-1,0.5", BAD)
    write(tmp_path, "b.csv", line("M-1", 0, 9.5), line("M-1", 0, 0.5))
    done = run("ingest", "a.csv", "fine.csv", "over.csv", "b.csv", "--rejects-to", f"rejects.{suffix}")
    assert done.returncode == ExitCode.PROBLEMS
    path = tmp_path / f"rejects.{suffix}"
    found = pl.read_csv(path) if suffix == "csv" else pl.read_parquet(path)
    assert found.select("source", "row_number", "stream", "rule").rows() == [
        ("a.csv", 2, "meter", "kwh_consumed_ac:not_a_number"),
        ("over.csv", 1, "meter", "kwh_consumed_ac:not_a_number"),
        ("over.csv", 3, "meter", "field_count"),
        ("over.csv", 4, "meter", "kwh_consumed_ac:not_a_number"),
        ("b.csv", 1, "meter", "reading:conflicting"),
    ]
    assert json.loads(found["raw"][1])["kwh_consumed_ac"] == 'very, "very"\nmuch'
    assert json.loads(found["raw"][2]) == {"line": "M-1,0.5"}
    assert 'very, "very"\nmuch' in found["detail"][1]


def test_a_file_that_only_looks_small_has_a_transaction_of_its_own(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    seconds = READ_ROWS + 1
    pl.select(
        meterId=pl.lit("M-9"),
        kwhConsumedAc=pl.lit(0.05),
        timestamp=1_700_000_000 + pl.int_range(seconds, dtype=pl.Int64),
    ).with_columns(voltage=pl.lit(230.0)).write_parquet(tmp_path / "large.parquet")
    assert (tmp_path / "large.parquet").stat().st_size < SMALL_BYTES
    names = [write(tmp_path, f"{at}.csv", line("M-1", at, 0.5)) for at in range(2)]
    done = run("ingest", names[0], "large.parquet", names[1], "--format", "json")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert [file["source"] for file in files(done)] == [names[0], "large.parquet", names[1]]
    assert {name: told[1:] for name, told in ledger(database_url).items()} == {
        **dict.fromkeys(names, ("loaded", (1, 1, 0, 0, 0))),
        "large.parquet": ("loaded", (seconds, seconds, 0, 0, 0)),
    }
    assert transactions(database_url) == 2
    assert rows(database_url, "SELECT count(*) FROM meter_history WHERE meter_id = 'M-9'") == [(seconds,)]
    assert rows(
        database_url,
        "SELECT extract(epoch FROM first_ts)::int, extract(epoch FROM ts)::int FROM meter_live"
        " WHERE meter_id = 'M-9'",
    ) == [(1_700_000_000, 1_700_000_000 + seconds - 1)]
