from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_etl.frames import arrange
from energy_etl.frames.arrange import Arranged, Watermarks, newest
from energy_etl.streams import METER, VEHICLE, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

MOMENT = pl.Datetime("us", "UTC")
Reading = tuple[int, str, int]
"""row_number, device, ts in µs."""
Part = list[Reading]


def batch(readings: Sequence[Reading], stream: Stream = METER) -> pl.DataFrame:
    """Valid rows; what a reading measured tells its row."""
    frame = pl.DataFrame(
        list(readings),
        schema={"row_number": pl.Int64, stream.device: pl.String, "ts": pl.Int64},
        orient="row",
    )
    measured = {name: pl.col("row_number") + at / 10 for at, name in enumerate(stream.measures)}
    return frame.with_columns(ts=pl.col("ts").cast(MOMENT), **measured)


def known(spans: dict[str, tuple[int, int]], stream: Stream = METER) -> pl.DataFrame:
    rows = [(device, first, last) for device, (first, last) in spans.items()]
    schema = {stream.device: pl.String, "first_ts": pl.Int64, "last_ts": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").cast({"first_ts": MOMENT, "last_ts": MOMENT})


def rows(part: pl.DataFrame) -> Part:
    return part.select("row_number", "meter_id", pl.col("ts").to_physical()).rows()


def parts(arranged: Arranged) -> tuple[Part, Part, Part]:
    return rows(arranged.after), rows(arranged.before), rows(arranged.late)


def numbers(arranged: Arranged) -> tuple[list[int], list[int], list[int]]:
    after, before, late = parts(arranged)
    return [row[0] for row in after], [row[0] for row in before], [row[0] for row in late]


def test_a_device_without_history_is_all_new() -> None:
    done = Watermarks(METER, known({})).arrange(batch([(1, "b", 30), (2, "a", 20), (3, "b", 10)]))
    assert parts(done) == ([(2, "a", 20), (3, "b", 10), (1, "b", 30)], [], [])


def test_what_lies_outside_history_is_new_and_what_lies_within_is_late() -> None:
    marks = Watermarks(METER, known({"a": (10, 20)}))
    done = marks.arrange(batch([(1, "a", 9), (2, "a", 10), (3, "a", 15), (4, "a", 20), (5, "a", 21)]))
    assert numbers(done) == ([5], [1], [2, 3, 4])


def test_the_first_of_equal_readings_counts_and_the_others_are_late() -> None:
    marks = Watermarks(METER, known({"b": (10, 20)}))
    same = [(7, "a", 5), (3, "a", 5), (5, "a", 5), (8, "b", 9), (6, "b", 9), (4, "b", 20), (2, "b", 20)]
    done = marks.arrange(batch(same))
    assert numbers(done) == ([3], [6], [5, 7, 8, 2, 4])


def test_a_batch_is_history_for_the_next() -> None:
    marks = Watermarks(METER, known({}))
    marks.arrange(batch([(1, "a", 10), (2, "a", 20)]))
    assert numbers(marks.arrange(batch([(3, "a", 10), (4, "a", 20), (5, "a", 15)]))) == ([], [], [3, 5, 4])
    assert numbers(marks.arrange(batch([(6, "a", 30), (7, "a", 5), (8, "b", 15)]))) == ([6, 8], [7], [])
    assert numbers(marks.arrange(batch([(9, "a", 6), (10, "a", 29), (11, "a", 4)]))) == ([], [11], [9, 10])


def test_the_devices_of_other_batches_stay_known() -> None:
    marks = Watermarks(METER, known({"a": (10, 20), "b": (10, 20)}))
    marks.arrange(batch([(1, "c", 15)]))
    assert numbers(marks.arrange(batch([(2, "a", 15), (3, "b", 20), (4, "c", 15)]))) == ([], [], [2, 3, 4])


def test_an_empty_batch_changes_nothing() -> None:
    marks = Watermarks(METER, known({"a": (10, 20)}))
    assert parts(marks.arrange(batch([]))) == ([], [], [])
    assert numbers(marks.arrange(batch([(1, "a", 15)]))) == ([], [], [1])


def test_the_parts_keep_what_was_read() -> None:
    marks = Watermarks(VEHICLE, known({"a": (10, 20)}, VEHICLE))
    valid = batch([(1, "a", 15), (2, "a", 30), (3, "a", 1), (4, "A", 15)], VEHICLE)
    done = marks.arrange(valid)
    assert_frame_equal(pl.concat([done.after, done.before, done.late]).sort("row_number"), valid)


@pytest.mark.parametrize(
    "readings", [[(1, "a", 1), (2, "a", 2), (3, "b", 1)], [(3, "b", 1), (2, "a", 2), (1, "a", 1)]]
)
@pytest.mark.parametrize("limit", [2**62, 1])
def test_the_order_does_not_depend_on_how_large_the_keys_get(
    monkeypatch: pytest.MonkeyPatch, readings: Part, limit: int
) -> None:
    monkeypatch.setattr(arrange, "_KEY_LIMIT", limit)
    done = Watermarks(METER, known({})).arrange(batch([*readings, (4, "a", 2)]))
    assert numbers(done) == ([1, 2, 3], [], [4])


@dataclass
class Model:
    """History in plain Python: every (device, ts) there is, and each device's span."""

    history: set[tuple[str, int]] = field(default_factory=set)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, device: str, ts: int) -> None:
        first, last = self.spans.get(device, (ts, ts))
        self.spans[device] = min(first, ts), max(last, ts)
        self.history.add((device, ts))

    def arrange(self, readings: Part) -> tuple[Part, Part, Part]:
        after: Part = []
        before: Part = []
        late: Part = []
        met = set()
        for row in sorted(readings):
            _, device, ts = row
            first, last = self.spans.get(device, (None, None))
            if (device, ts) in met:
                late.append(row)
            elif last is None or ts > last:
                after.append(row)
            elif first is not None and ts < first:
                before.append(row)
            else:
                late.append(row)
            met.add((device, ts))
        for device, ts in met:
            self.add(device, ts)
        return after, before, late


