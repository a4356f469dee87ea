from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.errors import InputError
from energy_etl.sources.parquet import BATCH_BYTES
from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Dumps

WHEN = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


def table(rows: int = 3, **replaced: pa.Array) -> pa.Table:
    columns = {
        "meterId": pa.array([f"m{number}" for number in range(rows)]),
        "kwhConsumedAc": pa.array([float(number) for number in range(rows)]),
        "voltage": pa.array([230.0] * rows),
        "timestamp": pa.array([WHEN] * rows, pa.timestamp("us", "UTC")),
    }
    return pa.table(columns | replaced)


def written(content: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(content, out, **options)
    return out.getvalue()


@settings(max_examples=100, deadline=None)
@given(
    ids=st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=5), max_size=60),
    batch=st.integers(1, 70),
    group=st.integers(1, 70),
    packed=st.booleans(),
    compression=st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
    version=st.sampled_from(["1.0", "2.0"]),
)
def test_whatever_is_written_comes_back(
    *,
    dumps: Dumps,
    ids: list[str | None],
    batch: int,
    group: int,
    packed: bool,
    compression: str,
    version: str,
) -> None:
    content = written(
        table(len(ids), meterId=pa.array(ids, pa.string())),
        row_group_size=group,
        use_dictionary=packed,
        compression=compression,
        data_page_version=version,
        write_page_checksum=True,
    )

    batches = dumps.batches("a.parquet", content, batch)

    got = [row for each in batches for row in each.frame.rows()]
    assert got == [(n, value, n - 1.0, 230.0, WHEN) for n, value in enumerate(ids, 1)]
    assert all(each.frame.height <= batch and each.malformed.is_empty() for each in batches)
    assert [each.bytes_read for each in batches][-1:] in ([], [len(content)])


def test_columns_are_found_by_name(dumps: Dumps) -> None:
    content = table().append_column("note", pa.array([["a"], [], None])).select([4, 3, 2, 1, 0])
    source = recognise(dumps.write("a.parquet", written(content)), "a.parquet")

    reader = open_source(source)
    (batch,) = reader.batches(10)

    assert reader.columns == ("ts", "voltage", "kwh_consumed_ac", "meter_id")
    assert reader.ignored == ("note",)
    assert batch.frame.columns == ["row_number", *reader.columns]


def test_a_name_with_a_dot_is_one_column(dumps: Dumps) -> None:
    content = table().rename_columns(["Meter.Id", "kwh.consumed.ac", "voltage", "ts"])

    assert dumps.frame("a.parquet", written(content))["meter_id"].to_list() == ["m0", "m1", "m2"]


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (pa.array([0, 2**64 - 1, None], pa.uint64()), ["0", "18446744073709551615", None]),
        (pa.array([-1, 2**63 - 1, 7], pa.int64()), ["-1", "9223372036854775807", "7"]),
        (pa.array([1, 2, 255], pa.uint8()), ["1", "2", "255"]),
        (pa.array([Decimal("12345678901234567890"), Decimal(0), None], pa.decimal128(20, 0)),
         ["12345678901234567890", "0", None]),
        (pa.array(["a", "", None], pa.large_string()), ["a", "", None]),
        (pa.array(["a", "", None], pa.string_view()), ["a", "", None]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
        (pa.array([5, 5, None], pa.int32()).dictionary_encode(), ["5", "5", None]),
        (pa.array(["a\x00b", "ü", "\U0001f50c"]), ["a\x00b", "ü", "\U0001f50c"]),
        (pa.nulls(3), [None, None, None]),
    ],
)  # fmt: skip
def test_ids_become_text_exactly(dumps: Dumps, ids: pa.Array, texts: list[str | None]) -> None:
    frame = dumps.frame("a.parquet", written(table(meterId=ids)))

    assert frame.schema["meter_id"] == pl.String
    assert frame["meter_id"].to_list() == texts


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("voltage", pa.array([1, 2, 3], pa.int16()), pl.Int16),
        ("voltage", pa.array([1.5, 2, 3], pa.float16()), pl.Float32),
        ("voltage", pa.array([1.5, 2, 3], pa.float32()), pl.Float32),
        ("voltage", pa.array(["1,5", "", "x"]), pl.String),
        ("voltage", pa.array([Decimal("1.50")] * 3), pl.Decimal(3, 2)),
        ("timestamp", pa.array([1, 2, 3], pa.int64()), pl.Int64),
        ("timestamp", pa.array(["2026-07-01T00:00:00Z"] * 3), pl.String),
        ("timestamp", pa.array([1, 2, 3], pa.timestamp("s")), pl.Datetime("ms")),
        ("timestamp", pa.array([1, 2, 3], pa.timestamp("ms")), pl.Datetime("ms")),
        ("timestamp", pa.array([1, 2, 3], pa.timestamp("ns", "Asia/Tokyo")), pl.Datetime("ns", "Asia/Tokyo")),
    ],
)  # fmt: skip
def test_types_are_kept(dumps: Dumps, column: str, values: pa.Array, kind: pl.DataType) -> None:
    frame = dumps.frame("a.parquet", written(table(**{column: values})))

    assert frame.schema["ts" if column == "timestamp" else column] == kind


