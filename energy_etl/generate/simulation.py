"""The fleet in motion, one minute at a time for all devices at once.

Time-major because real exports are, and because it is what keeps memory bounded: the state is one value per
device, the output one block of minutes. Values leave rounded as a device would send them, so that whatever
is computed from a block is computed from the values as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from energy_etl.generate.fleet import Streams, draw_meters, draw_vehicles
from energy_etl.generate.plan import MINUTES_PER_DAY

if TYPE_CHECKING:
    from energy_etl.generate.fleet import Bools, Floats, Ints
    from energy_etl.generate.plan import FleetPlan

PLUG_IN_JITTER_MIN = 12
ACCEPTED_KW_PER_KWH = 0.35
"""What a battery takes where its tapering begins; less in proportion to what is missing to full. It binds
wallboxes, hardly ever a socket."""
TAPER_FLOOR = 0.3
"""Share of its power to which a charger goes down at most."""
LOWEST_DRIVING_SOC = 8.0
COMFORT_C = (15.0, 30.0)
"""Battery temperatures outside of which conditioning costs energy."""
CONDITIONING_PER_K = 0.0006
MAX_CONDITIONING = 0.015
AMBIENT_SWING_K = 5.0
WARMEST_MINUTE = 900
LINE_SWING_V = 1.5
CHARGE_HEAT = 0.03
DRIVE_HEAT = 0.05
"""Share of the power that warms the battery."""
BATTERY_KWH_PER_K_PER_KWH = 0.0018
"""Heat capacity of a pack for each kWh of its size (about 6.5 kg and 6.5 kJ/K)."""


DECIMALS = {"kwh_consumed_ac": 6, "voltage": 1, "soc": 1, "kwh_delivered_dc": 6, "battery_temp": 1}
"""What the devices resolve."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive minutes of the whole fleet; every array is minutes x devices."""

    first_minute: int
    """Minutes from the plan's start to the end of the first interval, from 1."""
    kwh_consumed_ac: Floats
    voltage: Floats
    soc: Floats
    kwh_delivered_dc: Floats
    battery_temp: Floats

    @property
    def minutes(self) -> int:
        """Rows of every array."""
        return len(self.soc)


