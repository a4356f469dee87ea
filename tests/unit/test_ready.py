"""Readings made ready for the database: what is sent, and what the server is asked about."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_etl import plan
from energy_etl.frames import checksum
from energy_etl.frames.arrange import Watermarks
from energy_etl.plan import StreamBatch, ready
from energy_etl.streams import METER, VEHICLE, Stream
from tests.copy_stream import MOMENT, decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)
FIRST, SECOND = date(2026, 1, 31), date(2026, 2, 1)
Reading = tuple[int, int, str, int]
"""load_id, row_number, device, minutes after midnight."""
Span = tuple[int, int]


def at(minute: int) -> datetime:
    return MIDNIGHT + timedelta(minutes=minute)


def frame(readings: Sequence[Reading], stream: Stream = METER) -> pl.DataFrame:
    """What a reading measured tells its row; every third has no second measure."""
    rows = [
        (load_id, number, device, at(minute), *values(number, stream))
        for load_id, number, device, minute in readings
    ]
    schema: dict[str, Any] = {"load_id": pl.Int32, "row_number": pl.Int64, stream.device: pl.String}
    schema |= {"ts": MOMENT} | dict.fromkeys(stream.measures, pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def values(number: int, stream: Stream = METER) -> list[float | None]:
    measured = [number + place / 10 for place in range(len(stream.measures))]
    return [measured[0], None, *measured[2:]] if number % 3 == 0 else [*measured]


def marks(spans: dict[str, Span], stream: Stream = METER) -> Watermarks:
    rows = [(device, at(first), at(last)) for device, (first, last) in spans.items()]
    schema: dict[str, Any] = {stream.device: pl.String, "first_ts": MOMENT, "last_ts": MOMENT}
    return Watermarks(stream, pl.DataFrame(rows, schema=schema, orient="row"))


def sent(batch: StreamBatch, stream: Stream = METER) -> list[tuple[date, list[tuple[Any, ...]]]]:
    """Each part's day and rows, as the server reads them."""
    types = [pl.String(), MOMENT, *(pl.Float64() for _ in stream.measures), pl.Int32()]
    found = []
    for part in batch.parts:
        rows = decoded(part.readings.pieces, types)
        assert part.readings.rows == len(rows) > 0
        found.append((part.day, rows))
    return found


def test_new_readings_go_out_by_day_and_the_others_are_kept_back() -> None:
    readings = frame([(1, 1, "b", 0), (1, 2, "a", 5), (1, 3, "a", -1), (2, 1, "a", 1), (2, 2, "a", 9)])
    batch = ready(METER, readings, marks({"a": (1, 5)}), summed=False)
    assert sent(batch) == [
        (SECOND, [("a", at(9), 2.0, 2.1, 2), ("b", at(0), 1.0, 1.1, 1)]),
        (FIRST, [("a", at(-1), 3.0, None, 1)]),
    ]
    assert batch.new == {1: 2, 2: 1}
    assert batch.late.select("load_id", "row_number").rows() == [(2, 1), (1, 2)]
    assert batch.late_days == (SECOND,)
    assert batch.late_checksums is None
    assert batch.new_total is None


def test_days_are_those_of_utc() -> None:
    late = frame([(1, 1, "a", -1), (1, 2, "a", 0), (1, 3, "b", -1440), (1, 4, "b", 1439), (1, 5, "c", 1440)])
    batch = ready(METER, late, marks({"a": (-9, 9), "b": (-3000, 3000)}), summed=False)
    assert batch.late_days == (date(2026, 1, 31), date(2026, 2, 1))
    assert [part.day for part in batch.parts] == [date(2026, 2, 2)]


def test_the_newest_new_reading_of_each_device_moves_live() -> None:
    readings = frame(
        [(1, 1, "v", 3), (1, 2, "v", -3), (2, 3, "v", 7), (2, 4, "u", 4), (2, 5, "w", 2)], VEHICLE
    )
    batch = ready(VEHICLE, readings, marks({"v": (0, 5), "w": (0, 5)}, VEHICLE), summed=False)
    assert batch.newest is not None
    assert batch.newest.columns == [*VEHICLE.columns, "load_id", "first_ts"]
    # w has a late reading only, and what v measured before midnight is not its newest.
    assert batch.newest.rows() == [
        ("u", at(4), 4.0, 4.1, 4.2, 2, at(4)),
        ("v", at(7), 3.0, None, 3.2, 2, at(-3)),
    ]


def test_where_nothing_is_new_there_is_nothing_to_send() -> None:
    batch = ready(METER, frame([(1, 1, "a", 2), (1, 2, "a", 0)]), marks({"a": (0, 5)}), summed=True)
    assert (batch.parts, batch.new, batch.newest, batch.new_total) == ((), {}, None, None)
    assert batch.late["row_number"].to_list() == [2, 1]


