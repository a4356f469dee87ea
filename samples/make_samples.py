"""Makes the dumps in this folder: ``python samples/make_samples.py [FOLDER]``.

A generated fleet of six vehicles, cut into dumps of different shapes, and a dump of devices of its own in
which everything is wrong that goes wrong in the field. The same bytes every time.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from energy_etl.generate.generation import generate_fleet
from energy_etl.generate.plan import DumpFormat, FleetPlan

FLEET = FleetPlan(meters=6, vehicles=6, hours=26, seed=23, faulty=1)
DIRTY = FleetPlan(meters=1, vehicles=1, hours=3, seed=9, faulty=0, start=datetime(2026, 1, 1, 23, tzinfo=UTC))
SEPARATE = 4
"""Devices whose readings are in the dumps of one stream; the others are in the mixed dump."""

M, V, AT = "MTR-00901", "EV-00901", "2026-01-02T00:30:00Z"

REJECTED = (
    f"{M},n/a,230.1,,,,,{AT}",
    f'{M},"0,184",230.1,,,,,{AT}',
    f"{M},NaN,230.1,,,,,{AT}",
    f"{M},inf,230.1,,,,,{AT}",
    f"{M},-0.5,230.1,,,,,{AT}",
    f"{M},50000,230.1,,,,,{AT}",
    f"{M},,230.1,,,,,{AT}",
    f"{M},0.1,5000,,,,,{AT}",
    f"{M},0.1,-230.0,,,,,{AT}",
    f"{M},0.1,230.1,,,,,yesterday",
    f"{M},0.1,230.1,,,,,2026-02-30T00:30:00Z",
    f"{M},0.1,230.1,,,,,",
    f"{M},0.1,230.1,,,,,1970-01-01T00:00:00Z",
    f"{M},0.1,230.1,,,,,2099-01-01T00:00:00Z",
    f"\x1b[31m{M},0.1,230.1,,,,,{AT}",
    f"{'M' * 129},0.1,230.1,,,,,{AT}",
    f",0.1,230.1,,,,,{AT}",
    f"   ,0.1,230.1,,,,,{AT}",
    f"{M},0.1,230.1",
    f"{M},0.1,230.1,,,,,{AT},more,than,the,header",
    f",,,{V},150,0.1,21.0,{AT}",
    f",,,{V},55.5,0.1,999,{AT}",
)
"""Lines of which nothing is loaded."""

HALF_REJECTED = f"MTR-00902,0.1,230.1,EV-00902,150,0.1,21.0,{AT}"
"""A line of two readings: the meter's is good, the vehicle's is not."""


def unusual(meters: list[str], vehicles: list[str]) -> None:
    """Write some good lines the way dumps write them too: they must load."""
    kwh, voltage = meters[10].split(",")[1:3]
    meters[10] = f'"  {M} ",{kwh},{voltage},,,,,2026-01-02T00:11:00+01:00'
    meters[11] = meters[11].replace("2026-01-01T23:12:00Z", "2026-01-01 23:12:00")
    meters[12] = meters[12].replace("2026-01-01T23:13:00Z", "1767309180")
    meters[13] = meters[13].replace("2026-01-01T23:14:00Z", "1767309240000")
    meters[14] = f"{M},{float(meters[14].split(',')[1]):e},,,,,,2026-01-01T23:15:00Z"
    vehicles[15] = f",,,{V},,{vehicles[15].split(',')[5]},,2026-01-01T23:16:00Z"


def repeated(meters: list[str], vehicles: list[str]) -> list[str]:
    """The same readings again, and the same keys with other values."""
    other_kwh = f"{M},7.777777,{meters[40].split(',', 2)[2]}"
    other_temp = f"{vehicles[40].rsplit(',', 2)[0]},77.7,{vehicles[40].rsplit(',', 1)[1]}"
    return [meters[20], meters[20], vehicles[21], other_kwh, other_temp]


def write_dirty(plan_files: Path, path: Path) -> None:
    """Good lines, a bad one after every seventh minute, repeats at the end."""
    meters = [f"{M},{kwh},{voltage},,,,,{ts}" for _, kwh, voltage, ts in lines(plan_files / "meters.csv")]
    vehicles = [
        f",,,{V},{soc},{kwh},{temp},{ts}" for _, soc, kwh, temp, ts in lines(plan_files / "vehicles.csv")
    ]
    unusual(meters, vehicles)
    bad = iter((*REJECTED, HALF_REJECTED))
    written = ["meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp"]
    for number, pair in enumerate(zip(meters, vehicles, strict=True), start=1):
        written.extend(pair)
        if number % 7 == 0:
            written.extend(islice(bad, 1))
    written.extend(repeated(meters, vehicles))
    path.write_text("\n".join(written) + "\n", encoding="utf-8", newline="\n")


def lines(path: Path) -> list[list[str]]:
    """The data rows of a generated CSV."""
    return [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def write_mixed(meters: pl.DataFrame, vehicles: pl.DataFrame, path: Path) -> None:
    """MTR-00005 and EV-00005 share their rows, MTR-00006 and EV-00006 have rows of their own."""
    ts = pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    meters, vehicles = meters.with_columns(ts), vehicles.with_columns(ts)
    both = meters.filter(meterId="MTR-00005").join(vehicles.filter(vehicleId="EV-00005"), on="timestamp")
    parts = [both, meters.filter(meterId="MTR-00006"), vehicles.filter(vehicleId="EV-00006")]
    records = [
        (record["timestamp"], at, record) for at, part in enumerate(parts) for record in part.to_dicts()
    ]
    ordered = sorted(records, key=lambda entry: entry[:2])
    text = [pl.DataFrame([record]).write_ndjson() for _, _, record in ordered]
    path.write_text("".join(text), encoding="utf-8", newline="\n")


PROFILE = """\
description = "Meter readings as the utility exports them"

