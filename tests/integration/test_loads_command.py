from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from energy_etl import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

HEADER = "meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp\n"
GOOD = """\
M-1,0.5,230.1,,,,,2026-03-01T10:00:00Z
M-1,0.6,230.2,,,,,2026-03-01T10:01:00Z
,,,V-1,61.5,0.45,21.5,2026-03-01T10:02:00Z
"""
# Loaded after GOOD: a new reading, a repeated one, one with another value, and rows with faults.
MIXED = """\
M-1,0.7,230.3,,,,,2026-03-01T10:02:00Z
M-1,0.5,230.1,,,,,2026-03-01T10:00:00Z
M-1,9.9,230.2,,,,,2026-03-01T10:01:00Z
M-2,-1,230.2,,,,,2026-03-01T10:03:00Z
M-2,-2,230.2,,,,,2026-03-01T10:04:00Z
,,,V-1,150,0.45,21.5,2026-03-01T10:03:00Z
,0.5,230.1,,,,,2026-03-01T10:00:00Z
\x1b[31m,0.5,230.1,,,,,2026-03-01T10:00:00Z
"""


def ingest(run: Run, folder: Path, name: str, rows: str, *args: str, code: int = 0) -> None:
    (folder / name).write_text(HEADER + rows)
    done = run("ingest", name, *args)
    assert done.returncode == code, done.stderr


