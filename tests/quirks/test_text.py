"""What real dumps do to text, each with what must come of it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from energy_etl.errors import AmbiguousInputError, ExitCode, InputError
from energy_etl.profiles.model import DecimalMark
from tests.quirks.looked_at import look

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "meterId,kwhConsumedAc,voltage,timestamp\n"
SEMI = "meterId;kwhConsumedAc;voltage;timestamp\n"
TS = "2026-01-31T12:00:00Z"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("rows", [1, 3, 10_000])
def test_the_encoding_is_found(tmp_path: Path, encoding: str, rows: int) -> None:
    text = HEAD + "".join(f"Zähler–{row},0.5,230,{TS}\n" for row in range(rows))
    found = look(tmp_path, text.encode(encoding))
    assert found.counts == (rows, rows, {})
    assert found.column("meter_id") == [f"Zähler–{row}" for row in range(rows)]
    assert found.column("row_number") == list(range(1, rows + 1))
    told = [note for note in found.how.notes() if "taken as" in note]
    assert bool(told) is (not encoding.startswith("utf-8"))


def test_the_first_byte_that_is_not_utf8_may_come_late(tmp_path: Path) -> None:
    rows = [f"m{row},0.5,230,{TS}\n" for row in range(60_000)]
    text = HEAD + "".join(rows) + f"Zähler,0.5,230,{TS}\n"
    found = look(tmp_path, gzip.compress(text.encode("latin-1")), "dump.csv.gz")
    assert found.counts == (60_001, 60_001, {})
    assert found.column("meter_id")[-1] == "Zähler"
    assert found.how.notes() == ["is not UTF-8, taken as windows-1252"]


def test_utf8_with_a_broken_byte_is_refused(tmp_path: Path) -> None:
    content = (HEAD + f"Zähler,0.5,230,{TS}\n").encode() + f"m\xe9,0.5,230,{TS}\n".encode("latin-1")
    with pytest.raises(InputError, match="is not UTF-8 text: byte 0xe9 in line 3"):
        look(tmp_path, content)


def test_another_encoding_is_told_by_the_profile(tmp_path: Path) -> None:
    own = """
[format]
encoding = "cp850"
[time]
column = "time"
[meter]
id = "Zähler"
energy = "kWh"
"""
    text = "Zähler,kWh,time\nKüche,0.5,2026-01-31T12:00:00Z\n"
    found = look(tmp_path, text.encode("cp850"), profile=own)
    assert (found.column("meter_id"), found.counts) == (["Küche"], (1, 1, {}))


@pytest.mark.parametrize(
    ("text", "value"), [("0,5", 0.5), ("12,34", 12.34), ("1,2345", 1.2345), ("0,125", 0.125), ("-,5", None)]
)
def test_a_decimal_comma_is_found_where_the_numbers_show_it(
    tmp_path: Path, text: str, value: float | None
) -> None:
    found = look(tmp_path, f"{SEMI}m1;{text};230;{TS}\nm2;1,234;230;{TS}\nm3;7;;{TS}\n")
    assert found.column("kwh_consumed_ac") == [*([value] if value else []), 1.234, 7.0]
    assert found.how.decimal is DecimalMark.COMMA
    assert "numbers have a decimal comma, as they show" in found.how.notes()


def test_a_comma_that_could_part_thousands_is_refused_until_told(tmp_path: Path) -> None:
    text = f"{SEMI}m1;1,234;230;{TS}\nm2;10,500;230;{TS}\nm3;7;;{TS}\n"
    with pytest.raises(AmbiguousInputError) as caught:
        look(tmp_path, text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "1,234" in caught.value.message
    assert "--decimal" in (caught.value.hint or "")
    told = look(tmp_path, text, decimal=DecimalMark.COMMA)
    assert told.column("kwh_consumed_ac") == [1.234, 10.5, 7.0]
    told = look(tmp_path, text, decimal=DecimalMark.POINT)
    assert told.counts == (3, 1, {"kwh_consumed_ac:not_a_number": 2})


def test_a_decimal_comma_between_commas_is_one_bad_value(tmp_path: Path) -> None:
    found = look(tmp_path, f'{HEAD}m1,"0,5",230,{TS}\nm2,0.5,230,{TS}\n')
    assert found.counts == (2, 1, {"kwh_consumed_ac:not_a_number": 1})


def test_one_comma_among_points_is_one_bad_value(tmp_path: Path) -> None:
    found = look(tmp_path, f"{SEMI}m1;0,5;230.1;{TS}\nm2;0.5;230.2;{TS}\n")
    assert found.counts == (2, 1, {"kwh_consumed_ac:not_a_number": 1})


THOUSANDS = """
[format]
delimiter = ";"
decimal = ","
thousands = "."
[time]
column = "time"
[meter]
id = "id"
energy = "kWh"
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,5", 1234.5),
        ("12.345.678", 12345678.0),
        ("1.234", 1234.0),
        ("0,5", 0.5),
        ("7", 7.0),
        ("1.23", None),
        ("1,234.5", None),
        ("12.34,5", None),
    ],
)
def test_thousands_are_parted_only_where_declared_and_in_threes(
    tmp_path: Path, text: str, value: float | None
) -> None:
    found = look(tmp_path, f"id;kWh;time\nm;{text};{TS}\n", profile=THOUSANDS)
    assert found.column("kwh_consumed_ac") == ([] if value is None else [value])


