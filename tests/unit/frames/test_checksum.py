from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add, xor
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.frames.checksum import Total, by_device, reading_hashes, total
from energy_etl.streams import METER, STREAMS, VEHICLE, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

MOMENT = pl.Datetime("us", "UTC")
EPOCH_2000, EPOCH_1970 = datetime(2000, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Row = tuple[str, datetime, *tuple[float | None, ...]]
"""Device, ts and measures."""


# src/common/hashfn.c of PostgreSQL (Bob Jenkins' lookup3), a number at a time.
def u32(number: int) -> int:
    return number & 0xFFFFFFFF


def rot(word: int, bits: int) -> int:
    return u32(word << bits) | (word >> (32 - bits))


def mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    a = u32(a - c) ^ rot(c, 4)
    c = u32(c + b)
    b = u32(b - a) ^ rot(a, 6)
    a = u32(a + c)
    c = u32(c - b) ^ rot(b, 8)
    b = u32(b + a)
    a = u32(a - c) ^ rot(c, 16)
    c = u32(c + b)
    b = u32(b - a) ^ rot(a, 19)
    a = u32(a + c)
    c = u32(c - b) ^ rot(b, 4)
    b = u32(b + a)
    return a, b, c


def final(a: int, b: int, c: int) -> int:
    c = u32((c ^ b) - rot(b, 14))
    a = u32((a ^ c) - rot(c, 11))
    b = u32((b ^ a) - rot(a, 25))
    c = u32((c ^ b) - rot(b, 16))
    a = u32((a ^ c) - rot(c, 4))
    b = u32((b ^ a) - rot(a, 14))
    c = u32((c ^ b) - rot(b, 24))
    return (b << 32) | c


def hash_bytes_extended(key: bytes, seed: int) -> int:
    """And hash_bytes_uint32_extended, which is that of the number's four bytes."""
    a = b = c = u32(0x9E3779B9 + len(key) + 3923095)
    if seed:
        a, b, c = mix(u32(a + (seed >> 32)), u32(b + u32(seed)), c)
    while len(key) >= 12:
        first, second, third = struct.unpack("<3I", key[:12])
        a, b, c = mix(u32(a + first), u32(b + second), u32(c + third))
        key = key[12:]
    first, second, third = struct.unpack("<3I", key.ljust(12, b"\0"))
    return final(u32(a + first), u32(b + second), u32(c + (third << 8)))


def hashtextextended(text: str, seed: int) -> int:
    return hash_bytes_extended(text.encode(), seed)


def timestamp_hash_extended(ts: datetime, seed: int) -> int:
    number = (ts - EPOCH_2000) // MICROSECOND
    low, high = u32(number), u32(number >> 32)
    return hash_bytes_extended(struct.pack("<I", low ^ (high if number >= 0 else u32(~high))), seed)


def hashfloat8extended(value: float, seed: int) -> int:
    if value == 0:
        return seed
    bits = 0x7FF8000000000000 if math.isnan(value) else struct.unpack("<Q", struct.pack("<d", value))[0]
    return hash_bytes_extended(struct.pack("<Q", bits), seed)


def hash_of(row: Row) -> int:
    """As ``db.known`` has the server compute it."""
    device, ts, *measures = row
    hashed = timestamp_hash_extended(ts, hashtextextended(device, 0))
    for number, value in enumerate(measures, start=1):
        hashed = hashfloat8extended(math.nan if value is None else value, hashed ^ number)
    return hashed


def frame(rows: Sequence[Row], stream: Stream = METER) -> pl.DataFrame:
    schema: dict[str, Any] = {stream.device: pl.String, "ts": MOMENT}
    return pl.DataFrame(list(rows), schema=schema | dict.fromkeys(stream.measures, pl.Float64), orient="row")


MEASURES = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 1.0, 0.1]),
    st.floats(allow_nan=False, allow_infinity=False),
)
EPOCHS = st.sampled_from([EPOCH_2000, EPOCH_1970, datetime(2026, 3, 1, tzinfo=UTC)])
MOMENTS = st.one_of(
    st.datetimes(timezones=st.just(UTC)),
    st.tuples(EPOCHS, st.integers(-2, 2)).map(lambda drawn: drawn[0] + drawn[1] * MICROSECOND),
)


DEVICES = st.one_of(
    st.sampled_from(["a", "b", "MTR-0000001", "MTR-00000012", "MTR-000000123", "Zähler 7 im Keller, links"]),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40),
)
"""Some as long as what is hashed at a time, a byte less or more."""


def rows_of(stream: Stream) -> st.SearchStrategy[list[Row]]:
    return st.lists(
        st.tuples(DEVICES, MOMENTS, *(MEASURES for _ in stream.measures)),
        max_size=20,
        unique_by=lambda row: row[:2],
    ).map(lambda rows: sorted(rows, key=lambda row: row[:2]))


def hashes(rows: Sequence[Row], stream: Stream = METER) -> list[int]:
    return [int(number) for number in reading_hashes(stream, frame(rows, stream))]


def signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def test_the_reference_is_what_a_server_said() -> None:
    """SELECT timestamp_hash_extended('2000-01-01', 0), …; tests/integration asks the server of the day."""
    march = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert hashtextextended("a", 0) == 0x31D94C66401370B1
    assert hashtextextended("MTR-00000012", 0) == 0xDC4A30E5A1EF74EA
    assert hashtextextended("Zähler 7 im Keller, links", 0) == 0xFD8A2972EF5FEAAF
    assert timestamp_hash_extended(EPOCH_2000, 0) == 0x39A825BEEFBEC0AF
    assert timestamp_hash_extended(EPOCH_1970 - MICROSECOND, 0) == 0x5E63FA98A11E3C8D
    assert timestamp_hash_extended(march, 0) == 0x9756E1D0BDBF3241
    assert hashfloat8extended(1.0, 0) == 0x37F9A8841670E33C
    assert hashfloat8extended(0.25, 1) == 0x6DA4E8A9A7F71037
    assert hashfloat8extended(math.nan, 2**64 - 1) == 0x15BEFD1EDD204437
    assert hashfloat8extended(-0.0, 7) == 7
    assert hashfloat8extended(230.1, timestamp_hash_extended(march, 0)) == 0x180B2A69169B95B4


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(STREAMS))
def test_readings_are_hashed_as_the_server_hashes_them(data: st.DataObject, stream: Stream) -> None:
    rows = data.draw(rows_of(stream))
    assert hashes(rows, stream) == [hash_of(row) for row in rows]


def test_zero_is_minus_zero_and_no_value_is_neither() -> None:
    zero, minus, null, one = (("a", EPOCH_2000, 0.5, value) for value in (0.0, -0.0, None, 1.0))
    first, second, *others = hashes([zero, minus, null, one])
    assert first == second
    assert len({first, *others}) == 3


@given(st.permutations([0.0, 0.0, 21.5]), st.permutations([0.0, 0.0, 21.5]))
def test_a_value_in_another_column_makes_another_reading(one: list[float], other: list[float]) -> None:
    first, second = hashes([("v", EPOCH_2000, *one), ("v", EPOCH_2000, *other)], VEHICLE)
    assert (first == second) is (one == other)


def test_a_slice_of_a_frame_is_hashed_as_that_slice() -> None:
    rows: list[Row] = [("a", EPOCH_2000 + at * MICROSECOND, at / 8, None) for at in range(20)]
    whole = frame(rows)
    for part in (whole[3:9], whole[::3], whole.reverse(), pl.concat([whole[:5], whole[5:]], rechunk=False)):
        assert reading_hashes(METER, part).tolist() == [hash_of(row) for row in part.rows()]


@pytest.mark.parametrize("height", [0, 32_767, 32_768, 32_769, 70_000])
def test_more_readings_than_are_hashed_at_a_time_are_hashed_alike(height: int) -> None:
    number = pl.int_range(height, dtype=pl.Int64)
    frame = pl.select(
        meter_id=pl.lit("a"),
        ts=(number * 60_000_000).cast(MOMENT),
        kwh_consumed_ac=pl.when(number % 5 != 0).then(number / 8).otherwise(0.0),
        voltage=pl.when(number % 3 != 0).then(230.0 + number),
    ).head(height)
    found = reading_hashes(METER, frame).tolist()
    assert len(found) == height
    borders = [at for border in (0, 32_768, 65_536, height) for at in range(border - 2, border + 2)]
    for at in borders:
        if 0 <= at < height:
            assert found[at] == hash_of(frame.row(at)), at
    # The same rows are hashed in other company.
    assert found[7:] == reading_hashes(METER, frame[7:]).tolist()


def test_no_readings_have_no_checksums() -> None:
    assert by_device(VEHICLE, frame([], VEHICLE)).is_empty()
    assert by_device(VEHICLE, frame([], VEHICLE)).schema == by_device(VEHICLE, frame(ONE, VEHICLE)).schema


ONE: list[Row] = [("v", EPOCH_2000, None, 0.0, -0.0)]


def folded(rows: Sequence[Row]) -> dict[str, tuple[datetime, datetime, int, int]]:
    """Device → oldest and newest ts, number and XOR."""
    found: dict[str, tuple[datetime, datetime, int, int]] = {}
    for row in rows:
        first, last, count, total = found.get(row[0], (row[1], row[1], 0, 0))
        found[row[0]] = min(first, row[1]), max(last, row[1]), count + 1, total ^ hash_of(row)
    return {device: (*told[:3], signed(told[3])) for device, told in found.items()}


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(STREAMS))
def test_a_device_has_a_span_a_count_and_the_xor_of_its_readings(data: st.DataObject, stream: Stream) -> None:
    rows = data.draw(rows_of(stream))
    found = by_device(stream, frame(rows, stream))
    assert found.columns == [stream.device, "first_ts", "last_ts", "readings", "checksum"]
    assert found.dtypes == [pl.String, MOMENT, MOMENT, pl.Int64, pl.Int64]
    assert found.rows() == [(device, *told) for device, told in folded(rows).items()]


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(STREAMS))
def test_what_parts_come_to_adds_up_to_the_whole(data: st.DataObject, stream: Stream) -> None:
    rows = data.draw(rows_of(stream).filter(bool))
    pieces = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    cut = [[row for row, piece in zip(rows, pieces, strict=True) if piece == at] for at in range(3)]
    found = reduce(add, (total(stream, frame(part, stream)) for part in cut if part))
    hashed = reduce(xor, map(hash_of, rows))
    moments = [row[1] for row in rows]
    assert found == Total(len(rows), signed(hashed), min(moments), max(moments))


def test_a_reading_under_another_device_is_another_reading() -> None:
    one, other = (hashes([(device, EPOCH_2000, 0.5, None)]) for device in ("MTR-00001", "MTR-00002"))
    assert one != other
