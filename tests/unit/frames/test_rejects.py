from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.frames.rejects import SCHEMA, empty, from_malformed, with_raw

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
FOUND = {"row_number": pl.Int64, "stream": pl.String, "rule": pl.String, "detail": pl.String}
MALFORMED = {"row_number": pl.Int64, "rule": pl.String, "detail": pl.String, "raw": pl.String}


def found(*rejects: tuple[int, str | None], detail: str = "voltage is 'x'") -> pl.DataFrame:
    rows = [(number, stream, "voltage:not_a_number", detail) for number, stream in rejects]
    return pl.DataFrame(rows, schema=FOUND, orient="row")


def raw_values(frame: pl.DataFrame, number: int = 1) -> Any:
    """What is kept of a row."""
    done = with_raw(found((number, "meter")), frame)
    assert dict(done.schema) == SCHEMA
    [text] = done["raw"]
    return json.loads(text)


def rows(**columns: pl.Series) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    return pl.DataFrame({"row_number": pl.int_range(1, height + 1, dtype=pl.Int64, eager=True), **columns})


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (pl.Series(["  n/a "]), "  n/a "),
        (pl.Series([None], dtype=pl.String), None),
        (pl.Series(["a\x00b\x00"]), "a␀b␀"),
        (pl.Series(['"\\\n\x1b\x7f\u2028é漢🔌']), '"\\\n\x1b\x7f\u2028é漢🔌'),
        (pl.Series([float("nan")]), "NaN"),
        (pl.Series([float("-inf")]), "-inf"),
        (pl.Series([-0.0]), "-0.0"),
        (pl.Series([0.1]), "0.1"),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), "18446744073709551615"),
        (pl.Series([-(2**63)], dtype=pl.Int64), "-9223372036854775808"),
        (pl.Series([Decimal("12.300")], dtype=pl.Decimal(38, 3)), "12.300"),
        (pl.Series([10**37 + 1], dtype=pl.Decimal(38, 0)), str(10**37 + 1)),
        (pl.Series([date(2026, 1, 31)]), "2026-01-31"),
        (pl.Series([NOON], dtype=pl.Datetime("us", "UTC")), "2026-01-31 12:00:00.000000+00:00"),
        (pl.Series([2**63 - 1]).cast(pl.Datetime("us", "UTC")), "9223372036854775807"),
        (pl.Series([-(2**62)]).cast(pl.Datetime("ms")), "-4611686018427387904"),
    ],
)
@pytest.mark.parametrize("column", ["meter_id", "voltage", "ts"])
def test_values_are_kept_as_text_as_they_were_read(values: pl.Series, kept: str | None, column: str) -> None:
    assert raw_values(rows(**{column: values})) == {column: kept}


def test_the_whole_row_is_kept_our_columns_first() -> None:
    frame = rows(
        ts=pl.Series(["t1", "t2"]),
        meter_id=pl.Series(["m1", "m2"]),
        kwh_consumed_ac=pl.Series([1.5, None]),
        note=pl.Series(["the file's own", ""]),
    )
    assert list(raw_values(frame, 2).items()) == [
        ("meter_id", "m2"),
        ("kwh_consumed_ac", None),
        ("ts", "t2"),
        ("note", ""),
    ]


def test_each_reject_gets_the_values_of_its_row_and_keeps_its_place() -> None:
    frame = rows(meter_id=pl.Series(["a", "b", "c"]))
    done = with_raw(found((3, "vehicle"), (1, "meter"), (3, "meter"), (2, None)), frame)
    assert done.select("row_number", "stream").rows() == [
        (3, "vehicle"),
        (1, "meter"),
        (3, "meter"),
        (2, None),
    ]
    assert [json.loads(text)["meter_id"] for text in done["raw"]] == ["c", "a", "c", "b"]


def test_a_detail_can_be_stored_where_nul_cannot() -> None:
    done = with_raw(
        found((1, "meter"), detail="voltage is '\x001\x00'"), rows(voltage=pl.Series(["\x001\x00"]))
    )
    assert done["detail"].to_list() == ["voltage is '␀1␀'"]


def test_without_rejects_there_is_an_empty_frame_of_the_same_shape() -> None:
    assert dict(with_raw(found(), rows(meter_id=pl.Series(["a"]))).schema) == SCHEMA
    assert dict(empty().schema) == SCHEMA
    assert empty().is_empty()


@pytest.mark.parametrize("stream", ["meter", None])
def test_a_row_that_is_no_row_is_kept_as_its_text(stream: str | None) -> None:
    text = 'a,"b\x00\n'
    malformed = pl.DataFrame(
        [(7, "field_count", "has 2 fields,\x00", text), (9, "broken_json", "is no JSON", "{")],
        schema=MALFORMED,
        orient="row",
    )
    done = from_malformed(malformed, stream)
    assert dict(done.schema) == SCHEMA
    assert done.drop("raw").rows() == [
        (7, stream, "field_count", "has 2 fields,␀"),
        (9, stream, "broken_json", "is no JSON"),
    ]
    assert [json.loads(kept) for kept in done["raw"]] == [{"line": 'a,"b␀\n'}, {"line": "{"}]


def test_no_malformed_rows_make_no_rejects() -> None:
    done = from_malformed(pl.DataFrame(schema=MALFORMED), None)
    assert dict(done.schema) == SCHEMA
    assert done.is_empty()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"))), min_size=1, max_size=10))
def test_any_text_survives_as_json_that_postgresql_can_store(texts: list[str | None]) -> None:
    frame = rows(voltage=pl.Series(texts, dtype=pl.String))
    done = with_raw(found(*((number, "meter") for number in range(1, len(texts) + 1))), frame)
    kept = [json.loads(text)["voltage"] for text in done["raw"]]
    assert kept == [text and text.replace("\x00", "␀") for text in texts]
    assert not [text for text in done["raw"] if "\x00" in text or "\\u0000" in text.replace("\\\\", "")]
