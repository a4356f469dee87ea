from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_etl.frames.faults import FAULT_SCHEMA
from energy_etl.frames.validate import Validated, validate
from energy_etl.streams import METER, STREAMS, VEHICLE, Stream

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
LATEST = datetime(2026, 2, 1, 10, 30, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
GOOD: dict[str, dict[str, Any]] = {
    "meter": {"meter_id": "M-1", "kwh_consumed_ac": 0.25, "voltage": 230.0},
    "vehicle": {"vehicle_id": "V-1", "soc": 75.5, "kwh_delivered_dc": 0.2, "battery_temp": 21.0},
}
LIMITS = {
    "kwh_consumed_ac": (0.0, 12_000.0),
    "voltage": (0.0, 1_000.0),
    "soc": (0.0, 100.5),
    "kwh_delivered_dc": (0.0, 12_000.0),
    "battery_temp": (-50.0, 150.0),
}
MEASURES = [(stream, measure) for stream in STREAMS for measure in stream.measures]
DEVICES = [(stream, stream.device) for stream in STREAMS]
NAN, INF = math.nan, math.inf


def readings(stream: Stream, *changes: dict[str, Any]) -> pl.DataFrame:
    """A good reading per change, changed."""
    types = {"row_number": pl.Int64(), stream.device: pl.String(), "ts": pl.Datetime("us", "UTC")}
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    rows = [
        {"row_number": number, "ts": moment, **GOOD[stream.name], **change}
        for number, change in enumerate(changes, 1)
    ]
    return pl.DataFrame(rows, schema=types | dict.fromkeys(stream.measures, pl.Float64()))


def faulty(*faults: tuple[int, str]) -> pl.DataFrame:
    rows = [(number, column, f"{column}:unread", f"{column} cannot be read") for number, column in faults]
    return pl.DataFrame(rows, schema=FAULT_SCHEMA, orient="row")


def judged(stream: Stream, rows: pl.DataFrame, faults: pl.DataFrame | None = None) -> Validated:
    return validate(stream, rows, faulty() if faults is None else faults, LATEST)


def broken(stream: Stream, **change: object) -> tuple[str, str] | None:
    """Rule and detail of one reading; None where it is valid."""
    done = judged(stream, readings(stream, change))
    if done.valid.height:
        assert done.rejects.is_empty()
        return None
    [(number, name, rule, detail)] = done.rejects.rows()
    assert (number, name) == (1, stream.name)
    return rule, detail


@pytest.mark.parametrize(("stream", "measure"), MEASURES)
def test_a_measure_may_be_as_low_and_as_high_as_its_limits(stream: Stream, measure: str) -> None:
    low, high = LIMITS[measure]
    for value in (low, math.nextafter(low, INF), (low + high) / 2, math.nextafter(high, low), high):
        assert broken(stream, **{measure: value}) is None


@pytest.mark.parametrize(("stream", "measure"), MEASURES)
def test_a_measure_just_beyond_its_limits_is_told_with_the_limit(stream: Stream, measure: str) -> None:
    low, high = LIMITS[measure]
    for value in (math.nextafter(low, -INF), low - 1.5, -1e300):
        detail = f"{measure} is {text(value)}, the least possible is {low}"
        assert broken(stream, **{measure: value}) == (f"{measure}:below_range", detail)
    for value in (math.nextafter(high, INF), high + 1.5, 1e300):
        detail = f"{measure} is {text(value)}, the most possible is {high}"
        assert broken(stream, **{measure: value}) == (f"{measure}:above_range", detail)


def text(value: float) -> str:
    """As Polars writes it, which is as short as Python does it."""
    return str(pl.Series([value]).cast(pl.String)[0])


@pytest.mark.parametrize(("stream", "measure"), MEASURES)
@pytest.mark.parametrize(("value", "shown"), [(NAN, "NaN"), (INF, "inf"), (-INF, "-inf")])
def test_a_measure_that_is_not_finite_is_not_told_as_a_range(
    stream: Stream, measure: str, value: float, shown: str
) -> None:
    detail = f"{measure} is {shown}, which is not a finite number"
    assert broken(stream, **{measure: value}) == (f"{measure}:not_finite", detail)


@pytest.mark.parametrize(("stream", "measure"), MEASURES)
def test_only_the_energy_must_be_there(stream: Stream, measure: str) -> None:
    missing = (f"{measure}:missing", f"{measure} is missing") if measure == stream.energy else None
    assert broken(stream, **{measure: None}) == missing


@pytest.mark.parametrize(("stream", "device"), DEVICES)
@pytest.mark.parametrize(
    "value", ["x" * 128, "漢" * 128, "🔌" * 128, "é", "M 1", "-", "<b>", "'; DROP TABLE x", "{}"]
)
def test_an_id_is_any_printable_text_of_up_to_128_characters(stream: Stream, device: str, value: str) -> None:
    assert broken(stream, **{device: value}) is None


@pytest.mark.parametrize(("stream", "device"), DEVICES)
@pytest.mark.parametrize("value", ["x" * 129, "漢" * 129, "\x1b" * 129])
def test_a_longer_id_is_told_with_the_limit(stream: Stream, device: str, value: str) -> None:
    assert broken(stream, **{device: value}) == (
        f"{device}:too_long",
        f"{device} has more than 128 characters",
    )


@pytest.mark.parametrize(("stream", "device"), DEVICES)
@pytest.mark.parametrize("character", ["\x00", "\t", "\n", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"])
def test_an_id_with_a_control_character_is_told(stream: Stream, device: str, character: str) -> None:
    for value in (f"M{character}1", f"M-1{character}", f"{character}M-1"):
        detail = f"{device} contains a control character: {value}"
        assert broken(stream, **{device: value}) == (f"{device}:control_character", detail)


@pytest.mark.parametrize(("stream", "device"), DEVICES)
def test_an_id_must_be_there(stream: Stream, device: str) -> None:
    assert broken(stream, **{device: None}) == (f"{device}:missing", f"{device} is missing")
    assert broken(stream, **{device: ""}) == (f"{device}:empty", f"{device} is empty")


@pytest.mark.parametrize("stream", STREAMS)
def test_a_timestamp_lies_between_the_first_believable_moment_and_the_last(stream: Stream) -> None:
    for moment in (EARLIEST, EARLIEST + MICROSECOND, LATEST - MICROSECOND, LATEST):
        assert broken(stream, ts=moment) is None
    assert broken(stream, ts=None) == ("ts:missing", "ts is missing")
    assert broken(stream, ts=EARLIEST - MICROSECOND) == (
        "ts:below_range",
        "ts is 2009-12-31 23:59:59.999999+00:00, the least possible is 2010-01-01 00:00:00+00:00",
    )
    ahead = "after 2026-02-01 10:30:00+00:00: a clock that runs ahead"
    assert broken(stream, ts=LATEST + MICROSECOND) == (
        "ts:in_the_future",
        f"timestamp is 2026-02-01 10:30:00.000001+00:00, {ahead}",
    )


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"meter_id": None, "kwh_consumed_ac": NAN, "voltage": -1.0}, "meter_id:missing"),
        ({"kwh_consumed_ac": None, "voltage": NAN}, "kwh_consumed_ac:missing"),
        ({"voltage": NAN, "kwh_consumed_ac": -1.0}, "voltage:not_finite"),
        ({"voltage": -INF, "meter_id": "x" * 129}, "voltage:not_finite"),
        ({"meter_id": "", "voltage": -1.0}, "meter_id:empty"),
        ({"meter_id": "\x1b" * 129}, "meter_id:too_long"),
        ({"meter_id": "\x1b", "voltage": 1e9}, "meter_id:control_character"),
        ({"kwh_consumed_ac": 1e9, "voltage": -1.0}, "voltage:below_range"),
        ({"ts": EARLIEST - MICROSECOND, "voltage": 1e9}, "ts:below_range"),
        ({"ts": LATEST + MICROSECOND, "meter_id": None, "voltage": NAN}, "ts:in_the_future"),
    ],
)
def test_of_several_broken_rules_the_one_that_explains_most_is_told(
    change: dict[str, Any], rule: str
) -> None:
    told = broken(METER, **change)
    assert told is not None
    assert told[0] == rule


