"""Whole dumps through the stages, from real files; no database."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.frames.arrange import Watermarks
from energy_etl.frames.rejects import SCHEMA
from energy_etl.plan import Planned, plan
from energy_etl.sources.reader import open_source
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


def marks(**spans: list[tuple[str, datetime, datetime]]) -> dict[str, Watermarks]:
    """What history holds of both streams."""
    found = {}
    for stream in STREAMS:
        moment = pl.Datetime("us", "UTC")
        types = {stream.device: pl.String(), "first_ts": moment, "last_ts": moment}
        known = pl.DataFrame(spans.get(stream.name, []), schema=types, orient="row")
        found[stream.name] = Watermarks(stream, known)
    return found


def planned(
    path: Path, known: dict[str, Watermarks] | None = None, *, rows: int = 1000, zone: str = "UTC"
) -> list[Planned]:
    reader = open_source(recognise(path, path.name))
    return list(plan(reader, marks() if known is None else known, zone=zone, latest=LATEST, rows=rows))


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def arranged(batches: Sequence[Planned], stream: str) -> list[int]:
    """Numbers of the rows that go on to the database."""
    found = [batch.streams[stream].arranged for batch in batches if stream in batch.streams]
    return sorted(
        number for one in found for part in (one.after, one.before, one.late) for number in part["row_number"]
    )


def counts(batches: Sequence[Planned]) -> dict[str, tuple[int, int]]:
    """Readings read and rejected, by stream."""
    for batch in batches:
        assert dict(batch.rejects.schema) == SCHEMA
        assert batch.rejects.height == batch.unassigned + sum(one.rejected for one in batch.streams.values())
    found = {name: [b.streams[name] for b in batches if name in b.streams] for name in ("meter", "vehicle")}
    for name, parts in found.items():
        assert sum(one.read - one.rejected for one in parts) == len(arranged(batches, name))
    return {
        name: (sum(p.read for p in parts), sum(p.rejected for p in parts)) for name, parts in found.items()
    }


@pytest.mark.parametrize("rows", [7, 1000])
def test_the_dirty_sample_comes_out_as_it_is_described(rows: int) -> None:
    batches = planned(SAMPLES / "dirty.csv", rows=rows)
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
def test_the_clean_samples_are_all_new(name: str, meter: tuple[int, int], vehicle: tuple[int, int]) -> None:
    batches = planned(SAMPLES / name)
    assert counts(batches) == {"meter": meter, "vehicle": vehicle}
    assert sum(one.arranged.late.height for batch in batches for one in batch.streams.values()) == 0
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
    batches = planned(written(folder, "any.csv", text), rows=size)

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
    assert arranged(batches, "meter") == meters
    assert arranged(batches, "vehicle") == vehicles
    told = [number for batch in batches for number in batch.rejects["row_number"]]
    assert {*told, *meters, *vehicles} == set(range(1, len(rows) + 1))
    assert len(told) == loose + bad_meters + bad_vehicles


def test_rows_that_are_none_belong_to_the_only_stream_of_a_dump(folder: Path) -> None:
    (batch,) = planned(written(folder, "one.csv", f"{METER_HEAD}m1,1,230,{TS}\nm1,1\n,1,230,{TS}\n"))
    assert (batch.rows, batch.unassigned) == (3, 0)
    assert counts([batch]) == {"meter": (3, 2), "vehicle": (0, 0)}
    assert batch.rejects.select("row_number", "stream", "rule").sort("row_number").rows() == [
        (2, "meter", "field_count"),
        (3, "meter", "meter_id:missing"),
    ]


def test_rows_that_are_none_belong_to_no_stream_of_a_mixed_dump(folder: Path) -> None:
    (batch,) = planned(written(folder, "two.csv", f"{HEAD}m1,1,230,,,,,{TS}\nm1,1\n,1,230,,,,,{TS}\n"))
    assert (batch.rows, batch.unassigned) == (3, 2)
    assert counts([batch]) == {"meter": (1, 0), "vehicle": (0, 0)}
    assert batch.rejects.select("row_number", "stream", "rule").sort("row_number").rows() == [
        (2, None, "field_count"),
        (3, None, "row:no_device"),
    ]


def test_a_row_of_two_readings_may_lose_one_of_them(folder: Path) -> None:
    (batch,) = planned(written(folder, "both.csv", f"{HEAD}m1,1,230,v1,150,1,20,{TS}\n"))
    assert counts([batch]) == {"meter": (1, 0), "vehicle": (1, 1)}
    [(number, stream, rule, _, raw)] = batch.rejects.rows()
    assert (number, stream, rule) == (1, "vehicle", "soc:above_range")
    assert json.loads(raw)["meter_id"] == "m1"


def test_days_and_span_are_those_of_the_valid_readings(folder: Path) -> None:
    times = ["2026-02-02T00:30:00+01:00", "2026-01-31T12:00:00Z", "2026-01-31T23:59:59Z", "1999-01-01T00:00Z"]
    rows = [f"m1,{energy},230,{ts}\n" for energy, ts in zip((1, 1, 1, 1), times, strict=True)]
    path = written(folder, "days.csv", METER_HEAD + "".join(rows) + "m1,x,230,2026-03-01T00:00Z\n")
    meter = planned(path)[0].streams["meter"]
    assert (meter.read, meter.rejected) == (5, 2)
    assert meter.days == (date(2026, 1, 31), date(2026, 2, 1))
    assert (meter.min_ts, meter.max_ts) == (NOON, datetime(2026, 2, 1, 23, 30, tzinfo=UTC))


def test_without_a_valid_reading_there_is_no_span_and_no_newest(folder: Path) -> None:
    meter = planned(written(folder, "none.csv", f"{METER_HEAD}m1,x,230,{TS}\n"))[0].streams["meter"]
    assert (meter.read, meter.rejected, meter.days) == (1, 1, ())
    assert (meter.min_ts, meter.max_ts, meter.newest) == (None, None, None)


def test_what_history_holds_decides_what_is_new(folder: Path) -> None:
    later = datetime(2026, 1, 31, 12, 5, tzinfo=UTC)
    known = marks(meter=[("m1", NOON, later)])
    times = ["12:00", "12:03", "12:06", "11:59", "12:06"]
    rows = "".join(f"m1,{at},230,2026-01-31T{time}Z\n" for at, time in enumerate(times, 1))
    meter = planned(written(folder, "known.csv", METER_HEAD + rows), known)[0].streams["meter"]
    done = meter.arranged
    assert [part["row_number"].to_list() for part in (done.after, done.before, done.late)] == [
        [3],
        [4],
        [1, 2, 5],
    ]
    assert meter.newest is not None
    [(device, ts, energy, _, first)] = meter.newest.rows()
    assert (device, ts.minute, energy, first.minute) == ("m1", 6, 3.0, 59)


def test_a_batch_knows_what_the_batches_before_it_brought(folder: Path) -> None:
    rows = "".join(f"m1,1,230,2026-01-31T12:{minute:02}Z\n" for minute in (1, 2, 3, 2))
    first, second = planned(written(folder, "twice.csv", METER_HEAD + rows), rows=2)
    assert first.streams["meter"].arranged.after.height == 2
    assert second.streams["meter"].arranged.after["row_number"].to_list() == [3]
    assert second.streams["meter"].arranged.late["row_number"].to_list() == [4]


def test_local_times_are_taken_in_the_zone_given(folder: Path) -> None:
    path = written(folder, "local.csv", f"{METER_HEAD}m1,1,230,2026-01-31T13:00:00\n")
    (batch,) = planned(path, zone="Europe/Berlin")
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
    batches = planned(path, rows=4000)
    assert counts(batches) == {"meter": (10_001, 0), "vehicle": (2, 0)}
    assert sum(batch.unassigned for batch in batches) == 0


def test_a_late_key_without_an_id_begins_no_stream(folder: Path) -> None:
    path = written(folder, "late.ndjson", records(*BEHIND, "v-"))
    batches = planned(path)
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
    (batch,) = planned(folder / "moments.parquet")
    assert batch.streams["meter"].min_ts == batch.streams["meter"].max_ts == NOON
    [(number, _, rule, detail, raw)] = batch.rejects.rows()
    assert (number, rule) == (1, "ts:not_a_timestamp")
    assert "9223372036854775807" in detail
    assert json.loads(raw)["ts"] == "9223372036854775807"
