from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.errors import InputError
from energy_etl.sources.json_text import RECORD_CHARACTERS
from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sources.conftest import Dumps

METER = '{"meterId":"m1","kwhConsumedAc":1.50,"voltage":230,"timestamp":"2026-07-01T00:00:00Z"}'
VEHICLE = '{"vehicleId":"v1","soc":75.5,"kwhDeliveredDc":1,"batteryTemp":20,"timestamp":1}'
METER_ROW = ("m1", "2026-07-01T00:00:00Z", "1.50", "230")
KEYS = ("meterId", "timestamp", "kwhConsumedAc", "voltage")

LONG_LINE = METER + '\n{"a":"' + "x" * RECORD_CHARACTERS + '"}'
LONG_ELEMENT = f'[{METER},{{"a":"' + "x" * 2 * RECORD_CHARACTERS + '"}]'

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUE = st.one_of(st.none(), TEXT, st.integers(), st.floats(), st.sampled_from(["", "a\nb", "\\", "\u2028"]))
RECORDS = st.lists(st.tuples(VALUE, VALUE, VALUE, VALUE), min_size=1, max_size=30)


def shown(value: object) -> str | None:
    """A value as it stands in the file; an empty text is no value."""
    return (value or None) if isinstance(value, str) else None if value is None else json.dumps(value)


@settings(max_examples=200, deadline=None)
@given(
    rows=RECORDS,
    batch=st.integers(1, 40),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
    suffix=st.sampled_from(["", ".gz", ".zst"]),
    array=st.booleans(),
    mark=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_whatever_json_writes_comes_back(
    *,
    dumps: Dumps,
    rows: list[tuple[object, ...]],
    batch: int,
    ascii_only: bool,
    indent: int | None,
    suffix: str,
    array: bool,
    mark: bool,
    end: str,
) -> None:
    records = [dict(zip(KEYS, row, strict=True)) for row in rows]
    if array:
        text = json.dumps(records, ensure_ascii=ascii_only, indent=indent)
    else:
        text = end.join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
    data = text.encode("utf-8-sig" if mark else "utf-8")
    data = gzip.compress(data) if suffix == ".gz" else data
    data = pa.compress(data, "zstd", asbytes=True) if suffix == ".zst" else data

    batches = dumps.batches("a.json" + suffix, data, batch)

    got = [row for each in batches for row in each.frame.rows()]
    assert got == [(number, *map(shown, row)) for number, row in enumerate(rows, 1)]
    assert all(each.malformed.is_empty() and each.frame.height <= batch for each in batches)
    assert batches[-1].bytes_read == len(data)


@settings(max_examples=100, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["good", "broken", "twice", "list", "blank"]), max_size=40),
    batch=st.integers(1, 20),
)
def test_a_bad_line_is_one_bad_row(dumps: Dumps, kinds: list[str], batch: int) -> None:
    lines = {
        "good": METER,
        "broken": METER[:-1],
        "twice": METER[:-1] + ',"voltage":1}',
        "list": "[1,2]",
        "blank": " ",
    }
    records = ["good", *(kind for kind in kinds if kind != "blank")]
    content = "\n".join(lines[kind] for kind in ["good", *kinds])

    batches = dumps.batches("a.ndjson", content, batch)

    good = [row for each in batches for row in each.frame.rows()]
    bad = sorted((row[0], row[1], row[3]) for each in batches for row in each.malformed.rows())
    rules = {"broken": "broken_json", "twice": "duplicate_key", "list": "broken_json"}
    assert good == [(n, *METER_ROW) for n, kind in enumerate(records, 1) if kind == "good"]
    assert bad == [(n, rules[kind], lines[kind]) for n, kind in enumerate(records, 1) if kind in rules]
    assert all(each.rows <= batch for each in batches)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("18446744073709551616", "18446744073709551616"),
        ("1e400", "1e400"),
        ("1.10", "1.10"),
        ("-0.0", "-0.0"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1" * 5000, "1" * 5000),
        ("true", "true"),
        ("null", None),
        ('""', None),
        ('" "', " "),
        ('"a\\u0000b"', "a\x00b"),
        ('"\\ud83d\\udd0c"', "\U0001f50c"),
        ('{"z": [1, null]}', '{"z": ["1", null]}'),
        ("[]", "[]"),
    ],
)
def test_values_keep_their_text(dumps: Dumps, token: str, text: str | None) -> None:
    record = f'{{"meterId": {token}, "kwhConsumedAc": 1, "voltage": 2, "timestamp": 3}}'

    good, bad = dumps.read("a.ndjson", record)

    assert good == [(1, text, "3", "1", "2")]
    assert not bad