def test_a_value_that_could_not_be_read_explains_more_than_any_rule() -> None:
    rows = readings(VEHICLE, {"soc": None}, {"ts": None, "soc": -1.0}, {"soc": NAN, "vehicle_id": None}, {})
    faults = faulty((1, "soc"), (2, "battery_temp"), (2, "ts"), (3, "kwh_delivered_dc"))
    done = judged(VEHICLE, rows, faults)
    assert done.rejects.rows() == [
        (1, "vehicle", "soc:unread", "soc cannot be read"),
        (2, "vehicle", "ts:unread", "ts cannot be read"),
        (3, "vehicle", "kwh_delivered_dc:unread", "kwh_delivered_dc cannot be read"),
    ]
    assert done.valid["row_number"].to_list() == [4]


def test_faults_of_the_other_stream_and_of_other_rows_do_not_count() -> None:
    rows = readings(METER, {}, {})
    done = judged(METER, rows, faulty((1, "soc"), (2, "battery_temp"), (99, "voltage")))
    assert done.rejects.is_empty()
    assert_frame_equal(done.valid, rows)


@pytest.mark.parametrize("stream", STREAMS)
def test_no_rows_give_no_rows(stream: Stream) -> None:
    done = judged(stream, readings(stream))
    assert done.valid.schema == readings(stream).schema
    types = {"row_number": pl.Int64, "stream": pl.String, "rule": pl.String, "detail": pl.String}
    assert dict(done.rejects.schema) == types
    assert done.rejects.is_empty()


