from __future__ import annotations

import subprocess
import sys

import pytest

from energy_etl.errors import DatabaseError, ExitCode, InputError, UsageError
from energy_etl.present.diagnostics import Diagnostics


def _said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_quiet_keeps_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    diagnostics = Diagnostics(quiet=True)
    diagnostics.note("noted")
    diagnostics.detail("detailed")
    diagnostics.warn("warned", hint="do")
    diagnostics.error(UsageError("wrong"))
    assert _said(capsys) == ["warning: warned", "  hint: do", "error: wrong"]


def test_details_are_for_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    Diagnostics().detail("hidden")
    Diagnostics(verbose=True).detail("shown")
    assert _said(capsys) == ["note: shown"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            InputError("a.csv", "is empty", hint="see"),
            ExitCode.INPUT,
            ["error: a.csv: is empty", "  hint: see"],
        ),
        (DatabaseError("refused"), ExitCode.DATABASE, ["error: refused"]),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ["error: stopped by Ctrl-C"]),
        (
            ZeroDivisionError("division by zero"),
            ExitCode.BUG,
            [
                "error: unexpected ZeroDivisionError: division by zero",
                "  hint: this is a bug: --debug shows where; please report it",
            ],
        ),
    ],
)
def test_errors_say_what_and_give_the_exit_code(
    error: BaseException, code: ExitCode, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert Diagnostics().error(error) is code
    assert _said(capsys) == said


def test_debug_shows_where_the_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise UsageError("wrong")
    except UsageError as error:
        Diagnostics(debug=True).error(error)
    said = _said(capsys)
    assert said[0].startswith("Traceback")
    assert said[-1] == "error: wrong"


def test_names_from_files_are_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    Diagnostics().warn("\x1b[2Jx.csv")
    assert _said(capsys) == ["warning: \\x1b[2Jx.csv"]


def test_results_come_before_what_is_said_after_them(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import os, sys; os.dup2(1, 2)\n"
        "from energy_etl.present.diagnostics import Diagnostics\n"
        "sys.stdout.write('result\\n'); Diagnostics().note('after')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert capfd.readouterr().out == "result\nnote: after\n"
