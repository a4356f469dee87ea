from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from energy_etl.generate.generation import generate_fleet
from energy_etl.generate.plan import DumpFormat, FleetPlan
from tests.telemetry import Telemetry, meter, vehicle

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Run

SAMPLES = Path(__file__).parents[2] / "samples"
READINGS = 100
SPAN = ("--last", "100m")
HOSTILE = ["V[/]", "=cmd|'/c calc'!A1", "Wagen 7 – Süd", "[red]x", "a\u202eb", "'quoted'", "-7", "%s;--"]
STATUSES = {
    "V-ok": ("OK", 10.0, 9.0),
    "V-low": ("LOW", 10.0, 8.0),
    "V-much": ("IMPLAUSIBLE", 10.0, 11.0),
    "V-idle": ("INSUFFICIENT", 0.0, 0.0),
    "V-alone": ("NO_METER", None, 9.0),
    "V-unknown": ("NO_VEHICLE", None, None),
}
ALERTED = {"V-low", "V-much"}


class Ask(Protocol):
    def __call__(self, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="module")
def fleet(telemetry: Telemetry) -> Telemetry:
    """A vehicle for each status, and one for each id that has to be shown with care."""
    charges = [(name, ac, dc) for name, (_, ac, dc) in STATUSES.items()]
    charges += [(name, 10.0, 9.0) for name in HOSTILE]
    for name, ac, dc in charges:
        if ac is not None:
            telemetry.load(meter(name, [ac / READINGS] * READINGS))
        if dc is not None:
            degrees: list[float | None] = [10.0, 31.0, *[20.0] * (READINGS - 2)]
            telemetry.load(vehicle(name, [dc / READINGS] * READINGS, temperatures=degrees))
    return telemetry