def around(low: float, high: float) -> st.SearchStrategy[float | None]:
    """Mostly believable values; the limits and what lies just beyond them, too."""
    edges = [low, high, math.nextafter(low, -INF), math.nextafter(high, INF), NAN, INF, -INF, None]
    return st.one_of(st.floats(low, high), st.floats(low, high), st.sampled_from(edges))


IDS = st.one_of(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=128),
    st.sampled_from(["M-1", "", "x" * 129, "a\x00", "\u2028", None]),
)
TIMES = st.one_of(
    st.datetimes(datetime.fromisoformat("2009-12-01"), datetime.fromisoformat("2026-03-01")),
    st.sampled_from([EARLIEST, LATEST, EARLIEST - MICROSECOND, LATEST + MICROSECOND, None]),
)


def changes(stream: Stream) -> st.SearchStrategy[list[dict[str, Any]]]:
    measures = {measure: around(*LIMITS[measure]) for measure in stream.measures}
    times = TIMES.map(lambda moment: moment and moment.replace(tzinfo=UTC))
    return st.lists(st.fixed_dictionaries({stream.device: IDS, "ts": times, **measures}), max_size=12)


def believable(stream: Stream, row: dict[str, Any]) -> bool:
    """The rules once more, in words of their own."""
    device, ts = row[stream.device], row["ts"]
    if not device or len(device) > 128 or {unicodedata.category(c) for c in device} & {"Cc", "Zl", "Zp"}:
        return False
    if ts is None or not EARLIEST <= ts <= LATEST or row[stream.energy] is None:
        return False
    return all(
        row[name] is None or LIMITS[name][0] <= row[name] <= LIMITS[name][1] for name in stream.measures
    )


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(STREAMS))
def test_every_row_is_either_valid_or_rejected_by_one_rule(data: st.DataObject, stream: Stream) -> None:
    rows = readings(stream, *data.draw(changes(stream)))
    cells = st.tuples(st.integers(1, 14), st.sampled_from(["voltage", "soc", "ts", "kwh_delivered_dc"]))
    cells_unread = data.draw(st.lists(cells, max_size=4, unique=True))
    unread = {number for number, column in cells_unread if column in stream.columns}

    done = judged(stream, rows, faulty(*cells_unread))

    expected = rows.filter(
        pl.Series(
            [row["row_number"] not in unread and believable(stream, row) for row in rows.to_dicts()],
            dtype=pl.Boolean,
        )
    )
    assert_frame_equal(done.valid, expected)
    numbers = done.valid["row_number"].to_list() + done.rejects["row_number"].to_list()
    assert sorted(numbers) == rows["row_number"].to_list()
    assert set(done.rejects["stream"]) <= {stream.name}
    assert done.rejects.null_count().row(0) == (0, 0, 0, 0)
