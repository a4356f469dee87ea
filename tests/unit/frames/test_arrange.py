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
from energy_etl.frames.arrange import Arranged, Watermarks, merge_newest, newest, runs
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


def test_of_equal_readings_the_first_that_came_counts_and_the_others_are_late() -> None:
    marks = Watermarks(METER, known({"b": (10, 20)}))
    same = [(7, "a", 5), (3, "a", 5), (5, "a", 5), (8, "b", 9), (6, "b", 9), (4, "b", 20), (2, "b", 20)]
    done = marks.arrange(batch(same))
    assert numbers(done) == ([7], [8], [3, 5, 6, 4, 2])


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
    valid = valid.with_columns(load_id=pl.Series([7, 7, 8, 9], dtype=pl.Int32))
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
        for row in readings:
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
    step=st.sampled_from([1, -1]),
)
def test_new_readings_are_new_and_no_reading_is_lost(
    stored: list[tuple[str, int]], batches: list[tuple[list[tuple[str, int]], str]], scale: int, step: int
) -> None:
    """Rows of several dumps are not in the order of their numbers: with -1 they come the other way round."""
    model = Model()
    for device, tick in stored:
        model.add(device, tick * scale)
    marks = Watermarks(METER, known(model.spans))
    number = 0
    for drawn, order in batches:
        readings = [
            (step * at, device, tick * scale)
            for at, (device, tick) in enumerate(ordered(drawn, order), number + 1)
        ]
        number += len(readings)
        history = set(model.history)
        expected = model.arrange(readings)

        found = parts(marks.arrange(batch(readings)))

        after, before, late = found
        assert sorted(after + before + late) == sorted(readings)
        new = [(device, ts) for _, device, ts in after + before]
        assert len(set(new)) == len(new)
        assert not history & set(new)
        assert tuple(sorted(part) for part in found) == tuple(sorted(part) for part in expected)
        for part in found:
            keys = [(device, ts, step * at) for at, device, ts in part]
            assert all(one < other for one, other in pairwise(keys))


def test_runs_begin_and_end_where_the_device_changes() -> None:
    starts, ends = runs(pl.Series(["a", "a", "b", "c", "c", "c"]))
    assert (starts.to_list(), ends.to_list()) == ([0, 2, 3], [1, 2, 5])
    starts, ends = runs(pl.Series([], dtype=pl.String))
    assert (starts.to_list(), ends.to_list()) == ([], [])


@given(st.lists(st.integers(1, 4), max_size=8))
def test_runs_cover_every_row_once(lengths: list[int]) -> None:
    device = [name for at, length in enumerate(lengths) for name in [str(at % 10)] * length]
    starts, ends = runs(pl.Series(device, dtype=pl.String))
    covered = [range(start, end + 1) for start, end in zip(starts, ends, strict=True)]
    assert [len(run) for run in covered] == lengths
    assert [row for run in covered for row in run] == list(range(len(device)))


TICKED = pl.col("ts", "first_ts").to_physical()
DISTINCT = st.lists(st.tuples(st.sampled_from(DEVICES), TICKS), unique=True, max_size=20)


def loaded(readings: Sequence[Reading]) -> pl.DataFrame:
    """Sorted as the server takes them, without row numbers and with the load of each."""
    found = batch(sorted(readings, key=lambda reading: reading[1:]))
    return found.select(*METER.columns, load_id=pl.col("row_number").cast(pl.Int32) % 3)


@settings(max_examples=200, deadline=None)
@given(st.data(), DISTINCT)
def test_the_newest_reading_does_not_depend_on_how_the_readings_are_cut(
    data: st.DataObject, drawn: list[tuple[str, int]]
) -> None:
    readings = [(number, device, tick) for number, (device, tick) in enumerate(drawn, 1)]
    folded: dict[str, tuple[int, float, float, int, int]] = {}
    for number, device, ts in readings:
        _, _, _, _, first = folded.get(device, (0, 0, 0, 0, ts))
        mine = ts, float(number), number + 0.1, number % 3
        newer = device not in folded or ts >= folded[device][0]
        folded[device] = (*(mine if newer else folded[device][:4]), min(first, ts))

    whole = newest(METER, loaded(readings))

    assert whole.columns == ["meter_id", "ts", "kwh_consumed_ac", "voltage", "load_id", "first_ts"]
    assert whole.with_columns(TICKED).rows() == [(device, *folded[device]) for device in sorted(folded)]
    piece_of = data.draw(st.lists(st.integers(0, 3), min_size=len(readings), max_size=len(readings)))
    cut: list[Part] = [[], [], [], []]
    for reading, piece in zip(readings, piece_of, strict=True):
        cut[piece].append(reading)
    parts = [newest(METER, loaded(piece)) for piece in cut]
    assert_frame_equal(merge_newest(METER, parts), whole)
    one_by_one = parts[0]
    for part in parts[1:]:
        one_by_one = merge_newest(METER, [one_by_one, part])
    assert_frame_equal(one_by_one, whole)


def test_the_newest_reading_carries_its_own_values() -> None:
    found = newest(VEHICLE, batch([(4, "u", 5), (1, "v", 10), (3, "v", 20), (2, "v", 30)], VEHICLE))
    assert found.with_columns(TICKED).rows() == [
        (4, "u", 5, 4.0, 4.1, 4.2, 5),
        (2, "v", 30, 2.0, 2.1, 2.2, 10),
    ]
    assert newest(VEHICLE, batch([], VEHICLE)).is_empty()


def test_merging_takes_the_newest_values_and_the_oldest_moment() -> None:
    earlier = newest(VEHICLE, batch([(1, "v", 10), (2, "v", 20), (3, "w", 7)], VEHICLE))
    later = newest(VEHICLE, batch([(4, "u", 5), (5, "v", 40)], VEHICLE))
    for parts in ([earlier, later], [later, earlier]):
        assert merge_newest(VEHICLE, parts).with_columns(TICKED).rows() == [
            (4, "u", 5, 4.0, 4.1, 4.2, 5),
            (5, "v", 40, 5.0, 5.1, 5.2, 10),
            (3, "w", 7, 3.0, 3.1, 3.2, 7),
        ]
    assert_frame_equal(merge_newest(VEHICLE, [earlier]), earlier)
