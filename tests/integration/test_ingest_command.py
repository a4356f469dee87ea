"""``ingest`` as a user runs it: what is loaded, what is said, and how the process ends."""

from __future__ import annotations

import csv
import gzip
import io
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Run

METERS = """meterId,kwhConsumedAc,voltage,timestamp
M-1,0.5,230.1,2026-03-01T10:00:00Z
M-1,0.25,230.4,2026-03-01T10:01:00Z
M-2,0.125,,2026-03-01T10:00:00Z
"""
OVERLAPPING = """meterId,kwhConsumedAc,voltage,timestamp
M-1,0.25,230.4,2026-03-01T10:01:00Z
M-1,9.5,230.4,2026-03-01T10:00:00Z
M-1,0.75,230.4,2026-03-01T10:02:00Z
"""
VEHICLES = """{"vehicleId":"V-1","soc":61.5,"kwhDeliveredDc":0.45,"batteryTemp":21,"timestamp":1772359200}
{"vehicleId":"V-1","soc":62.0,"kwhDeliveredDc":0.45,"batteryTemp":22,"timestamp":1772359260}
"""


def bad(rows: int, good: int = 0) -> str:
    lines = [f"M-1,much,230,2026-03-01T10:{minute:02d}:00Z" for minute in range(rows)]
    lines += [f"M-1,0.5,230,2026-03-01T11:{minute:02d}:00Z" for minute in range(good)]
    return "\n".join(["meterId,kwhConsumedAc,voltage,timestamp", *lines]) + "\n"


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(statement.encode()).fetchall()