def test_a_batch_knows_what_the_batches_before_it_brought() -> None:
    history = marks({})
    first = ready(METER, frame([(1, 1, "a", 1), (1, 2, "a", 2)]), history, summed=False)
    second = ready(METER, frame([(1, 3, "a", 3), (1, 4, "a", 2)]), history, summed=False)
    third = ready(METER, frame([(1, 5, "a", 0), (1, 6, "a", 3)]), history, summed=False)
    assert [batch.new for batch in (first, second, third)] == [{1: 2}, {1: 1}, {1: 1}]
    late = [batch.late["row_number"].to_list() for batch in (first, second, third)]
    assert late == [[], [4], [6]]


@pytest.mark.parametrize(("worth", "summed"), [(1, True), (3, True), (4, False), (100, False)])
def test_many_late_readings_are_worth_a_checksum(
    monkeypatch: pytest.MonkeyPatch, worth: int, *, summed: bool
) -> None:
    monkeypatch.setattr(plan, "WORTH_A_CHECKSUM", worth)
    readings = frame([(1, 1, "b", 2), (1, 2, "a", 3), (2, 1, "a", 1), (2, 2, "a", 7)])
    batch = ready(METER, readings, marks({"a": (0, 5), "b": (0, 5)}), summed=False)
    assert batch.late.height == 3
    if not summed:
        assert batch.late_checksums is None
        return
    assert batch.late_checksums is not None
    assert_frame_equal(
        batch.late_checksums,
        checksum.by_device(METER, frame([(2, 1, "a", 1), (1, 2, "a", 3), (1, 1, "b", 2)])),
    )
    assert batch.late_checksums["readings"].to_list() == [2, 1]


def test_the_checksum_of_new_readings_covers_them_all_and_no_other() -> None:
    readings = frame([(1, 1, "a", 9), (1, 2, "a", -1), (2, 3, "a", 1), (2, 4, "b", 2), (2, 5, "a", 7)])
    batch = ready(METER, readings, marks({"a": (0, 5)}), summed=True)
    new = frame([(1, 2, "a", -1), (2, 5, "a", 7), (1, 1, "a", 9), (2, 4, "b", 2)])
    assert batch.new_total == checksum.total(METER, new)
    assert batch.new_total.readings == 4


DEVICES = ["a", "B", "ä", "10", "9"]
MINUTES = st.sampled_from([-1441, -1440, -2, -1, 0, 1, 2, 1439, 1440])
ROWS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(DEVICES), MINUTES), min_size=1, max_size=15)
SPANS = st.dictionaries(st.sampled_from(DEVICES), st.tuples(MINUTES, MINUTES).map(sorted), max_size=5)


@settings(max_examples=150, deadline=None)
@given(spans=SPANS, batches=st.lists(ROWS, min_size=1, max_size=4))
def test_every_reading_is_sent_once_or_asked_about(
    spans: dict[str, list[int]], batches: list[list[tuple[int, str, int]]]
) -> None:
    """A plain fold over the batches says which readings are new."""
    known = {device: (first, last) for device, (first, last) in spans.items()}
    history = marks(known)
    number = load_id = 0
    for drawn in batches:
        readings: list[Reading] = []
        for next_dump, device, minute in drawn:
            number, load_id = number + 1, load_id + next_dump
            readings.append((load_id, number, device, minute))
        new = fresh(readings, known)

        batch = ready(METER, frame(readings), history, summed=False)

        rows = {(d, at(m), *values(n), load) for load, n, d, m in new}
        came = [row for _, part in sent(batch) for row in part]
        assert len(came) == len(rows)
        assert set(came) == rows
        for day, part in sent(batch):
            assert [row[:2] for row in part] == sorted(row[:2] for row in part)
            assert {row[1].date() for row in part} == {day}
        assert batch.new == Counter(load for load, *_ in new)
        late = sorted((d, m, load, n) for load, n, d, m in set(readings) - set(new))
        assert_frame_equal(batch.late, frame([(load, n, d, m) for d, m, load, n in late]))
        assert batch.late_days == tuple(sorted({at(m).date() for _, m, _, _ in late}))


def fresh(readings: list[Reading], known: dict[str, Span]) -> list[Reading]:
    """Those that lie outside of what is known of their device, each once; they are known from then on."""
    found = {
        reading[2:]: reading
        for reading in reversed(readings)
        if reading[2] not in known or not known[reading[2]][0] <= reading[3] <= known[reading[2]][1]
    }
    for _, _, device, minute in found.values():
        first, last = known.get(device, (minute, minute))
        known[device] = min(first, minute), max(last, minute)
    return list(found.values())
