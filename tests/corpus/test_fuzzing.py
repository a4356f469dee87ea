"""Dumps damaged in every way we know: each is loaded with all its rows accounted for, or refused by name.

``ENERGY_ETL_FUZZ_FILES=10000`` tries so many; ``ENERGY_ETL_FUZZ_START=20000`` others than these.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.corpus.fuzzing import PEAK_MB, TOGETHER, by_command, in_process, write

if TYPE_CHECKING:
    from pathlib import Path

FILES = int(os.environ.get("ENERGY_ETL_FUZZ_FILES", "240"))
START = int(os.environ.get("ENERGY_ETL_FUZZ_START", "0"))
COMMANDS = max(1, FILES // 400)
"""Calls of the command line, each with several of the files."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Outside of the checkout, where it stays to be looked at if something is found.
    place = tmp_path / "damaged"
    place.mkdir()
    return place


@pytest.mark.timeout(max(300, FILES))
def test_a_damaged_dump_is_accounted_for_or_refused(database_url: str, flavour: str, folder: Path) -> None:
    if flavour != "postgres":
        pytest.skip("the dump is what matters, not the server")

    report = in_process(range(START, START + FILES), database_url, folder)

    print(report.files, report.outcomes, report.peak_mb)  # noqa: T201 - for the one who runs many
    assert not report.faults, "\n\n".join([f"{len(report.faults)} faults in {folder}", *report.faults[:20]])
    assert report.peak_mb < PEAK_MB


@pytest.mark.timeout(max(300, FILES))
def test_a_damaged_dump_ends_a_command_in_order(database_url: str, flavour: str, folder: Path) -> None:
    if flavour != "postgres":
        pytest.skip("the dump is what matters, not the server")

    for call in range(COMMANDS):
        first = START + call * FILES // COMMANDS
        report = by_command(range(first, first + TOGETHER), database_url, folder)
        assert not report.faults


def test_the_same_number_is_the_same_damage(tmp_path: Path) -> None:
    for number in range(40):
        content = write(number, tmp_path).read_bytes()
        assert write(number, tmp_path).read_bytes() == content
