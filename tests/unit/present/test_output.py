from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from energy_etl.present import cells
from energy_etl.present.output import Format, camel, write_json, write_record, write_table
from energy_etl.present.tables import Column

COLUMNS = (
    Column("vehicle_id", "Vehicle"),
    Column("ts", "At"),
    Column("ac_kwh", "AC kWh", cells.kwh, right=True),
    Column("alert", "Alert"),
)
ROWS = [
    ("V[/]", datetime(2025, 1, 1, tzinfo=UTC), 12.3456789, True),
    ("\x1b[31m=cmd", None, float("nan"), False),
    ("=cmd\u202e", None, -1.0, None),
]


def test_table_shows_ids_as_they_are_and_escapes_visibly(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(COLUMNS, ROWS, output=Format.TABLE, title="[bold]", width=100)
    shown = capsys.readouterr().out
    assert shown.startswith("\n[bold]\n")
    assert "V[/]" in shown
    assert "\\x1b[31m=cmd" in shown
    assert "=cmd\\u202e" in shown
    assert "nan" not in shown.lower()
    assert cells.visible(shown.replace("\n", "")) == shown.replace("\n", "")


def test_json_is_an_array_of_objects_with_the_values_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(COLUMNS, ROWS, output=Format.JSON)
    assert json.loads(capsys.readouterr().out) == [
        {"vehicleId": "V[/]", "ts": "2025-01-01T00:00:00Z", "acKwh": 12.3456789, "alert": True},
        {"vehicleId": "\x1b[31m=cmd", "ts": None, "acKwh": None, "alert": False},
        {"vehicleId": "=cmd\u202e", "ts": None, "acKwh": -1.0, "alert": None},
    ]


def test_csv_has_full_precision_and_no_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(COLUMNS, ROWS, output=Format.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["vehicle_id", "ts", "ac_kwh", "alert"],
        ["V[/]", "2025-01-01T00:00:00Z", "12.3456789", "true"],
        ["\x1b[31m=cmd", "", "", "false"],
        ["'=cmd\u202e", "", "-1.0", ""],
    ]


@pytest.mark.parametrize(
    ("output", "expected"), [(Format.JSON, "[]\n"), (Format.CSV, "vehicle_id,ts,ac_kwh,alert\n")]
)
def test_an_empty_list(output: Format, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(COLUMNS, [], output=output)
    assert capsys.readouterr().out == expected


def test_long_ids_are_folded_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(COLUMNS, [("V" * 128, None, 1.0, None)], output=Format.TABLE, width=60)
    assert capsys.readouterr().out.count("V") == 128 + len(["Vehicle"])


def test_a_record_names_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    write_record([("Vehicle", "V[/]"), ("AC consumed", "12.346 kWh")], width=60)
    assert capsys.readouterr().out.splitlines() == ["Vehicle      V[/]", "AC consumed  12.346 kWh"]


def test_a_json_document_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"efficiency": float("nan"), "id": "\x9b2J"})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"efficiency": None, "id": "\x9b2J"}
    assert "\x9b" not in shown


def test_keys_in_camel_case() -> None:
    assert [camel(key) for key in ("ts", "avg_battery_temp")] == ["ts", "avgBatteryTemp"]


@pytest.mark.parametrize("output", list(Format))
def test_a_reader_that_leaves_is_no_failure(output: Format) -> None:
    program = (
        "from energy_etl.present.output import Format, write_table\n"
        "from energy_etl.present.tables import Column\n"
        f"write_table([Column('n', 'N')], ((n,) for n in range(20_000)), output=Format('{output}'))\n"
        "raise SystemExit(6)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.read(10)
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait() == 6


def test_presentation_starts_without_the_heavy_libraries() -> None:
    program = (
        "import sys\n"
        "import energy_etl.present.output, energy_etl.present.diagnostics, energy_etl.present.progress\n"
        "print(*({'polars', 'pyarrow', 'dataframely', 'psycopg', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
