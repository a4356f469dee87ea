"""What analytics must report about a generated fleet, gathered from the values as they are written.

The window is that of ``energy-etl analytics``: the 24 hours up to the newest reading, its begin excluded and
its end included, because a timestamp marks the end of the interval whose energy the reading carries.

Sums are taken in whole steps of a device's resolution, which is exact: the truth does not depend on the order
of additions.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from energy_etl.generate.plan import MINUTES_PER_DAY
from energy_etl.generate.simulation import DECIMALS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from energy_etl.generate.fleet import Bools, Floats
    from energy_etl.generate.plan import FleetPlan
    from energy_etl.generate.simulation import Block

ALERT_THRESHOLD_PERCENT = 85.0


class Truth:
    """Sums over the window, one value per device; fed with every block of the fleet."""

    def __init__(self, plan: FleetPlan) -> None:
        self._plan = plan
        self._first_minute = max(1, plan.minutes - MINUTES_PER_DAY + 1)
        self._ac = np.zeros(plan.meters)
        self._dc = np.zeros(plan.vehicles)
        self._temp = np.zeros(plan.vehicles)
        self._temp_min = np.full(plan.vehicles, np.inf)
        self._temp_max = np.full(plan.vehicles, -np.inf)
        self._all_ac = self._all_dc = 0.0
        self._readings = 0

    def add(self, block: Block) -> None:
        """Count a block in, as far as it lies in the window."""
        ac = _steps(block.kwh_consumed_ac, "kwh_consumed_ac")
        dc = _steps(block.kwh_delivered_dc, "kwh_delivered_dc")
        self._all_ac += float(ac.sum())
        self._all_dc += float(dc.sum())
        skipped = min(max(self._first_minute - block.first_minute, 0), block.minutes)
        if skipped == block.minutes:
            return
        temp = block.battery_temp[skipped:]
        self._ac += ac[skipped:].sum(axis=0)
        self._dc += dc[skipped:].sum(axis=0)
        self._temp += _steps(temp, "battery_temp").sum(axis=0)
        self._temp_min = np.minimum(self._temp_min, temp.min(axis=0))
        self._temp_max = np.maximum(self._temp_max, temp.max(axis=0))
        self._readings += block.minutes - skipped

    def write(self, path: Path, faulty: Bools) -> None:
        """Write the truth as JSON, one line per vehicle so that a large fleet is not held as text."""
        meter_ids, vehicle_ids = self._plan.meter_ids(), self._plan.vehicle_ids()
        head = json.dumps(self._summary(vehicle_ids, faulty), indent=2)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(head.removesuffix("\n}") + ',\n  "vehicles": {')
            for number, vehicle_id in enumerate(vehicle_ids):
                meter_id = meter_ids[number] if number < self._plan.paired else None
                entry = json.dumps(self._vehicle(number, meter_id))
                file.write(f'{"," if number else ""}\n    "{vehicle_id}": {entry}')
            file.write("\n  }\n}\n")

    def _summary(self, vehicle_ids: list[str], faulty: Bools) -> dict[str, Any]:
        plan = self._plan
        window_from = max(plan.start, plan.end - timedelta(days=1))
        return {
            "plan": {
                "meters": plan.meters,
                "vehicles": plan.vehicles,
                "hours": plan.hours,
                "seed": plan.seed,
                "faulty": plan.faulty,
                "start": _iso(plan.start),
            },
            "window": {"from": _iso(window_from), "to": _iso(plan.end), "hours": min(plan.hours, 24)},
            "alertThreshold": ALERT_THRESHOLD_PERCENT,
            "faulty": [vehicle_ids[number] for number in np.flatnonzero(faulty)],
            "dumps": {
                "meterReadings": plan.meters * plan.minutes,
                "vehicleReadings": plan.vehicles * plan.minutes,
                "acConsumed": _value(self._all_ac, "kwh_consumed_ac"),
                "dcDelivered": _value(self._all_dc, "kwh_delivered_dc"),
            },
            "totals": {
                "acConsumed": _value(self._ac[: plan.paired].sum(), "kwh_consumed_ac"),
                "dcDelivered": _value(self._dc[: plan.paired].sum(), "kwh_delivered_dc"),
            },
        }

    def _vehicle(self, number: int, meter_id: str | None) -> dict[str, Any]:
        ac = _value(self._ac[number], "kwh_consumed_ac") if meter_id is not None else None
        dc = _value(self._dc[number], "kwh_delivered_dc")
        efficiency = dc / ac * 100.0 if ac else None
        return {
            "meterId": meter_id,
            "acConsumed": ac,
            "dcDelivered": dc,
            "efficiencyPercent": efficiency,
            "avgBatteryTemp": _value(self._temp[number], "battery_temp") / self._readings,
            "minBatteryTemp": float(self._temp_min[number]),
            "maxBatteryTemp": float(self._temp_max[number]),
            "meterReadings": self._readings if meter_id is not None else 0,
            "vehicleReadings": self._readings,
            "status": self._status(meter_id, efficiency),
        }

    def _status(self, meter_id: str | None, efficiency: float | None) -> str | None:
        """Null for a fleet of less than a day: whether that is enough to judge is for analytics to say."""
        if meter_id is None:
            return "NO_METER"
        if efficiency is None or self._readings < MINUTES_PER_DAY:
            return None
        return "LOW" if efficiency < ALERT_THRESHOLD_PERCENT else "OK"


def _steps(values: Floats, measure: str) -> Floats:
    """Values as whole numbers of the device's resolution."""
    steps: Floats = np.rint(values * 10 ** DECIMALS[measure])
    return steps


def _value(steps: float, measure: str) -> float:
    return float(steps) / float(10 ** DECIMALS[measure])


def _iso(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
