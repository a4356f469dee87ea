"""The one error family, and the exit codes it maps to.

Every message says what was wrong and where; the hint says what to do. Exit codes are part of the command
line's contract: documented in ``--help`` and the README, never renumbered.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells its caller (cron, a shell, an orchestrator)."""

    DONE = 0
    """Finished; duplicates and already loaded files included."""
    BUG = 1
    """An unexpected failure of energy-etl itself."""
    USAGE = 2
    """Wrong use, configuration, or input that can be read in more than one way."""
    DATABASE = 3
    """The database could not be reached, or refused."""
    INPUT = 4
    """The input is unusable; nothing of it was loaded."""
    PROBLEMS = 5
    """Loaded with problems: rows rejected or conflicting, or some of several files failed."""
    ALERT = 6
    """An alert was raised and ``--fail-on-alert`` asked for it."""
    TEMPORARY = 75
    """Temporary; running the same command again is safe (EX_TEMPFAIL)."""
    INTERRUPTED = 130
    """Stopped by SIGINT (Ctrl-C)."""
    TERMINATED = 143
    """Stopped by SIGTERM."""


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


class ConservationError(EnergyEtlError):
    """Rows read, loaded, duplicate, conflicting and rejected do not add up, or the server disagrees.

    Never the user's fault: the load is rolled back and the numbers are shown.
    """

    exit_code = ExitCode.BUG
