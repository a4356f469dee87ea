from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.errors import InputError
from energy_etl.sources.delimited import BLOCK_BYTES, DelimitedReader
from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    import random

    from tests.unit.sources.conftest import Dumps

HEADER = ("meterId", "kwhConsumedAc", "voltage", "timestamp")
HEAD = ",".join(HEADER) + "\n"


def compressed(data: bytes, how: str) -> bytes:
    if how == ".gz":
        half = len(data) // 2
        return gzip.compress(data[:half]) + gzip.compress(data[half:])
    if how == ".zst":
        half = len(data) // 2
        return b"".join(pa.compress(part, "zstd", asbytes=True) for part in (data[:half], data[half:]))
    return data


def nulls(row: list[str]) -> tuple[str | None, ...]:
    return tuple(value or None for value in row)


# Fields of a table: what a writer can be given, surrogates aside, delimiters and line ends among it.
FIELD = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.text(st.sampled_from(',;\t|"\r\n \x00é漢'), max_size=6),
    st.sampled_from(["", "MTR-1", "0.5", '"', '""', "\n", "\r\n", "a\nb"]),
)
TABLE = st.lists(st.lists(FIELD, min_size=4, max_size=4), max_size=40)
DIALECT = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    }
)


def written(rows: list[list[str]], dialect: dict[str, Any], *, header: tuple[str, ...] = HEADER) -> list[str]:
    """Each record's text; csv leaves a lone CR unquoted in some dialects, so such a row is quoted whole."""
    texts = []
    for row in [list(header), *rows]:
        out = io.StringIO()
        quoting = csv.QUOTE_ALL if any(set("\r\n") & set(value) for value in row) else dialect["quoting"]
        csv.writer(out, **(dialect | {"quoting": quoting})).writerow(row)
        texts.append(out.getvalue())
    return texts


@settings(max_examples=200, deadline=None)
@given(
    rows=TABLE,
    dialect=DIALECT,
    mark=st.booleans(),
    suffix=st.sampled_from(["", ".gz", ".zst"]),
    batch=st.integers(1, 50),
    block=st.sampled_from([512, 1024, BLOCK_BYTES]),
    blanks=st.randoms(use_true_random=False),
    cut=st.booleans(),
)
def test_whatever_csv_writes_comes_back(
    *,
    dumps: Dumps,
    rows: list[list[str]],
    dialect: dict[str, Any],
    mark: bool,
    suffix: str,
    batch: int,
    block: int,
    blanks: random.Random,
    cut: bool,
) -> None:
    end = dialect["lineterminator"]
    records = [text + end * blanks.choice([0, 0, 0, 1, 2]) for text in written(rows, dialect)]
    text = "".join(records)
    if cut and rows:
        text = text.rstrip(end) if rows[-1][-1].rstrip("\r\n") else text
    data = compressed(text.encode("utf-8-sig" if mark else "utf-8"), suffix)
    name = "table.csv" + suffix

    reader = DelimitedReader(recognise(dumps.write(name, data), name), block_bytes=block)
    batches = list(reader.batches(batch))

    got = [row for each in batches for row in each.frame.rows()]
    assert reader.columns == ("meter_id", "kwh_consumed_ac", "voltage", "ts")
    assert got == [(number, *nulls(row)) for number, row in enumerate(rows, 1)]
    assert sum(each.malformed.height for each in batches) == 0
    assert all(each.frame.height <= batch for each in batches)
    read = [each.bytes_read for each in batches]
    assert read == sorted(read)
    assert read[-1:] in ([], [len(data)])


def ragged_row(number: int, count: int) -> tuple[int, str, str, str]:
    plural = "field" if count == 1 else "fields"
    text = ",".join([str(number), *"x" * (count - 1)])
    return number, "field_count", f"has {count} {plural}, the header has 4", text


