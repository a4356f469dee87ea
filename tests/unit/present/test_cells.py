from __future__ import annotations

import csv
import io
import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.present import cells


@given(st.text())
def test_visible_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    shown = cells.visible(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Zl", "Zp")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRI", "RLI", "FSI", "PDI")]


@given(st.text())
def test_json_escapes_keep_the_value_and_hide_control_characters(text: str) -> None:
    document = cells.json_escaped(json.dumps({"id": text}, ensure_ascii=False))
    assert json.loads(document) == {"id": text}
    assert cells.visible(document) == document


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠"])
def test_csv_text_is_never_a_formula(start: str) -> None:
    assert cells.csv_text(f"{start}cmd|'/c calc'!A1") == f"'{start}cmd|'/c calc'!A1"


@given(st.text(alphabet=st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])))
def test_csv_text_is_the_text_or_the_text_behind_an_apostrophe(text: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cells.csv_text(text), "end"])
    [[cell, _]] = list(csv.reader(io.StringIO(buffer.getvalue(), newline="")))
    assert cell in (text, f"'{text}")


@given(st.text() | st.text("'=+\t＝a"))
def test_what_was_done_against_formulas_can_be_undone(text: str) -> None:
    assert cells.from_csv_text(cells.csv_text(text)) == text


@pytest.mark.parametrize("cell", ["=cmd", "'plain'", "'", "M-1"])
def test_cells_written_by_others_stay_as_they_are(cell: str) -> None:
    assert cells.from_csv_text(cell) == cell


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2025, 1, 1, tzinfo=UTC), "2025-01-01T00:00:00Z"),
        (datetime(2025, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=1))), "2025-01-01T00:30:00Z"),
        (datetime(2025, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC), "2025-01-01T00:00:00.250000Z"),
    ],
)
def test_timestamps_are_utc(moment: datetime, shown: str) -> None:
    assert cells.timestamp(moment) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (3_599.0, "59 min"),
        (3_600.0, "1 h"),
        (47 * 3_600.0, "47 h"),
        (48 * 3_600.0, "2 d"),
        (12 * 86_400.0, "12 d"),
        (-0.4, "0 s"),
        (-300.0, "in 5 min"),
        (None, "–"),
        (float("inf"), "–"),
    ],
)
def test_age(seconds: float | None, shown: str) -> None:
    assert cells.age(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5678, "1,234.568"), (-0.0001, "0.000"), (None, "–"), (float("nan"), "–"), (float("-inf"), "–")],
)
def test_kwh(value: float | None, shown: str) -> None:
    assert cells.kwh(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2_000_000_000_000_000, "2000.0 TB")]
)
def test_size(value: int, shown: str) -> None:
    assert cells.size(value) == shown


def test_values_json_has_no_form_for() -> None:
    nested = {"a": [float("nan"), datetime(2025, 1, 1, tzinfo=UTC)], "b": (float("inf"), 1)}
    assert cells.plain(nested) == {"a": [None, "2025-01-01T00:00:00Z"], "b": [None, 1]}


def test_table_text() -> None:
    assert [cells.text(value) for value in (None, True, False, 7, "V[/]\x1b[2J")] == [
        "–",
        "yes",
        "no",
        "7",
        "V[/]\\x1b[2J",
    ]
