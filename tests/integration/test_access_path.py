"""The analytics queries reach a device's readings by index, in the days of the window and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from psycopg import sql

from energy_etl.db.sql import query
from energy_etl.generate.generation import generate_fleet
from energy_etl.generate.plan import DumpFormat, FleetPlan

if TYPE_CHECKING:
    from tests.telemetry import Telemetry

PLAN = FleetPlan(meters=300, vehicles=300, hours=50, seed=1, faulty=0)
"""Three days. With a fifth of the devices, all metadata of a compressed day fit into four pages, and no index
would be quicker than reading those."""

LATE = (datetime(2026, 1, 2, 6, tzinfo=UTC), datetime(2026, 1, 2, 8, tzinfo=UTC))
WINDOWS = {
    "first and second day": datetime(2026, 1, 2, 12, tzinfo=UTC),
    "second and third day": datetime(2026, 1, 3, 0, 30, tzinfo=UTC),
}
"""What is in the window → its end."""

COLUMNSTORE = ("ColumnarScan", "DecompressChunk")
"""What TimescaleDB has called the node that unpacks the compressed rows its child finds."""


@pytest.fixture(scope="module")
def fleet(telemetry: Telemetry, tmp_path_factory: pytest.TempPathFactory) -> Telemetry:
    """A fleet's readings, some of which came late and so lie outside of the columnstore; with statistics."""
    made = generate_fleet(PLAN, tmp_path_factory.mktemp("fleet"), DumpFormat.PARQUET)
    dumps = (*made.meters, *made.vehicles)
    telemetry.load_files(*(dump.path for dump in dumps))
    for dump in dumps:
        hours = pl.read_parquet(dump.path).filter(pl.col("timestamp").is_between(*LATE))
        telemetry.load(hours.with_columns(pl.col("timestamp") + timedelta(seconds=30)))
    for table in ("meter_history", "vehicle_history", "meter_live", "vehicle_live"):
        telemetry.conn.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    return telemetry


def parameters(until: datetime) -> dict[str, Any]:
    """For every query; each takes what it names."""
    return {
        "vehicle_id": "EV-00150",
        "meter_id": "MTR-00150",
        "after": until - timedelta(days=1),
        "until": until,
        "valid_from": None,
        "valid_to": None,
    }


def plan_of(telemetry: Telemetry, statement: sql.SQL, until: datetime) -> dict[str, Any]:
    explain = sql.SQL("EXPLAIN (FORMAT JSON) ") + statement
    row = telemetry.conn.execute(explain, parameters(until), prepare=False).fetchone()
    assert row is not None
    found: dict[str, Any] = row[0][0]["Plan"]
    return found


def without(name: str, part: str, instead: str = "") -> sql.SQL:
    """A query of the product with a part of its text replaced."""
    text = query(name).as_string(None)
    assert part in text
    return sql.SQL(text.replace(part, instead))


