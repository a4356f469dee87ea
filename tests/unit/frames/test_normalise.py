from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_etl.frames.clock import LocalClock
from energy_etl.frames.faults import FAULT_SCHEMA
from energy_etl.frames.normalise import IDS, NUMBERS, normalise
from energy_etl.profiles.model import NULL_TOKENS
from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from polars._typing import PolarsDataType

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
COLUMNS = (*IDS, *NUMBERS, "ts")


def raw(columns: dict[str, list[Any]], dtypes: dict[str, PolarsDataType] | None = None) -> pl.DataFrame:
    """Numbered rows; columns are text unless said otherwise, and ts is noon unless given."""
    height = len(next(iter(columns.values())))
    given = {"ts": ["2026-01-31T12:00:00Z"] * height} | columns
    types = dict.fromkeys(given, pl.String()) | (dtypes or {})
    return pl.DataFrame(
        {"row_number": range(1, height + 1), **given}, schema={"row_number": pl.Int64, **types}
    )


def faults(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return normalise(frame).faults.sort("row_number", "column").rows()


@pytest.mark.parametrize("column", IDS)
def test_ids_are_trimmed_and_blank_ones_are_missing(column: str) -> None:
    ids = ["M-1", "  M-1\t", "\u00a0M-1\r\n", "M 1", "", "   ", None, "0042", "é漢"]
    done = normalise(raw({column: ids}))
    assert done.frame[column].to_list() == ["M-1", "M-1", "M-1", "M 1", None, None, None, "0042", "é漢"]
    assert done.faults.is_empty()
    assert dict(done.faults.schema) == FAULT_SCHEMA


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.5", 0.5),
        (" 12 ", 12.0),
        ("+1", 1.0),
        ("-0.25", -0.25),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        (".5", 0.5),
        ("5.", 5.0),
        ("00012", 12.0),
        ("inf", float("inf")),
        ("-Infinity", float("-inf")),
        ("1e400", float("inf")),
        ("0.1", 0.1),
        ("9007199254740993", 9007199254740992.0),
    ],
)
def test_numbers_are_read_with_a_decimal_point(column: str, text: str, number: float) -> None:
    done = normalise(raw({column: [text, None, "  "]}))
    assert done.frame[column].dtype == pl.Float64
    assert done.frame[column].to_list() == [number, None, None]
    assert done.faults.is_empty()


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize(
    "text", ["n.a.", "0,5", "1.234,5", "1_000", "0x10", "12 kWh", "1 2", "--1", "1e", "true", "١"]
)
def test_text_that_is_no_number_is_a_fault_that_shows_it(column: str, text: str) -> None:
    done = normalise(raw({column: ["1", text, None]}))
    assert done.frame[column].to_list() == [1.0, None, None]
    detail = f"{column} is '{text}', which is not a number"
    assert done.faults.rows() == [(2, column, f"{column}:not_a_number", detail)]


def test_not_a_number_itself_is_read_and_left_to_the_rules() -> None:
    done = normalise(raw({"voltage": ["NaN", "nan"]}))
    assert done.frame["voltage"].is_nan().to_list() == [True, True]
    assert done.faults.is_empty()


def test_every_bad_value_of_a_row_is_told() -> None:
    frame = raw({"meter_id": ["m"], "kwh_consumed_ac": ["a"], "voltage": ["b"], "ts": ["c"]})
    assert [(number, column, rule) for number, column, rule, _ in faults(frame)] == [
        (1, "kwh_consumed_ac", "kwh_consumed_ac:not_a_number"),
        (1, "ts", "ts:not_a_timestamp"),
        (1, "voltage", "voltage:not_a_number"),
    ]


def test_a_long_value_is_cut_in_the_message() -> None:
    [(_, _, _, detail)] = faults(raw({"voltage": ["x" * 5000]}))
    assert detail == f"voltage is '{'x' * 100}', which is not a number"


def test_a_timestamp_fault_says_what_was_expected() -> None:
    frame = raw({"ts": ["soon", "2026-03-29T02:30:00", None, " 2026-01-31T12:00:00Z "]})
    done = normalise(frame, clock=LocalClock("Europe/Berlin"))
    shapes = "neither ISO-8601 with a time nor an epoch in s, ms or µs"
    change = "skipped by a clock change in Europe/Berlin"
    assert done.faults.rows() == [
        (1, "ts", "ts:not_a_timestamp", f"timestamp is 'soon', which is {shapes}"),
        (2, "ts", "ts:no_such_local_time", f"timestamp is '2026-03-29T02:30:00', which is {change}"),
    ]
    assert done.frame["ts"].to_list() == [None, None, None, NOON]
    assert done.naive_timestamps == 1


def test_a_typed_timestamp_beyond_the_calendar_is_told_by_its_number() -> None:
    frame = raw({"ts": [2**63 - 1]}, {"ts": pl.Int64()}).cast({"ts": pl.Datetime("us", "UTC")})
    [(number, column, rule, detail)] = faults(frame)
    assert (number, column, rule) == (1, "ts", "ts:not_a_timestamp")
    assert "'9223372036854775807'" in detail