@pytest.mark.parametrize(
    ("line", "rule", "detail"),
    [
        ('{"meterId":"a","ts":1,"timestamp":2}', "duplicate_key", '"ts" and "timestamp" both mean timestamp'),
        ('{"meterId":"a","meterId":"b"}', "duplicate_key", 'has the key "meterId" twice'),
        ('{"x":1,"x":1}', "duplicate_key", 'has the key "x" twice'),
        ('{"meterId":"\\ud800"}', "broken_json", "holds half of a surrogate pair"),
        ('{"\\udfff":1}', "broken_json", "holds half of a surrogate pair"),
        ("[" * 100_000, "broken_json", "is nested too deeply"),
        ('{"a":' * 100_000, "broken_json", "is nested too deeply"),
        ('{"meterId":"a\tb"}', "broken_json", "is no JSON: Invalid control character at at character 14"),
        ('{"meterId":01}', "broken_json", "is no JSON: "),
        ("null", "broken_json", "is not an object"),
        (METER + METER, "broken_json", "is no JSON: Extra data"),
    ],
    ids=lambda value: value[:30],
)
def test_a_line_that_is_no_record_says_why(dumps: Dumps, line: str, rule: str, detail: str) -> None:
    good, ((number, found, why, raw),) = dumps.read("a.ndjson", METER + "\n" + line)

    assert good == [(1, *METER_ROW)]
    assert (number, found, raw) == (2, rule, line[:4096])
    assert detail in str(why)


def test_both_streams_may_stand_in_one_file(dumps: Dumps) -> None:
    frame = dumps.frame("a.ndjson", "\n".join([METER, VEHICLE, METER]))

    assert frame["meter_id"].to_list() == ["m1", None, "m1"]
    assert frame["vehicle_id"].to_list() == [None, "v1", None]
    assert frame["soc"].to_list() == [None, "75.5", None]
    assert frame["ts"].to_list() == ["2026-07-01T00:00:00Z", "1", "2026-07-01T00:00:00Z"]
    assert set(frame.schema.values()) == {pl.Int64(), pl.String()}


def test_the_second_stream_may_begin_anywhere(dumps: Dumps) -> None:
    """Late columns come with the batch that has them; those read before stay as they were."""
    content = "\n".join([METER] * 20_000 + [VEHICLE])
    reader = open_source(recognise(dumps.write("late.ndjson", content), "late.ndjson"))
    assert reader.columns == ("meter_id", "ts", "kwh_consumed_ac", "voltage")

    *before, last = reader.batches(10_000)

    assert [each.frame.width for each in before] == [5, 5]
    assert last.frame["vehicle_id"].to_list() == ["v1"]
    assert reader.columns[-3:] == ("soc", "kwh_delivered_dc", "battery_temp")


def test_a_record_without_a_field_has_null_there(dumps: Dumps) -> None:
    good, bad = dumps.read("a.ndjson", METER + '\n{"meterId":"m2","timestamp":1}\n{"other":1}')

    assert good == [(1, *METER_ROW), (2, "m2", "1", None, None), (3, None, None, None, None)]
    assert not bad


def test_keys_in_other_spellings_and_unknown_ones(dumps: Dumps) -> None:
    content = '{"Meter ID":"m","site":1,"TS":2,"kwh_consumed_ac":3,"VOLTAGE":4,"soc":5}'
    reader = open_source(recognise(dumps.write("a.json", content), "a.json"))

    (batch,) = reader.batches(10)

    assert batch.frame.rows() == [(1, "m", "2", "3", "4")]
    assert reader.ignored == ("site", "soc")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", METER.replace(",", ",\n ").replace("{", "{\n") + "\n"),
        ("a.json", f" [ {METER} ] \n"),
        ("a.json", METER),
        ("-", f"[{METER}]"),
    ],
)  # fmt: skip
def test_one_record_in_any_dress(dumps: Dumps, name: str, content: str) -> None:
    source = recognise(dumps.write("one", content), name)

    (batch,) = open_source(source).batches(5)

    assert batch.frame.rows() == [(1, *METER_ROW)]


