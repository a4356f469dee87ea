"""The one error family, and the exit codes it maps to.

Every message says what was wrong and where; the hint says what to do. Exit codes are part of the command
line's contract: documented in ``--help`` and the README, never renumbered.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Self


class ExitCode(IntEnum):
    """What the process tells its caller (cron, a shell, an orchestrator)."""

    summary: str
    """What the code means, in a few words."""

    def __new__(cls, value: int, summary: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.summary = summary
        return member

    DONE = 0, "done, duplicates and already loaded files included"
    BUG = 1, "a bug in energy-etl"
    USAGE = 2, "wrong use or configuration, or input that can be read in more than one way"
    DATABASE = 3, "the database cannot be reached or refuses"
    INPUT = 4, "the input is unusable, nothing of it is loaded"
    PROBLEMS = 5, "loaded, but rows are rejected or conflicting, or some of several files failed"
    ALERT = 6, "an alert is raised, and --fail-on-alert asked for it"
    TEMPORARY = 75, "temporary, running the same command again is safe"
    INTERRUPTED = 130, "stopped by Ctrl-C"
    TERMINATED = 143, "stopped by SIGTERM"


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a command the way Ctrl-C does, everything rolled back, under an exit code of its own."""


class EnergyEtlError(Exception):
    """Base of every error a user may see.

    Args:
        message: What was wrong and where, in one line, without a final full stop.
        hint: What to do about it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EnergyEtlError):
    """Options, configuration or input that cannot be understood in one way only."""

    exit_code = ExitCode.USAGE


class DatabaseError(EnergyEtlError):
    """The database could not be reached, refused, or is not in the state the job needs."""

    exit_code = ExitCode.DATABASE


class TemporaryError(EnergyEtlError):
    """The job may succeed when run again unchanged: a lock is held, a connection was lost."""

    exit_code = ExitCode.TEMPORARY


class InputError(EnergyEtlError):
    """A dump that cannot be used; nothing of it is loaded.

    Args:
        file: The file as the user named it; it leads the message.
        message: The cause.
        hint: What to do.
    """

    exit_code = ExitCode.INPUT

    def __init__(self, file: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{file}: {message}", hint=hint)
        self.file = file


class AmbiguousInputError(InputError):
    """A dump that can be read in more than one way; nothing of it is loaded until the user says in which.

    Args:
        file: See :class:`InputError`.
        message: The cause.
        hint: What to do.
        choices: The options one of which says it, as they stand on a command line.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, file: str, message: str, *, hint: str | None = None, choices: tuple[str, ...] = ()
    ) -> None:
        super().__init__(file, message, hint=hint)
        self.choices = choices


class ConservationError(EnergyEtlError):
    """Rows read, loaded, duplicate, conflicting and rejected do not add up, or the server disagrees.

    Never the user's fault: the load is rolled back and the numbers are shown.
    """

    exit_code = ExitCode.BUG
