"""Counters and power → interval energy, by the rule that holds its baseline.

Registers drop out to zero, dip, jump and come back; a rule that takes every fall for a reset counts the whole
register again each time (a real meter: 577,912,114 kWh for 9,972). Here a counter's last believable reading
stays the baseline until the next one that its device's power can explain:

- a rise within the power ceiling is energy, and the new baseline;
- a fall that passes the end of a declared dial is a rollover;
- a small fall is a dip, zero is a dropout, anything else a glitch: no energy, the baseline is held;
- three glitches in a row that agree with each other are a reset, or another register: the new baseline.

What a reading yields depends on the readings before it only. So a load goes on where the last one ended, and
a late reading changes nothing but what follows it, up to the next believable reading. Power is integrated as
the mean of both ends of an interval, never over a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from energy_etl.energy import HELD, EnergyKind, Quality
from energy_etl.frames.arrange import runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    import numpy.typing as npt

    from energy_etl.energy import EnergyRule
    from energy_etl.streams import Stream

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

HEADROOM = 1.2
"""Above the power ceiling, for clocks that are off."""
STEP_KWH = 1.0
"""Above the energy that power explains: the coarsest registers count whole kWh."""
CONFIRMATIONS = 3
"""Readings in a row that must agree before a counter is believed to have started over."""

_DIP_KWH, _DIP_SHARE, _SESSION_DIP_SHARE = 0.5, 0.001, 0.1
_RESET_SHARE = 0.5
"""A counter that starts over below this share of its last value was reset; above, it is another one."""

_US_PER_HOUR = 3.6e9


@dataclass(frozen=True, slots=True)
class Baseline:
    """From where a device's energy is counted on."""

    value: float
    """kWh, or kW of power."""
    ts: int
    """µs."""
    candidates: tuple[tuple[float, int], ...] = ()
    """Readings (value, µs) that may turn out to be of a counter that started over."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Interval energy and how it came about, a value per reading."""

    kwh: Floats
    quality: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Counting:
    """How the energy of devices is derived, and from where each is counted on."""

    rules: Mapping[str, EnergyRule]
    baselines: MutableMapping[str, Baseline]


def derive(stream: Stream, readings: pl.DataFrame, counting: Counting) -> pl.DataFrame:
    """Replace what a counter shows, or power, by the energy of the interval that ends at each reading.

    Args:
        stream: Of the kind that the readings carry.
        readings: The stream's device, ts and reported measures among others, which are kept; sorted by
            (device, ts), no key twice, and newer than the baselines.
        counting: Rules of all the devices; the baselines are moved to where the readings end.

    Returns:
        The readings with ``stream.energy`` (kWh) and ``quality`` (Int32, null for no flag).
    """
    if stream.raw is None:
        return readings
    if readings.is_empty():
        return readings.with_columns(pl.lit(0.0).alias(stream.energy), quality=pl.lit(None, pl.Int32))
    starts, ends = (rows.to_numpy().astype(np.int64) for rows in runs(readings[stream.device]))
    devices = readings[stream.device].gather(starts).to_list()
    rules = [counting.rules[device] for device in devices]
    values, ts = readings[stream.raw].to_numpy(), readings["ts"].to_physical().to_numpy()
    of_kind = _integrate if rules[0].kind is EnergyKind.POWER else _count
    derived = of_kind(_Runs(devices, rules, starts, ends, values, ts), counting.baselines)
    quality = pl.Series("quality", derived.quality)
    return readings.with_columns(
        pl.Series(stream.energy, derived.kwh),
        pl.select(pl.when(quality != 0).then(quality)).to_series().alias("quality"),
    )


def quality_flags(readings: pl.DataFrame) -> dict[str, int]:
    """How many readings carry each flag; only those that occur."""
    quality = readings["quality"].drop_nulls()
    counts = {flag.label: int((quality & flag.value != 0).sum()) for flag in Quality}
    return {label: count for label, count in counts.items() if count}


def baseline(rule: EnergyRule, tail: Iterable[tuple[float, int]]) -> Baseline | None:
    """The baseline after readings (value, µs) of one device, of which the first is believed."""
    state: Baseline | None = None
    for value, ts in tail:
        if rule.kind is not EnergyKind.POWER:
            _, _, state = _step(rule, state, value, ts)
        elif value <= rule.max_kw * HEADROOM:
            state = Baseline(value, ts)
    return state


class _Runs(NamedTuple):
    """Readings in which those of a device stand together."""

    devices: list[str]
    rules: list[EnergyRule]
    starts: Ints
    ends: Ints
    values: Floats
    ts: Ints


def _count(of: _Runs, baselines: MutableMapping[str, Baseline]) -> Derived:
    """Of counters: all at once where a rise follows a rise, one by one where something is odd."""
    devices, rules, starts, ends, values, ts = of
    known = [baselines.get(device) for device in devices]
    before, before_ts = _shifted(starts, known, values, ts)
    lengths = ends - starts + 1
    max_kw = np.repeat([rule.max_kw for rule in rules], lengths)
    gap_us = np.repeat([rule.max_gap_s * 1e6 for rule in rules], lengths)
    rise = values - before
    elapsed = (ts - before_ts).astype(np.float64)
    with np.errstate(invalid="ignore"):
        plain = (rise >= 0) & (rise <= max_kw * (HEADROOM / _US_PER_HOUR) * elapsed + STEP_KWH)
    kwh = np.where(plain, rise, 0.0)
    quality = np.where(plain & (elapsed > gap_us), int(Quality.GAP), 0).astype(np.int32)
    # A device's first reading ever, and one after readings that wait for confirmation, are looked at singly.
    plain[starts] &= np.array([state is not None and not state.candidates for state in known])
    odd = np.flatnonzero(~plain)
    run_of = np.searchsorted(starts, odd, side="right") - 1
    done = -1
    for row, run in zip(odd.tolist(), run_of.tolist(), strict=True):
        if row <= done:
            continue
        state = known[run] if row == starts[run] else Baseline(float(values[row - 1]), int(ts[row - 1]))
        for at in range(row, int(ends[run]) + 1):
            kwh[at], quality[at], state = _step(rules[run], state, float(values[at]), int(ts[at]))
            done = at
            if not quality[at] & HELD:
                # Believed: what was worked out at once for the readings after it is right.
                break
        if done == ends[run] and state is not None:
            baselines[devices[run]] = state
    for run in np.flatnonzero((quality[ends] & HELD) == 0).tolist():
        baselines[devices[run]] = Baseline(float(values[ends[run]]), int(ts[ends[run]]))
    return Derived(kwh, quality)