def test_old_96_bit_timestamps_far_away_are_not_garbled(dumps: Dumps) -> None:
    far = datetime(9999, 12, 31)  # noqa: DTZ001 - such timestamps carry no zone
    content = table(timestamp=pa.array([far] * 3, pa.timestamp("us")))

    frame = dumps.frame("a.parquet", written(content, use_deprecated_int96_timestamps=True))

    assert frame["ts"].to_list() == [far] * 3


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("meterId", pa.array([1.0, 2.0, 3.0])),
        ("meterId", pa.array([b"a", b"b", b"c"])),
        ("meterId", pa.array([True, False, None])),
        ("meterId", pa.array([["a"], ["b"], []])),
        ("meterId", pa.array([{"id": "a"}] * 3)),
        ("meterId", pa.array([Decimal("1.5")] * 3)),
        ("voltage", pa.array([True, False, None])),
        ("voltage", pa.array([WHEN] * 3)),
        ("voltage", pa.array([[1.0]] * 3)),
        ("voltage", pa.array([Decimal(1)] * 3, pa.decimal256(50, 2))),
        ("timestamp", pa.array([1.0, 2.0, 3.0])),
        ("timestamp", pa.array([1, 2, 3], pa.duration("s"))),
        ("timestamp", pa.array([1, 2, 3], pa.time32("s"))),
    ],
)
def test_a_type_that_cannot_hold_the_values_is_refused(dumps: Dumps, column: str, values: pa.Array) -> None:
    content = written(table(**{column: values}))

    with pytest.raises(InputError, match=f'column "{column}" has the type') as caught:
        dumps.read("a.parquet", content)

    assert caught.value.hint


def test_headers_are_held_to_the_same_rules(dumps: Dumps) -> None:
    with pytest.raises(InputError, match="no column voltage"):
        dumps.read("a.parquet", written(table().drop_columns(["voltage"])))
    with pytest.raises(InputError, match="both mean timestamp"):
        dumps.read("a.parquet", written(table().append_column("ts", pa.array([1, 2, 3]))))
    doubled = table().append_column("voltage", pa.array([1, 2, 3]))
    with pytest.raises(InputError, match="appears twice"):
        dumps.read("a.parquet", written(doubled))


def test_a_file_without_rows_is_fine(dumps: Dumps) -> None:
    assert dumps.batches("a.parquet", written(table(0))) == []


def test_a_small_file_that_unpacks_to_gigabytes_stays_small(dumps: Dumps) -> None:
    """A dictionary of one long text, named by every row."""
    rows = 3_000
    one = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 1_000_000]))
    content = written(table(rows, meterId=one))
    assert len(content) < 200_000
    source = recognise(dumps.write("bomb.parquet", content), "bomb.parquet")
    before = pa.total_allocated_bytes()

    number = 0
    for batch in open_source(source).batches(1_000_000):
        assert batch.frame["row_number"][0] == number + 1
        number += batch.frame.height
        assert batch.frame.estimated_size() < 2 * BATCH_BYTES
        assert pa.total_allocated_bytes() - before < 4 * BATCH_BYTES
    assert number == rows


def test_wide_plain_rows_make_smaller_batches(dumps: Dumps) -> None:
    rows = 3_000
    wide = pa.array([str(number) * 10_000 for number in range(rows)])
    content = written(table(rows, meterId=wide), use_dictionary=False, compression="zstd")

    heights = [batch.frame.height for batch in dumps.batches("wide.parquet", content, 1_000_000)]

    assert sum(heights) == rows
    assert max(heights) < rows


def test_a_text_too_long_is_refused_with_its_row(dumps: Dumps) -> None:
    texts = pa.array(["a", "b", "x" * 2_000_000])

    with pytest.raises(InputError, match="row 3: meter_id is longer than 1 MB"):
        dumps.read("a.parquet", written(table(meterId=texts)))


@pytest.mark.parametrize("packed", [True, False])
def test_text_that_is_not_utf8_is_refused(dumps: Dumps, packed: bool) -> None:
    offsets = pa.py_buffer((0).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(4, "little"))
    bad = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfe")])

    with pytest.raises(InputError, match="truncated or corrupt"):
        dumps.read("a.parquet", written(table(2, meterId=bad), use_dictionary=packed))


def test_a_damaged_page_is_noticed(dumps: Dumps) -> None:
    """Without checksums a flipped bit in an uncompressed page would be loaded as another value."""
    plain = table(1000, voltage=pa.array([random.Random(n).random() for n in range(1000)]))
    content = bytearray(written(plain, compression="none", use_dictionary=False, write_page_checksum=True))
    content[len(content) // 2] ^= 1

    with pytest.raises(InputError, match=r"a\.parquet: the Parquet file is truncated or corrupt"):
        dumps.read("a.parquet", bytes(content))
