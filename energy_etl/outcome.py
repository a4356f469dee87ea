"""What became of a dump: the counts that must add up, and the result a caller is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from energy_etl.errors import ConservationError, ExitCode, UsageError

if TYPE_CHECKING:
    from datetime import datetime

UNASSIGNED = "unassigned"
"""In place of a stream's name: rows of a mixed dump that belong to neither."""

Rules = dict[tuple[str | None, str], int]
"""(stream, rule) → rows rejected or conflicting by it, most first."""

COUNTED = ("read", "loaded", "duplicate", "conflicting", "rejected", "replaced")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a dump before it is read."""

    source: str
    sha256: str
    bytes: int
    format: str


@dataclass(slots=True)
class Counts:
    """What became of one stream's readings: read = loaded + duplicate + conflicting + rejected."""

    read: int = 0
    loaded: int = 0
    duplicate: int = 0
    conflicting: int = 0
    rejected: int = 0
    replaced: int = 0
    """Stored readings that were restated, with ``--on-conflict replace``."""
    min_ts: datetime | None = None
    max_ts: datetime | None = None
    """Span of the valid readings."""
    flags: dict[str, int] = field(default_factory=dict)
    """How derived energy came about (``energy.Quality``): flag → how many loaded readings carry it."""

    def span(self, min_ts: datetime | None, max_ts: datetime | None) -> None:
        """Widen the span."""
        if min_ts is not None:
            self.min_ts = min(min_ts, self.min_ts or min_ts)
        if max_ts is not None:
            self.max_ts = max(max_ts, self.max_ts or max_ts)

    def check(self, stream: str) -> None:
        """Hold the counts to their promise.

        Raises:
            ConservationError: A reading is unaccounted for.
        """
        if self.read != self.loaded + self.duplicate + self.conflicting + self.rejected:
            raise ConservationError(f"{stream} readings do not add up: {self.recorded()}")

    def recorded(self) -> dict[str, Any]:
        """As JSON values."""
        span = {name: ts.isoformat() for name in ("min_ts", "max_ts") if (ts := getattr(self, name))}
        flags = {"flags": self.flags} if self.flags else {}
        return {**{name: getattr(self, name) for name in COUNTED}, **span, **flags}


class Status(StrEnum):
    """How a dump fared."""

    LOADED = "loaded"
    ALREADY_LOADED = "already loaded"
    DRY_RUN = "dry run"
    STILL_REJECTED = "still rejected"
    """A retry in which no row passed: there is nothing to keep of it."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did."""

    source: str
    status: Status
    load_id: int | None = None
    sha256: str = ""
    bytes: int = 0
    rows: int = 0
    """Rows of the file."""
    streams: dict[str, Counts] = field(default_factory=dict)
    """Stream name (or ``unassigned``) → counts."""
    rules: Rules = field(default_factory=dict)
    naive_timestamps: int = 0
    """Timestamps without a zone, taken in ``timezone``."""
    timezone: str = "UTC"
    ignored_columns: tuple[str, ...] = ()
    passed_over: dict[str, int] = field(default_factory=dict)
    """What rows that are no part of a reading are → how many."""
    interpretation: dict[str, str] = field(default_factory=dict)
    """How it was read: profile, time zone, what was found out."""
    notes: tuple[str, ...] = ()
    """What of that people should know."""
    seconds: float = 0.0
    loaded_at: datetime | None = None
    """When a dump that is already loaded came in."""
    error: str | None = None
    hint: str | None = None
    exit_code: ExitCode = ExitCode.INPUT
    """Where it failed."""
    energy: dict[str, str] = field(default_factory=dict)
    """Stream name → what its energy column carries, and from where that is known."""

    def total(self, name: str) -> int:
        """A count over all streams."""
        return sum(getattr(counts, name) for counts in self.streams.values())


def already_loaded(entry: Entry, load_id: int | None, loaded_at: datetime | None) -> LoadResult:
    """The result for a dump whose content is in the database."""
    return LoadResult(
        entry.source,
        Status.ALREADY_LOADED,
        load_id=load_id,
        sha256=entry.sha256,
        bytes=entry.bytes,
        loaded_at=loaded_at,
    )


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """How many rejected rows a dump may have: a count, or a share of its readings."""

    count: int | None = None
    percent: float = 10.0

    @classmethod
    def parse(cls, text: str) -> RejectLimit:
        """Read ``100`` or ``2.5%``.

        Raises:
            UsageError: It is neither.
        """
        match = re.fullmatch(r"\s*(?:(\d+)|(\d+(?:\.\d+)?)\s*%)\s*", text)
        if match is None or (match[2] and float(match[2]) > 100):
            raise UsageError(
                f"--max-rejects is '{text}', neither a count nor a percentage",
                hint="write a number of rows such as 100, or a share such as 2.5%",
            )
        return cls(count=int(match[1])) if match[1] else cls(percent=float(match[2]))

    def exceeded(self, rejected: int, read: int) -> bool:
        """Whether these are too many. A count that is exceeded stays so; a share may fall again."""
        if self.count is not None:
            return rejected > self.count
        # As written, not as the nearest float: 57 of 10,000 are 0.57 %, no more.
        return rejected * 100 > Fraction(str(self.percent)) * read

    def __str__(self) -> str:
        return f"{self.percent:g} %" if self.count is None else str(self.count)