def _step(rule: EnergyRule, state: Baseline | None, value: float, ts: int) -> tuple[float, int, Baseline]:
    """One reading of a counter: its energy, its flags, and the baseline after it."""
    if state is None:
        return 0.0, int(Quality.FIRST), Baseline(value, ts)
    rise, elapsed = value - state.value, ts - state.ts
    if _explained(rule, rise, elapsed):
        gap = int(Quality.GAP) if elapsed > rule.max_gap_s * 1e6 else 0
        return rise, gap, Baseline(value, ts)
    if value == 0:
        # A counter that starts over, or passes the end of its dial, has no energy to lose by waiting.
        return 0.0, int(Quality.DROPOUT), state
    if rise < 0 and rule.dial_kwh and _explained(rule, rise + rule.dial_kwh, elapsed):
        return rise + rule.dial_kwh, int(Quality.ROLLOVER), Baseline(value, ts)
    if 0 > rise >= -_dip_kwh(rule.kind, state.value):
        return 0.0, int(Quality.DIP), Baseline(state.value, state.ts)
    return _unexplained(rule, state, value, ts)


def _unexplained(rule: EnergyRule, state: Baseline, value: float, ts: int) -> tuple[float, int, Baseline]:
    """A reading that may be a glitch, or of a counter that started over: the third that agrees decides."""
    agreeing = state.candidates
    if agreeing and not _explained(rule, value - agreeing[-1][0], ts - agreeing[-1][1]):
        agreeing = ()
    agreeing = (*agreeing, (value, ts))
    if len(agreeing) < CONFIRMATIONS:
        return 0.0, int(Quality.GLITCH), Baseline(state.value, state.ts, agreeing)
    start, start_ts = agreeing[0]
    if start >= _RESET_SHARE * state.value:
        return value - start, int(Quality.REPLACED), Baseline(value, ts)
    since_reset = _explained(rule, start, start_ts - state.ts)
    return value if since_reset else value - start, int(Quality.RESET), Baseline(value, ts)


def _explained(rule: EnergyRule, rise: float, elapsed_us: int) -> bool:
    """Whether the device's power can have brought this energy in that time."""
    return 0 <= rise <= rule.max_kw * (HEADROOM / _US_PER_HOUR) * elapsed_us + STEP_KWH


def _dip_kwh(kind: EnergyKind, value: float) -> float:
    """How far a counter may sag; a session's, which starts over often, only by a share of itself."""
    if kind is EnergyKind.SESSION:
        return min(_DIP_KWH, _SESSION_DIP_SHARE * value)
    return max(_DIP_KWH, _DIP_SHARE * value)


def _integrate(of: _Runs, baselines: MutableMapping[str, Baseline]) -> Derived:
    """Of power: the mean of both ends of each interval."""
    devices, rules, starts, ends, values, ts = of
    lengths = ends - starts + 1
    run = np.repeat(np.arange(len(devices)), lengths)
    max_kw = np.array([rule.max_kw for rule in rules])[run]
    gap_us = np.array([rule.max_gap_s * 1e6 for rule in rules])[run]
    believed = values <= max_kw * HEADROOM
    # The believable reading before each: of the same device here, else its baseline.
    rows = np.arange(values.size)
    last = np.maximum.accumulate(np.where(believed, rows, -1))
    previous = np.concatenate(([-1], last[:-1]))
    known = [baselines.get(device) for device in devices]
    state_value = np.array([state.value if state else np.nan for state in known])[run]
    state_ts = np.array([state.ts if state else 0 for state in known])[run]
    within = previous >= starts[run]
    before = np.where(within, values[previous], state_value)
    elapsed = (ts - np.where(within, ts[previous], state_ts)).astype(np.float64)
    first = np.isnan(before)
    gap = ~first & (elapsed > gap_us)
    quality = np.select(
        [~believed, first, gap], [int(Quality.GLITCH), int(Quality.FIRST), int(Quality.GAP)], 0
    ).astype(np.int32)
    kwh = np.where(quality == 0, (before + values) / 2 * elapsed / _US_PER_HOUR, 0.0)
    for number, device in enumerate(devices):
        end = last[ends[number]]
        if end >= starts[number]:
            baselines[device] = Baseline(float(values[end]), int(ts[end]))
    return Derived(kwh, quality)


def _shifted(starts: Ints, known: list[Baseline | None], values: Floats, ts: Ints) -> tuple[Floats, Ints]:
    """The value and moment before each reading: of the reading before it, or the device's baseline."""
    before, before_ts = np.roll(values, 1), np.roll(ts, 1)
    before[starts] = [np.nan if state is None else state.value for state in known]
    before_ts[starts] = [0 if state is None else state.ts for state in known]
    return before, before_ts
