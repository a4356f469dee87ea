"""The command: options arrive in the plan, results in the folder, everything said on standard error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from energy_etl.cli.generate import generate
from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

APP = typer.Typer()
APP.command()(generate)


def test_options_arrive(tmp_path: Path) -> None:
    options = "--meters 3 --vehicles 2 --hours 2 --seed 5 --faulty 1 --format CSV --files-per-stream 2"
    result = CliRunner().invoke(APP, [*options.split(), "--start", "2025-06-01T02:00+02:00", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "meters-2.csv: 180 readings" in result.stderr
    assert "Total: 600 readings" in result.stderr
    told = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert told["plan"] == {
        "meters": 3,
        "vehicles": 2,
        "hours": 2,
        "seed": 5,
        "faulty": 1,
        "start": "2025-06-01T00:00:00Z",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "links.csv",
        "meters-1.csv",
        "meters-2.csv",
        "truth.json",
        "vehicles-1.csv",
        "vehicles-2.csv",
    ]


def test_parquet_is_the_default_and_force_replaces(tmp_path: Path) -> None:
    arguments = ["--meters", "1", "--vehicles", "1", "--hours", "1", str(tmp_path)]
    assert CliRunner().invoke(APP, arguments).exit_code == 0
    assert (tmp_path / "meters.parquet").exists()
    refused = CliRunner().invoke(APP, arguments)
    assert refused.exit_code == ExitCode.USAGE
    assert "--force" in refused.stderr
    assert CliRunner().invoke(APP, ["--force", *arguments]).exit_code == 0


def test_readings_still_to_come_are_announced(tmp_path: Path) -> None:
    arguments = ["--meters", "1", "--vehicles", "1", "--hours", "1", "--start", "2099-01-01", str(tmp_path)]
    result = CliRunner().invoke(APP, arguments)
    assert result.exit_code == 0
    assert "warning: the readings go on to 2099-01-01 01:00 UTC" in result.stderr


@pytest.mark.parametrize("start", ["tomorrow", "0001-01-01T00:00+14:00"])
def test_a_start_that_is_no_time(tmp_path: Path, start: str) -> None:
    result = CliRunner().invoke(APP, ["--start", start, str(tmp_path)])
    assert result.exit_code == ExitCode.USAGE
    assert start in result.stderr
