from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make(*args: str) -> str:
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["make", "--no-print-directory", *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_is_the_default_and_lists_every_target() -> None:
    declared = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared
    shown = make()
    assert shown == make("help")
    listed = {line.split()[1] for line in shown.splitlines()}
    assert listed == set(declared.group(1).split())
    assert all(len(line.split()) > 2 for line in shown.splitlines())


def test_check_means_style_types_and_imports() -> None:
    # As if nothing had changed since the set-up, whatever the age of the files here.
    plan = make("--dry-run", "--old-file=.venv/.installed", "check")
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert tool in plan


def test_the_pipeline_runs_make_check_and_make_test_and_fails_when_they_fail() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    commands = [line for line in script.read_text().splitlines() if not line.startswith("#")]
    assert any(line.startswith("set -eu") for line in commands)
    assert any(re.match(r"make check\b", line) for line in commands)
    assert any(re.match(r"make test\b", line) for line in commands)


def test_the_pipeline_fails_when_the_tests_fail_and_ends_with_what_pytest_says(tmp_path: Path) -> None:
    fake = tmp_path / "make"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = check ] || { echo "== 1 failed, 2 passed in 3.21s =="; echo bye; exit 2; }\n'
    )
    fake.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "run"],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "== 1 failed, 2 passed in 3.21s =="