def test_thousands_are_refused_where_nobody_declared_them(tmp_path: Path) -> None:
    found = look(tmp_path, f"{SEMI}m1;1.234,5;230;{TS}\nm2;1.5;230;{TS}\n")
    assert found.counts == (2, 1, {"kwh_consumed_ac:not_a_number": 1})


@pytest.mark.parametrize("token", ["", "?", "NA", "N/A", "None", "Null", "null", "<invalid>", "-"])
def test_a_word_for_a_missing_value_is_no_fault(tmp_path: Path, token: str) -> None:
    rows = f"m1,{token},230,{TS}\nm2,0.5,{token},{TS}\nm3,0.5,230,{token}\n"
    found = look(tmp_path, HEAD + rows)
    assert found.counts == (3, 1, {"kwh_consumed_ac:missing": 1, "ts:missing": 1})
    assert found.column("voltage") == [None]


def test_nan_is_no_number_where_the_columns_are_documented(tmp_path: Path) -> None:
    found = look(tmp_path, f"{HEAD}m1,NaN,230,{TS}\nm2,0.5,nan,{TS}\n")
    assert found.counts == (2, 0, {"kwh_consumed_ac:not_finite": 1, "voltage:not_finite": 1})


PLAIN = """
[time]
column = "time"
[meter]
id = "id"
energy = "kWh"
voltage = "U"
"""


def test_nan_is_a_missing_value_elsewhere(tmp_path: Path) -> None:
    found = look(tmp_path, f"id,kWh,U,time\nm1,NaN,230,{TS}\nm2,0.5,nan,{TS}\nNone,1,1,{TS}\n", profile=PLAIN)
    assert found.counts == (3, 1, {"kwh_consumed_ac:missing": 1, "meter_id:missing": 1})


def test_what_is_missing_can_be_said(tmp_path: Path) -> None:
    own = f'{PLAIN}[format]\nnull = ["n.v."]\n'
    found = look(tmp_path, f"id,kWh,U,time\nm1,1,n.v.,{TS}\nm2,1,?,{TS}\n", profile=own)
    assert found.counts == (2, 1, {"voltage:not_a_number": 1})


