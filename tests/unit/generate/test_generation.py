"""The generated files, read back by other means than they were written with."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from energy_etl.errors import UsageError
from energy_etl.generate.generation import generate_fleet
from energy_etl.generate.plan import DumpFormat, FleetPlan
from energy_etl.streams import METER, SOURCE_COLUMNS, VEHICLE

if TYPE_CHECKING:
    from pathlib import Path

PLAN = FleetPlan(meters=12, vehicles=10, hours=30, seed=7, faulty=3)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan's fleet in both formats."""
    out = tmp_path_factory.mktemp("fleet")
    generate_fleet(PLAN, out / "csv", DumpFormat.CSV)
    generate_fleet(PLAN, out / "parquet", DumpFormat.PARQUET)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def truth(folder: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return parsed


@pytest.mark.parametrize("dump_format", list(DumpFormat))
def test_the_same_plan_gives_the_same_bytes(fleet: Path, tmp_path: Path, dump_format: DumpFormat) -> None:
    generate_fleet(PLAN, tmp_path, dump_format)
    assert contents(tmp_path) == contents(fleet / dump_format.value)


def test_another_seed_gives_another_fleet(fleet: Path, tmp_path: Path) -> None:
    generate_fleet(FleetPlan(12, 10, 30, seed=8, faulty=3), tmp_path, DumpFormat.CSV)
    other, same = contents(tmp_path), contents(fleet / "csv")
    assert other["meters.csv"] != same["meters.csv"]
    assert other["vehicles.csv"] != same["vehicles.csv"]
    assert other["links.csv"] == same["links.csv"]


def test_more_meters_leave_the_vehicles_as_they_are(fleet: Path, tmp_path: Path) -> None:
    generate_fleet(FleetPlan(40, 10, 30, seed=7, faulty=3), tmp_path, DumpFormat.CSV)
    assert (tmp_path / "vehicles.csv").read_bytes() == (fleet / "csv" / "vehicles.csv").read_bytes()


def test_both_formats_carry_the_same_readings(fleet: Path) -> None:
    for name in ("meters", "vehicles"):
        typed = pl.read_parquet(fleet / "parquet" / f"{name}.parquet")
        text = pl.read_csv(fleet / "csv" / f"{name}.csv", infer_schema=False)
        assert text.columns == typed.columns
        parsed = text.cast(dict.fromkeys(text.columns[1:-1], pl.Float64)).with_columns(
            pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
        )
        assert parsed.equals(typed)
    assert truth(fleet / "csv") == truth(fleet / "parquet")


def test_parquet_has_plain_types_under_the_documented_names(fleet: Path) -> None:
    schema = pq.ParquetFile(fleet / "parquet" / "vehicles.parquet").schema_arrow
    assert {field.name: str(field.type) for field in schema} == {
        "vehicleId": "string",
        "soc": "double",
        "kwhDeliveredDc": "double",
        "batteryTemp": "double",
        "timestamp": "timestamp[us, tz=UTC]",
    }


def test_every_device_reports_every_minute_in_time_order(fleet: Path) -> None:
    for name, device, ids in (
        ("meters", "meterId", PLAN.meter_ids()),
        ("vehicles", "vehicleId", PLAN.vehicle_ids()),
    ):
        found = [(row["timestamp"], row[device]) for row in rows(fleet / "csv" / f"{name}.csv")]
        ends = [PLAN.start + timedelta(minutes=minute) for minute in range(1, 30 * 60 + 1)]
        assert found == [(f"{end:%Y-%m-%dT%H:%M:%SZ}", each) for end in ends for each in ids]


def test_every_reading_passes_the_rules_of_its_stream(fleet: Path) -> None:
    canonical = {dumped: column for column, dumped in SOURCE_COLUMNS.items()}
    for stream, name in ((METER, "meters"), (VEHICLE, "vehicles")):
        frame = pl.read_parquet(fleet / "parquet" / f"{name}.parquet", row_index_name="row_number")
        valid, failure = stream.schema.filter(
            frame.rename(canonical, strict=False).cast({"row_number": pl.Int64})
        )
        assert failure.counts() == {}
        assert valid.height == frame.height


def test_values_have_the_resolution_of_the_devices(fleet: Path) -> None:
    decimals: dict[str, set[int]] = defaultdict(set)
    for name in ("meters", "vehicles"):
        for row in rows(fleet / "csv" / f"{name}.csv"):
            for column, value in row.items():
                if column not in ("meterId", "vehicleId", "timestamp"):
                    assert float(value) >= 0 or column == "batteryTemp"
                    decimals[column].add(len(value.partition(".")[2]))
    assert decimals == {
        "kwhConsumedAc": {6},
        "voltage": {1},
        "soc": {1},
        "kwhDeliveredDc": {6},
        "batteryTemp": {1},
    }


def test_truth_is_what_the_files_say(fleet: Path) -> None:
    """The sums again, by plain Python from the CSV files, through links.csv."""
    since = PLAN.end - timedelta(hours=24)

    def recent(name: str, device: str) -> dict[str, list[dict[str, str]]]:
        found = defaultdict(list)
        for row in rows(fleet / "csv" / f"{name}.csv"):
            if since < datetime.fromisoformat(row["timestamp"]) <= PLAN.end:
                found[row[device]].append(row)
        return found

    meters, vehicles = recent("meters", "meterId"), recent("vehicles", "vehicleId")
    links = {row["vehicle_id"]: row["meter_id"] for row in rows(fleet / "csv" / "links.csv")}
    told = truth(fleet / "csv")
    assert list(told["vehicles"]) == PLAN.vehicle_ids() == list(links)
    for vehicle_id, expected in told["vehicles"].items():
        ac = math.fsum(float(row["kwhConsumedAc"]) for row in meters[links[vehicle_id]])
        dc = math.fsum(float(row["kwhDeliveredDc"]) for row in vehicles[vehicle_id])
        temps = [float(row["batteryTemp"]) for row in vehicles[vehicle_id]]
        assert expected == {
            "meterId": links[vehicle_id],
            "acConsumed": pytest.approx(ac, rel=1e-9),
            "dcDelivered": pytest.approx(dc, rel=1e-9),
            "efficiencyPercent": pytest.approx(100 * dc / ac, rel=1e-9),
            "avgBatteryTemp": pytest.approx(math.fsum(temps) / len(temps), rel=1e-9),
            "minBatteryTemp": min(temps),
            "maxBatteryTemp": max(temps),
            "meterReadings": 1_440,
            "vehicleReadings": 1_440,
            "status": "OK" if dc / ac >= 0.85 else "LOW",
        }
    whole = [float(row["kwhConsumedAc"]) for row in rows(fleet / "csv" / "meters.csv")]
    assert told["dumps"]["meterReadings"] == len(whole) == 12 * 30 * 60
    assert told["dumps"]["acConsumed"] == pytest.approx(math.fsum(whole), rel=1e-9)
    assert told["dumps"]["vehicleReadings"] == 10 * 30 * 60
    assert told["window"] == {"from": "2026-01-01T06:00:00Z", "to": "2026-01-02T06:00:00Z", "hours": 24}


def test_leaks_stand_apart_from_healthy_losses(tmp_path: Path) -> None:
    """Whatever the power class, the temperature and the phase of the window."""
    for seed, start in ((1, datetime(2026, 1, 1, tzinfo=UTC)), (2, datetime(2026, 3, 1, 13, 30, tzinfo=UTC))):
        plan = FleetPlan(meters=400, vehicles=400, hours=24, seed=seed, faulty=40, start=start)
        told = truth(generate_fleet(plan, tmp_path / str(seed), DumpFormat.PARQUET).truth.parent)
        assert len(told["faulty"]) == 40
        for vehicle_id, figures in told["vehicles"].items():
            leaks = vehicle_id in told["faulty"]
            low, high = (60, 80) if leaks else (87, 95)
            assert low < figures["efficiencyPercent"] < high, vehicle_id
            assert figures["status"] == ("LOW" if leaks else "OK")
            assert figures["acConsumed"] > 2


def test_charging_is_what_moves_energy(fleet: Path) -> None:
    """AC exceeds DC in every minute, DC raises the state of charge, and an idle charger draws a few watts."""
    links = {row["vehicle_id"]: row["meter_id"] for row in rows(fleet / "csv" / "links.csv")}
    meters = {(row["meterId"], row["timestamp"]): row for row in rows(fleet / "csv" / "meters.csv")}
    charged: dict[str, float] = defaultdict(float)
    before: dict[str, float] = {}
    rises: dict[str, float] = defaultdict(float)
    for row in rows(fleet / "csv" / "vehicles.csv"):
        vehicle_id, dc = row["vehicleId"], float(row["kwhDeliveredDc"])
        ac = float(meters[links[vehicle_id], row["timestamp"]]["kwhConsumedAc"])
        assert dc < ac
        assert dc > 0 or ac * 60_000 < 10, "standby, W"
        soc = float(row["soc"])
        if dc > 0:
            charged[vehicle_id] += dc
            rises[vehicle_id] += soc - before.get(vehicle_id, soc)
        before[vehicle_id] = soc
    for vehicle_id, kwh in charged.items():
        assert 35 < kwh / rises[vehicle_id] * 100 < 105, "battery capacity, kWh"


def test_devices_without_a_partner(tmp_path: Path) -> None:
    generate_fleet(FleetPlan(meters=2, vehicles=3, hours=24, seed=1, faulty=2), tmp_path, DumpFormat.CSV)
    told = truth(tmp_path)
    assert told["faulty"] == ["EV-00001", "EV-00002"]
    alone = told["vehicles"]["EV-00003"]
    assert (alone["status"], alone["meterId"], alone["acConsumed"]) == ("NO_METER", None, None)
    assert alone["dcDelivered"] > 2
    assert len(rows(tmp_path / "links.csv")) == 2


def test_less_than_a_day_claims_no_status(tmp_path: Path) -> None:
    generate_fleet(FleetPlan(meters=2, vehicles=2, hours=5, seed=1, faulty=0), tmp_path, DumpFormat.CSV)
    told = truth(tmp_path)
    assert told["window"] == {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T05:00:00Z", "hours": 5}
    assert {(each["status"], each["meterReadings"]) for each in told["vehicles"].values()} == {(None, 300)}


@pytest.mark.parametrize("dump_format", list(DumpFormat))
def test_several_files_carry_the_same_rows_in_order(
    fleet: Path, tmp_path: Path, dump_format: DumpFormat
) -> None:
    written = generate_fleet(PLAN, tmp_path, dump_format, files_per_stream=7)
    assert [file.path.stem for file in written.meters] == [f"meters-{number}" for number in range(1, 8)]
    read = pl.read_parquet if dump_format is DumpFormat.PARQUET else pl.read_csv
    for name, files in (("meters", written.meters), ("vehicles", written.vehicles)):
        parts = [read(file.path) for file in files]
        assert [part.height for part in parts] == [file.rows for file in files]
        assert min(file.rows for file in files) > 0
        assert pl.concat(parts).equals(read(fleet / dump_format.value / f"{name}.{dump_format.value}"))
    assert truth(tmp_path) == truth(fleet / "csv")


def test_row_groups_stay_small(tmp_path: Path) -> None:
    plan = FleetPlan(meters=1_000, vehicles=1, hours=9, seed=1, faulty=0)
    written = generate_fleet(plan, tmp_path, DumpFormat.PARQUET)
    metadata = pq.ParquetFile(written.meters[0].path).metadata
    assert metadata.num_rows == written.meters[0].rows == 540_000
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert max(sizes) <= 500_000


def test_a_fleet_is_not_written_over_another(tmp_path: Path) -> None:
    small = FleetPlan(meters=1, vehicles=1, hours=1, seed=1, faulty=0)
    generate_fleet(small, tmp_path, DumpFormat.CSV, files_per_stream=2)
    (tmp_path / "notes.csv").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r"already holds a fleet \(links.csv, meters-1.csv"):
        generate_fleet(small, tmp_path, DumpFormat.PARQUET)
    assert contents(tmp_path) == before
    generate_fleet(small, tmp_path, DumpFormat.PARQUET, replace=True)
    assert set(contents(tmp_path)) == {
        "links.csv",
        "meters.parquet",
        "notes.csv",
        "truth.json",
        "vehicles.parquet",
    }


def test_unusable_folders(tmp_path: Path) -> None:
    small = FleetPlan(meters=1, vehicles=1, hours=1, seed=1, faulty=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file: not a folder"):
        generate_fleet(small, tmp_path / "file", DumpFormat.CSV)
    with pytest.raises(UsageError, match="cannot be written"):
        generate_fleet(small, tmp_path / "file" / "below", DumpFormat.CSV)
    (tmp_path / "taken" / "meters.csv.part").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"meters\.csv\.part: cannot be written"):
        generate_fleet(small, tmp_path / "taken", DumpFormat.CSV)


def test_a_run_that_fails_leaves_no_dump(tmp_path: Path) -> None:
    (tmp_path / "vehicles.csv.part").mkdir()
    small = FleetPlan(meters=1, vehicles=1, hours=1, seed=1, faulty=0)
    with pytest.raises(UsageError):
        generate_fleet(small, tmp_path, DumpFormat.CSV)
    assert [path.name for path in tmp_path.iterdir()] == ["vehicles.csv.part"]


@pytest.mark.parametrize("files", [0, 61])
def test_an_hour_is_not_cut_finer_than_minutes(tmp_path: Path, files: int) -> None:
    small = FleetPlan(meters=1, vehicles=1, hours=1, seed=1, faulty=0)
    with pytest.raises(UsageError, match=f"60 minutes cannot be cut into {files} files"):
        generate_fleet(small, tmp_path, DumpFormat.CSV, files_per_stream=files)


@pytest.mark.parametrize("dump_format", list(DumpFormat))
def test_memory_does_not_follow_the_span(tmp_path: Path, dump_format: DumpFormat) -> None:
    """8 times the hours would be 200 MB more of energies and temperatures, if they were held."""

    def peak_mb(hours: int) -> float:
        program = (
            "import resource, sys; from pathlib import Path;"
            "from energy_etl.generate.generation import generate_fleet;"
            "from energy_etl.generate.plan import DumpFormat, FleetPlan;"
            f"plan = FleetPlan(2000, 2000, {hours}, 1, 0);"
            "generate_fleet(plan, Path(sys.argv[1]), DumpFormat(sys.argv[2]));"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        arguments = [sys.executable, "-c", program, str(tmp_path / str(hours)), dump_format.value]
        return float(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)

    assert peak_mb(48) < peak_mb(6) + 100