class Simulation:
    """The state of a fleet, advanced by :meth:`block`.

    It starts a day before the plan does: the first written minute finds batteries, temperatures and charges
    in the middle of their lives rather than at made-up values.
    """

    def __init__(self, plan: FleetPlan) -> None:
        self._plan = plan
        self._streams = Streams.of(plan.seed)
        self._vehicles = draw_vehicles(plan, self._streams)
        self._meters = draw_meters(plan, self._streams)
        self._soc = self._vehicles.target_soc.copy()
        self._temp = self._vehicles.ambient_c.copy()
        self._since_midnight = plan.start.hour * 60 + plan.start.minute
        self._minute = -MINUTES_PER_DAY
        self._draw_day()
        while self._minute < 0:
            self._step()

    @property
    def faulty(self) -> Bools:
        """Which vehicles' chargers leak."""
        return self._vehicles.faulty

    def block(self, minutes: int) -> Block:
        """Advance by ``minutes`` and return what the devices sent."""
        plan = self._plan
        first = self._minute + 1
        ac = np.empty((minutes, plan.meters))
        voltage, amps = np.empty_like(ac), np.empty_like(ac)
        soc = np.empty((minutes, plan.vehicles))
        dc, temp = np.empty_like(soc), np.empty_like(soc)
        for row in range(minutes):
            charger_kw, dc_kw = self._step()
            self._load(charger_kw, ac[row], amps[row])
            self._line(amps[row], voltage[row])
            soc[row], dc[row], temp[row] = self._soc, dc_kw, self._temp
        return Block(
            first_minute=first,
            kwh_consumed_ac=np.round(ac / 60.0, DECIMALS["kwh_consumed_ac"]),
            voltage=np.round(voltage, DECIMALS["voltage"]),
            soc=np.round(soc, DECIMALS["soc"]),
            kwh_delivered_dc=np.round(dc / 60.0, DECIMALS["kwh_delivered_dc"]),
            battery_temp=np.round(temp, DECIMALS["battery_temp"]),
        )

    def _draw_day(self) -> None:
        rng, count = self._streams.days, self._plan.vehicles
        self._today_kwh = self._vehicles.daily_kwh * rng.uniform(0.9, 1.1, count)
        self._plug_jitter = rng.integers(-PLUG_IN_JITTER_MIN, PLUG_IN_JITTER_MIN + 1, count)

    def _step(self) -> tuple[Floats, Floats]:
        """One minute: drive, charge, warm up. Returns each vehicle's charging power, AC and DC, kW."""
        minute_of_day = (self._since_midnight + self._minute) % MINUTES_PER_DAY
        if minute_of_day == 0:
            self._draw_day()
        v = self._vehicles
        clock = (minute_of_day + v.clock) % MINUTES_PER_DAY
        drive_kw = self._drive(clock)
        ac_kw, dc_kw = self._charge(clock)
        ambient = v.ambient_c + AMBIENT_SWING_K * np.cos(
            2 * np.pi * (minute_of_day - WARMEST_MINUTE) / MINUTES_PER_DAY
        )
        heat_kw = CHARGE_HEAT * dc_kw + DRIVE_HEAT * drive_kw
        self._temp += (ambient - self._temp) / v.cooling_minutes
        self._temp += heat_kw / 60.0 / (BATTERY_KWH_PER_K_PER_KWH * v.battery_kwh)
        self._soc += (dc_kw - drive_kw) / 60.0 / v.battery_kwh * 100.0
        self._minute += 1
        return ac_kw, dc_kw

    def _drive(self, clock: Ints) -> Floats:
        v = self._vehicles
        out = (clock >= v.departs) & (clock < v.departs + v.drive_minutes)
        back = (clock >= v.returns) & (clock < v.returns + v.drive_minutes)
        power = self._today_kwh / 2.0 / (v.drive_minutes / 60.0)
        return np.where((out | back) & (self._soc > LOWEST_DRIVING_SOC), power, 0.0)

    def _charge(self, clock: Ints) -> tuple[Floats, Floats]:
        v = self._vehicles
        overnight = (clock >= v.plugs_in + self._plug_jitter) | (clock < v.departs)
        at_noon = (clock >= v.noon_from) & (clock < v.noon_to)
        charging = (overnight | at_noon) & (self._soc < v.target_soc)
        noise = self._streams.charging_noise.standard_normal(len(self._soc), dtype=np.float32)
        accepted_kw = ACCEPTED_KW_PER_KWH * v.battery_kwh * (100.0 - self._soc) / (100.0 - v.taper_soc)
        ac_kw = np.clip(accepted_kw, TAPER_FLOOR * v.charge_kw, v.charge_kw) * (1.0 + 0.005 * noise)
        outside = np.maximum(COMFORT_C[0] - self._temp, self._temp - COMFORT_C[1])
        conditioning = np.clip(CONDITIONING_PER_K * outside, 0.0, MAX_CONDITIONING)
        dc_kw = (ac_kw - v.control_kw) * (1.0 - v.conversion_loss) * (1.0 - conditioning) * v.leak
        return np.where(charging, ac_kw, 0.0), np.where(charging, dc_kw, 0.0)

    def _load(self, charger_kw: Floats, kw: Floats, amps: Floats) -> None:
        """What each meter carries, kW, and the current per phase, A."""
        m, paired = self._meters, self._plan.paired
        noise = self._streams.line_noise.standard_normal(len(kw), dtype=np.float32)
        day = 1.0 - 0.4 * np.cos(2 * np.pi * (self._since_midnight + self._minute - 180) / MINUTES_PER_DAY)
        kw[:] = m.standby_kw * (1.0 + 0.05 * noise) + m.building_kw * day * np.clip(1.0 + 0.1 * noise, 0.3, 2)
        amps[:] = kw * (1_000.0 / 230.0 / 3.0)
        charging = charger_kw[:paired] > 0.0
        kw[:paired] = np.where(charging, charger_kw[:paired], kw[:paired])
        per_phase = charger_kw[:paired] * (1_000.0 / 230.0) / self._vehicles.phases[:paired]
        amps[:paired] = np.where(charging, per_phase, amps[:paired])

    def _line(self, amps: Floats, voltage: Floats) -> None:
        m = self._meters
        noise = self._streams.line_noise.standard_normal(len(voltage), dtype=np.float32)
        swing = LINE_SWING_V * np.cos(
            2 * np.pi * (self._since_midnight + self._minute - 240) / MINUTES_PER_DAY
        )
        voltage[:] = m.nominal_v + swing + 0.6 * noise - m.line_ohm * amps
