"""``rejects list`` and ``rejects export`` as a user runs them."""

from __future__ import annotations

import csv
import io
import json
import stat
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

METERS = """meterId,kwhConsumedAc,voltage,timestamp
M-1,0.5,230.1,2026-03-01T10:00:00Z
M-1,much,230.4,2026-03-01T10:01:00Z
M-1,=9,,2026-03-01T10:02:00Z
M-2,0.125
M-1,0.75,230.1,2026-03-01T10:00:00Z
M-1,-5,230.4,2026-03-01T10:04:00Z
"""
MIXED = """meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp
M-5,0.5,230,\x1b[31mV[/],50,oops,20,2026-03-01T10:00:00Z
,,,,,,,2026-03-01T10:00:00Z
"""
RULES = {
    "meters.csv": [
        *["kwh_consumed_ac:not_a_number"] * 2,
        *("field_count", "reading:conflicting", "kwh_consumed_ac:below_range"),
    ],
    "mixed.csv": ["kwh_delivered_dc:not_a_number", "row:no_device"],
}


@pytest.fixture
def loaded(run: Run, tmp_path: Path) -> Run:
    """Two dumps: load 1 with 5 rejects, load 2 with 2."""
    (tmp_path / "dumps").mkdir()
    for name, content in {"meters.csv": METERS, "mixed.csv": MIXED}.items():
        (tmp_path / "dumps" / name).write_text(content)
        done = run("ingest", f"dumps/{name}", "--max-rejects", "100%")
        assert done.returncode == ExitCode.PROBLEMS
    return run


def listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    done = run("rejects", "list", *arguments, "--format", "json")
    assert done.returncode == ExitCode.DONE, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_rejects_are_listed_by_load_and_row_with_what_was_read(loaded: Run) -> None:
    rows = listed(loaded)
    assert [(row["loadId"], row["rowNumber"]) for row in rows] == [
        *[(2, 1), (2, 2)],
        *[(1, 2), (1, 3), (1, 4), (1, 5), (1, 6)],
    ]
    assert [row["rule"] for row in rows] == [*RULES["mixed.csv"], *RULES["meters.csv"]]
    assert rows[1]["stream"] is None
    assert rows[2] == {
        "rejectId": rows[2]["rejectId"],
        "loadId": 1,
        "source": "dumps/meters.csv",
        "rowNumber": 2,
        "stream": "meter",
        "rule": "kwh_consumed_ac:not_a_number",
        "detail": "kwh_consumed_ac is 'much', which is not a number",
        "raw": {
            "meter_id": "M-1",
            "kwh_consumed_ac": "much",
            "voltage": "230.4",
            "ts": "2026-03-01T10:01:00Z",
        },
    }


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--load", "1"), 5),
        (("--load", "2"), 2),
        (("--rule", "kwh_consumed_ac:not_a_number"), 2),
        (("--rule", "kwh_*"), 4),
        (("--rule", "kwh%"), 0),
        (("--rule", "row_no?device"), 0),
        (("--rule", "row?no_device"), 1),
        (("--file", "meters.csv"), 5),
        (("--file", "dumps/m*.csv"), 7),
        (("--file", "mixed*"), 2),
        (("--file", "elsewhere/mixed.csv"), 0),
        (("--stream", "vehicle"), 1),
        (("--stream", "unassigned"), 1),
        (("--load", "1", "--rule", "*:not_a_number", "--stream", "meter"), 2),
        (("--load", "2", "--file", "meters.csv"), 0),
        (("--limit", "3"), 3),
    ],
)
def test_filters_are_held_all_at_once(loaded: Run, filters: tuple[str, ...], found: int) -> None:
    assert len(listed(loaded, *filters)) == found


def test_counts_are_by_load_rule_or_file(loaded: Run) -> None:
    assert listed(loaded, "--by", "load") == [
        {"loadId": 1, "source": "dumps/meters.csv", "rejects": 5, "rules": 4},
        {"loadId": 2, "source": "dumps/mixed.csv", "rejects": 2, "rules": 2},
    ]
    by_rule = listed(loaded, "--by", "rule", "--load", "1")
    assert by_rule[0] == {
        "stream": "meter",
        "rule": "kwh_consumed_ac:not_a_number",
        "rejects": 2,
        "loads": 1,
        "example": "kwh_consumed_ac is '=9', which is not a number",
    }
    assert sum(row["rejects"] for row in by_rule) == 5
    assert listed(loaded, "--by", "file", "--rule", "row:*") == [
        {"source": "dumps/mixed.csv", "rejects": 1, "rules": 1, "loads": 1}
    ]