def history(database_url: str) -> list[tuple[Any, ...]]:
    return rows(database_url, "SELECT meter_id, ts::text, kwh_consumed_ac FROM meter_history ORDER BY 1, 2")


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_dumps_of_every_format_load_and_are_summarised(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(METERS)
    (tmp_path / "vehicles.ndjson.gz").write_bytes(gzip.compress(VEHICLES.encode()))
    done = run("ingest", "meters.csv", "vehicles.ndjson.gz")
    assert done.returncode == ExitCode.DONE
    assert done.stdout == ""
    lines = [line.split() for line in done.stderr.splitlines()]
    assert ["meters.csv", "load", "1", "meter", "3", "3", "0", "0", "0"] in lines
    assert ["vehicles.ndjson.gz", "load", "2", "vehicle", "2", "2", "0", "0", "0"] in lines
    assert "note: 5 readings loaded from 5 rows" in done.stderr
    assert rows(database_url, "SELECT vehicle_id, ts::text, soc FROM vehicle_history ORDER BY ts") == [
        ("V-1", "2026-03-01 10:00:00+00", 61.5),
        ("V-1", "2026-03-01 10:01:00+00", 62.0),
    ]


def test_the_same_content_is_known_again_under_any_name(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    (tmp_path / "b.csv").write_text(METERS)
    assert run("ingest", "a.csv").returncode == ExitCode.DONE
    again = run("ingest", "b.csv", "--format", "json")
    assert again.returncode == ExitCode.DONE
    (file,) = result(again)["files"]
    assert file["status"] == "already loaded"
    assert file["loadId"] == 1
    assert len(history(database_url)) == 3


def test_overlapping_readings_are_duplicates_or_conflicts(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    (tmp_path / "b.csv").write_text(OVERLAPPING)
    run("ingest", "a.csv")
    done = run("ingest", "b.csv", "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS
    counts = result(done)["files"][0]["streams"]["meter"]
    assert {name: counts[name] for name in ("read", "loaded", "duplicate", "conflicting", "rejected")} == {
        "read": 3,
        "loaded": 1,
        "duplicate": 1,
        "conflicting": 1,
        "rejected": 0,
    }
    assert "1 × reading:conflicting (meter)" in done.stderr
    assert history(database_url)[0] == ("M-1", "2026-03-01 10:00:00+00", 0.5)
    assert rows(database_url, "SELECT row_number, detail FROM reject") == [
        (2, "load 1 stored other values, which were kept, kwh_consumed_ac 0.5, voltage 230.1")
    ]


def test_replacing_restates_the_stored_reading_and_says_what_it_was(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    (tmp_path / "b.csv").write_text(OVERLAPPING)
    run("ingest", "a.csv")
    done = run("ingest", "b.csv", "--on-conflict", "replace", "--format", "json")
    assert done.returncode == ExitCode.DONE
    assert result(done)["totals"]["replaced"] == 1
    assert history(database_url)[0] == ("M-1", "2026-03-01 10:00:00+00", 9.5)
    assert rows(database_url, "SELECT rule, detail FROM reject") == [
        (
            "reading:restated",
            "load 1 stored other values, which were replaced, kwh_consumed_ac 0.5, voltage 230.1",
        )
    ]


def test_a_dry_run_counts_and_writes_nothing(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    (tmp_path / "b.csv").write_text(OVERLAPPING)
    run("ingest", "a.csv")
    before = rows(database_url, "SELECT relname FROM pg_class ORDER BY 1")
    done = run("ingest", "b.csv", "--dry-run", "--format", "json", "--rejects-to", "rejects.csv")
    assert done.returncode == ExitCode.PROBLEMS
    (file,) = result(done)["files"]
    assert (file["status"], file["loadId"]) == ("dry run", None)
    assert file["streams"]["meter"]["conflicting"] == 1
    assert "1 reading would be loaded" in done.stderr
    assert "reading:conflicting" in (tmp_path / "rejects.csv").read_text()
    assert len(history(database_url)) == 3
    assert rows(database_url, "SELECT count(*) FROM load") == [(1,)]
    assert rows(database_url, "SELECT relname FROM pg_class ORDER BY 1") == before


def test_a_dry_run_needs_no_schema_and_leaves_none(
    run_without_server: Run, bare_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    environment = {"DATABASE_URL": bare_database_url}
    done = run_without_server("ingest", "a.csv", "--dry-run", "--format", "json", env=environment)
    assert done.returncode == ExitCode.DONE, done.stderr
    assert result(done)["totals"]["loaded"] == 3
    assert rows(bare_database_url, "SELECT to_regclass('load'), to_regclass('schema_version')") == [
        (None, None)
    ]


def test_the_first_ingest_makes_the_schema_and_says_so(
    run_without_server: Run, bare_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    environment = {"DATABASE_URL": bare_database_url}
    done = run_without_server("ingest", "a.csv", env=environment)
    assert done.returncode == ExitCode.DONE
    assert "set up" in done.stderr
    assert "set up" not in run_without_server("ingest", "a.csv", env=environment).stderr


@pytest.mark.parametrize(
    ("limit", "bad_rows", "good_rows", "refused"),
    [
        ("10%", 1, 9, False),
        ("10%", 2, 9, True),
        ("0", 1, 9, True),
        ("2", 2, 0, False),
        ("2", 3, 50, True),
        ("100%", 5, 0, False),
    ],
)
def test_a_dump_with_too_many_rejects_is_refused_as_a_whole(
    run: Run, database_url: str, tmp_path: Path, limit: str, bad_rows: int, good_rows: int, refused: bool
) -> None:
    (tmp_path / "bad.csv").write_text(bad(bad_rows, good_rows))
    done = run("ingest", "bad.csv", "--max-rejects", limit)
    assert done.returncode == (ExitCode.INPUT if refused else ExitCode.PROBLEMS)
    assert len(history(database_url)) == (0 if refused else good_rows)
    assert ("more than --max-rejects allows" in done.stderr) is refused
    assert rows(database_url, "SELECT status FROM load") == [("failed" if refused else "loaded",)]


@pytest.mark.parametrize("limit", ["many", "-1", "101%", "1.5", "%"])
def test_a_limit_that_is_none_is_wrong_use(run: Run, tmp_path: Path, limit: str) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    done = run("ingest", "a.csv", f"--max-rejects={limit}")
    assert done.returncode == ExitCode.USAGE
    assert "--max-rejects" in done.stderr


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rejects_are_written_to_a_file_that_only_its_owner_reads(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "=bad.csv").write_text(bad(2, 40))
    (tmp_path / "good.csv").write_text(METERS)
    done = run("ingest", "=bad.csv", "good.csv", "--rejects-to", f"rejects.{suffix}")
    assert done.returncode == ExitCode.PROBLEMS
    path = tmp_path / f"rejects.{suffix}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    frame = pl.read_csv(path) if suffix == "csv" else pl.read_parquet(path)
    assert frame.columns == ["source", "row_number", "stream", "rule", "detail", "raw"]
    assert frame["source"].to_list() == ["'=bad.csv" if suffix == "csv" else "=bad.csv"] * 2
    assert frame["row_number"].to_list() == [1, 2]
    assert frame["rule"].unique().to_list() == ["kwh_consumed_ac:not_a_number"]
    assert json.loads(frame["raw"][0])["kwh_consumed_ac"] == "much"
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.startswith(".")) == []


def test_rejects_of_a_refused_dump_are_written_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(bad(3))
    done = run("ingest", "bad.csv", "--rejects-to", "rejects.csv")
    assert done.returncode == ExitCode.INPUT
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 1 + 3


@pytest.mark.parametrize("name", ["rejects.txt", "missing/rejects.csv"])
def test_a_file_for_rejects_that_cannot_be_is_wrong_use_before_anything_is_loaded(
    run: Run, database_url: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    done = run("ingest", "a.csv", "--rejects-to", name)
    assert done.returncode == ExitCode.USAGE
    assert history(database_url) == []


def test_one_unusable_dump_does_not_stop_the_others(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text(METERS)
    (tmp_path / "3.parquet").write_bytes(b"PAR1 but not for long")
    done = run("ingest", ".", "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS
    assert [file["status"] for file in result(done)["files"]] == ["failed", "loaded", "failed"]
    assert result(done)["files"][0]["error"].startswith("1.csv: no column meterId or vehicleId")
    assert "error: 3.parquet: " in done.stderr
    assert len(history(database_url)) == 3


@pytest.mark.parametrize("arguments", [["nowhere.csv"], ["*.parquet"], ["empty.csv"], ["folder"]])
def test_nothing_usable_is_an_error_that_names_what_was_asked_for(
    run: Run, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder").mkdir()
    done = run("ingest", *arguments)
    assert done.returncode == ExitCode.INPUT
    assert f"error: {arguments[0]}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_input_is_a_dump_like_any_other(run: Run, database_url: str) -> None:
    done = run("ingest", "-", stdin=gzip.compress(METERS.encode()))
    assert done.returncode == ExitCode.DONE
    assert len(history(database_url)) == 3
    assert rows(database_url, "SELECT source, format FROM load") == [("-", "csv")]


def test_naive_timestamps_are_utc_and_said_unless_a_zone_is_named(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "naive.csv").write_text(METERS.replace("Z\n", "\n"))
    done = run("ingest", "naive.csv", "--dry-run")
    assert "naive.csv: 3 timestamps without an offset taken as UTC (--timezone" in done.stderr
    done = run("ingest", "naive.csv", "--timezone", "Europe/Berlin")
    assert done.returncode == ExitCode.DONE
    assert history(database_url)[0][1] == "2026-03-01 09:00:00+00"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "CET+1"])
def test_an_unknown_zone_is_wrong_use(run: Run, tmp_path: Path, zone: str) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    done = run("ingest", "a.csv", "--timezone", zone)
    assert done.returncode == ExitCode.USAGE
    assert "is no time zone" in done.stderr


def test_quiet_leaves_warnings_and_the_result(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    (tmp_path / "b.csv").write_text(OVERLAPPING)
    assert run("ingest", "a.csv", "--quiet").stderr == ""
    done = run("--quiet", "ingest", "b.csv", "--format", "csv")
    assert done.stderr.startswith("warning: b.csv: 1 × reading:conflicting (meter)")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["source"], row["stream"], row["read"], row["loaded"]) == ("b.csv", "meter", "3", "1")


def test_readings_of_both_streams_may_begin_anywhere_in_a_json_dump(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    meter = '{{"meterId": "M-1", "kwhConsumedAc": 0.5, "voltage": 230, "timestamp": {}}}\n'
    vehicle = (
        '{"vehicleId": "V-1", "soc": 50, "kwhDeliveredDc": 0.4, "batteryTemp": 20, "timestamp": 1772359200}\n'
    )
    records = 11_000  # beyond those that are looked at beforehand
    (tmp_path / "late.ndjson").write_text(
        "".join(meter.format(1772359200 + 60 * number) for number in range(records)) + vehicle
    )
    done = run("ingest", "late.ndjson", "--format", "json")
    assert done.returncode == ExitCode.DONE, done.stderr
    streams = result(done)["files"][0]["streams"]
    assert (streams["meter"]["loaded"], streams["vehicle"]["loaded"]) == (records, 1)
    assert rows(database_url, "SELECT count(*) FROM vehicle_live") == [(1,)]


def test_strange_ids_do_no_harm(run: Run, database_url: str, tmp_path: Path) -> None:
    ids = ["V[/]", "=cmd|' /C calc'!A0", "[bold]x", "Zoë 車", "'; DROP TABLE load; --", "%s {history}"]
    with (tmp_path / "odd.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["vehicleId", "soc", "kwhDeliveredDc", "batteryTemp", "timestamp"])
        writer.writerows([name, 50, 0.5, 20, "2026-03-01T10:00:00Z"] for name in ids)
    assert run("ingest", "odd.csv").returncode == ExitCode.DONE
    assert {row[0] for row in rows(database_url, "SELECT vehicle_id FROM vehicle_history")} == set(ids)
    for name in ids:
        assert json.loads(run("analytics", name, "--format", "json").stdout)["vehicleId"] == name


def test_no_password_is_ever_shown(run: Run, database_url: str, tmp_path: Path) -> None:
    secret = "CANARY-7f3a"
    (tmp_path / "a.csv").write_text(METERS)
    addresses = [
        f"postgresql://ana:{secret}@127.0.0.1:1/nowhere",
        f"postgresql//ana:{secret}@127.0.0.1/nowhere",
        f"host=127.0.0.1 port=1 user=ana password={secret}",
        f"{secret}",
        f"postgresql://ana:{secret}@127.0.0.1:port/nowhere",
    ]
    for address in addresses:
        done = run("--debug", "ingest", "a.csv", env={"DATABASE_URL": address})
        assert done.returncode in (ExitCode.USAGE, ExitCode.DATABASE), done.stderr
        assert secret not in done.stdout + done.stderr


def test_samples_load_as_their_description_says(run: Run, database_url: str) -> None:
    samples = Path(__file__).resolve().parents[2] / "samples"

    done = run(
        "ingest",
        *sorted(str(path) for path in samples.iterdir() if path.suffix in {".csv", ".parquet", ".ndjson"}),
        "--format",
        "json",
    )
    assert done.returncode == ExitCode.PROBLEMS
    files = {file["source"].rsplit("/", 1)[-1]: file["streams"] for file in result(done)["files"]}
    names = ("read", "loaded", "duplicate", "conflicting", "rejected")
    told = {
        name: {stream: tuple(counts[key] for key in names) for stream, counts in streams.items()}
        for name, streams in files.items()
    }
    assert told == {
        "dirty.csv": {
            "meter": (200, 181, 2, 1, 16),
            "vehicle": (185, 180, 1, 1, 3),
            "unassigned": (4, 0, 0, 0, 4),
        },
        "meters.csv": {"meter": (6240, 6240, 0, 0, 0)},
        "mixed.ndjson": {"meter": (3120, 3120, 0, 0, 0), "vehicle": (3120, 3120, 0, 0, 0)},
        "vehicles.parquet": {"vehicle": (6240, 6240, 0, 0, 0)},
    }
