"""The span of time a figure is about.

A reading's timestamp ends the interval it measures, so a window holds the readings after its beginning and
up to its end, the end included: neighbouring windows share no reading and lose none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

DEFAULT_LAST = timedelta(hours=24)


class WindowEnd(StrEnum):
    """What a window ends at."""

    NEWEST_READING = "newestReading"
    """The vehicle's newest reading: an archive shows its last day, not an empty one."""
    GIVEN = "given"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Window:
    """A resolved window, UTC."""

    after: datetime
    """Beginning, excluded."""
    until: datetime
    """End, included."""
    end: WindowEnd

    @property
    def seconds(self) -> float:
        return (self.until - self.after).total_seconds()


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """A window as asked for; what is left out depends on the vehicle.

    Args:
        after: Beginning; else ``last`` before the end.
        until: End; else the vehicle's newest reading.
        last: Length; 24 hours where neither it nor a beginning is given.
        until_is_now: ``until`` is the wall clock, as the caller read it.

    Raises:
        UsageError: Beginning and length given, or an end that is not after the beginning.
    """

    after: datetime | None = None
    until: datetime | None = None
    last: timedelta | None = None
    until_is_now: bool = False

    def __post_init__(self) -> None:
        if self.after and self.last:
            raise UsageError(
                "--last and --from both say where the window begins", hint="leave one of them out"
            )
        if self.after and self.until and self.after >= self.until:
            raise UsageError(
                f"the window ends at {self.until:%Y-%m-%dT%H:%M:%SZ}, which is not after its beginning "
                f"{self.after:%Y-%m-%dT%H:%M:%SZ}",
                hint="exchange --from and --to",
            )

    def resolve(self, newest: datetime | None) -> Window | None:
        """The window for a vehicle whose newest reading is at ``newest`` (None: it has none).

        Returns:
            None where the window would end at a newest reading that does not exist.

        Raises:
            UsageError: The newest reading is not after the beginning asked for, or the beginning would be
                before the year 1.
        """
        until = self.until or newest
        if until is None:
            return None
        if self.after and self.after >= until:
            raise UsageError(
                f"the newest reading, at {until:%Y-%m-%dT%H:%M:%SZ}, is not after the window's beginning "
                f"{self.after:%Y-%m-%dT%H:%M:%SZ}",
                hint="choose an earlier --from, or end the window with --to or --until now",
            )
        end = WindowEnd.NEWEST_READING if self.until is None else WindowEnd.GIVEN
        try:
            after = self.after or until - (self.last or DEFAULT_LAST)
        except OverflowError:
            raise UsageError(
                f"the window that ends at {until:%Y-%m-%dT%H:%M:%SZ} would begin before the year 1",
                hint="choose a later --to or a shorter --last",
            ) from None
        return Window(after, until, WindowEnd.NOW if self.until_is_now else end)
