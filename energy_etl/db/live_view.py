"""The live tables for display: the current state of each device, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from energy_etl.db.sql import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class MeterState:
    """The newest reading of a meter."""

    meter_id: str
    ts: datetime
    kwh_consumed_ac: float
    """Of the interval that ended at ``ts``, kWh."""
    voltage: float | None
    register_kwh: float | None
    first_ts: datetime
    """Oldest reading in history."""
    load_id: int


@dataclass(frozen=True, slots=True)
class VehicleState:
    """The newest reading of a vehicle."""

    vehicle_id: str
    ts: datetime
    soc: float | None
    """State of charge, %."""
    kwh_delivered_dc: float
    """Of the interval that ended at ``ts``, kWh."""
    battery_temp: float | None
    """°C."""
    register_kwh: float | None
    first_ts: datetime
    """Oldest reading in history."""
    load_id: int


State = TypeVar("State", MeterState, VehicleState)


@dataclass(frozen=True, slots=True)
class Page(Generic[State]):
    """Some of the devices asked for, newest reading first."""

    rows: list[State]
    total: int
    """Devices there are, shown or not."""


def meters(conn: Connection[Any], ids: Sequence[str] = (), limit: int | None = None) -> Page[MeterState]:
    """Meters by newest reading; only those named where ids are given."""
    return _page(conn, "live_view.meters", MeterState, ids, limit)


def vehicles(conn: Connection[Any], ids: Sequence[str] = (), limit: int | None = None) -> Page[VehicleState]:
    """Vehicles by newest reading; only those named where ids are given."""
    return _page(conn, "live_view.vehicles", VehicleState, ids, limit)


def _page(
    conn: Connection[Any], name: str, state: type[State], ids: Sequence[str], limit: int | None
) -> Page[State]:
    rows = conn.execute(query(name), {"ids": list(ids) or None, "limit": limit}).fetchall()
    return Page([state(*columns) for _, *columns in rows], rows[0][0] if rows else 0)