@pytest.fixture
def ask(run: Run, fleet: Telemetry) -> Ask:
    """``energy-etl analytics`` on the fleet."""

    def ask_here(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return run("analytics", *args, env={"DATABASE_URL": fleet.address, **(env or {})})

    return ask_here


def test_the_table_is_for_reading(ask: Ask) -> None:
    done = ask("V-low", *SPAN)
    assert (done.returncode, done.stderr) == (0, "")
    assert [tuple(part.strip() for part in line.split("  ", 1)) for line in done.stdout.splitlines()] == [
        ("Vehicle", "V-low"),
        ("Status", "LOW – 80.0 % is below the threshold of 85 %"),
        ("Alert", "yes"),
        ("Window", "2025-06-01T00:00:00Z to 2025-06-01T01:40:00Z, up to the newest reading"),
        ("AC consumed", "10.000 kWh"),
        ("DC delivered", "8.000 kWh"),
        ("Loss", "2.000 kWh"),
        ("Efficiency", "80.0 %"),
        ("Battery temperature", "20.0 °C on average over the readings, 10.0 to 31.0 °C"),
        ("AC readings", "100 (100.0 % of those expected)"),
        ("DC readings", "100 (100.0 % of those expected)"),
        ("Meters", "V-low (same id, no link stored)"),
    ]


def test_a_table_shows_what_is_not_there_as_a_dash(ask: Ask) -> None:
    shown = ask("V-unknown").stdout
    for name in ("Window", "AC consumed", "DC delivered", "Loss", "Efficiency", "Meters"):
        (line,) = [line for line in shown.splitlines() if line.startswith(name)]
        assert line.removeprefix(name).strip() == "–"


def test_json_has_ids_as_they_are(ask: Ask) -> None:
    name = "=cmd|'/c calc'!A1"
    found = json.loads(ask(name, "--format", "json").stdout)
    assert (found["vehicleId"], found["meters"][0]["meterId"]) == (name, name)


def test_json_has_the_origins_keys_and_its_own(ask: Ask) -> None:
    done = ask("V-low", *SPAN, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert list(found) == [
        *("schemaVersion", "vehicleId", "acConsumed", "dcDelivered", "efficiencyPercent", "avgBatteryTemp"),
        *("timeWindow", "minBatteryTemp", "maxBatteryTemp", "lossKwh", "status", "reason", "alert"),
        *("alertThreshold", "ac", "dc", "linkedPercent", "meters"),
    ]
    assert (found["schemaVersion"], found["vehicleId"], found["status"]) == (1, "V-low", "LOW")
    assert found["acConsumed"] == pytest.approx(10)
    assert found["dcDelivered"] == pytest.approx(8)
    assert found["efficiencyPercent"] == pytest.approx(80)
    assert found["avgBatteryTemp"] == pytest.approx(20.01)
    assert found["timeWindow"] == {
        "from": "2025-06-01T00:00:00Z",
        "to": "2025-06-01T01:40:00Z",
        "end": "newestReading",
    }
    assert (found["alert"], found["alertThreshold"], found["linkedPercent"]) == (True, 85, 100)
    side = {
        "readings": 100,
        "expectedReadings": 100,
        "coveragePercent": 100,
        "firstReading": "2025-06-01T00:01:00Z",
        "lastReading": "2025-06-01T01:40:00Z",
        "flags": {},
    }
    assert found["ac"] == found["dc"] == side
    assert found["meters"] == [
        {
            "meterId": "V-low",
            "linked": False,
            "validFrom": None,
            "validTo": None,
            "acConsumed": found["acConsumed"],
            **side,
        }
    ]


def test_csv_says_the_same_as_json(ask: Ask) -> None:
    written, told = (ask("V-low", *SPAN, "--format", name).stdout for name in ("csv", "json"))
    (row,) = csv.DictReader(io.StringIO(written))
    found = json.loads(told)
    assert (row["vehicle_id"], row["status"], row["alert"], row["meters"]) == (
        "V-low",
        "LOW",
        "true",
        "V-low",
    )
    assert (row["window_from"], row["window_to"]) == (found["timeWindow"]["from"], found["timeWindow"]["to"])
    assert (float(row["ac_consumed"]), float(row["dc_delivered"])) == (
        found["acConsumed"],
        found["dcDelivered"],
    )
    assert float(row["efficiency_percent"]) == found["efficiencyPercent"]
    assert float(row["avg_battery_temp"]) == found["avgBatteryTemp"]
    assert row["reason"] == found["reason"]


@pytest.mark.parametrize("name", STATUSES)
def test_what_has_no_value_is_null(ask: Ask, name: str) -> None:
    status, ac, dc = STATUSES[name]
    found = json.loads(ask(name, *SPAN, "--format", "json").stdout)
    assert (found["status"], found["timeWindow"] is None) == (status, name == "V-unknown")
    ratio = 100 * dc / ac if ac and dc else None
    for key, value in {"acConsumed": ac, "dcDelivered": dc, "efficiencyPercent": ratio}.items():
        assert found[key] == (None if value is None else pytest.approx(value))


def test_what_has_no_value_is_empty_in_csv(ask: Ask) -> None:
    (row,) = csv.DictReader(io.StringIO(ask("V-unknown", "--format", "csv").stdout))
    assert {key for key, value in row.items() if value == ""} == {
        *("window_from", "window_to", "window_end", "ac_consumed", "dc_delivered", "efficiency_percent"),
        *("loss_kwh", "avg_battery_temp", "min_battery_temp", "max_battery_temp", "meters"),
        *("ac_flags", "dc_flags"),
    }
    assert (row["status"], row["ac_readings"]) == ("NO_VEHICLE", "0")


@pytest.mark.parametrize("name", STATUSES)
def test_only_an_alert_can_fail_the_command(ask: Ask, name: str) -> None:
    done = ask(name, *SPAN, "--fail-on-alert")
    assert done.returncode == (6 if name in ALERTED else 0)
    assert STATUSES[name][0] in done.stdout


def test_an_alert_fails_the_command_only_if_asked_to(ask: Ask) -> None:
    asked, plain = (ask("V-much", *SPAN, *options) for options in (["--fail-on-alert"], []))
    assert (asked.returncode, plain.returncode) == (6, 0)
    assert asked.stdout == plain.stdout


@pytest.mark.parametrize(
    ("variable", "options", "status"),
    [
        (None, [], "OK"),
        ("95", [], "LOW"),
        ("90", [], "OK"),
        ("95", ["--alert-threshold", "50"], "OK"),
        (None, ["--alert-threshold", "90.5"], "LOW"),
        ("", [], "OK"),
    ],
)
def test_the_threshold_is_the_option_then_the_variable_then_85(
    ask: Ask, variable: str | None, options: list[str], status: str
) -> None:
    env = {} if variable is None else {"ALERT_THRESHOLD": variable}
    found = json.loads(ask("V-ok", *SPAN, "--format", "json", *options, env=env).stdout)
    assert found["status"] == status
    assert found["alertThreshold"] == float(options[1] if options else variable or 85)


@pytest.mark.parametrize(
    ("options", "env"),
    [
        (["--alert-threshold", "0"], {}),
        (["--alert-threshold=-1"], {}),
        (["--alert-threshold", "nan"], {}),
        ([], {"ALERT_THRESHOLD": "100.5"}),
        ([], {"ALERT_THRESHOLD": "much"}),
    ],
)
def test_a_threshold_that_is_none_is_wrong_use_wherever_it_comes_from(
    ask: Ask, options: list[str], env: dict[str, str]
) -> None:
    done = ask("V-ok", *options, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "threshold" in done.stderr.lower()


def test_an_unknown_vehicle_is_said_to_be_one(ask: Ask) -> None:
    done = ask("V-unknown", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "NO_VEHICLE"
    assert done.stderr.startswith("warning: vehicle V-unknown: no reading of this vehicle was ever loaded")
    assert "energy-etl live vehicles" in done.stderr


def test_a_database_without_tables_has_nothing_to_analyse(run: Run, bare_database_url: str) -> None:
    done = run("analytics", "V", env={"DATABASE_URL": bare_database_url})
    assert (done.returncode, done.stdout) == (3, "")
    assert "energy-etl ingest" in done.stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_any_id_is_found_and_shown_as_text(ask: Ask, name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(ask(*SPAN, "--format", "csv", "--", name).stdout))
    guard = "'" if name[0] in "=-" else ""
    assert (row["vehicle_id"], row["meters"], row["status"]) == (guard + name, guard + name, "OK")
    shown = name.replace("\u202e", "\\u202e")
    table = ask(*SPAN, "--", name).stdout
    assert table.splitlines()[0].split(maxsplit=1) == ["Vehicle", shown]
    assert f"{shown} (same id, no link stored)" in table


def agrees(found: dict[str, Any], told: dict[str, Any]) -> None:
    """What the command says about a vehicle against its entry in truth.json."""
    for key in ("acConsumed", "dcDelivered", "efficiencyPercent", "avgBatteryTemp"):
        if told[key] is None:
            assert found[key] is None
        else:
            assert math.isclose(found[key], told[key], rel_tol=1e-9)
    assert (found["minBatteryTemp"], found["maxBatteryTemp"]) == (
        told["minBatteryTemp"],
        told["maxBatteryTemp"],
    )
    assert (found["ac"]["readings"], found["dc"]["readings"]) == (
        told["meterReadings"],
        told["vehicleReadings"],
    )
    assert found["status"] == told["status"]
    assert [share["meterId"] for share in found["meters"] if share["linked"]] == (
        [told["meterId"]] if told["meterId"] else []
    )


def test_the_samples_are_what_they_are_said_to_be(run: Run) -> None:
    dumps = [path for path in SAMPLES.iterdir() if path.suffix in (".csv", ".parquet", ".ndjson")]
    assert run("ingest", *dumps).returncode == 5, "dirty.csv has rows that cannot be loaded"
    assert run("link", "import", SAMPLES / "fleet" / "links.csv").returncode == 0
    truth = json.loads((SAMPLES / "fleet" / "truth.json").read_text(encoding="utf-8"))
    assert len(truth["vehicles"]) == 6
    for vehicle_id, told in truth["vehicles"].items():
        done = run("analytics", vehicle_id, "--format", "json", "--fail-on-alert")
        found = json.loads(done.stdout)
        agrees(found, told)
        assert found["timeWindow"]["from"] == truth["window"]["from"]
        assert found["timeWindow"]["to"] == truth["window"]["to"]
        assert done.returncode == (6 if vehicle_id in truth["faulty"] else 0)


@pytest.mark.parametrize("dump_format", list(DumpFormat))
def test_a_generated_fleet_is_judged_as_its_truth_says(
    run: Run, database_url: str, tmp_path: Path, dump_format: DumpFormat
) -> None:
    plan = FleetPlan(meters=6, vehicles=7, hours=30, seed=41, faulty=2)
    made = generate_fleet(plan, tmp_path / "fleet", dump_format, files_per_stream=2)
    with Telemetry(database_url, tmp_path) as telemetry:
        telemetry.load_files(*(dump.path for dump in (*made.meters, *made.vehicles)))
    assert run("link", "import", made.links).returncode == 0
    truth = json.loads(made.truth.read_text(encoding="utf-8"))
    statuses = {}
    for vehicle_id, told in truth["vehicles"].items():
        found = json.loads(run("analytics", vehicle_id, "--format", "json").stdout)
        agrees(found, told)
        statuses[vehicle_id] = found["status"]
    low = [vehicle_id for vehicle_id, status in statuses.items() if status == "LOW"]
    assert sorted(low) == sorted(truth["faulty"])
    assert len(low) == 2
    assert statuses["EV-00007"] == "NO_METER"
