"""Instants and durations as people write them on a command line or in a file of links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from energy_etl.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])", re.ASCII | re.IGNORECASE)
_LONGEST = timedelta(weeks=5_200)


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, and whether its text named an offset."""

    moment: datetime
    """UTC."""
    naive: bool
    """No offset was given; the moment was taken as UTC, which has to be said."""


def parse_instant(text: str, name: str) -> Instant:
    """Read an ISO-8601 date or timestamp; without an offset it is UTC.

    Args:
        text: For instance ``2025-06-01``, ``2025-06-01T12:00`` or ``2025-06-01T12:00:00+02:00``.
        name: What the text was given for; it leads the error message.

    Raises:
        UsageError: No such date.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        naive = moment.tzinfo is None
        return Instant(moment.replace(tzinfo=UTC) if naive else moment.astimezone(UTC), naive)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name}: {text!r} is no date or time",
            hint="write it as 2025-06-01, 2025-06-01T12:00 or 2025-06-01T12:00:00+02:00",
        ) from None


def parse_duration(text: str, name: str) -> timedelta:
    """Read a duration such as ``90m``, ``24h``, ``7d`` or ``2w``.

    Raises:
        UsageError: No number with a unit, zero, or more than 100 years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match:
        seconds = float(match[1]) * timedelta(**{_UNITS[match[2].lower()]: 1}).total_seconds()
        if 1 <= seconds <= _LONGEST.total_seconds():
            return timedelta(seconds=seconds)
    raise UsageError(
        f"{name}: {text!r} is no duration",
        hint="write a number and a unit: 90m, 24h, 7d or 2w, at most 5200w",
    )
