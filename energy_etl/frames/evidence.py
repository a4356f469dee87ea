"""What a sample of readings says about its energy column: interval energy, a register, a session counter.

A wrong guess turns 10,000 kWh into 500 million, so there is an answer only where the evidence is plain:
enough readings of a device, values that the device's power can or cannot explain, and steps that go one way
or both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from energy_etl.energy import EnergyKind
from energy_etl.frames.arrange import runs
from energy_etl.frames.energy import HEADROOM

if TYPE_CHECKING:
    import numpy.typing as npt

    from energy_etl.energy import EnergyRule
    from energy_etl.streams import Stream

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

ENOUGH_READINGS = 30
"""Of a device, before its steps say anything."""
SAMPLE_DEVICES = 64
SAMPLE_READINGS = 200
"""Per device."""

_LOOKED_AT = 1_000
"""Rows of a batch, from all over it, among which devices are chosen."""

_MONOTONE = 0.98
_RISES = 10
_SESSION_FALL = 0.1
_MANY = 0.25
"""A spike is a spike; so many of them are not the energy of intervals."""
_MAX_SESSION_KWH = 250.0
_FALLS = (0.15, 0.60)


@dataclass(frozen=True, slots=True)
class DeviceEvidence:
    """One device's energy column in numbers; kWh unless it is power."""

    device: str
    readings: int
    cadence_s: float | None
    """Median time between readings."""
    median: float
    highest: float
    ceiling: float | None
    """The most energy that the device's power explains in one interval."""
    steps: int
    """Between values other than zero: a device that mostly rests has few, however many its readings."""
    rising: float
    """Share of the steps that rise; 0 where all are equal."""
    falling: float
    restarts: int
    """Falls to less than a tenth."""
    beyond: float
    """Share of the values other than zero that exceed the ceiling."""

    @property
    def kind(self) -> EnergyKind | None:
        """What it must be; None where it can be more than one."""
        if self.readings < ENOUGH_READINGS or self.ceiling is None or not self.rising:
            return None
        rises, falls = self.rising * self.steps, self.falling * self.steps
        if self.exceeds and self.falling <= 1 - _MONOTONE:
            return EnergyKind.REGISTER
        started_over = self.restarts and falls <= 1.5 * self.restarts and rises >= _RISES
        if started_over and self.highest < _MAX_SESSION_KWH:
            return EnergyKind.SESSION
        share = self.falling / (self.rising + self.falling)
        if self.highest <= self.ceiling and _FALLS[0] <= share <= _FALLS[1] and falls >= 3:
            return EnergyKind.INTERVAL
        return None

    @property
    def exceeds(self) -> bool:
        """Whether most of its values are more than an interval's energy can be."""
        return self.ceiling is not None and self.median > self.ceiling

    def __str__(self) -> str:
        cadence = f" every {self.cadence_s:g} s" if self.cadence_s else ""
        limit = f", the most that one interval can bring is {self.ceiling:.4g}" if self.ceiling else ""
        steps = f"{self.rising:.0%} of its steps rise and {self.falling:.0%} fall"
        return (
            f"{self.device}: {self.readings} readings{cadence}, median {self.median:.6g},"
            f" highest {self.highest:.6g}{limit}; {steps}"
        )


class Sample:
    """The energy column of some devices of a dump, collected from its first batches."""

    def __init__(self, stream: Stream, rule: EnergyRule) -> None:
        """Nothing is collected yet.

        Args:
            stream: Whose readings.
            rule: With the power ceiling to judge by.
        """
        self._stream = stream
        self._rule = rule
        self._parts: list[pl.DataFrame] = []
        self._devices = pl.Series(dtype=pl.String)
        self._height = 0

    @property
    def full(self) -> bool:
        """Whether more would say no more."""
        return self._height >= SAMPLE_READINGS * max(1, self._devices.len())

    @property
    def compares(self) -> bool:
        """Whether some device has more than one reading, which is the least that can contradict anything."""
        return self._height > self._devices.len()

    def add(self, readings: pl.DataFrame) -> None:
        """Take a batch's readings in: the stream's device, ts and energy among others."""
        if self.full and self._height:
            return
        device = self._stream.device
        if self._devices.len() < SAMPLE_DEVICES:
            spread = readings[device].gather_every(max(1, readings.height // _LOOKED_AT))
            met = pl.concat([self._devices, spread]).unique(maintain_order=True)
            self._devices = met.head(SAMPLE_DEVICES)
        part = readings.select(device, "ts", value=self._stream.energy)
        part = part.filter(part[device].is_in(self._devices.implode())).drop_nulls()
        self._parts.append(part)
        self._height += part.height

    def judged(self) -> list[DeviceEvidence]:
        """The evidence per device, those with the most readings first."""
        if not self._height:
            return []
        device = self._stream.device
        sample = pl.concat(self._parts).sort(device, "ts")
        sample = sample.unique([device, "ts"], keep="first", maintain_order=True)
        starts, ends = (rows.to_numpy() for rows in runs(sample[device]))
        devices = sample[device].gather(starts).to_list()
        ts, values = sample["ts"].to_physical().to_numpy(), sample["value"].to_numpy()
        found = [
            _evidence(name, ts[start : end + 1], values[start : end + 1], self._rule)
            for name, start, end in zip(devices, starts, ends, strict=True)
        ]
        return sorted(found, key=lambda one: -one.readings)


def agreed(evidence: list[DeviceEvidence]) -> EnergyKind | None:
    """The kind that every device with an answer has; None where there is no answer, or more than one."""
    kinds = {one.kind for one in evidence if one.kind}
    return kinds.pop() if len(kinds) == 1 else None


def against_interval(evidence: list[DeviceEvidence]) -> DeviceEvidence | None:
    """A device whose energy cannot be that of intervals, whatever the dump says."""
    return next((one for one in evidence if one.beyond >= _MANY or _counts(one)), None)


def _counts(one: DeviceEvidence) -> bool:
    """Whether it only ever rises: the energy of intervals goes up and down."""
    rises = one.rising * one.steps
    return one.kind in (EnergyKind.REGISTER, EnergyKind.SESSION) or (
        one.readings >= ENOUGH_READINGS and not one.falling and rises >= 2 * _RISES
    )


def _evidence(device: str, ts: Ints, values: Floats, rule: EnergyRule) -> DeviceEvidence:
    """In numpy: for arrays this short, Polars takes a hundred times as long."""
    counted = values[values > 0]
    steps, before = np.diff(counted), counted[:-1]
    cadence = float(np.median(np.diff(ts))) / 1e6 if ts.size > 1 else None
    ceiling = rule.max_kw * HEADROOM * cadence / 3600 if cadence else None
    return DeviceEvidence(
        device=device,
        readings=int(values.size),
        cadence_s=cadence,
        median=float(np.median(counted)) if counted.size else 0.0,
        highest=float(values.max()),
        ceiling=ceiling,
        steps=int(steps.size),
        rising=float(np.mean(steps > 0)) if steps.size else 0.0,
        falling=float(np.mean(steps < 0)) if steps.size else 0.0,
        restarts=int(np.sum(counted[1:] < _SESSION_FALL * before)),
        beyond=float(np.mean(counted > ceiling)) if ceiling and counted.size else 0.0,
    )
