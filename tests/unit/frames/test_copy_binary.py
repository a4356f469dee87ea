from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.frames.copy_binary import encode
from tests import copy_stream
from tests.copy_stream import EPOCH_2000, MOMENT, SIGNATURE

TYPES = {"id": pl.String(), "x": pl.Float64(), "load_id": pl.Int32(), "row_number": pl.Int64(), "ts": MOMENT}
MICROSECOND = timedelta(microseconds=1)


def decoded(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    encoded = encode(frame)
    rows = copy_stream.decoded(encoded.pieces, frame.dtypes)
    assert len(rows) == encoded.rows == frame.height
    return rows


def exactly(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Floats by their text: NaN is itself, and 0.0 is not -0.0."""
    return [tuple(repr(cell) if isinstance(cell, float) else cell for cell in row) for row in rows]


ROWS: list[tuple[Any, ...]] = [
    ("M-1", 0.25, 1, 1, datetime(2026, 1, 31, 12, 0, 5, 250_000, tzinfo=UTC)),
    ("", -0.0, -1, -1, EPOCH_2000),
    ("é漢🔌\t\n\\N", float("nan"), 2**31 - 1, 2**63 - 1, EPOCH_2000 - MICROSECOND),
    ("x" * 1000, float("inf"), -(2**31), -(2**63), datetime(1, 1, 1, tzinfo=UTC)),
    ("\\N", float("-inf"), 0, 0, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    (None, None, None, None, None),
    ("NULL", 5e-324, 7, 7, datetime(1970, 1, 1, tzinfo=UTC)),
]


def framed(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TYPES, orient="row")


def test_a_known_stream_byte_by_byte() -> None:
    frame = pl.DataFrame({"id": ["é", None], "ts": pl.Series([EPOCH_2000 + MICROSECOND, None], dtype=MOMENT)})
    encoded = encode(frame)
    assert encoded.rows == 2
    assert b"".join(encoded.pieces) == (
        SIGNATURE
        + bytes(8)
        + b"\x00\x02\x00\x00\x00\x02\xc3\xa9\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01"
        + b"\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff"
        + b"\xff\xff"
    )


def test_every_type_keeps_its_values() -> None:
    assert exactly(decoded(framed(ROWS))) == exactly(ROWS)


@pytest.mark.parametrize("name", list(TYPES))
def test_a_column_of_nulls_keeps_its_length(name: str) -> None:
    frame = pl.DataFrame({name: [None] * 3}, schema={name: TYPES[name]})
    assert decoded(frame) == [(None,)] * 3


def test_no_rows_are_a_header_and_a_trailer() -> None:
    encoded = encode(framed([]))
    assert encoded.rows == 0
    assert b"".join(encoded.pieces) == SIGNATURE + bytes(8) + b"\xff\xff"


def test_a_part_of_a_frame_is_only_that_part() -> None:
    frame = framed(ROWS)
    assert exactly(decoded(frame[2:5])) == exactly(ROWS[2:5])
    assert exactly(decoded(frame[5:6])) == exactly(ROWS[5:6])
    assert exactly(decoded(frame[::2])) == exactly(ROWS[::2])
    picked = frame.filter(pl.col("row_number") > 0)
    assert exactly(decoded(picked)) == exactly([row for row in ROWS if (row[3] or 0) > 0])
    assert exactly(decoded(frame.reverse())) == exactly(ROWS[::-1])


def test_a_frame_of_many_pieces_is_one_stream() -> None:
    whole = framed(ROWS)
    frame = pl.concat([whole[:1], whole.clear(), whole[1:4], whole[4:]] * 3, rechunk=False)
    assert frame.n_chunks() > 3
    assert exactly(decoded(frame)) == exactly(ROWS * 3)


@pytest.mark.parametrize("height", [65_535, 65_536, 65_537, 140_000])
def test_more_rows_than_are_encoded_at_a_time_come_in_order(height: int) -> None:
    number = pl.int_range(height, dtype=pl.Int64)
    frame = pl.select(
        id=pl.when(number % 3 != 0).then(pl.format("M-{}", number)), row_number=number, x=number / 8
    )
    expected = [(f"M-{n}" if n % 3 else None, n, n / 8) for n in range(height)]
    assert decoded(frame) == expected
    assert decoded(frame[1:]) == expected[1:]


def test_a_long_frame_comes_in_pieces() -> None:
    frame = pl.select(row_number=pl.int_range(700_000, dtype=pl.Int64))
    encoded = encode(frame)
    assert encoded.rows == 700_000
    assert max(map(len, encoded.pieces)) < 8 << 20
    assert sum(map(len, encoded.pieces)) == len(SIGNATURE) + 8 + 700_000 * (2 + 4 + 8) + 2


CELLS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.text(st.characters(codec="utf-8")),
    "x": st.floats(),
    "load_id": st.integers(-(2**31), 2**31 - 1),
    "row_number": st.integers(-(2**63), 2**63 - 1),
    "ts": st.datetimes(timezones=st.just(UTC)),
}
ANY_ROW = st.tuples(*(st.one_of(st.none(), CELLS[name]) for name in TYPES))


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY_ROW, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_what_is_encoded_is_what_was_there(rows: list[tuple[Any, ...]], start: int, length: int) -> None:
    frame = framed(rows)
    assert exactly(decoded(frame)) == exactly(rows)
    assert exactly(decoded(frame.slice(start, length))) == exactly(rows[start : start + length])
