"""A dry run says what a real one would do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

HEADER = "meterId,kwhConsumedAc,voltage,timestamp\n"
STORED = f"{HEADER}M-1,0.5,230,2026-03-01T10:00:00Z\nM-1,0.25,230,2026-03-01T10:01:00Z\n"
CHANGED = f"{HEADER}M-1,0.5,230,2026-03-01T10:00:00Z\nM-1,9.5,230,2026-03-01T10:01:00Z\n"
TWICE = (
    f"{HEADER}M-1,7.5,230,2026-03-01T10:00:00Z\nM-2,1.5,230,2026-03-01T10:00:00Z\n"
    "M-2,2.5,230,2026-03-01T10:00:00Z\nM-1,8.5,230,2026-03-01T10:00:00Z\n"
)


def told(run: Run, *arguments: str) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = json.loads(run("ingest", *arguments, "--format", "json").stdout)["files"]
    return files


@pytest.mark.parametrize("policy", ["keep", "replace"])
@pytest.mark.parametrize(
    "names", [["changed.csv"], ["twice.csv"], ["changed.csv", "twice.csv"], ["twice.csv", "copy.csv"]]
)
def test_its_counts_are_those_of_the_run_that_follows(
    run: Run, tmp_path: Path, policy: str, names: list[str]
) -> None:
    contents = {"stored.csv": STORED, "changed.csv": CHANGED, "twice.csv": TWICE, "copy.csv": TWICE}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    assert run("ingest", "stored.csv").returncode == 0
    arguments = (*names, "--on-conflict", policy)
    rehearsed, done = told(run, *arguments, "--dry-run"), told(run, *arguments)
    for before, after in zip(rehearsed, done, strict=True):
        assert before["streams"] == after["streams"]
        assert before["rejectsByRule"] == after["rejectsByRule"]
        assert before["loadId"] is None
        assert (before["status"] == "already loaded") is (after["status"] == "already loaded")


def test_the_same_content_twice_is_said_without_a_number(run: Run, tmp_path: Path) -> None:
    for name in ("a.csv", "copy.csv"):
        (tmp_path / name).write_text(STORED)
    done = run("ingest", "a.csv", "copy.csv", "--dry-run")
    assert done.returncode == 0
    assert "already loaded  " in done.stderr
    assert "None" not in done.stderr
    assert "2 readings would be loaded" in done.stderr


def test_details_name_the_loads_that_there_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "stored.csv").write_text(STORED)
    (tmp_path / "twice.csv").write_text(TWICE)
    run("ingest", "stored.csv")
    run("ingest", "twice.csv", "--dry-run", "--rejects-to", "rejects.csv")
    written = (tmp_path / "rejects.csv").read_text()
    assert written.count("load 1 stored other values") == 2
    assert written.count("this dry run stored other values") == 1