[format]
decimal = ","
thousands = "."

[time]
date = "Datum"
time = "Uhrzeit"
zone = "Europe/Berlin"
fold = "order"            # the clock goes back in this night: the second 02:00 is the one that comes later

[meter]
id = "Zählernummer"
energy = { column = "Zählerstand [Wh]", unit = "Wh", kind = "register" }
voltage = "Spannung [V]"
max_kw = 11
"""


def write_strange(folder: Path) -> None:
    """Two meters' registers by the quarter of an hour, as a utility exports them, and the profile for it."""
    folder.mkdir(exist_ok=True)
    (folder / "utility.toml").write_text(PROFILE, encoding="utf-8", newline="\n")
    rows = ["Zählernummer;Datum;Uhrzeit;Zählerstand [Wh];Spannung [V];Bemerkung"]
    start = datetime(2025, 10, 25, 16, tzinfo=UTC)
    for quarter in range(13 * 4 + 1):
        local = (start + timedelta(minutes=15 * quarter)).astimezone(ZoneInfo("Europe/Berlin"))
        for meter, watts in ((1, 250), (2, 7400)):
            register = f"{4_711_000 * meter + watts * quarter // 4:,}".replace(",", ".")
            if (meter, quarter) in {(1, 9), (2, 30)}:
                register = "-"
            volts = f"{229.5 + (quarter + meter) % 7 / 10:.1f}".replace(".", ",")
            rows.append(f"DE-{meter:04};{local:%d.%m.%Y;%H:%M};{register};{volts};")
    (folder / "utility.csv").write_text("\n".join(rows) + "\n", encoding="cp1252", newline="\r\n")


def main(out: Path) -> None:
    """Write every sample into ``out``."""
    (out / "fleet").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        generate_fleet(FLEET, work / "fleet", DumpFormat.PARQUET)
        generate_fleet(DIRTY, work / "dirty", DumpFormat.CSV)
        meters, vehicles = (
            pl.read_parquet(work / "fleet" / f"{name}.parquet") for name in ("meters", "vehicles")
        )
        separate = pl.col("meterId").is_in(FLEET.meter_ids()[:SEPARATE])
        meters.filter(separate).write_csv(out / "meters.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
        separate = pl.col("vehicleId").is_in(FLEET.vehicle_ids()[:SEPARATE])
        vehicles.filter(separate).write_parquet(out / "vehicles.parquet", compression="zstd")
        write_mixed(meters, vehicles, out / "mixed.ndjson")
        write_dirty(work / "dirty", out / "dirty.csv")
        write_strange(out / "strange")
        for name in ("links.csv", "truth.json"):
            (out / "fleet" / name).write_bytes((work / "fleet" / name).read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
