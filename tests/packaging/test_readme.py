"""The README's examples are real: each is run, and what it prints is what the README shows.

``ENERGY_ETL_REFRESH_README=1`` writes what they print now.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CONSOLE = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
CHANGES_EVERY_TIME = (
    # The order in which a server adds binary fractions.
    (re.compile(r"(\d+\.\d{6})\d+"), r"\1"),
    (re.compile(r"in \d+\.\d s(, [\d,]+ rows/s)?"), "in a moment"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=   +[\d,]+ )"), "at some time       "),
)


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[str]:
    with server.migrated() as found:
        yield found


def run(command: str, address: str) -> str:
    """What a terminal shows after the prompt."""
    program, *arguments = shlex.split(command)
    assert program == "energy-etl"
    done = subprocess.run(
        [sys.executable, "-m", "energy_etl", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DATABASE_URL": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode in (ExitCode.DONE, ExitCode.PROBLEMS), done.stdout
    return done.stdout


def settled(text: str) -> str:
    for pattern, stand_in in CHANGES_EVERY_TIME:
        text = pattern.sub(stand_in, text)
    return text


def test_every_example_prints_what_is_shown(address: str) -> None:
    readme = README.read_text(encoding="utf-8")

    def rerun(block: re.Match[str]) -> str:
        commands = re.findall(r"^\$ (.*)$", block[0], re.MULTILINE)
        return "".join(f"$ {command}\n{run(command, address)}" for command in commands)

    now = CONSOLE.sub(rerun, readme)
    if os.environ.get("ENERGY_ETL_REFRESH_README"):
        README.write_text(now, encoding="utf-8")
    assert settled(now) == settled(readme)


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE))
    told = {int(code): meaning.replace("`", "") for code, meaning in table.items()}
    assert told == {
        code.value: code.summary
        for code in ExitCode
        if code not in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
    }