def test_a_table_obeys_nothing_in_it_and_says_what_it_leaves_out(loaded: Run) -> None:
    done = loaded("rejects", "list", env={"COLUMNS": "300"})
    assert "\x1b" not in done.stdout
    assert r"\u001b[31mV[/]" in done.stdout
    assert done.stderr == ""
    less = loaded("rejects", "list", "--limit", "2")
    assert less.stderr == "note: 5 more rejects not shown; --limit 7 shows all, --by rule counts them\n"


def test_csv_is_for_programs_and_safe_for_spreadsheets(loaded: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(loaded("rejects", "list", "--format", "csv").stdout)))
    assert len(rows) == 7
    assert json.loads(rows[0]["raw"])["kwh_delivered_dc"] == "oops"


def test_nothing_rejected_is_an_empty_list(run: Run, tmp_path: Path) -> None:
    assert run("db", "init").returncode == ExitCode.DONE
    assert listed(run) == []
    assert run("rejects", "export", "--to", "none.csv").stderr == "note: 0 rejects written to none.csv\n"
    assert (tmp_path / "none.csv").read_text().startswith("reject_id,load_id,row_number,")


@pytest.mark.parametrize("command", [("list",), ("export", "--to", "x.csv"), ("retry",)])
def test_a_load_that_is_none_is_wrong_use(run: Run, command: tuple[str, ...]) -> None:
    done = run("rejects", *command, "--load", "99999999999")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("error: there is no load 99999999999\n")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_an_export_has_a_column_per_field(loaded: Run, tmp_path: Path, suffix: str) -> None:
    done = loaded("rejects", "export", "--to", f"out.{suffix}", "--load", "1")
    assert done.returncode == ExitCode.DONE
    assert done.stderr == f"note: 5 rejects written to out.{suffix}\n"
    path = tmp_path / f"out.{suffix}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if suffix == "ndjson":
        frame = pl.read_ndjson(path)
    else:
        frame = pl.read_csv(path) if suffix == "csv" else pl.read_parquet(path)
    assert frame["load_id"].to_list() == [1] * 5
    assert frame["row_number"].to_list() == [2, 3, 4, 5, 6]
    assert frame["rule"].to_list() == RULES["meters.csv"]
    nine = "'=9" if suffix == "csv" else "=9"
    assert frame["kwh_consumed_ac"].to_list() == ["much", nine, None, "0.75", "-5"]
    assert frame["meter_id"].to_list() == ["M-1", "M-1", None, "M-1", "M-1"]
    assert frame["line"].to_list() == [None, None, "M-2,0.125", None, None]
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.startswith(".out")) == []


def test_an_export_takes_the_filters_of_the_list(loaded: Run, tmp_path: Path) -> None:
    loaded("rejects", "export", "--to", "out.parquet", "--rule", "*:not_a_number", "--limit", "2")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["load_id"].to_list() == [2, 1]
    assert "line" not in frame.columns
    assert frame["vehicle_id"].to_list() == ["\x1b[31mV[/]", None]


@pytest.mark.parametrize(
    ("name", "told"),
    [("x.txt", "neither CSV nor Parquet nor NDJSON"), ("missing/x.csv", "cannot be written")],
)
def test_a_file_that_cannot_be_written_is_wrong_use(loaded: Run, name: str, told: str) -> None:
    done = loaded("rejects", "export", "--to", name)
    assert done.returncode == ExitCode.USAGE
    assert f"error: --to {name}: {told}" in done.stderr


def test_an_empty_database_is_said_to_be_empty(run_without_server: Run, bare_database_url: str) -> None:
    done = run_without_server("rejects", "list", env={"DATABASE_URL": bare_database_url})
    assert done.returncode == ExitCode.DATABASE
    assert "nothing was ever loaded" in done.stderr
