"""What is asked of a synthetic fleet: sizes, span, seed. Checked once, here, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from energy_etl.errors import UsageError

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Fixed, so that the same options always give the same bytes."""

MINUTES_PER_DAY = 1_440

EARLIEST_YEAR, LATEST_YEAR = 2010, 2100
"""Readings of other years are rejected as those of a wrong clock."""
MAX_HOURS = 24 * 366 * 10


class DumpFormat(StrEnum):
    """File formats a fleet can be written in."""

    PARQUET = "parquet"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A fleet to generate: one reading per device and minute.

    Vehicle *i* charges at meter *i*. Meters beyond the vehicles measure buildings and idle chargers; vehicles
    beyond the meters charge where nothing is measured.

    Raises:
        UsageError: The numbers do not describe a fleet.
    """

    meters: int
    vehicles: int
    hours: int
    seed: int
    faulty: int
    """Vehicles whose charger leaks: of the energy drawn, 60 to 80 % reaches the battery."""
    start: datetime = DEFAULT_START
    """UTC; the first reading ends one minute later, the last ``hours`` later."""

    def __post_init__(self) -> None:
        if self.meters < 0 or self.vehicles < 0 or self.meters + self.vehicles == 0:
            raise UsageError(
                f"A fleet of {self.meters} meters and {self.vehicles} vehicles has no device",
                hint="Give --meters or --vehicles at least 1.",
            )
        if self.hours < 1:
            raise UsageError(f"--hours {self.hours} is no span of time", hint="Give at least 1.")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed} is negative", hint="Give 0 or a positive number.")
        if not 0 <= self.faulty <= self.paired:
            raise UsageError(
                f"--faulty {self.faulty} is more than the {self.paired} vehicles that charge at a meter"
                if self.faulty > 0
                else f"--faulty {self.faulty} is negative",
                hint="A leak shows only where both sides are measured: lower --faulty or add meters.",
            )
        if self.start.utcoffset() != timedelta(0) or self.start.second or self.start.microsecond:
            raise UsageError(
                f"The start {self.start.isoformat()} is not a whole minute in UTC",
                hint="Write it as 2026-01-01T00:00:00Z.",
            )
        if not EARLIEST_YEAR <= self.start.year <= LATEST_YEAR or self.hours > MAX_HOURS:
            raise UsageError(
                f"{self.hours} hours from {self.start.isoformat()} are outside the years this is made for",
                hint=f"Start between {EARLIEST_YEAR} and {LATEST_YEAR}, for at most {MAX_HOURS:,} hours.",
            )

    @property
    def paired(self) -> int:
        """Vehicles that charge at a meter of the fleet."""
        return min(self.meters, self.vehicles)

    @property
    def minutes(self) -> int:
        """Readings of each device."""
        return self.hours * 60

    @property
    def end(self) -> datetime:
        """UTC; the timestamp of the last reading."""
        return self.start + timedelta(hours=self.hours)

    def meter_ids(self) -> list[str]:
        """``MTR-00001`` and up."""
        return [f"MTR-{number:05d}" for number in range(1, self.meters + 1)]

    def vehicle_ids(self) -> list[str]:
        """``EV-00001`` and up."""
        return [f"EV-{number:05d}" for number in range(1, self.vehicles + 1)]