@settings(max_examples=200, deadline=None)
@given(
    shape=st.lists(st.sampled_from([4, 4, 4, 1, 2, 3, 5, 9, 0]), max_size=120),
    batch=st.integers(1, 30),
    block=st.sampled_from([64, 100, 256, BLOCK_BYTES]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_ragged_rows_are_reported_with_their_numbers(
    dumps: Dumps, shape: list[int], batch: int, block: int, end: str
) -> None:
    """Rows of any number of fields (0: a blank line, which is no row) at any place, across block borders."""
    records = [count for count in shape if count]
    lines = []
    number = 0
    for count in shape:
        number += count > 0
        lines.append(",".join([str(number), *("x" for _ in range(count - 1))]) if count else "")
    source = recognise(dumps.write("ragged.csv", HEAD + end.join(lines)), "ragged.csv")

    batches = list(DelimitedReader(source, block_bytes=block).batches(batch))

    good = [row for each in batches for row in each.frame.rows()]
    bad = sorted(row for each in batches for row in each.malformed.rows())
    assert good == [(n, str(n), "x", "x", "x") for n, count in enumerate(records, 1) if count == 4]
    assert bad == [ragged_row(n, count) for n, count in enumerate(records, 1) if count != 4]
    assert sum(each.rows for each in batches) == len(records)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out_from_the_header(dumps: Dumps, delimiter: str) -> None:
    lines = [delimiter.join(HEADER), delimiter.join(["m1", "0,5", "230", "2026-01-01"])]
    if delimiter == ",":
        lines[1] = 'm1,"0,5",230,2026-01-01'

    good, bad = dumps.read("any.txt", "\n".join(lines))

    assert good == [(1, "m1", "0,5", "230", "2026-01-01")]
    assert not bad


def test_a_quoted_name_may_hold_another_delimiter(dumps: Dumps) -> None:
    good, _ = dumps.read("a.csv", 'meterId;"a,b,c,d,e";kwhConsumedAc;voltage;ts\nm;x;1;2;3\n')

    assert good == [(1, "m", "1", "2", "3")]


def test_only_recognised_columns_are_read(dumps: Dumps) -> None:
    source = recognise(
        dumps.write("wide.csv", "site,ts,meter_id,note,voltage,kwh_consumed_ac,\n1,2,3,4,5,6,\n"), "wide.csv"
    )
    reader = open_source(source)

    (batch,) = reader.batches(10)

    assert reader.columns == ("ts", "meter_id", "voltage", "kwh_consumed_ac")
    assert reader.ignored == ("site", "note", "")
    assert batch.frame.rows() == [(1, "2", "3", "5", "6")]


@pytest.mark.parametrize("content", [HEAD, HEAD.strip(), HEAD + "\n\r\n\n"])
def test_a_header_alone_is_a_file_without_rows(dumps: Dumps, content: str) -> None:
    assert dumps.batches("head.csv", content) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"meterId;x,kwhConsumedAc\n", "the delimiter is ambiguous: comma and semicolon"),
        (b"a,b\n1,2\n", 'no column meterId or vehicleId; found: "a", "b"'),
        (b'"meterId,voltage\n', "a quote in it is not closed"),
        ("é\n".encode() + b"meterId,k\xe9\n", "is not UTF-8 text: byte 0xe9 in line 2"),
        (HEAD.encode() + b"m\xc3\xa91,1,2,3\nm2,\xe9,2,3\n", "is not UTF-8 text: byte 0xe9 in line 3"),
        (HEAD.encode() + b"m\xc3\xa91,1,2,3\nm2,\xe9\n", "is not UTF-8 text: byte 0xe9 in line 3"),
        (HEAD.encode() + b"m1,1,2,3\nm2,\x81,2,3\n", "is not UTF-8 text: byte 0x81 in line 3"),
        (HEAD.encode() + b"m1,1,2,3\nm2,1,2,\xc3", "is not UTF-8 text"),
        (HEAD.encode() + b'm1,1,2,3\nm2,1,2,"3\nm3,1,2,3\n', "row 2 opens a quote that is never closed"),
        (HEAD.encode() + b'm1,1,2,3\nm2,1,"2,3\nm3,1,2,3\n', "row 2 opens a quote that is never closed"),
        (HEAD.encode() + b'm1,1,2,3\nm2,1,2,"', "row 2 opens a quote that is never closed"),
        (
            HEAD.encode() + b"1,2,3\n" * 20_000,
            "none of the first 10,000 rows has as many fields as the header",
        ),
        (HEAD.encode() + b"m,1,2,3\n" * 9 + b"m,1,2," + b"x" * 3 * BLOCK_BYTES, "row 10 is longer than 1 MB"),
        (HEAD.encode() + b'm,1,2,"' + b"1,2,3,4\n" * BLOCK_BYTES, "row 1 is longer than 1 MB"),
        (b"x" * 2 * BLOCK_BYTES, "the first line is no header"),
        (b"meterId," * BLOCK_BYTES, "the header is longer than 1 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_read_right_is_refused(dumps: Dumps, content: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        dumps.read("bad.csv", content)

    assert caught.value.message.startswith("bad.csv: ")
    assert message in caught.value.message


def test_many_ragged_rows_among_good_ones_are_all_reported(dumps: Dumps) -> None:
    long = "m," + "1" * 50
    rows = ["m,1,2,3", *[long] * 60_000, "m,1,2,3", *[long] * 60_000]

    batches = dumps.batches("many.csv", HEAD + "\n".join(rows), rows=1000)

    assert [row for each in batches for row in each.frame["row_number"]] == [1, 60_002]
    bad = sorted(row for each in batches for row in each.malformed["row_number"])
    assert bad == [*range(2, 60_002), *range(60_003, 120_003)]
    assert max(each.malformed.height for each in batches) < 60_000, "ragged rows must not pile up"


def test_the_text_of_a_ragged_row_is_cut(dumps: Dumps) -> None:
    _, ((number, _, _, raw),) = dumps.read("long.csv", HEAD + "x" * 10_000 + "\n")

    assert number == 1
    assert raw == "x" * 4096


def test_a_file_is_read_as_often_as_asked_and_may_be_left_early(dumps: Dumps) -> None:
    source = recognise(dumps.write("again.csv", HEAD + "m,1,2,3\n" * 200_000), "again.csv")
    reader = open_source(source)

    early = reader.batches(10)
    next(early)
    early.close()  # type: ignore[attr-defined]
    path = source.path.rename(source.path.with_suffix(".moved"))
    path.rename(source.path)

    assert sum(each.rows for each in reader.batches(7_000)) == 200_000


def test_memory_is_bounded_by_the_batch(dumps: Dumps) -> None:
    """Wide rows make a batch of fewer rows."""
    row = ",".join(["m", "1", "2", "x" * 100_000]) + "\n"
    source = recognise(
        dumps.write("wide.csv.gz", gzip.compress((HEAD + row * 2_000).encode(), 1)), "wide.csv.gz"
    )
    before = pa.total_allocated_bytes()

    sizes = []
    for each in open_source(source).batches(1_000_000):
        sizes.append(each.frame.height)
        assert pa.total_allocated_bytes() - before < 300 << 20

    assert sum(sizes) == 2_000
    assert max(sizes) < 1_000
