"""Whole dumps typed and judged, from real files; no database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.energy import EnergyKind
from energy_etl.frames.rejects import SCHEMA
from energy_etl.interpret import interpret
from energy_etl.options import LoadOptions
from energy_etl.plan import Checked, check
from energy_etl.sources.recognise import recognise
from energy_etl.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = Path(__file__).parents[2] / "samples"
LATEST = datetime(2026, 6, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
METER_HEAD = "meterId,kwhConsumedAc,voltage,timestamp\n"
HEAD = "meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp\n"
TS = "2026-01-31T12:00:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dumps")


def checked(path: Path, *, rows: int = 1000, zone: str = "UTC") -> list[Checked]:
    interpretation = interpret(recognise(path, path.name), LoadOptions(timezone=zone))
    kinds = dict.fromkeys(("meter", "vehicle"), EnergyKind.INTERVAL)
    return list(check(interpretation, latest=LATEST, rows=rows, kinds=kinds))


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def valid(batches: Sequence[Checked], stream: str) -> list[int]:
    """Numbers of the rows that go on to the database, in their order."""
    return [
        number
        for batch in batches
        if stream in batch.valid
        for number in batch.valid[stream]["row_number"].to_list()
    ]


def counts(batches: Sequence[Checked]) -> dict[str, tuple[int, int]]:
    """Readings read and rejected, by stream."""
    found = dict.fromkeys(("meter", "vehicle"), (0, 0))
    for batch in batches:
        assert dict(batch.rejects.schema) == SCHEMA
        assert batch.rejects.height == batch.rejected
        assert batch.streams.keys() == batch.valid.keys()
        for stream in STREAMS:
            if stream.name in batch.streams:
                one, readings = batch.streams[stream.name], batch.valid[stream.name]
                assert one.read - one.rejected == readings.height
                assert readings.columns == ["row_number", *stream.columns]
                read, rejected = found[stream.name]
                found[stream.name] = read + one.read, rejected + one.rejected
    unassigned = sum(batch.unassigned for batch in batches)
    assert sum(batch.read for batch in batches) == sum(read for read, _ in found.values()) + unassigned
    assert sum(batch.rejected for batch in batches) == sum(bad for _, bad in found.values()) + unassigned
    return found


@pytest.mark.parametrize("rows", [7, 1000])
def test_the_dirty_sample_comes_out_as_it_is_described(rows: int) -> None:
    batches = checked(SAMPLES / "dirty.csv", rows=rows)
    assert counts(batches) == {"meter": (200, 16), "vehicle": (185, 3)}
    assert sum(batch.unassigned for batch in batches) == 4
    assert sum(batch.rows for batch in batches) == 388
    assert sum(batch.naive_timestamps for batch in batches) == 1
    assert batches[-1].bytes_read == (SAMPLES / "dirty.csv").stat().st_size


@pytest.mark.parametrize(
    ("name", "meter", "vehicle"),
    [
        ("meters.csv", (6240, 0), (0, 0)),
        ("vehicles.parquet", (0, 0), (6240, 0)),
        ("mixed.ndjson", (3120, 0), (3120, 0)),
    ],
)
def test_the_clean_samples_are_all_valid(name: str, meter: tuple[int, int], vehicle: tuple[int, int]) -> None:
    batches = checked(SAMPLES / name)
    assert counts(batches) == {"meter": meter, "vehicle": vehicle}
    assert sum(batch.unassigned for batch in batches) == 0


BAD = st.sampled_from([False, False, False, True])
RAGGED = "ragged"
CSV_ROW = st.one_of(
    st.fixed_dictionaries(
        {
            "meter": st.sampled_from(["", "m1", "m2"]),
            "vehicle": st.sampled_from(["", "v1", "v2"]),
            "minute": st.integers(0, 3),
            "bad_ac": BAD,
            "bad_dc": BAD,
            "bad_ts": BAD,
        }
    ),
    st.just(RAGGED),
)


def line(row: Any, *, mixed: bool) -> str:
    if row == RAGGED:
        return "a,b\n"
    ts = "never" if row["bad_ts"] else f"2026-01-31T12:0{row['minute']}:00Z"
    meter = f"{row['meter']},{'x' if row['bad_ac'] else '0.5'},230"
    vehicle = f",{row['vehicle']},50,{'-1' if row['bad_dc'] else '0.4'},20" if mixed else ""
    return f"{meter}{vehicle},{ts}\n"


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(CSV_ROW, min_size=1, max_size=25), size=st.integers(1, 9), mixed=st.booleans())
def test_every_row_is_accounted_for_however_the_dump_is_batched(
    *, folder: Path, rows: list[Any], size: int, mixed: bool
) -> None:
    text = (HEAD if mixed else METER_HEAD) + "".join(line(row, mixed=mixed) for row in rows)
    batches = checked(written(folder, "any.csv", text), rows=size)

    loose, bad_meters, bad_vehicles = 0, 0, 0
    meters: list[int] = []
    vehicles: list[int] = []
    for number, row in enumerate(rows, 1):
        nobody = row == RAGGED or not (row["meter"] or row["vehicle"])
        if mixed and nobody:
            loose += 1
            continue
        if row == RAGGED or not mixed or row["meter"]:
            good = row != RAGGED and row["meter"] and not (row["bad_ac"] or row["bad_ts"])
            bad_meters += not good
            meters += [number] if good else []
        if mixed and row["vehicle"]:
            good = not (row["bad_dc"] or row["bad_ts"])
            bad_vehicles += not good
            vehicles += [number] if good else []

    assert counts(batches) == {
        "meter": (len(meters) + bad_meters, bad_meters),
        "vehicle": (len(vehicles) + bad_vehicles, bad_vehicles),
    }
    assert sum(batch.unassigned for batch in batches) == loose
    assert sum(batch.rows for batch in batches) == len(rows)
    assert valid(batches, "meter") == meters
    assert valid(batches, "vehicle") == vehicles
    told = [number for batch in batches for number in batch.rejects["row_number"]]
    assert {*told, *meters, *vehicles} == set(range(1, len(rows) + 1))
    assert len(told) == loose + bad_meters + bad_vehicles


def test_rows_that_are_none_belong_to_the_only_stream_of_a_dump(folder: Path) -> None:
    (batch,) = checked(written(folder, "one.csv", f"{METER_HEAD}m1,1,230,{TS}\nm1,1\n,1,230,{TS}\n"))
    assert (batch.rows, batch.unassigned) == (3, 0)
    assert counts([batch]) == {"meter": (3, 2), "vehicle": (0, 0)}
    assert batch.rejects.select("row_number", "stream", "rule").sort("row_number").rows() == [
        (2, "meter", "field_count"),
        (3, "meter", "meter_id:missing"),
    ]


def test_rows_that_are_none_belong_to_no_stream_of_a_mixed_dump(folder: Path) -> None:
    (batch,) = checked(written(folder, "two.csv", f"{HEAD}m1,1,230,,,,,{TS}\nm1,1\n,1,230,,,,,{TS}\n"))
    assert (batch.rows, batch.unassigned) == (3, 2)
    assert counts([batch]) == {"meter": (1, 0), "vehicle": (0, 0)}
    assert batch.rejects.select("row_number", "stream", "rule").sort("row_number").rows() == [
        (2, None, "field_count"),
        (3, None, "row:no_device"),
    ]


def test_a_row_of_two_readings_may_lose_one_of_them(folder: Path) -> None:
    (batch,) = checked(written(folder, "both.csv", f"{HEAD}m1,1,230,v1,150,1,20,{TS}\n"))
    assert counts([batch]) == {"meter": (1, 0), "vehicle": (1, 1)}
    [(number, stream, rule, _, raw)] = batch.rejects.rows()
    assert (number, stream, rule) == (1, "vehicle", "soc:above_range")
    assert json.loads(raw)["meter_id"] == "m1"


def test_the_span_is_that_of_the_valid_readings(folder: Path) -> None:
    times = ["2026-02-02T00:30:00+01:00", "2026-01-31T12:00:00Z", "2026-01-31T23:59:59Z", "1999-01-01T00:00Z"]
    rows = "".join(f"m1,1,230,{ts}\n" for ts in times)
    (batch,) = checked(written(folder, "span.csv", f"{METER_HEAD}{rows}m1,x,230,2026-03-01T00:00Z\n"))
    meter = batch.streams["meter"]
    assert (meter.read, meter.rejected) == (5, 2)
    assert (meter.min_ts, meter.max_ts) == (NOON, datetime(2026, 2, 1, 23, 30, tzinfo=UTC))


def test_without_a_valid_reading_there_is_no_span(folder: Path) -> None:
    (batch,) = checked(written(folder, "none.csv", f"{METER_HEAD}m1,x,230,{TS}\n"))
    meter = batch.streams["meter"]
    assert (meter.read, meter.rejected, meter.min_ts, meter.max_ts) == (1, 1, None, None)
    assert batch.valid["meter"].is_empty()


def test_a_header_without_rows_makes_no_batch(folder: Path) -> None:
    assert checked(written(folder, "head.csv", METER_HEAD)) == []


def test_a_reading_from_the_future_is_rejected(folder: Path) -> None:
    rows = "".join(f"m1,1,230,{ts}\n" for ts in ("2026-06-01T00:00:00Z", "2026-06-01T00:00:01Z"))
    (batch,) = checked(written(folder, "ahead.csv", METER_HEAD + rows))
    assert batch.streams["meter"].max_ts == LATEST
    assert batch.rejects["rule"].to_list() == ["ts:in_the_future"]


def test_local_times_are_taken_in_the_zone_given(folder: Path) -> None:
    path = written(folder, "local.csv", f"{METER_HEAD}m1,1,230,2026-01-31T13:00:00\n")
    (batch,) = checked(path, zone="Europe/Berlin")
    assert batch.naive_timestamps == 1
    assert batch.streams["meter"].min_ts == NOON


def records(*ids: str) -> str:
    """A record per id: m… is a meter's, v… a vehicle's, and v- a vehicle's without an id."""
    meter = {"kwhConsumedAc": 1, "voltage": 230, "timestamp": TS}
    vehicle = {"soc": 50, "kwhDeliveredDc": 1, "batteryTemp": 20, "timestamp": TS}
    rows = [
        {"meterId": one, **meter} if one[0] == "m" else {"vehicleId": one.strip("v-") and one, **vehicle}
        for one in ids
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


BEHIND = [f"m{number}" for number in range(10_001)]
"""More records than are looked at to learn what a JSON dump carries."""


def test_a_stream_that_begins_late_in_a_json_dump_is_not_dropped(folder: Path) -> None:
    path = written(folder, "late.ndjson", records(*BEHIND, "v1", "v2"))
    batches = checked(path, rows=4000)
    assert counts(batches) == {"meter": (10_001, 0), "vehicle": (2, 0)}
    assert sum(batch.unassigned for batch in batches) == 0


def test_a_late_key_without_an_id_begins_no_stream(folder: Path) -> None:
    path = written(folder, "late.ndjson", records(*BEHIND, "v-"))
    batches = checked(path)
    assert counts(batches) == {"meter": (10_001, 0), "vehicle": (0, 0)}
    assert sum(batch.unassigned for batch in batches) == 1


@pytest.mark.parametrize("stored", [pa.timestamp("us", "UTC"), pa.timestamp("ms"), pa.int64()])
def test_a_moment_that_no_calendar_has_costs_its_row_only(folder: Path, stored: pa.DataType) -> None:
    ticks = 1_769_860_800_000 * (1000 if stored == pa.timestamp("us", "UTC") else 1)
    table = {
        "meterId": ["m1", "m2"],
        "kwhConsumedAc": [1.0, 2.0],
        "voltage": [230.0, 230.0],
        "timestamp": pa.array([2**63 - 1, ticks]).cast(stored),
    }
    pq.write_table(pa.table(table), folder / "moments.parquet")
    (batch,) = checked(folder / "moments.parquet")
    assert batch.streams["meter"].min_ts == batch.streams["meter"].max_ts == NOON
    [(number, _, rule, detail, raw)] = batch.rejects.rows()
    assert (number, rule) == (1, "ts:not_a_timestamp")
    assert "9223372036854775807" in detail
    assert json.loads(raw)["ts"] == "9223372036854775807"
