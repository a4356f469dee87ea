"""What people and programs are shown, byte for byte.

After a change that is meant, write the expectations anew and read what changed:

    ENERGY_ETL_REFRESH_GOLDEN=1 .venv/bin/python -m pytest tests/golden && git diff tests/golden
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.output import Format
from energy_etl.present.summary import summarise
from tests.golden.cases import CASES, REHEARSED, RESULTS, RETRIED

REFRESH = "ENERGY_ETL_REFRESH_GOLDEN"
EXPECTED = Path(__file__).parent / "expected"
SUFFIXES = {Format.TABLE: "txt", Format.JSON: "json", Format.CSV: "csv"}
SUMMARIES = {
    "ingest.stderr.txt": (RESULTS, Diagnostics()),
    "ingest_verbose.stderr.txt": (RESULTS[1:2], Diagnostics(verbose=True)),
    "ingest_quiet.stderr.txt": (RESULTS, Diagnostics(quiet=True)),
    "ingest_dry_run.stderr.txt": (REHEARSED, Diagnostics()),
}
LISTING = "energy-etl rejects list"


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same width and no colours, wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def check(name: str, shown: str) -> None:
    path = EXPECTED / name
    if os.environ.get(REFRESH):
        path.write_bytes(shown.encode())
    assert path.exists(), f"{name} is new: {REFRESH}=1 writes it"
    assert shown.encode().decode() == path.read_bytes().decode()


@pytest.mark.parametrize("output", Format)
@pytest.mark.parametrize("name", CASES)
def test_results(name: str, output: Format, capsys: pytest.CaptureFixture[str]) -> None:
    CASES[name](output)
    shown = capsys.readouterr()
    assert shown.err == ""
    check(f"{name}.{SUFFIXES[output]}", shown.out)


@pytest.mark.parametrize("name", SUMMARIES)
def test_what_is_said_after_ingest(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    summarise(*SUMMARIES[name])
    shown = capsys.readouterr()
    assert shown.out == ""
    check(name, shown.err)


def test_what_is_said_after_a_retry(capsys: pytest.CaptureFixture[str]) -> None:
    summarise(RETRIED, Diagnostics(), listing=LISTING)
    check("retry.stderr.txt", capsys.readouterr().err)


def test_every_expectation_is_of_some_case() -> None:
    named = {f"{name}.{suffix}" for name in CASES for suffix in SUFFIXES.values()}
    assert {path.name for path in EXPECTED.iterdir()} == named | set(SUMMARIES) | {"retry.stderr.txt"}
