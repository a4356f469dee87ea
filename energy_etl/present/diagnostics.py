"""Everything said on the side. The only module that writes standard error, the progress display aside.

Lines begin with what they are (``note:``, ``warning:``, ``error:``), a hint follows indented. Standard
output is flushed first, so that the two streams keep their order in one terminal or log.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass

from energy_etl.errors import EnergyEtlError, ExitCode, Terminated
from energy_etl.present.cells import visible

_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[1;31m"}
_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Where a command says what is not its result."""

    quiet: bool = False
    """Notes are left out; warnings and errors are not."""
    verbose: bool = False
    """Details are shown too."""
    debug: bool = False
    """Errors come with their traceback, and details are shown."""

    def detail(self, message: str) -> None:
        """Say something only ``--verbose`` wants to know."""
        if self.verbose or self.debug:
            self._say("note", message)

    def note(self, message: str) -> None:
        """Say something useful that calls for no action."""
        if not self.quiet:
            self._say("note", message)

    def warn(self, message: str, hint: str | None = None) -> None:
        """Say something that may make the result other than expected."""
        self._say("warning", message, hint)

    def block(self, text: str) -> None:
        """Show a table, or other text of several lines that is made for this."""
        self._write(text.splitlines())

    def failure(self, message: str, hint: str | None = None) -> None:
        """Say what failed of several things that are done."""
        self._say("error", message, hint)

    def error(self, error: BaseException) -> ExitCode:
        """Report why the command ends, and give the exit code it ends with.

        Errors of the family show their message and hint. Anything else is a bug of energy-etl and says so;
        its traceback is shown with ``--debug`` only.
        """
        code = exit_code(error)
        if self.debug:
            self._write("".join(traceback.format_exception(error)).splitlines())
        if isinstance(error, EnergyEtlError):
            self.failure(error.message, error.hint)
        elif code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
            self._say("error", code.summary)
        else:
            hint = None if self.debug else "this is a bug: --debug shows where; please report it"
            self._say("error", f"unexpected {type(error).__name__}: {error}", hint)
        return code

    def _say(self, kind: str, message: str, hint: str | None = None) -> None:
        label = f"{kind}:"
        if kind in _COLOURS and sys.stderr.isatty() and "NO_COLOR" not in os.environ:
            label = f"{_COLOURS[kind]}{label}{_RESET}"
        lines = [f"{label} {visible(message)}"]
        if hint:
            lines.append(f"  hint: {visible(hint)}")
        self._write(lines)

    def _write(self, lines: list[str]) -> None:
        # Either stream may have lost its reader; that must not hide the exit code.
        for stream, text in ((sys.stdout, ""), (sys.stderr, "".join(f"{line}\n" for line in lines))):
            try:
                stream.write(text)
                stream.flush()
            except (OSError, ValueError):
                continue


def exit_code(error: BaseException) -> ExitCode:
    """The exit code an error ends the process with."""
    if isinstance(error, EnergyEtlError):
        return error.exit_code
    if isinstance(error, Terminated):
        return ExitCode.TERMINATED
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.BUG
