"""One dump on its way into the database, and the account that is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from energy_etl.errors import InputError
from energy_etl.interpret import interpret
from energy_etl.options import LoadOptions
from energy_etl.outcome import UNASSIGNED, Counts, LoadResult, RejectLimit, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from energy_etl.energy import EnergyRule
    from energy_etl.interpret import Interpretation
    from energy_etl.outcome import Entry, Rules
    from energy_etl.plan import Checked
    from energy_etl.sources.fingerprint import Fingerprint
    from energy_etl.sources.source import SourceFile
    from energy_etl.streams import Stream


class RejectLimitError(InputError):
    """A dump with more rejected rows than allowed; ``result`` holds what was counted."""

    def __init__(self, result: LoadResult, limit: RejectLimit) -> None:
        rejected, read = result.total("rejected"), result.total("read")
        super().__init__(
            result.source,
            f"{rejected} of {read} readings are rejected, more than --max-rejects allows ({limit})",
            hint="see the rules above; --rejects-to FILE writes the rows, --max-rejects sets the limit",
        )
        # What was found new, known or conflicting was taken back.
        streams = {name: Counts(read=c.read, rejected=c.rejected) for name, c in result.streams.items()}
        self.result = replace(
            result, status=Status.FAILED, load_id=None, streams=streams, error=self.message, hint=self.hint
        )


@dataclass(eq=False)
class Dump:
    """A dump whose content is known, and what became of its rows so far."""

    source: SourceFile
    taken: Fingerprint
    entry: Entry
    options: LoadOptions = field(default_factory=LoadOptions)
    rejects_part: Path | None = None
    """Where its rejects are written to as well, as CSV rows."""
    on_loaded: Callable[[LoadResult], None] | None = None
    """Called when all of it is in, in the transaction that is committed next."""
    met_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Stays the same over several tries, so that a failure is noted once."""
    load_id: int = 0
    """0 until it is claimed; in a dry run, that of no load."""
    rows: int = 0
    naive_timestamps: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)
    """What rows that are no part of a reading are → how many."""
    energy: dict[str, str] = field(default_factory=dict)
    """Stream name → what its energy column carries, and from where that is known."""
    counts: dict[str, Counts] = field(default_factory=dict)
    """Stream name (or ``unassigned``) → counts."""

    @cached_property
    def interpretation(self) -> Interpretation:
        """The opened dump, and how it is read.

        Raises:
            InputError: Its columns are not those of a known stream, or it cannot be read at all.
            AmbiguousInputError: They can be read in more than one way.
        """
        return interpret(self.source, self.options)

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The streams it can carry."""
        return self.interpretation.streams

    @property
    def declared(self) -> dict[str, EnergyRule]:
        """Stream name → what its energy column is declared to carry, if it is."""
        return {name: rule for name, rule in self.interpretation.energy.items() if rule is not None}

    def decided(self) -> dict[str, str]:
        """What decides the outcome, for the ledger: the options, and what was found out of the dump."""
        found = self.__dict__.get("interpretation")
        return self.options.recorded() | (found.recorded() if found is not None else {})

    def add(self, checked: Checked) -> None:
        """Count a batch in."""
        self.rows += checked.rows
        self.naive_timestamps += checked.naive_timestamps
        for what, rows in checked.passed_over.items():
            self.passed_over[what] = self.passed_over.get(what, 0) + rows
        for name, stream in checked.streams.items():
            counts = self._counts(name)
            counts.read += stream.read
            counts.rejected += stream.rejected
            counts.span(stream.min_ts, stream.max_ts)
        if checked.unassigned:
            counts = self._counts(UNASSIGNED)
            counts.read += checked.unassigned
            counts.rejected += checked.unassigned

    def count(self, stream: Stream, **numbers: int) -> None:
        """Count readings of which the server has said what became of them."""
        counts = self._counts(stream.name)
        for name, number in numbers.items():
            setattr(counts, name, getattr(counts, name) + number)

    def count_flags(self, stream: Stream, flags: Mapping[str, int]) -> None:
        """Count how derived readings came about."""
        counted = self._counts(stream.name).flags
        for flag, number in flags.items():
            counted[flag] = counted.get(flag, 0) + number

    @property
    def has_rejects(self) -> bool:
        """Whether any of its rows is in the reject table."""
        return bool(self._total("rejected") or self._total("conflicting"))

    def over(self, limit: RejectLimit) -> bool:
        """Whether more of it is rejected than allowed."""
        return limit.exceeded(self._total("rejected"), self._total("read"))

    def check(self) -> None:
        """Hold the counts to their promise.

        Raises:
            ConservationError: A reading is unaccounted for.
        """
        for name, counts in self.counts.items():
            counts.check(name)

    def recorded(self) -> dict[str, Any]:
        """The counts for the ledger."""
        return {name: counts.recorded() for name, counts in self.counts.items()}

    def result(self, status: Status, rules: Rules) -> LoadResult:
        """What is told of it."""
        found = self.interpretation
        return LoadResult(
            self.source.name,
            status,
            load_id=self.load_id if status is Status.LOADED else None,
            sha256=self.entry.sha256,
            bytes=self.entry.bytes,
            rows=self.rows,
            streams=self.counts,
            rules=rules,
            naive_timestamps=self.naive_timestamps,
            timezone=found.zone,
            ignored_columns=found.reader.ignored,
            passed_over=self.passed_over,
            interpretation=found.recorded(),
            notes=tuple(found.notes()),
            energy=self.energy,
        )

    def forget(self) -> None:
        """Start the account over, for another try."""
        self.load_id = self.rows = self.naive_timestamps = 0
        self.counts, self.passed_over = {}, {}
        self.__dict__.pop("interpretation", None)

    def _counts(self, name: str) -> Counts:
        return self.counts.setdefault(name, Counts())

    def _total(self, name: str) -> int:
        return sum(getattr(counts, name) for counts in self.counts.values())
