from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

HEADER = "meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp"
OLD = datetime(2026, 3, 1, 10, tzinfo=UTC)


def meter(meter_id: str, ts: datetime, kwh: float = 0.5, voltage: object = 230.1) -> str:
    return f"{meter_id},{kwh},{voltage},,,,,{ts.isoformat()}"


def vehicle(
    vehicle_id: str, ts: datetime, kwh: float = 0.45, soc: object = 61.5, temp: object = 21.25
) -> str:
    return f",,,{vehicle_id},{soc},{kwh},{temp},{ts.isoformat()}"


def ingest(run: Run, folder: Path, *rows: str) -> None:
    (folder / "dump.csv").write_text("\n".join([HEADER, *rows, ""]))
    done = run("ingest", "dump.csv")
    assert done.returncode == 0, done.stderr


def document(run: Run, *args: str) -> list[dict[str, Any]]:
    kind, *rest = args
    done = run("live", kind, "--format", "json", *rest)
    assert done.returncode == 0, done.stderr
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def test_meters_are_shown_with_their_newest_reading_newest_first(run: Run, tmp_path: Path) -> None:
    ingest(
        run,
        tmp_path,
        meter("M-2", OLD),
        meter("M-1", OLD, 0.1),
        meter("M-1", OLD + minutes(2), 0.1234567, ""),
        meter("M-1", OLD + minutes(1), 0.2),
        meter("M-3", OLD + minutes(1)),
        vehicle("V-1", OLD),
    )
    found = document(run, "meters")
    assert [row["meterId"] for row in found] == ["M-1", "M-3", "M-2"]
    assert 0 < found[0].pop("ageSeconds") < found[1]["ageSeconds"] < found[2]["ageSeconds"]
    assert found[0] == {
        "meterId": "M-1",
        "ts": "2026-03-01T10:02:00Z",
        "kwhConsumedAc": 0.1234567,
        "voltage": None,
        "registerKwh": None,
        "firstTs": "2026-03-01T10:00:00Z",
        "loadId": 1,
    }
    table = run("live", "meters").stdout.splitlines()
    assert [cell.strip() for cell in table[0].split("   ") if cell] == [
        "Meter",
        "Newest reading",
        "Age",
        "AC kWh",
        "Voltage V",
    ]
    assert table[2].split()[:2] == ["M-1", "2026-03-01T10:02:00Z"]
    assert table[2].split()[-2:] == ["0.123", "–"]
    rows = list(csv.DictReader(io.StringIO(run("live", "meters", "--format", "csv").stdout)))
    assert [row["meter_id"] for row in rows] == ["M-1", "M-3", "M-2"]
    assert (rows[0]["kwh_consumed_ac"], rows[0]["voltage"], rows[0]["load_id"]) == ("0.1234567", "", "1")


def test_vehicles_are_shown_with_their_newest_reading_newest_first(run: Run, tmp_path: Path) -> None:
    ingest(
        run,
        tmp_path,
        vehicle("V-1", OLD),
        vehicle("V-2", OLD + minutes(1), 0.5, 75.5, 18.25),
        vehicle("V-2", OLD, 0.4),
        vehicle("V-3", OLD - minutes(1), 0, "", ""),
    )
    found = document(run, "vehicles")
    assert [row["vehicleId"] for row in found] == ["V-2", "V-1", "V-3"]
    assert found[0].pop("ageSeconds") > 0
    assert found[0] == {
        "vehicleId": "V-2",
        "ts": "2026-03-01T10:01:00Z",
        "soc": 75.5,
        "kwhDeliveredDc": 0.5,
        "batteryTemp": 18.25,
        "registerKwh": None,
        "firstTs": "2026-03-01T10:00:00Z",
        "loadId": 1,
    }
    table = run("live", "vehicles").stdout.splitlines()
    assert table[2].split()[-3:] == ["75.5", "0.500", "18.2"]
    assert table[4].split()[-3:] == ["–", "0.000", "–"]
    rows = list(csv.DictReader(io.StringIO(run("live", "vehicles", "--format", "csv").stdout)))
    assert [row["vehicle_id"] for row in rows] == ["V-2", "V-1", "V-3"]
    assert (rows[2]["soc"], rows[2]["kwh_delivered_dc"], rows[2]["battery_temp"]) == ("", "0.0", "")


