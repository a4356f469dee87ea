"""What a dump's valid readings of one stream are like: order, cadence, repetitions, and the energy they give.

Order is told of all of them. What needs them side by side, such as which repeat another, is worked out over
the first :data:`MOST_READINGS`, so that memory stays within bounds; whoever shows it says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.energy import DEFAULT_MAX_KW, EnergyKind
from energy_etl.frames.energy import HEADROOM, STEP_KWH, Counting, derive, quality_flags

if TYPE_CHECKING:
    from energy_etl.energy import EnergyRule
    from energy_etl.streams import Stream

MOST_READINGS = 2_000_000

_ENOUGH_STEPS = 10
"""Before the unit of an energy is doubted."""
_UP_AND_DOWN = 0.15
"""Share of falls that no counter has."""

_US_PER_HOUR = 3.6e9


class Order(StrEnum):
    """In which order readings stand in a dump."""

    TIME = "by time"
    DEVICE_AND_TIME = "by device and time"
    TIME_PER_DEVICE = "by time within each device"
    NONE = "unordered"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Readings of a device and time that stood before."""

    duplicate: int = 0
    """With the values of the first."""
    conflicting: int = 0
    """With others."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of the readings that were kept."""

    readings: int = 0
    """How many those are."""
    repeated: Repeated = field(default_factory=Repeated)
    cadence_s: float | None = None
    """Median time between a device's readings."""
    flags: dict[str, int] = field(default_factory=dict)
    """How interval energy would come about; empty where it is not derived."""
    kwh: float | None = None
    """All of the energy; None where it is not known what the column carries."""
    doubt: str | None = None
    """Why the unit of the energy looks wrong."""


class ReadingFacts:
    """Gathers the readings of one stream, in their order."""

    def __init__(self, stream: Stream, most: int = MOST_READINGS) -> None:
        """Nothing is known yet.

        Args:
            stream: Whose readings.
            most: How many are kept to be looked at side by side.
        """
        self._stream = stream
        self._most = most
        self._kept: list[pl.DataFrame] = []
        self._height = self._total = 0
        self._last: pl.DataFrame | None = None
        """The last reading of each device."""
        self._newest: pl.DataFrame | None = None
        """The last reading of all."""
        self._runs = 0
        self.backward = 0
        """Readings older than the one of their device before them."""
        self._back_in_file = 0

    def add(self, valid: pl.DataFrame) -> None:
        """Take a batch's valid readings in: the stream's columns, as they came."""
        if valid.is_empty():
            return
        stream = self._stream
        device = stream.device
        now = valid.select(device, "ts")
        both = now if self._newest is None else pl.concat([self._newest, now])
        self._back_in_file += int((both["ts"].diff().dt.total_microseconds() < 0).sum())
        changes = int((both[device] != both[device].shift()).sum())
        self._runs += changes if self._newest is not None else changes + 1
        self._newest = now.tail(1)
        known = now if self._last is None else pl.concat([self._last, now])
        steps = known.select(pl.col("ts").diff().over(device)).to_series()
        self.backward += int((steps.dt.total_microseconds() < 0).sum())
        self._last = known.group_by(device, maintain_order=True).tail(1).select(device, "ts")
        self._total += valid.height
        if room := self._most - self._height:
            reported = pl.struct(stream.measures).hash().alias("values")
            kept = valid.head(room).select(device, "ts", reported, energy=stream.energy)
            self._kept.append(kept)
            self._height += kept.height

    @property
    def devices(self) -> int:
        """How many have readings."""
        return self._last.height if self._last is not None else 0

    @property
    def order(self) -> Order:
        """In which they stand."""
        if not self._back_in_file:
            return Order.TIME
        if self.backward:
            return Order.NONE
        return Order.DEVICE_AND_TIME if self._runs == self.devices else Order.TIME_PER_DEVICE

    def judged(self, rule: EnergyRule | None) -> Judged:
        """What the readings that were kept are like, side by side.

        Args:
            rule: What their energy column carries; None where that is not plain.
        """
        if not self._kept:
            return Judged()
        device = self._stream.device
        readings = pl.concat(self._kept).sort(device, "ts", maintain_order=True)
        self._kept = []
        same = (readings[device] == readings[device].shift()) & (readings["ts"] == readings["ts"].shift())
        first = ~same.fill_null(value=False)
        values = readings["values"]
        stored = values.filter(first).gather(first.cast(pl.Int64).cum_sum() - 1)
        duplicate = int((~first & (values == stored)).sum())
        once = readings.filter(first)
        gaps = once.select(pl.col("ts").diff().over(device).dt.total_microseconds()).to_series()
        middle = gaps.median()
        flags, kwh = self._derived(once, rule)
        return Judged(
            readings=readings.height,
            repeated=Repeated(duplicate, readings.height - once.height - duplicate),
            cadence_s=middle / 1e6 if isinstance(middle, float) else None,
            flags=flags,
            kwh=kwh,
            doubt=_doubt(device, once, gaps, rule),
        )

    def _derived(self, once: pl.DataFrame, rule: EnergyRule | None) -> tuple[dict[str, int], float | None]:
        if rule is None:
            return {}, None
        if rule.kind is EnergyKind.INTERVAL:
            return {}, float(once["energy"].sum())
        stream = self._stream.of_kind(rule.kind)
        assert stream.raw is not None
        rules = dict.fromkeys(once[stream.device].unique().to_list(), rule)
        derived = derive(stream, once.rename({"energy": stream.raw}), Counting(rules, {}))
        return quality_flags(derived), float(derived[stream.energy].sum())


def _doubt(device: str, once: pl.DataFrame, gaps: pl.Series, rule: EnergyRule | None) -> str | None:
    """Whether an energy is a thousand times what its device can bring: then it is in Wh, or W."""
    max_kw = rule.max_kw if rule is not None else DEFAULT_MAX_KW
    values = once["energy"]
    if rule is not None and rule.kind is EnergyKind.POWER:
        above = int((values > max_kw).sum())
        enough = int((values > 0).sum()) >= _ENOUGH_STEPS
        return f'mostly above {max_kw:g} kW: watts? (unit = "W")' if enough and _most(above, values) else None
    steps = once.select(pl.col("energy").diff().over(device)).to_series()
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    if rises < _ENOUGH_STEPS:
        return None
    limit = gaps.cast(pl.Float64) * (max_kw * HEADROOM / _US_PER_HOUR)
    if falls >= _UP_AND_DOWN * (rises + falls):
        counted = values.filter(limit.is_not_null() & (values > 0))
        above = int(((values > limit) & (values > 0)).sum())
        what = "goes up and down, mostly"
    else:
        counted, above = steps.filter(steps > 0), int((steps > limit + STEP_KWH).sum())
        what = "mostly rises by"
    if not _most(above, counted):
        return None
    return f'{what} more than {max_kw:g} kW can bring: watt-hours? (unit = "Wh")'


def _most(count: int, of: pl.Series) -> bool:
    return count * 2 > of.len()
