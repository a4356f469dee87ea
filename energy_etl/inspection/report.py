"""What a look at a dump finds, and what the process tells its caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from energy_etl.errors import AmbiguousInputError, ExitCode, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from energy_etl.energy import EnergyKind
    from energy_etl.frames.column_facts import ColumnFacts
    from energy_etl.frames.evidence import DeviceEvidence
    from energy_etl.frames.reading_facts import Judged, Order
    from energy_etl.kinds import Kind
    from energy_etl.outcome import Rules
    from energy_etl.profiles.nearest import Nearness


class Verdict(StrEnum):
    """What `ingest` would make of a dump."""

    LOADABLE = "would be loaded"
    PARTLY = "would be loaded but for some readings"
    AMBIGUOUS = "needs an option"
    UNUSABLE = "would be refused"

    @property
    def exit_code(self) -> ExitCode:
        """That `ingest` would end with."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Verdict.LOADABLE: ExitCode.DONE,
    Verdict.PARTLY: ExitCode.PROBLEMS,
    Verdict.AMBIGUOUS: AmbiguousInputError.exit_code,
    Verdict.UNUSABLE: InputError.exit_code,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a dump would not be loaded."""

    message: str
    hint: str | None
    ambiguous: bool = False
    """Whether an option solves it."""
    choices: tuple[str, ...] = ()
    """The options one of which does."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file, or what a profile puts in its place."""

    names: tuple[str, ...]
    """The file's; several where they are joined, none for a constant."""
    means: str | None
    """Our column; None: it is ignored, or nobody has said."""
    facts: ColumnFacts | None = None
    unit: str | None = None
    doubt: str | None = None
    """Why its unit looks wrong."""


@dataclass(frozen=True, slots=True)
class StreamReport:
    """The readings of one stream."""

    name: str
    read: int
    loaded: int
    """At most, where not all were looked at side by side, or the database holds some."""
    rejected: int
    judged: Judged
    devices: int
    first_ts: datetime | None
    last_ts: datetime | None
    order: Order
    backward: int
    """Readings older than the one of their device before them."""
    kind: Kind | None
    """What the energy column carries; None where it is not plain, or contradicted."""
    likely: EnergyKind | None
    """What its readings look like, where they are enough to tell."""
    evidence: tuple[DeviceEvidence, ...]

    @property
    def all_judged(self) -> bool:
        """Whether repetitions were counted among all valid readings."""
        return self.judged.readings == self.read - self.rejected


@dataclass(slots=True)
class Inspection:
    """What is known of one file."""

    name: str
    verdict: Verdict = Verdict.UNUSABLE
    problems: list[Problem] = field(default_factory=list)
    format: str | None = None
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    rows: int | None = None
    profile: str | None = None
    why: str | None = None
    near: list[Nearness] = field(default_factory=list)
    """Where no profile fits, or several do: those that share a column with it."""
    columns: list[Column] = field(default_factory=list)
    streams: list[StreamReport] = field(default_factory=list)
    unassigned: int = 0
    """Rows that belong to no stream."""
    rules: Rules = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    naive_timestamps: int = 0
    timezone: str | None = None
    notes: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    """The command that loads it; several where one of them has to be chosen."""

    def refuse(self, error: InputError) -> None:
        """Note why the file would not be loaded."""
        ambiguous = isinstance(error, AmbiguousInputError)
        choices = error.choices if isinstance(error, AmbiguousInputError) else ()
        message = error.message.removeprefix(f"{error.file}: ")
        # A question comes up again wherever its answer is needed.
        known = [one.choices == choices if choices else one.message == message for one in self.problems]
        if not any(known):
            self.problems.append(Problem(message, error.hint, ambiguous, choices))
        only_options = all(one.ambiguous for one in self.problems)
        self.verdict = Verdict.AMBIGUOUS if only_options else Verdict.UNUSABLE


def exit_code(verdicts: Iterable[Verdict]) -> ExitCode:
    """What the process tells its caller: the worst of them, with what needs an option before all."""
    codes = {verdict.exit_code for verdict in verdicts}
    worst = (ExitCode.USAGE, ExitCode.INPUT, ExitCode.PROBLEMS)
    return next((code for code in worst if code in codes), ExitCode.DONE)