def test_times_without_a_zone_are_counted() -> None:
    frame = raw({"ts": ["2026-01-31 13:00", "2026-01-31T12:00Z", None, "2026-01-31T13:00:00"]})
    done = normalise(frame, clock=LocalClock("Europe/Berlin"))
    assert done.frame["ts"].to_list() == [NOON, NOON, None, NOON]
    assert done.naive_timestamps == 2


def test_an_empty_batch_keeps_its_types() -> None:
    done = normalise(raw({name: [] for name in COLUMNS}))
    types: dict[str, Any] = dict.fromkeys(IDS, pl.String) | dict.fromkeys(NUMBERS, pl.Float64)
    assert dict(done.frame.schema) == {"row_number": pl.Int64, **types, "ts": pl.Datetime("us", "UTC")}
    assert done.faults.is_empty()
    assert done.naive_timestamps == 0


BIG = 2**63 - 1
HUGE = 2**64 - 1


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        (pa.int64(), [BIG, -1, 0]),
        (pa.uint64(), [HUGE, 1, 9007199254740993]),
        (pa.decimal128(38, 0), [Decimal(10**37 + 1), Decimal(-7), Decimal(0)]),
        (pa.int8(), [127, -128, 0]),
    ],
)
def test_ids_that_a_parquet_file_has_as_numbers_stay_exact(
    tmp_path: Path, kind: pa.DataType, ids: list[Any]
) -> None:
    table = {"meterId": pa.array([*ids, None], kind), "kwhConsumedAc": [1.0] * 4, "voltage": [1.0] * 4}
    pq.write_table(pa.table(table | {"timestamp": [NOON] * 4}), tmp_path / "m.parquet")
    (batch,) = open_source(recognise(tmp_path / "m.parquet", "m.parquet")).batches(10)
    done = normalise(batch.frame)
    assert done.frame["meter_id"].to_list() == [*(str(one) for one in ids), None]


@pytest.mark.parametrize(
    ("dtype", "values", "ids"),
    [
        (pl.UInt64(), [HUGE, None], [str(HUGE), None]),
        (pl.Int64(), [-BIG, 0], [str(-BIG), "0"]),
        (pl.Decimal(38, 0), [Decimal(10**37 + 1), None], [str(10**37 + 1), None]),
    ],
)
def test_ids_of_any_whole_type_stay_exact(dtype: pl.DataType, values: list[Any], ids: list[Any]) -> None:
    done = normalise(raw({"vehicle_id": values}, {"vehicle_id": dtype}))
    assert done.frame["vehicle_id"].to_list() == ids
    assert done.faults.is_empty()


@pytest.mark.parametrize(
    ("dtype", "values", "numbers"),
    [
        (pl.Int32(), [5, None], [5.0, None]),
        (pl.UInt64(), [HUGE, 0], [float(HUGE), 0.0]),
        (pl.Float32(), [0.5, None], [0.5, None]),
        (pl.Decimal(10, 3), [Decimal("0.125"), None], [0.125, None]),
    ],
)
def test_typed_numbers_become_floats(dtype: pl.DataType, values: list[Any], numbers: list[Any]) -> None:
    done = normalise(raw({"soc": values}, {"soc": dtype}))
    assert done.frame["soc"].to_list() == numbers
    assert done.faults.is_empty()


# Text of every kind, as fields of a dump; the separators that Python calls blank and Unicode does not, aside.
TEXT = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters="\x1c\x1d\x1e\x1f"), max_size=6),
    st.text(st.sampled_from("0123456789.eE+-, "), max_size=8),
    st.sampled_from(["nan", "inf", "1769860805", "2026-01-31T12:00:00Z", "2026-03-29 02:30", " 1.5 ", "M-1"]),
    st.floats().map(repr),
)
MISSING = {token.lower() for token in NULL_TOKENS}
ROW = st.fixed_dictionaries(dict.fromkeys(COLUMNS, TEXT))


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, max_size=12), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_nothing_becomes_null_in_silence(rows: list[dict[str, str | None]], zone: str) -> None:
    done = normalise(raw({name: [row[name] for row in rows] for name in COLUMNS}), clock=LocalClock(zone))

    lost = {
        (number, name)
        for number, row in enumerate(rows, 1)
        for name in COLUMNS
        if (row[name] or "").strip()
        and done.frame[name][number - 1] is None
        and (row[name] or "").strip().lower() not in MISSING
    }
    told = [(number, column) for number, column, _, _ in done.faults.rows()]
    assert sorted(told) == sorted(lost)
    assert not [column for _, column in told if column in IDS]
    for number, column, rule, detail in done.faults.rows():
        assert rule.startswith(f"{column}:")
        assert f"'{(rows[number - 1][column] or '').strip()}'" in detail


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, max_size=12), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_what_is_normal_stays_as_it_is(rows: list[dict[str, str | None]], zone: str) -> None:
    once = normalise(raw({name: [row[name] for row in rows] for name in COLUMNS}), clock=LocalClock(zone))
    again = normalise(once.frame, clock=LocalClock(zone))
    assert_frame_equal(again.frame, once.frame)
    assert again.faults.is_empty()
    assert again.naive_timestamps == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
def test_every_float_that_is_written_out_comes_back(values: list[float]) -> None:
    done = normalise(raw({"voltage": [repr(value) for value in values]}))
    assert [value.hex() for value in done.frame["voltage"]] == [value.hex() for value in values]
