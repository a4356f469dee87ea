"""The current state of meters and vehicles as table, JSON and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from energy_etl.present import cells
from energy_etl.present.output import Format, write_table
from energy_etl.present.tables import Column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from energy_etl.db.live_view import MeterState, VehicleState

_AGE = Column("age_seconds", "Age", cells.age, right=True)
_REGISTER = Column("register_kwh", "Register kWh", cells.kwh, right=True)
_FIRST = Column("first_ts", "First reading")
_LOAD = Column("load_id", "Load", right=True)

_METER = (
    Column("meter_id", "Meter"),
    Column("ts", "Newest reading"),
    _AGE,
    Column("kwh_consumed_ac", "AC kWh", cells.kwh, right=True),
    Column("voltage", "Voltage V", cells.one_place, right=True),
    _REGISTER,
    _FIRST,
    _LOAD,
)
_VEHICLE = (
    Column("vehicle_id", "Vehicle"),
    Column("ts", "Newest reading"),
    _AGE,
    Column("soc", "SoC %", cells.one_place, right=True),
    Column("kwh_delivered_dc", "DC kWh", cells.kwh, right=True),
    Column("battery_temp", "Battery °C", cells.one_place, right=True),
    _REGISTER,
    _FIRST,
    _LOAD,
)
_MACHINE_ONLY = {_REGISTER, _FIRST, _LOAD}
"""Left out of the table, which has to fit a terminal."""


def write_meters(
    states: Sequence[MeterState], now: datetime, output: Format, *, width: int | None = None
) -> None:
    """Write meters; ages are counted back from ``now``."""
    _write(
        _METER,
        [
            (
                m.meter_id,
                m.ts,
                _age(m.ts, now),
                m.kwh_consumed_ac,
                m.voltage,
                m.register_kwh,
                m.first_ts,
                m.load_id,
            )
            for m in states
        ],
        output,
        width,
    )


def write_vehicles(
    states: Sequence[VehicleState], now: datetime, output: Format, *, width: int | None = None
) -> None:
    """Write vehicles; ages are counted back from ``now``."""
    _write(
        _VEHICLE,
        [
            (
                v.vehicle_id,
                v.ts,
                _age(v.ts, now),
                v.soc,
                v.kwh_delivered_dc,
                v.battery_temp,
                v.register_kwh,
                v.first_ts,
                v.load_id,
            )
            for v in states
        ],
        output,
        width,
    )


def _write(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], output: Format, width: int | None
) -> None:
    if output is Format.TABLE:
        kept = [place for place, column in enumerate(columns) if column not in _MACHINE_ONLY]
        columns = [columns[place] for place in kept]
        rows = [[row[place] for place in kept] for row in rows]
    write_table(columns, rows, output=output, width=width)


def _age(ts: datetime, now: datetime) -> float:
    return (now - ts).total_seconds()
