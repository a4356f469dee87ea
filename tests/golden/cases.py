"""What the presenting functions are given: fixed values, some of them from hostile files."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from energy_etl.analytics.performance import Performance
from energy_etl.analytics.performance import Status as Judgement
from energy_etl.analytics.sides import MeterShare, Side, Temperature
from energy_etl.analytics.window import Window, WindowEnd
from energy_etl.db.ledger_view import LoadDetail, LoadEntry, RejectedRow, RuleCount, StreamCounts
from energy_etl.db.links import Link
from energy_etl.db.live_view import MeterState, VehicleState
from energy_etl.db.open_rejects import OpenReject
from energy_etl.db.schema import Flavour, describe
from energy_etl.db.status import DatabaseStatus, StreamState, TableSize
from energy_etl.energy import EnergyKind, EnergyRule
from energy_etl.frames.column_facts import ColumnFacts
from energy_etl.frames.evidence import DeviceEvidence
from energy_etl.frames.reading_facts import Judged, Order, Repeated
from energy_etl.inspection.report import Column, Inspection, Problem, StreamReport, Verdict
from energy_etl.kinds import Kind, Origin
from energy_etl.outcome import Counts, LoadResult, Status
from energy_etl.present.inspection import write_inspections
from energy_etl.present.links import write_links
from energy_etl.present.live import write_meters, write_vehicles
from energy_etl.present.loads import write_load, write_loads
from energy_etl.present.performance import write_performance
from energy_etl.present.rejects import write_counts, write_rejects
from energy_etl.present.status import write_status
from energy_etl.present.summary import write_results
from energy_etl.profiles.nearest import Nearness
from energy_etl.selection import Grouping

if TYPE_CHECKING:
    from collections.abc import Callable

    from energy_etl.present.output import Format

DAY = datetime(2026, 3, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=1, hours=2)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOSTILE = "\x1b[31m=V[/]\u202e"
SHA = "37577bb9b61aac2233e878a333ad54aa8969d8385eea53fb7f8babbeae7ab13e"

LINKED = MeterShare(
    "M-0007",
    linked=True,
    valid_from=DAY - HOUR,
    valid_to=DAY + 20 * HOUR,
    side=Side(1_200, 1_200.0, 61.0, DAY + MINUTE, DAY + 20 * HOUR - MINUTE, 100.0, {"dropout": 3}),
)
OPEN = MeterShare(
    "M-0008",
    linked=True,
    valid_from=DAY + 20 * HOUR,
    valid_to=None,
    side=Side(220, 240.0, 1.5, DAY + 20 * HOUR, DAY + 24 * HOUR, 91.6667),
)
JUDGED = Performance(
    vehicle_id="V-0001",
    window=Window(DAY, DAY + 24 * HOUR, WindowEnd.NEWEST_READING),
    status=Judgement.LOW,
    reason="80.8 % is below the threshold of 85 %",
    alert=True,
    alert_threshold=85.0,
    ac=Side(1_420, 1_440.0, 62.5, DAY + MINUTE, DAY + 24 * HOUR, 98.6111, {"dropout": 3}),
    dc=Side(1_438, 1_440.0, 50.475, DAY + MINUTE, DAY + 24 * HOUR, 99.8611),
    linked_percent=100.0,
    efficiency_percent=80.76,
    loss_kwh=12.025,
    temperature=Temperature(21.4567, -3.25, 38.0),
    meters=(LINKED, OPEN),
)
UNKNOWN = Performance(
    vehicle_id=HOSTILE,
    window=None,
    status=Judgement.NO_VEHICLE,
    reason="no reading of this vehicle was ever loaded",
    alert=False,
    alert_threshold=85.0,
    ac=Side(),
    dc=Side(),
    linked_percent=0.0,
    efficiency_percent=None,
    loss_kwh=None,
    temperature=Temperature(),
    meters=(),
)
METERS = [
    MeterState("M-0002", NOW + HOUR, 0.125, 229.94, None, DAY, 7),
    MeterState("M-0001", NOW - 3 * MINUTE, 1_234.56789, None, 98_765.4321, DAY, 3),
    MeterState(HOSTILE, DAY - 40 * 24 * HOUR, math.nan, math.inf, None, DAY - 41 * 24 * HOUR, 1),
]
VEHICLES = [
    VehicleState("V-0001", NOW - timedelta(seconds=45), 75.55, 0.0991, -4.0, None, DAY, 7),
    VehicleState("=cmd|'/c calc'!A1", DAY, None, 0.0, None, 12.5, DAY, 3),
]
LINKS = [
    Link("=V", "M-0001"),
    Link("V-0001", "M-0007", None, DAY),
    Link("V-0001", "M-0008", DAY, DAY + 36 * HOUR),
    Link(HOSTILE, "'=M", DAY + MINUTE, None),
]
LOADED = LoadEntry(
    load_id=12,
    source="dumps/mixed.csv",
    sha256=SHA,
    bytes=1_234_567,
    format="csv",
    status="loaded",
    started_at=DAY + timedelta(seconds=1, microseconds=250_000),
    finished_at=DAY + timedelta(seconds=3),
    streams=(
        StreamCounts("meter", 10_000, 9_000, 500, 300, 200, 0, DAY, NOW),
        StreamCounts("vehicle", 2_000, 1_999, 0, 0, 1, 5, DAY, NOW),
        StreamCounts("unassigned", 4, 0, 0, 0, 4),
    ),
    options={"timezone": "Europe/Berlin", "on_conflict": "keep", "max_rejects": "10 %"},
    error=None,
    version="0.1.0",
)
REFUSED = LoadEntry(
    load_id=11,
    source=f"=dumps/{HOSTILE}.csv",
    sha256=SHA[::-1],
    bytes=76,
    format="csv.gz",
    status="failed",
    started_at=DAY,
    finished_at=DAY + timedelta(seconds=1),
    streams=(),
    options={},
    error=f"{HOSTILE}.csv: is empty",
    version="0.1.0",
)
DETAIL = LoadDetail(
    LOADED,
    rules=(
        RuleCount("meter", "reading:conflicting", 300, 300),
        RuleCount("meter", "kwh_consumed_ac:below_range", 200, 12),
        RuleCount(None, "row:no_device", 4, 0),
    ),
    rejects=(
        RejectedRow(None, 3, "row:no_device", "neither meterId nor vehicleId", {"ts": "2026-03-01"}),
        RejectedRow(
            "meter", 17, "meter_id:control_character", "meter_id", {"meter_id": HOSTILE, "v": None}, 13
        ),
    ),
)
UNRESOLVED = [
    OpenReject(
        *(901, 12, "dumps/mixed.csv", 3, None, "row:no_device", "neither a meter id nor a vehicle id"),
        raw={"ts": "2026-03-01", "meter_id": None},
    ),
    OpenReject(
        *(900, 12, "dumps/mixed.csv", 17, "meter", "reading:conflicting", "load 3 stored other values"),
        raw={"meter_id": HOSTILE, "voltage": 230.1},
    ),
    OpenReject(
        *(7, 11, f"={HOSTILE}.csv", 1, "vehicle", "field_count", HOSTILE), raw={"line": f"{HOSTILE},1"}
    ),
]
TABLES = (
    TableSize("meter_history", 5_800_000_000, 365, 3_000_000_000),
    TableSize("vehicle_history", 0, 0, 0),
    TableSize("load", 24_576, None, 12),
)
STREAMS = (StreamState("meter", 1_000, DAY, NOW), StreamState("vehicle", 0, None, None))
FILLED = DatabaseStatus("energy", "18.4", Flavour.TIMESCALE, "2.29.2", 2, 2, TABLES, STREAMS)
OUTDATED = DatabaseStatus("energy", "15.1", Flavour.POSTGRES, None, 1, 2, (), ())
BARE = DatabaseStatus("energy", "18.4", Flavour.POSTGRES, None, None, 2, (), ())
RETRIED = [
    LoadResult(
        "rejects of load 12",
        Status.STILL_REJECTED,
        rows=2,
        streams={"meter": Counts(read=2, rejected=2)},
        rules={("meter", "voltage:above_range"): 2},
        seconds=0.5,
    ),
    LoadResult(
        "rejects of load 11",
        Status.LOADED,
        load_id=13,
        rows=2,
        streams={"meter": Counts(read=2, loaded=1, conflicting=1, replaced=1)},
        rules={("meter", "reading:restated"): 1},
        seconds=0.5,
    ),
]
RESULTS = [
    LoadResult(
        "mixed.csv",
        Status.LOADED,
        load_id=12,
        sha256=SHA,
        bytes=1_234_567,
        rows=12_004,
        streams={
            "meter": Counts(10_000, 9_000, 500, 300, 200, 0, DAY, NOW),
            "vehicle": Counts(2_000, 1_999, 0, 0, 1, 0, DAY, NOW),
            "unassigned": Counts(read=4, rejected=4),
        },
        rules={
            ("meter", "reading:conflicting"): 300,
            ("meter", "voltage:above_range"): 200,
            (None, "row"): 4,
        },
        naive_timestamps=1_500,
        timezone="Europe/Berlin",
        ignored_columns=("note", HOSTILE),
        passed_over={f'channel "{HOSTILE}"': 1_200, "filtered out by phase": 1},
        interpretation={"profile": "ocpp", "timezone": "Europe/Berlin", "date_order": "dmy"},
        notes=("read by the profile ocpp: its columns are those of the profile", f"id is {HOSTILE!r}"),
        seconds=2.5,
    ),
    LoadResult(
        "again.csv", Status.ALREADY_LOADED, load_id=12, sha256=SHA, bytes=9, seconds=0.001, loaded_at=DAY
    ),
    LoadResult(
        f"={HOSTILE}.csv",
        Status.FAILED,
        sha256=SHA,
        bytes=76,
        rows=2,
        streams={"meter": Counts(read=2, loaded=1, rejected=1)},
        rules={("meter", f"rule {number}"): 1 for number in range(12)},
        error=f"={HOSTILE}.csv: 1 of 2 readings are rejected, more than --max-rejects allows (10 %)",
        hint="see the rules above",
    ),
    LoadResult("gone.csv", Status.FAILED, error="gone.csv: is empty"),
]
REHEARSED = [
    LoadResult(
        "restated.csv",
        Status.DRY_RUN,
        rows=3,
        streams={"vehicle": Counts(read=3, loaded=1, conflicting=2, replaced=2, min_ts=DAY, max_ts=NOW)},
        seconds=0.5,
    )
]

RISING = DeviceEvidence(HOSTILE, 200, 60.0, 4_711.5, 4_720.125, 10.0, 199, 0.975, 0.0, 0, 1.0)
INSPECTED = [
    Inspection(
        "dumps/export.csv",
        Verdict.PARTLY,
        format="csv",
        compression="gzip",
        encoding="windows-1252",
        delimiter=";",
        decimal=",",
        bytes=1_234_567,
        sha256=SHA,
        rows=12_004,
        profile="utility",
        why="it was named",
        columns=[
            Column(("Zähler", "Anschluss"), "meter_id", ColumnFacts("text", 12_000, 4, example=HOSTILE)),
            Column(("Zeit",), "ts", ColumnFacts("text", 12_004, unread=2, low=DAY, high=NOW, example="1.3.")),
            Column(
                ("Stand",),
                "kwh_consumed_ac",
                ColumnFacts("text", 11_000, 1_004, Counter({"-": 1_000, HOSTILE: 3}), 0, -0.5, 4720.125, "1"),
                "Wh",
            ),
            Column(
                ("U",),
                "voltage",
                ColumnFacts("Int64", 12_004, low=2_290.0, high=2_311.0, example="2301"),
                "V",
                'mostly above 1,000 V: decivolts? (unit = "dV")',
            ),
            Column(("note",), None),
        ],
        streams=[
            StreamReport(
                "meter",
                read=12_000,
                loaded=11_690,
                rejected=8,
                judged=Judged(10_000, Repeated(300, 2), 60.0, {"first": 2, "gap": 1}, 61.25),
                devices=2,
                first_ts=DAY,
                last_ts=NOW,
                order=Order.NONE,
                backward=7,
                kind=Kind(EnergyRule(EnergyKind.REGISTER), Origin.FOUND),
                likely=EnergyKind.REGISTER,
                evidence=(RISING,),
            )
        ],
        unassigned=4,
        rules={("meter", "ts:not_a_timestamp"): 8, (None, "row:no_device"): 4},
        passed_over={f'channel "{HOSTILE}"': 1_200},
        naive_timestamps=12_002,
        timezone="Europe/Berlin",
        notes=["is not UTF-8, taken as windows-1252"],
        commands=["energy-etl ingest dumps/export.csv --profile my.toml --meter-energy register"],
    ),
    Inspection(
        "dumps/both.ndjson",
        Verdict.AMBIGUOUS,
        [Problem("it is not plain", "say which", ambiguous=True, choices=("--vehicle-energy power",))],
        format="ndjson",
        compression="none",
        encoding="utf-8",
        bytes=9,
        rows=1,
        profile="canonical",
        why="its columns are the documented ones",
        streams=[
            StreamReport(
                "vehicle",
                read=1,
                loaded=1,
                rejected=0,
                judged=Judged(1),
                devices=1,
                first_ts=DAY,
                last_ts=DAY,
                order=Order.TIME,
                backward=0,
                kind=None,
                likely=None,
                evidence=(),
            )
        ],
        commands=[f"energy-etl ingest dumps/both.ndjson --vehicle-energy {kind}" for kind in "abcde"],
    ),
    Inspection(
        f"={HOSTILE}.csv",
        problems=[Problem(f"no column {HOSTILE}", None)],
        format="csv",
        compression="none",
        bytes=76,
        near=[Nearness("teslafi", ("Date",), (HOSTILE, "charge_energy_added")), Nearness("han", ("x",), ())],
        columns=[Column((HOSTILE,), None, ColumnFacts("text", 1, example=HOSTILE))],
    ),
]


def _status(state: DatabaseStatus, output: Format) -> None:
    write_status(state, output, server="ana@db.example:5432/energy", layout=describe(state.flavour))


CASES: dict[str, Callable[[Format], None]] = {
    "performance": lambda output: write_performance(JUDGED, output),
    "performance_unknown": lambda output: write_performance(UNKNOWN, output),
    "live_meters": lambda output: write_meters(METERS, NOW, output),
    "live_vehicles": lambda output: write_vehicles(VEHICLES, NOW, output),
    "links": lambda output: write_links(LINKS, output),
    "loads": lambda output: write_loads([LOADED, REFUSED], output),
    "loads_none": lambda output: write_loads([], output),
    "load": lambda output: write_load(DETAIL, output),
    "load_refused": lambda output: write_load(LoadDetail(REFUSED, (), ()), output),
    "rejects": lambda output: write_rejects(UNRESOLVED, output),
    "rejects_none": lambda output: write_rejects([], output),
    "rejects_by_load": lambda output: write_counts(
        [(12, "dumps/mixed.csv", 10_500, 3), (11, HOSTILE, 1, 1)], Grouping.LOAD, output
    ),
    "rejects_by_rule": lambda output: write_counts(
        [("meter", "voltage:above_range", 10_500, 2, HOSTILE), (None, "row:no_device", 1, 1, "neither")],
        Grouping.RULE,
        output,
    ),
    "rejects_by_file": lambda output: write_counts([(HOSTILE, 10_501, 3, 2)], Grouping.FILE, output),
    "db_status": lambda output: _status(FILLED, output),
    "db_status_outdated": lambda output: _status(OUTDATED, output),
    "db_status_bare": lambda output: _status(BARE, output),
    "ingest": lambda output: write_results(RESULTS, output),
    "ingest_dry_run": lambda output: write_results(REHEARSED, output),
    "retry": lambda output: write_results(RETRIED, output),
    "inspect": lambda output: write_inspections(INSPECTED, output),
}
"""Name of the expectation → what writes it, in a format."""