DEVICES = ["a", "b", "ä", "10", "9"]
TICKS = st.integers(-6, 6)
READINGS = st.lists(st.tuples(st.sampled_from(DEVICES), TICKS), max_size=12)
ORDERS = st.sampled_from(["as drawn", "sorted", "reversed", "distinct", "distinct and sorted"])
# From a microsecond to thousands of years: with several devices the last two do not fit the packed key.
SCALES = st.sampled_from([1, 60_000_000, 2**58, 2**59])


def ordered(readings: list[tuple[str, int]], order: str) -> list[tuple[str, int]]:
    if order.startswith("distinct"):
        readings = list(dict.fromkeys(readings))
    if order.endswith("sorted"):
        return sorted(readings)
    return readings[::-1] if order == "reversed" else readings


@settings(max_examples=300, deadline=None)
@given(
    stored=READINGS,
    batches=st.lists(st.tuples(READINGS, ORDERS), max_size=6),
    scale=SCALES,
)
def test_new_readings_are_new_and_no_reading_is_lost(
    stored: list[tuple[str, int]], batches: list[tuple[list[tuple[str, int]], str]], scale: int
) -> None:
    model = Model()
    for device, tick in stored:
        model.add(device, tick * scale)
    marks = Watermarks(METER, known(model.spans))
    number = 0
    for drawn, order in batches:
        readings = [
            (at, device, tick * scale) for at, (device, tick) in enumerate(ordered(drawn, order), number + 1)
        ]
        number += len(readings)
        history = set(model.history)
        expected = model.arrange(readings)

        found = parts(marks.arrange(batch(readings)))

        after, before, late = found
        assert sorted(after + before + late) == readings
        new = [(device, ts) for _, device, ts in after + before]
        assert len(set(new)) == len(new)
        assert not history & set(new)
        assert tuple(sorted(part) for part in found) == tuple(sorted(part) for part in expected)
        for part in found:
            keys = [(device, ts, at) for at, device, ts in part]
            assert all(one < other for one, other in pairwise(keys))


@settings(max_examples=200, deadline=None)
@given(READINGS, st.integers(1, 4))
def test_the_newest_reading_does_not_depend_on_how_the_readings_are_cut(
    drawn: list[tuple[str, int]], pieces: int
) -> None:
    readings = [(number, device, tick) for number, (device, tick) in enumerate(dict.fromkeys(drawn), 1)]
    folded: dict[str, tuple[int, int, float, int]] = {}
    for number, device, ts in readings:
        last, _, _, first = folded.get(device, (ts, number, 0.0, ts))
        if ts >= last:
            folded[device] = ts, number, number + 0.1, min(first, ts)
        else:
            folded[device] = (*folded[device][:3], min(first, ts))
    frame = batch(readings).drop("row_number")

    whole = newest(METER, frame)
    merged = pl.concat(newest(METER, frame[at::pieces]) for at in range(pieces))

    ticks = pl.col("ts", "first_ts").to_physical()
    assert whole.columns == ["meter_id", "ts", "kwh_consumed_ac", "voltage", "first_ts"]
    assert whole.with_columns(ticks).rows() == [(device, *folded[device]) for device in sorted(folded)]
    assert_frame_equal(newest(METER, merged), whole)


def test_the_newest_reading_carries_its_own_values() -> None:
    found = newest(VEHICLE, batch([(1, "v", 10), (2, "v", 30), (3, "v", 20), (4, "u", 5)], VEHICLE))
    ticks = pl.col("ts", "first_ts").to_physical()
    assert found.with_columns(ticks).rows() == [("u", 5, 4.0, 4.1, 4.2, 5), ("v", 30, 2.0, 2.1, 2.2, 10)]
    assert newest(VEHICLE, batch([], VEHICLE)).is_empty()
