from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, TextIO

import pytest

from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import load_progress

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[IO[bytes], TextIO]]:
    """A pseudo-terminal: what is written to the second file can be read from the first."""
    reading, writing = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("CI", raising=False)
    with os.fdopen(reading, "rb", buffering=0) as screen, os.fdopen(writing, "w") as stderr:
        yield screen, stderr


def _load(diagnostics: Diagnostics) -> None:
    with load_progress(diagnostics) as progress:
        progress.advanced(1, 1)
        for name in ("meters[/].csv", "vehicles.csv"):
            progress.file_started(name, 2_000)
            progress.advanced(12_345, 1_000)
            progress.note("half \x1b[2J")
            progress.advanced(24_690, 2_000)
            progress.file_finished()
    sys.stderr.flush()


def _shown(terminal: tuple[IO[bytes], TextIO], diagnostics: Diagnostics) -> str:
    """What a load shows on the terminal."""
    screen, stderr = terminal
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        _load(diagnostics)
    os.set_blocking(screen.fileno(), False)
    shown = b""
    while part := screen.read(65_536):
        shown += part
    return shown.decode()


def test_a_terminal_gets_a_bar_with_rows_bytes_and_notes(terminal: tuple[IO[bytes], TextIO]) -> None:
    shown = _shown(terminal, Diagnostics())
    assert "note: half \\x1b[2J" in shown
    for part in ("meters[/].csv", "vehicles.csv", "12,345 rows", "rows/s", "1.0/2.0 kB"):
        assert part in shown


def test_quiet_and_ci_get_no_bar(terminal: tuple[IO[bytes], TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    assert _shown(terminal, Diagnostics(quiet=True)) == ""
    monkeypatch.setenv("CI", "true")
    assert _shown(terminal, Diagnostics()) == "note: half \\x1b[2J\r\n" * 2


def test_a_pipe_gets_notes_only(capsys: pytest.CaptureFixture[str]) -> None:
    _load(Diagnostics())
    assert capsys.readouterr().err == "note: half \\x1b[2J\n" * 2