def test_a_number_may_stand_for_a_missing_value(tmp_path: Path) -> None:
    own = f'{PLAIN}[format]\nnull = ["65535", "-40"]\n'
    found = look(tmp_path, f"id,kWh,U,time\nm1,1,65535,{TS}\nm2,1,-40.0,{TS}\nm3,1,40,{TS}\n", profile=own)
    assert found.column("voltage") == [None, None, 40.0]


def test_blanks_may_part_thousands(tmp_path: Path) -> None:
    own = f'{PLAIN}[format]\nthousands = " "\n'
    found = look(tmp_path, f"id,kWh,U,time\nm1,1 234.5,1,{TS}\nm2,12 34,1,{TS}\n", profile=own)
    assert found.counts == (2, 1, {"kwh_consumed_ac:not_a_number": 1})
    assert found.column("kwh_consumed_ac") == [1234.5]


def test_text_in_a_numeric_column_costs_its_row(tmp_path: Path) -> None:
    found = look(tmp_path, f"{HEAD}m1,Charging,230,{TS}\nm2,0.5,230,{TS}\n")
    assert found.counts == (2, 1, {"kwh_consumed_ac:not_a_number": 1})


@pytest.mark.parametrize("number", ["18446744073709551615", "9007199254740993", "000042"])
@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_ids_are_never_numbers(tmp_path: Path, number: str, suffix: str) -> None:
    text = f"id,kWh,time\n{number},0.5,{TS}\n"
    if suffix == "ndjson":
        quoted = f'"{number}"' if number.startswith("0") else number
        text = f'{{"id": {quoted}, "kWh": 0.5, "time": "{TS}"}}\n'
    found = look(tmp_path, text, f"dump.{suffix}", profile=PLAIN)
    assert found.column("meter_id") == [number]


def test_rows_with_too_few_or_too_many_fields_are_rejected_one_by_one(tmp_path: Path) -> None:
    rows = f"m1,0.5,230,{TS}\nm2,0.5\nm3,0.5,230,{TS},x\nm4,0.5,230,{TS}\n"
    for profile in (None, PLAIN.replace('"id"', '"meterId"').replace("kWh", "kwhConsumedAc")):
        text = HEAD if profile is None else HEAD.replace("timestamp", "time")
        found = look(tmp_path, text + rows, profile=profile)
        assert found.counts == (4, 2, {"field_count": 2})
        assert [number for number, _, _ in found.rejects] == [2, 3]


def test_headers_have_blanks_percent_signs_and_units(tmp_path: Path) -> None:
    own = """
[time]
column = "Time"
[vehicle]
id = { constant = "car" }
energy = { column = "Charged [Wh]", unit = "Wh" }
soc = "displayed SoC [%]"
battery_temp = "Battery Temperature [°C]"
"""
    head = "Time; Charged [Wh];SoC [%];displayed SoC [%] ;Battery Temperature [°C]\r\n"
    text = f"{head}{TS}; 250;86.9;100;21\r\n"
    found = look(tmp_path, text.encode("latin-1"), profile=own)
    [reading] = found.valid
    assert (reading["kwh_delivered_dc"], reading["soc"], reading["battery_temp"]) == (0.25, 100.0, 21.0)
    assert found.how.reader.ignored == ("SoC [%]",)


def test_a_file_without_a_header_has_its_columns_named(tmp_path: Path) -> None:
    own = f'{PLAIN}[format]\ncolumns = ["id", "kWh", "U", "time"]\nskip_rows = 2\n'
    found = look(tmp_path, f"export of today\n\nm1,0.5,230,{TS}\nm2,0.5,230,{TS}\n", profile=own)
    assert found.counts == (2, 2, {})
    assert found.column("row_number") == [1, 2]


def test_lines_before_the_header_are_skipped(tmp_path: Path) -> None:
    own = f"{PLAIN}[format]\nskip_rows = 1\n"
    found = look(tmp_path, f'export "of today, 2 rows\nid,kWh,U,time\nm1,0.5,230,{TS}\n', profile=own)
    assert found.counts == (1, 1, {})
