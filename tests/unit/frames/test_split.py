from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_etl.frames.split import split, streams_of
from energy_etl.streams import METER, STREAMS, VEHICLE, Stream

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TYPES: dict[str, pl.DataType] = {
    "row_number": pl.Int64(),
    "meter_id": pl.String(),
    "kwh_consumed_ac": pl.Float64(),
    "voltage": pl.Float64(),
    "vehicle_id": pl.String(),
    "soc": pl.Float64(),
    "kwh_delivered_dc": pl.Float64(),
    "battery_temp": pl.Float64(),
    "ts": pl.Datetime("us", "UTC"),
}
NEITHER = {"row_number": pl.Int64, "stream": pl.String, "rule": pl.String, "detail": pl.String}


def mixed(*ids: tuple[str | None, str | None]) -> pl.DataFrame:
    """A batch of a dump that carries both streams, each row with values of its own."""
    rows = [
        (number, meter, number + 0.1, number + 0.2, vehicle, number + 0.3, number + 0.4, number + 0.5, NOON)
        for number, (meter, vehicle) in enumerate(ids, 1)
    ]
    return pl.DataFrame(rows, schema=TYPES, orient="row")


def only(stream: Stream, *ids: str | None) -> pl.DataFrame:
    pairs: list[tuple[str | None, str | None]] = [(one, one) for one in ids]
    return mixed(*pairs).select("row_number", *reversed(stream.columns))


def test_a_row_belongs_to_the_streams_whose_id_it_has() -> None:
    parts = split(mixed(("m1", None), (None, "v2"), ("m3", "v3"), (None, None)))
    assert parts.readings["meter"].rows() == [(1, "m1", NOON, 1.1, 1.2), (3, "m3", NOON, 3.1, 3.2)]
    assert parts.readings["vehicle"].rows() == [
        (2, "v2", NOON, 2.3, 2.4, 2.5),
        (3, "v3", NOON, 3.3, 3.4, 3.5),
    ]
    assert parts.neither.rows() == [(4, None, "row:no_device", "neither a meter id nor a vehicle id")]


def test_in_a_dump_of_one_stream_every_row_belongs_to_it() -> None:
    parts = split(only(METER, "m1", None, "m3"))
    assert list(parts.readings) == ["meter"]
    assert parts.readings["meter"]["row_number"].to_list() == [1, 2, 3]
    assert parts.readings["meter"]["meter_id"].to_list() == ["m1", None, "m3"]
    assert parts.neither.is_empty()

    parts = split(only(VEHICLE, None, "v2"))
    assert list(parts.readings) == ["vehicle"]
    assert parts.readings["vehicle"]["vehicle_id"].to_list() == [None, "v2"]
    assert parts.neither.is_empty()


def test_the_parts_have_their_columns_in_table_order_even_without_rows() -> None:
    for parts in (split(mixed()), split(mixed((None, None)))):
        for stream in STREAMS:
            assert parts.readings[stream.name].columns == ["row_number", *stream.columns]
            assert parts.readings[stream.name].is_empty()
        assert dict(parts.neither.schema) == NEITHER
    for stream in STREAMS:
        parts = split(only(stream))
        assert parts.readings[stream.name].columns == ["row_number", *stream.columns]
        assert dict(parts.neither.schema) == NEITHER


def test_the_columns_tell_the_streams() -> None:
    assert streams_of(("ts", "meter_id", "voltage")) == (METER,)
    assert streams_of(("vehicle_id", "ts")) == (VEHICLE,)
    assert streams_of(("vehicle_id", "meter_id")) == (METER, VEHICLE)
    assert streams_of(("ts", "soc")) == ()


ID = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ID, ID), max_size=30))
def test_no_row_is_lost_and_none_is_changed(ids: list[tuple[str | None, str | None]]) -> None:
    batch = mixed(*ids)
    parts = split(batch)

    counts: dict[int, int] = dict.fromkeys(range(1, len(ids) + 1), 0)
    numbers: list[Any] = [*parts.neither["row_number"]]
    for stream in STREAMS:
        numbers += parts.readings[stream.name]["row_number"].to_list()
        present = batch.filter(pl.col(stream.device).is_not_null())
        assert_frame_equal(parts.readings[stream.name], present.select("row_number", *stream.columns))
    for number in numbers:
        counts[number] += 1
    assert list(counts.values()) == [
        max(1, (meter is not None) + (vehicle is not None)) for meter, vehicle in ids
    ]