def test_pretty_printed_records_one_after_another(dumps: Dumps) -> None:
    pretty = json.dumps(json.loads(METER), indent=1)

    assert len(dumps.read("a.json", "\n".join([pretty] * 5))[0]) == 5


def test_an_empty_array_is_a_file_without_rows(dumps: Dumps) -> None:
    assert dumps.batches("a.json", "[ ]\n") == []


def test_elements_that_are_no_records_are_reported(dumps: Dumps) -> None:
    good, bad = dumps.read("a.json", f'[{METER}, 12, {METER}, "x", null, {{"a":1,"a":2}}]')

    assert [row[0] for row in good] == [1, 3]
    assert [(row[0], row[1], row[3]) for row in bad] == [
        (2, "broken_json", "12"),
        (4, "broken_json", '"x"'),
        (5, "broken_json", "null"),
        (6, "duplicate_key", '{"a":1,"a":2}'),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", LONG_ELEMENT, "record 2 is longer than 1 million"),
        ("a.ndjson", LONG_LINE, "record 2 is longer than 1 million"),
        ("a.json", f"[{METER},{METER}", "the array is not closed"),
        ("a.json", f"[{METER},", "in or after record 2"),
        ("a.json", f"[{METER},]", "in or after record 2"),
        ("a.json", f"[{METER} {METER}]", "expected a comma or the end of the array"),
        ("a.json", f"[{METER}] x", "there is text after the end of the array"),
        ("a.json", f'[{METER},{{"a" 1}}]', "broken JSON in or after record 2, at character 94"),
        ("a.json", f"[{METER}," + "[" * 100_000, "it is nested too deeply"),
        ("a.ndjson", METER.encode() + b'\n{"\xc3\xa9":1,"meterId":"\xe9"}', "is not UTF-8 text: byte 0xe9"),
        ("a.ndjson", '{"a":1}\n{"b":2}', 'no column meterId or vehicleId; found: "a", "b"'),
        ("a.json", '{"data":[' + METER + "]}", 'no column meterId or vehicleId; found: "data"'),
        ("a.json", "[1, 2, 3]", "no usable JSON record in it: the first one is not an object"),
        ("a.ndjson", "{broken\n{more", "no usable JSON record in it: the first one is no JSON"),
        ("a.ndjson", '{"meterId":"a","ts":1,"voltage":1}', "no column kwhConsumedAc, which meter"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_file_that_cannot_be_read_right_is_refused(
    dumps: Dumps, name: str, content: Any, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        dumps.read(name, content)

    assert caught.value.message.startswith(f"{name}: ")
    assert message in caught.value.message


def test_a_long_blank_line_ends_nothing(dumps: Dumps) -> None:
    good, _ = dumps.read("a.ndjson", METER + "\n" + " " * 3 * RECORD_CHARACTERS + "\n" + METER)

    assert [row[0] for row in good] == [1, 2]


def test_records_across_the_borders_of_what_is_read_at_once(dumps: Dumps) -> None:
    """Long records end at every place of a chunk, escapes and wide characters among them."""
    ids = ['é\\"\U0001f50c' * (n % 3000) for n in range(400)]
    records = [{"meterId": each, "timestamp": 1, "voltage": 2, "kwhConsumedAc": 3} for each in ids]
    expected = [(number, each or None, "1", "3", "2") for number, each in enumerate(ids, 1)]

    assert dumps.read("a.json", json.dumps(records, ensure_ascii=False), 50)[0] == expected
    assert dumps.read("b.json", json.dumps(records), 50)[0] == expected
    assert dumps.read("a.ndjson", "\n".join(map(json.dumps, records)), 50)[0] == expected


@pytest.mark.parametrize("text", ["{}\n{}\n", '{"": 1}\n', "[{}]"])
def test_records_without_any_field_we_know_are_no_dump(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foreign.json"
    path.write_text(text)
    with pytest.raises(InputError, match="no column meterId or vehicleId"):
        open_source(recognise(path, "foreign.json"))