def children(node: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get("Plans", [])
    return found


def scanned(node: dict[str, Any]) -> set[str]:
    """The tables a plan reads, a chunk's compressed part under the name of the chunk."""
    if node["Node Type"] == "Custom Scan" and node["Custom Plan Provider"] not in COLUMNSTORE:
        return set().union(*map(scanned, children(node)))  # ChunkAppend: what it appends is what is read
    if "Relation Name" in node:
        return {node["Relation Name"]}
    return set().union(*map(scanned, children(node)))


def searches(node: dict[str, Any]) -> list[tuple[str, str]]:
    """The indexes a node and those below it search, and what for."""
    own = [(node["Index Name"], node.get("Index Cond", ""))] if "Index Name" in node else []
    return own + [search for child in children(node) for search in searches(child)]


def complaints(telemetry: Telemetry, plan: dict[str, Any], device: str) -> list[str]:
    """Whatever of a plan reads a table in another way than through an index that is ordered by device."""
    rows = telemetry.conn.execute(
        "SELECT relname, pg_get_indexdef(oid, 1, true) FROM pg_class WHERE relkind = 'i'"
    )
    first_column: dict[str, str] = dict(rows.fetchall())

    def below(node: dict[str, Any]) -> list[str]:
        return [complaint for child in children(node) for complaint in of(child)]

    def of(node: dict[str, Any]) -> list[str]:
        kind, relation = node["Node Type"], node.get("Relation Name")
        if kind == "Custom Scan":
            return below(node) if children(node) else [f"{kind} of {relation} over nothing"]
        if relation is None:
            return below(node)
        if kind not in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan"):
            return [f"{kind} of {relation}"]
        by_device = [
            index
            for index, condition in searches(node)
            if f"({device} = " in condition and first_column[index] == device
        ]
        return [] if by_device else [f"{kind} of {relation} by {searches(node)}"]

    return of(plan)


def days_of_window(telemetry: Telemetry, flavour: str, history: str, until: datetime) -> set[str]:
    """The partitions or chunks that can hold a reading of the day up to then."""
    after = until - timedelta(days=1)
    if flavour == "postgres":
        days = [
            after.date() + timedelta(days=number) for number in range((until.date() - after.date()).days + 1)
        ]
        return {f"{history}_{day:%Y%m%d}" for day in days}
    rows = telemetry.conn.execute(
        "SELECT chunk_name FROM timescaledb_information.chunks"
        " WHERE hypertable_name = %s AND range_start <= %s AND range_end > %s",
        [history, until, after],
    )
    return {name for (name,) in rows}


QUERIES = [
    ("analytics.vehicle_window", "vehicle_id", "vehicle_history"),
    ("analytics.meter_window", "meter_id", "meter_history"),
]


@pytest.mark.parametrize("until", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize(("name", "device", "history"), QUERIES)
def test_a_window_is_read_by_device_in_its_own_days(
    fleet: Telemetry, flavour: str, name: str, device: str, history: str, until: datetime
) -> None:
    plan = plan_of(fleet, query(name), until)
    assert complaints(fleet, plan, device) == []
    days = days_of_window(fleet, flavour, history, until)
    assert len(days) == 2
    assert scanned(plan) == days


@pytest.mark.parametrize(("valid_from", "valid_to"), [(LATE[0], None), (None, LATE[1]), LATE])
def test_the_bounds_of_a_link_change_nothing_about_it(
    fleet: Telemetry, valid_from: datetime | None, valid_to: datetime | None
) -> None:
    bounds = {"valid_from": valid_from, "valid_to": valid_to}
    statement = sql.SQL("EXPLAIN (FORMAT JSON) ") + query("analytics.meter_window")
    row = fleet.conn.execute(statement, {**parameters(LATE[1]), **bounds}, prepare=False).fetchone()
    assert row is not None
    assert complaints(fleet, row[0][0]["Plan"], "meter_id") == []


def test_the_newest_reading_is_looked_up_by_vehicle(fleet: Telemetry) -> None:
    plan = plan_of(fleet, query("analytics.newest_reading"), LATE[1])
    assert complaints(fleet, plan, "vehicle_id") == []
    assert scanned(plan) == {"vehicle_live"}


@pytest.mark.parametrize(("name", "device", "history"), QUERIES)
def test_a_query_without_the_device_is_told_apart(
    fleet: Telemetry, name: str, device: str, history: str
) -> None:
    for instead in ("", f"{device} || '' = %({device})s AND "):
        statement = without(name, f"{device} = %({device})s AND ", instead)
        assert complaints(fleet, plan_of(fleet, statement, LATE[1]), device)


def test_an_index_that_is_ordered_by_time_is_told_apart(fleet: Telemetry) -> None:
    with fleet.conn.transaction(force_rollback=True):
        fleet.conn.execute("CREATE TEMP TABLE by_time (LIKE meter_history, PRIMARY KEY (ts, meter_id))")
        fleet.conn.execute("SET LOCAL enable_seqscan = off")
        plan = plan_of(fleet, without("analytics.meter_window", "meter_history", "by_time"), LATE[1])
        (complaint,) = complaints(fleet, plan, "meter_id")
    assert "by_time_pkey" in complaint


@pytest.mark.parametrize(("name", "device", "history"), QUERIES)
def test_a_query_without_the_window_is_told_apart(
    fleet: Telemetry, flavour: str, name: str, device: str, history: str
) -> None:
    statement = without(name, " AND ts > %(after)s AND ts <= %(until)s")
    plan = plan_of(fleet, statement, LATE[1])
    assert len(scanned(plan)) == 3
    assert scanned(plan) > days_of_window(fleet, flavour, history, LATE[1])
