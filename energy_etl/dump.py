"""One dump on its way into the database, and the account that is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from energy_etl.errors import InputError
from energy_etl.frames.split import streams_of
from energy_etl.outcome import UNASSIGNED, Counts, LoadResult, RejectLimit, Status
from energy_etl.sources.reader import open_source
from energy_etl.streams import STREAMS, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from energy_etl.outcome import Entry, Rules
    from energy_etl.plan import Checked
    from energy_etl.sources.fingerprint import Fingerprint
    from energy_etl.sources.source import Reader, SourceFile


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
    counts: dict[str, Counts] = field(default_factory=dict)
    """Stream name (or ``unassigned``) → counts."""

    @cached_property
    def reader(self) -> Reader:
        """The opened dump.

        Raises:
            InputError: Its columns are not those of a known stream, or it cannot be read at all.
        """
        return open_source(self.source)

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The streams it can carry; JSON has no header that announces them."""
        return streams_of(self.reader.columns) if self.source.format.has_header else STREAMS

    def add(self, checked: Checked) -> None:
        """Count a batch in."""
        self.rows += checked.rows
        self.naive_timestamps += checked.naive_timestamps
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

    def result(self, status: Status, rules: Rules, timezone: str) -> LoadResult:
        """What is told of it."""
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
            timezone=timezone,
            ignored_columns=self.reader.ignored,
        )

    def forget(self) -> None:
        """Start the account over, for another try."""
        self.load_id = self.rows = self.naive_timestamps = 0
        self.counts = {}
        self.__dict__.pop("reader", None)

    def _counts(self, name: str) -> Counts:
        return self.counts.setdefault(name, Counts())

    def _total(self, name: str) -> int:
        return sum(getattr(counts, name) for counts in self.counts.values())
