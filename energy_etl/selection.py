"""Which rejects a user means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from energy_etl.outcome import UNASSIGNED


class StreamName(StrEnum):
    """Whose rejects."""

    METER = "meter"
    VEHICLE = "vehicle"
    UNASSIGNED = UNASSIGNED
    """Rows that name no device, or of a mixed dump and no rows at all."""


class Grouping(StrEnum):
    """What rejects are counted by."""

    LOAD = "load"
    RULE = "rule"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the open rejects are meant; all of them by default."""

    load_id: int | None = None
    rule: str | None = None
    """May contain ``*`` and ``?``."""
    file: str | None = None
    """The dump's name as the ledger has it, or the last part of it; may contain ``*`` and ``?``."""
    stream: StreamName | None = None

    def values(self) -> dict[str, Any]:
        """For the parameters of the block ``open_rejects.matching``."""
        return {
            "load_id": self.load_id,
            "rule": _like(self.rule),
            "file": _like(self.file),
            "stream": self.stream,
        }


def _like(pattern: str | None) -> str | None:
    """A pattern with ``*`` and ``?`` as one for LIKE."""
    if pattern is None:
        return None
    for character in "\\%_":
        pattern = pattern.replace(character, f"\\{character}")
    return pattern.replace("*", "%").replace("?", "_")
