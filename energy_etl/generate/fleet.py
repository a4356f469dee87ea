"""The fleet itself: what each vehicle, charger and building is like, drawn from the seed.

Every aspect has its own random stream, so that adding meters does not change the vehicles, and which
vehicles are faulty does not change how they drive. Powers are in kW, energies in kWh, times in minutes.

The figures come from what is published on AC charging: power classes of sockets and wallboxes; control
electronics that draw 100 to 300 W as long as a car charges, whatever the power, which is what makes a
2.3 kW socket the least efficient; conversion losses of some 4 to 8 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from energy_etl.generate.plan import MINUTES_PER_DAY

if TYPE_CHECKING:
    import numpy.typing as npt

    from energy_etl.generate.plan import FleetPlan

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

CLASS_KW = np.array([2.3, 3.7, 7.4, 11.0, 22.0])
CLASS_SHARE = np.array([0.08, 0.12, 0.25, 0.40, 0.15])
CLASS_PHASES = np.array([1.0, 1.0, 1.0, 3.0, 3.0])
CLASS_CONTROL_KW = np.array([0.105, 0.135, 0.190, 0.240, 0.285])
CLASS_MAX_CONVERSION_LOSS = np.array([0.052, 0.060, 0.075, 0.075, 0.075])
MIN_CONVERSION_LOSS = 0.04

NIGHT_HOURS_TO_CHARGE = 7.0
"""Every plug-in window is longer, so a vehicle whose day needs no more than this catches up each night."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Independent sources of randomness, all of them derived from the one seed."""

    vehicles: np.random.Generator
    meters: np.random.Generator
    faults: np.random.Generator
    days: np.random.Generator
    charging_noise: np.random.Generator
    line_noise: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> Streams:
        """The streams of a seed."""
        children = np.random.SeedSequence(seed).spawn(6)
        return cls(*(np.random.Generator(np.random.PCG64(child)) for child in children))


@dataclass(frozen=True, slots=True)
class Vehicles:
    """One value per vehicle."""

    battery_kwh: Floats
    charge_kw: Floats
    """AC power of the charger and car together, before tapering."""
    phases: Floats
    control_kw: Floats
    conversion_loss: Floats
    leak: Floats
    """Share of the healthy DC energy that still arrives: 1 for a healthy charger."""
    target_soc: Floats
    taper_soc: Floats
    """State of charge, %, from which the battery accepts less and less."""
    daily_kwh: Floats
    """What it drives on an average day."""
    clock: Ints
    """Minutes by which its day is ahead of UTC's: early and late people, night shifts."""
    departs: Ints
    returns: Ints
    drive_minutes: Ints
    plugs_in: Ints
    noon_from: Ints
    noon_to: Ints
    """Plugged in at midday as well, where ``noon_to > noon_from``."""
    ambient_c: Floats
    cooling_minutes: Floats
    faulty: Bools


@dataclass(frozen=True, slots=True)
class Meters:
    """One value per meter."""

    nominal_v: Floats
    line_ohm: Floats
    standby_kw: Floats
    """The charger's own draw while nothing charges."""
    building_kw: Floats
    """Mean load of the building behind the meter; 0 for a charger."""


def draw_vehicles(plan: FleetPlan, streams: Streams) -> Vehicles:
    """Draw the vehicles of a plan."""
    rng, count = streams.vehicles, plan.vehicles
    kind = rng.choice(len(CLASS_KW), size=count, p=CLASS_SHARE)
    charge_kw = CLASS_KW[kind]
    control_kw = np.clip(CLASS_CONTROL_KW[kind] * rng.uniform(0.95, 1.05, count), 0.1, 0.3)
    conversion_loss = rng.uniform(MIN_CONVERSION_LOSS, CLASS_MAX_CONVERSION_LOSS[kind])
    faulty = np.zeros(count, dtype=np.bool_)
    faulty[streams.faults.choice(plan.paired, size=plan.faulty, replace=False)] = True
    healthy_efficiency = (1 - control_kw / charge_kw) * (1 - conversion_loss)
    reached = streams.faults.uniform(0.64, 0.78, count) / healthy_efficiency
    leak = np.where(faulty, reached, 1.0)
    battery_kwh = rng.uniform(40.0, 100.0, count)
    least = np.maximum(6.0, 0.6 * charge_kw)
    most = np.minimum(0.4 * battery_kwh, charge_kw * healthy_efficiency * leak * NIGHT_HOURS_TO_CHARGE)
    departs = rng.integers(390, 541, count)
    returns = rng.integers(960, 1_081, count)
    drive_minutes = rng.integers(20, 61, count)
    noon = rng.random(count) < 0.3
    noon_from = rng.integers(690, 781, count)
    clock = rng.integers(-90, 91, count) + np.where(rng.random(count) < 0.15, MINUTES_PER_DAY // 2, 0)
    return Vehicles(
        battery_kwh=battery_kwh,
        charge_kw=charge_kw,
        phases=CLASS_PHASES[kind],
        control_kw=control_kw,
        conversion_loss=conversion_loss,
        leak=leak,
        target_soc=rng.uniform(85.0, 97.0, count),
        taper_soc=rng.uniform(80.0, 90.0, count),
        daily_kwh=np.clip(rng.lognormal(np.log(10.0), 0.4, count), least, np.maximum(least, most)),
        clock=clock,
        departs=departs,
        returns=returns,
        drive_minutes=drive_minutes,
        plugs_in=returns + drive_minutes + rng.integers(15, 181, count),
        noon_from=noon_from,
        noon_to=noon_from + np.where(noon, rng.integers(45, 120, count), 0),
        ambient_c=np.clip(rng.normal(12.0, 4.0, count), 2.0, 24.0),
        cooling_minutes=rng.uniform(180.0, 420.0, count),
        faulty=faulty,
    )


def draw_meters(plan: FleetPlan, streams: Streams) -> Meters:
    """Draw the meters of a plan; those beyond the vehicles are buildings and idle chargers in equal parts."""
    rng, count = streams.meters, plan.meters
    spare = np.arange(count) >= plan.vehicles
    building = spare & (rng.random(count) < 0.5)
    return Meters(
        nominal_v=rng.normal(230.0, 1.5, count),
        line_ohm=rng.uniform(0.08, 0.25, count),
        standby_kw=np.where(building, 0.0, rng.uniform(0.002, 0.006, count)),
        building_kw=np.where(building, rng.uniform(0.3, 5.0, count), 0.0),
    )