def parsed(run: Run, *args: str) -> Any:
    done = run("loads", *args, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def counts(read: int, *outcome: int) -> dict[str, int]:
    names = ("loaded", "duplicate", "conflicting", "rejected")
    return {"read": read, **dict(zip(names, outcome, strict=True))}


STORAGE = {"postgres": "day partitions", "timescale": "direct compress", "timescale_apache": "rows"}


def test_loads_are_listed_newest_first_with_what_came_of_them(run: Run, flavour: str, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    ingest(run, tmp_path, "good.csv", GOOD)
    ingest(run, tmp_path, "mixed.csv", MIXED, "--max-rejects", "90%", code=5)
    newest, oldest = parsed(run)
    assert (newest["source"], oldest["source"]) == ("mixed.csv", "good.csv")
    assert newest["loadId"] > oldest["loadId"]
    content = (tmp_path / "good.csv").read_bytes()
    started, finished = (datetime.fromisoformat(oldest.pop(name)) for name in ("startedAt", "finishedAt"))
    assert before <= started <= finished <= datetime.now(UTC)
    assert oldest == {
        "loadId": 1,
        "source": "good.csv",
        "status": "loaded",
        "format": "csv",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "streams": [
            {
                "stream": "meter",
                **counts(2, 2, 0, 0, 0),
                "replaced": 0,
                "minTs": "2026-03-01T10:00:00Z",
                "maxTs": "2026-03-01T10:01:00Z",
            },
            {
                "stream": "vehicle",
                **counts(1, 1, 0, 0, 0),
                "replaced": 0,
                "minTs": "2026-03-01T10:02:00Z",
                "maxTs": "2026-03-01T10:02:00Z",
            },
        ],
        "options": {
            "profile": "canonical",
            "timezone": "UTC",
            "on_conflict": "keep",
            "max_rejects": "10 %",
            "storage": STORAGE[flavour],
        },
        "error": None,
        "version": __version__,
    }
    for load in (newest, oldest):
        for stream in load["streams"]:
            parts = ("loaded", "duplicate", "conflicting", "rejected")
            assert stream["read"] == sum(stream[part] for part in parts)


def test_table_and_csv_sum_the_counts_over_the_streams(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    ingest(run, tmp_path, "mixed.csv", MIXED, "--max-rejects", "90%", code=5)
    rows = list(csv.DictReader(io.StringIO(run("loads", "--format", "csv").stdout)))
    numbers = [[int(row[name]) for name in counts(0, 0, 0, 0, 0)] for row in rows]
    assert numbers == [[8, 1, 1, 1, 5], [3, 3, 0, 0, 0]]
    assert [row["source"] for row in rows] == ["mixed.csv", "good.csv"]
    table = run("loads").stdout.splitlines()
    assert table[0].split() == [
        *("Load", "Status", "Started", "Read", "Loaded", "Duplicate", "Conflicting", "Rejected", "Source"),
    ]
    assert table[2].split()[3:] == ["8", "1", "1", "1", "5", "mixed.csv"]
    assert table[3].split()[:2] == ["1", "loaded"]


def test_a_load_is_shown_with_its_rules_and_first_rejects(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    ingest(run, tmp_path, "mixed.csv", MIXED, "--max-rejects", "90%", code=5)
    found = parsed(run, "show", "2")
    assert found["schemaVersion"] == 1
    streams = {stream.pop("stream"): stream for stream in found["streams"]}
    assert {name: {key: value[key] for key in counts(0, 0, 0, 0, 0)} for name, value in streams.items()} == {
        "meter": counts(6, 1, 1, 1, 3),
        "vehicle": counts(1, 0, 0, 0, 1),
        "unassigned": counts(1, 0, 0, 0, 1),
    }
    assert found["rejectsTotal"] == 6
    assert found["rejectsByRule"][0] == {
        "stream": "meter",
        "rule": "kwh_consumed_ac:below_range",
        "rejects": 2,
        "open": 2,
    }
    rules = {(rule["stream"], rule["rule"]): rule["rejects"] for rule in found["rejectsByRule"]}
    assert sum(rules.values()) == 6
    assert {
        ("meter", "reading:conflicting"): 1,
        ("vehicle", "soc:above_range"): 1,
        ("meter", "meter_id:control_character"): 1,
    }.items() <= rules.items()
    rejects = {row["rowNumber"]: row for row in found["rejects"]}
    assert list(rejects) == [3, 4, 5, 6, 7, 8]
    assert rejects[3]["detail"].startswith("load 1 stored other values, which were kept")
    assert rejects[4]["raw"]["kwh_consumed_ac"] == "-1"
    assert rejects[4]["detail"] == "kwh_consumed_ac is -1.0, the least possible is 0.0"
    assert rejects[7]["stream"] is None
    assert rejects[8]["raw"]["meter_id"] == "\x1b[31m"


def test_a_load_as_table_obeys_nothing_in_it(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "=good.csv", GOOD)
    ingest(run, tmp_path, "mixed.csv", MIXED, "--max-rejects", "90%", code=5)
    shown = run("loads", "show", "2", env={"COLUMNS": "300"}).stdout
    assert "\x1b" not in shown
    for title in ("Readings", "Rejects by rule", "Rejects, 6 of 6"):
        assert f"\n{title}\n" in shown
    assert "unassigned" in shown
    assert r'"meter_id": "\u001b[31m"' in shown
    good = run("loads", "show", "1").stdout
    assert "=good.csv" in good
    assert "Rejects by rule" not in good
    assert ",'=good.csv," in run("loads", "--format", "csv").stdout


def test_a_load_as_csv_has_its_counts_per_stream(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    assert run("loads", "show", "1", "--format", "csv").stdout.splitlines() == [
        "stream,read,loaded,duplicate,conflicting,rejected,replaced,min_ts,max_ts",
        "meter,2,2,0,0,0,0,2026-03-01T10:00:00Z,2026-03-01T10:01:00Z",
        "vehicle,1,1,0,0,0,0,2026-03-01T10:02:00Z,2026-03-01T10:02:00Z",
    ]


@pytest.mark.parametrize("args", [("--format", "json", "show", "1"), ("show", "1", "--format", "json")])
def test_the_format_may_stand_before_show_too(run: Run, tmp_path: Path, args: tuple[str, ...]) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    assert json.loads(run("loads", *args).stdout)["loadId"] == 1


def test_the_format_that_stands_nearer_counts(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    done = run("loads", "--format", "json", "show", "1", "--format", "csv")
    assert done.stdout.startswith("stream,read,")


def test_what_only_the_list_knows_is_not_passed_over_by_show(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    done = run("loads", "--limit", "3", "show", "1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --limit is of the list, not of show")


def test_twenty_rejects_are_shown_and_all_are_counted(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"M-1,-1,230,,,,,2026-03-01T10:{minute:02d}:00Z\n" for minute in range(25))
    ingest(run, tmp_path, "bad.csv", GOOD + rows, "--max-rejects", "100%", code=5)
    found = parsed(run, "show", "1")
    assert found["rejectsTotal"] == 25
    assert [row["rowNumber"] for row in found["rejects"]] == list(range(4, 24))
    assert "Rejects, 20 of 25" in run("loads", "show", "1").stdout


def test_a_refused_dump_is_in_the_ledger_with_its_error(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "mixed.csv", MIXED, code=4)
    (load,) = parsed(run)
    assert load["status"] == "failed"
    assert load["error"] == "mixed.csv: 5 of 8 readings are rejected, more than --max-rejects allows (10 %)"
    assert load["finishedAt"] is not None
    number = str(load["loadId"])
    assert parsed(run, "show", number)["error"] == load["error"]
    assert load["error"] in run("loads", "show", number, env={"COLUMNS": "300"}).stdout
    (row,) = csv.DictReader(io.StringIO(run("loads", "--format", "csv").stdout))
    assert (row["status"], row["error"]) == ("failed", load["error"])
    assert run("loads").stdout.splitlines()[2].split()[:2] == [number, "failed"]
    assert json.loads(run("live", "meters", "--format", "json").stdout) == []


def test_the_same_content_again_is_no_new_load(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, "good.csv", GOOD)
    ingest(run, tmp_path, "again.csv", GOOD)
    assert [load["source"] for load in parsed(run)] == ["good.csv"]


def test_a_limit_is_kept_and_said(run: Run, tmp_path: Path) -> None:
    names = ["0.csv", "1.csv", "2.csv"]
    for name in names:
        (tmp_path / name).write_text(f"{HEADER}M-1,0.5,230.1,,,,,2026-03-01T1{name[0]}:00:00Z\n")
    assert run("ingest", *names).returncode == 0
    done = run("loads", "--limit", "2")
    assert len(done.stdout.splitlines()) == 2 + 2
    assert done.stderr == "note: 1 older load not shown; --limit 3 shows all\n"
    assert [load["source"] for load in parsed(run, "--limit", "1")] == ["2.csv"]
    assert run("loads", "--limit", "3").stderr == ""


def test_an_empty_ledger_is_an_empty_result(run: Run) -> None:
    assert parsed(run) == []
    done = run("loads", "--format", "csv")
    assert done.returncode == 0
    assert done.stdout == (
        "load_id,status,started_at,finished_at,read,loaded,duplicate,conflicting,rejected,source,format,bytes,"
        "sha256,error,version\n"
    )


@pytest.mark.parametrize("number", ["1", "-5", "99999999999999999999"])
def test_an_unknown_load_is_wrong_use(run: Run, number: str) -> None:
    done = run("loads", "show", "--", number)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: there is no load {number}",
        "  hint: `energy-etl loads` lists those there are",
    ]


@pytest.mark.parametrize(
    "args", [("show",), ("show", "x"), ("nonsense",), ("--format", "xml"), ("--limit", "0")]
)
def test_wrong_use_is_told_without_a_traceback(run_without_server: Run, args: tuple[str, ...]) -> None:
    done = run_without_server("loads", *args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