def test_the_age_counts_from_the_newest_reading_to_now(run: Run, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ingest(run, tmp_path, meter("M-1", now - timedelta(hours=5)), meter("M-2", now - timedelta(days=9)))
    first, second = document(run, "meters")
    assert timedelta(hours=5).total_seconds() <= first["ageSeconds"] < timedelta(hours=6).total_seconds()
    assert timedelta(days=9).total_seconds() <= second["ageSeconds"] < timedelta(days=10).total_seconds()
    shown = run("live", "meters").stdout.splitlines()
    assert " 5 h " in shown[2]
    assert " 9 d " in shown[3]


def test_a_late_dump_does_not_move_live_backwards(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, meter("M-1", OLD))
    ingest(run, tmp_path, meter("M-1", OLD - minutes(5), 9.5))
    (found,) = document(run, "meters")
    assert (found["ts"], found["kwhConsumedAc"], found["loadId"]) == ("2026-03-01T10:00:00Z", 0.5, 1)
    assert found["firstTs"] == "2026-03-01T09:55:00Z"


def test_only_the_devices_named_are_shown_and_unknown_ones_warned_about(run: Run, tmp_path: Path) -> None:
    ingest(run, tmp_path, *(meter(f"M-{n}", OLD + minutes(n)) for n in range(4)), vehicle("V-1", OLD))
    done = run("live", "meters", "M-2", "M-9", "M-0", "\x1b[2J", "M-9", "M-2", "--format", "json", "--quiet")
    assert done.returncode == 0
    assert [row["meterId"] for row in json.loads(done.stdout)] == ["M-2", "M-0"]
    assert done.stderr == "warning: no reading was ever loaded of meter M-9, \\x1b[2J\n"
    done = run("live", "vehicles", "M-1", "--format", "csv")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == "warning: no reading was ever loaded of vehicle M-1\n"


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_table_has_fifty_rows_and_says_how_to_see_all(run: Run, tmp_path: Path, kind: str) -> None:
    row = meter if kind == "meter" else vehicle
    ingest(run, tmp_path, *(row(f"D-{n:02d}", OLD + minutes(n)) for n in range(53)))
    done = run("live", f"{kind}s")
    assert len(done.stdout.splitlines()) == 2 + 50
    assert done.stderr == f"note: 3 more {kind}s not shown; --limit 53 shows all\n"
    assert len(run("live", f"{kind}s", "--limit", "53").stdout.splitlines()) == 2 + 53
    assert len(document(run, f"{kind}s")) == 53
    done = run("live", f"{kind}s", "--limit", "2", "--format", "csv", "--quiet")
    assert [line.partition(",")[0] for line in done.stdout.splitlines()[1:]] == ["D-52", "D-51"]
    assert done.stderr == ""


def test_nothing_loaded_is_an_empty_result(run: Run) -> None:
    assert document(run, "meters") == []
    done = run("live", "vehicles", "--format", "csv")
    assert done.stdout == (
        "vehicle_id,ts,age_seconds,soc,kwh_delivered_dc,battery_temp,register_kwh,first_ts,load_id\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_ids_that_look_like_something_else_are_ids(run: Run, tmp_path: Path, database_url: str) -> None:
    odd = ["V[/]", "=cmd", "-x", "%s", "{0}", "'; DROP TABLE load; --"]
    ingest(run, tmp_path, *(meter(f'"{name}"', OLD) for name in odd))
    found = document(run, "meters", "--", *odd)
    assert sorted(row["meterId"] for row in found) == sorted(odd)
    table = run("live", "meters").stdout
    assert not [name for name in odd if name not in table]
    rows = list(csv.DictReader(io.StringIO(run("live", "meters", "--format", "csv").stdout)))
    assert {row["meter_id"] for row in rows} == {*odd, "'=cmd", "'-x"} - {"=cmd", "-x"}
    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM load").fetchone() == (1,)


@pytest.mark.parametrize("args", [("--limit", "0"), ("--limit", "x"), ("--format", "xml"), ("M\udcff",)])
def test_wrong_use_is_told_without_a_traceback(run_without_server: Run, args: tuple[str, ...]) -> None:
    done = run_without_server("live", "meters", *args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr
