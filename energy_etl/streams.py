"""The two telemetry streams: columns, types, units and rules. The one source of truth.

Units are in the names or here: kWh, V, %, °C; timestamps are UTC and mark the **end** of the interval whose
energy the reading carries. The ranges are those of devices that exist, wide enough that only a broken value
falls outside (sources: EN 50160 for voltage, OCPI for the state of charge, the largest charge points for
energy).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dataframely as dy

if TYPE_CHECKING:
    import polars as pl

    from energy_etl.energy import EnergyKind

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""No telemetry of this kind is older; clocks that were never set say 1970, mistyped years say 14."""

CLOCK_TOLERANCE = timedelta(hours=1)
"""How far a device's clock may run ahead of ours."""

MAX_INTERVAL_KWH = 12_000.0
"""What a 500 kW charge point delivers in a day: more cannot be the energy of one interval."""

MAX_COUNTER_KWH = 1e9
"""More than any register has digits for, and more kW than any line carries."""

MAX_VOLTAGE_V = 1_000.0
MAX_SOC_PERCENT = 100.5
"""Some packs report slightly above full; the value is stored as it came."""
TEMP_RANGE_C = (-50.0, 150.0)

ID_MAX_CHARACTERS = 128
ID_PATTERN = r"^[^\p{Cc}\p{Zl}\p{Zp}]*$"
"""No control characters or line separators: an id is shown on terminals and written into text files."""

SOURCE_COLUMNS = {
    "meter_id": "meterId",
    "kwh_consumed_ac": "kwhConsumedAc",
    "voltage": "voltage",
    "vehicle_id": "vehicleId",
    "soc": "soc",
    "kwh_delivered_dc": "kwhDeliveredDc",
    "battery_temp": "batteryTemp",
    "ts": "timestamp",
}
"""Canonical column name → the name dumps are documented with."""


class _Id(dy.String):
    """A device's id. Its length is that of what a user sees: dataframely counts bytes."""

    def validation_rules(self, expr: pl.Expr) -> dict[str, pl.Expr]:
        rules = super().validation_rules(expr)
        return rules | {"max_length": expr.str.len_chars() <= ID_MAX_CHARACTERS}


class MeterReading(dy.Schema):
    """A smart meter's reading: AC energy drawn from the grid and line voltage."""

    row_number = dy.Int64(nullable=False)
    meter_id = _Id(nullable=False, min_length=1, max_length=ID_MAX_CHARACTERS, regex=ID_PATTERN)
    ts = dy.Datetime(nullable=False, time_unit="us", time_zone="UTC")
    kwh_consumed_ac = dy.Float64(nullable=False, min=0.0, max=MAX_INTERVAL_KWH)
    voltage = dy.Float64(nullable=True, min=0.0, max=MAX_VOLTAGE_V)


class VehicleReading(dy.Schema):
    """A vehicle's reading: state of charge, DC energy that reached the battery, battery temperature."""

    row_number = dy.Int64(nullable=False)
    vehicle_id = _Id(nullable=False, min_length=1, max_length=ID_MAX_CHARACTERS, regex=ID_PATTERN)
    ts = dy.Datetime(nullable=False, time_unit="us", time_zone="UTC")
    soc = dy.Float64(nullable=True, min=0.0, max=MAX_SOC_PERCENT)
    kwh_delivered_dc = dy.Float64(nullable=False, min=0.0, max=MAX_INTERVAL_KWH)
    battery_temp = dy.Float64(nullable=True, min=TEMP_RANGE_C[0], max=TEMP_RANGE_C[1])


class MeterCounter(MeterReading):
    """As :class:`MeterReading`, the energy column being a counter, kWh, or power, kW."""

    kwh_consumed_ac = dy.Float64(nullable=False, min=0.0, max=MAX_COUNTER_KWH)


class VehicleCounter(VehicleReading):
    """As :class:`VehicleReading`, the energy column being a counter, kWh, or power, kW."""

    kwh_delivered_dc = dy.Float64(nullable=False, min=0.0, max=MAX_COUNTER_KWH)


@dataclass(frozen=True, slots=True)
class Stream:
    """One telemetry stream and the tables it lives in."""

    name: str
    """``meter`` or ``vehicle``."""
    schema: type[dy.Schema]
    device: str
    """The column that names the device."""
    energy: str
    """The column with the interval energy, kWh."""
    measures: tuple[str, ...]
    """Measured columns in table order, the energy among them."""
    history: str
    live: str
    raw: str | None = None
    """The column that keeps the register or the power that the energy is derived from, if it is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical columns a dump carries for this stream, in table order."""
        return (self.device, "ts", *self.measures)

    @property
    def stored(self) -> tuple[str, ...]:
        """Columns that are written to history, load_id apart."""
        return (*self.columns, self.raw, "quality") if self.raw else self.columns

    @property
    def reported(self) -> tuple[str, ...]:
        """Measures as the device reported them, which tell whether two readings are the same."""
        return tuple(self.raw if self.raw and name == self.energy else name for name in self.measures)

    @property
    def floats(self) -> tuple[str, ...]:
        """All measures that history keeps, derived and reported."""
        return (*self.measures, self.raw) if self.raw else self.measures

    def of_kind(self, kind: EnergyKind) -> Stream:
        """The stream as a dump with this kind of energy column feeds it."""
        schema = _COUNTERS[self.name] if kind.raw else self.schema
        return replace(self, raw=kind.raw, schema=schema)


_COUNTERS: dict[str, type[dy.Schema]] = {"meter": MeterCounter, "vehicle": VehicleCounter}


METER = Stream(
    name="meter",
    schema=MeterReading,
    device="meter_id",
    energy="kwh_consumed_ac",
    measures=("kwh_consumed_ac", "voltage"),
    history="meter_history",
    live="meter_live",
)
VEHICLE = Stream(
    name="vehicle",
    schema=VehicleReading,
    device="vehicle_id",
    energy="kwh_delivered_dc",
    measures=("soc", "kwh_delivered_dc", "battery_temp"),
    history="vehicle_history",
    live="vehicle_live",
)
STREAMS = (METER, VEHICLE)
"""In the order locks are taken."""
