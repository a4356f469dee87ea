"""How well a vehicle charges: energy on both sides of its charger over a window, and what to think of it.

The only place where these figures are judged; every command and format shows these. AC and DC are summed
apart over the window and divided once: the two streams' clocks differ, so rows are never joined.

The status says whether the ratio means anything, in this order: ``NO_VEHICLE``, ``NO_METER``,
``INSUFFICIENT``, ``IMPLAUSIBLE``, ``LOW``, ``OK``. ``INSUFFICIENT`` comes before the two that alert, because
a gap on one side moves the ratio either way: too little data says nothing about the charger.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from psycopg.pq import TransactionStatus

from energy_etl.analytics.sides import MeterShare, MeterSide, Side, Temperature, meter_side, vehicle_side
from energy_etl.db.sql import query
from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from energy_etl.analytics.window import Window, WindowRequest

DEFAULT_THRESHOLD_PERCENT = 85.0
MIN_AC_KWH = 1.0
"""Less than this is standby and counter steps, not a charge."""
MIN_COVERAGE_PERCENT = 80.0


class Status(StrEnum):
    """What the figures allow to say."""

    OK = "OK"
    LOW = "LOW"
    """Efficiency below the threshold."""
    IMPLAUSIBLE = "IMPLAUSIBLE"
    """More energy reached the battery than left the grid: a meter, a link or a clock is wrong."""
    INSUFFICIENT = "INSUFFICIENT"
    """Too little energy, or too many readings missing."""
    NO_METER = "NO_METER"
    """No meter is known to serve the vehicle, or none that does has a reading in the window."""
    NO_VEHICLE = "NO_VEHICLE"
    """The vehicle has no reading at all."""


@dataclass(frozen=True, slots=True)
class Performance:
    """A vehicle's charging performance over a window."""

    vehicle_id: str
    window: Window | None
    """None for an unknown vehicle in a window that would end at its newest reading."""
    status: Status
    reason: str
    """The status in words, with the numbers that decided it."""
    alert: bool
    alert_threshold: float
    """%, compared with the efficiency."""
    ac: Side
    dc: Side
    linked_percent: float
    """Share of the window in which some meter is known to serve the vehicle."""
    efficiency_percent: float | None
    """DC / AC × 100; None where either is missing or AC is 0."""
    loss_kwh: float | None
    """AC − DC."""
    temperature: Temperature
    meters: tuple[MeterShare, ...]


def performance(
    conn: Connection[Any], vehicle_id: str, window_request: WindowRequest, threshold: float
) -> Performance:
    """Compute a vehicle's charging performance.

    All queries see one state of the database if the connection has no transaction open; else they are part
    of the open one.

    Args:
        conn: A connection to a database with the schema.
        vehicle_id: The vehicle.
        window_request: The window; its end defaults to the vehicle's newest reading.
        threshold: Efficiency in % below which the status is ``LOW``.

    Raises:
        UsageError: The threshold is not above 0 and at most 100, or the window would end before it begins.
    """
    if not 0 < threshold <= 100:
        raise UsageError(f"the alert threshold is {threshold:g} %", hint="choose more than 0 and at most 100")
    with _snapshot(conn):
        row = conn.execute(query("analytics.newest_reading"), {"vehicle_id": vehicle_id}).fetchone()
        window = window_request.resolve(row[0] if row else None)
        if row is None or window is None:
            return _unknown(vehicle_id, window, threshold)
        dc, temperature = vehicle_side(conn, vehicle_id, window)
        ac = meter_side(conn, vehicle_id, window)
    return _judged(vehicle_id, window, threshold, ac=ac, dc=dc, temperature=temperature)


def _judged(
    vehicle_id: str, window: Window, threshold: float, *, ac: MeterSide, dc: Side, temperature: Temperature
) -> Performance:
    ac_kwh, dc_kwh = ac.total.kwh, dc.kwh
    efficiency = 100 * dc_kwh / ac_kwh if ac_kwh and dc_kwh is not None else None
    status, reason = _status(ac, dc, efficiency, threshold)
    return Performance(
        vehicle_id=vehicle_id,
        window=window,
        status=status,
        reason=reason,
        alert=status in (Status.LOW, Status.IMPLAUSIBLE),
        alert_threshold=threshold,
        ac=ac.total,
        dc=dc,
        linked_percent=ac.linked_percent,
        efficiency_percent=efficiency,
        loss_kwh=ac_kwh - dc_kwh if ac_kwh is not None and dc_kwh is not None else None,
        temperature=temperature,
        meters=ac.meters,
    )


def _status(ac: MeterSide, dc: Side, efficiency: float | None, threshold: float) -> tuple[Status, str]:
    if ac.total.kwh is None:
        return Status.NO_METER, ac.missing
    lacking = _lacking(ac, dc)
    if lacking or efficiency is None:
        return Status.INSUFFICIENT, "; ".join(lacking)
    # Sums of binary fractions carry residue in the last digits; it decides nothing.
    rounded = round(efficiency, 9)
    if rounded > 100:
        shown = _told_apart(rounded, 100)
        return Status.IMPLAUSIBLE, f"{shown} %: more reached the battery than the meter delivered"
    shown = _told_apart(rounded, threshold)
    if rounded < threshold:
        return Status.LOW, f"{shown} % is below the threshold of {threshold:g} %"
    return Status.OK, f"{shown} % is not below the threshold of {threshold:g} %"


def _lacking(ac: MeterSide, dc: Side) -> list[str]:
    """What is too little to judge by, in words."""
    lacking = []
    kwh = round(ac.total.kwh or 0.0, 9)
    if kwh < MIN_AC_KWH:
        shown = _told_apart(kwh, MIN_AC_KWH, places=3)
        lacking.append(f"AC energy is {shown} kWh, less than {MIN_AC_KWH:g} kWh")
    for what, percent in (
        ("meter readings cover", ac.total.coverage_percent),
        ("vehicle readings cover", dc.coverage_percent),
        ("a meter is linked for", ac.linked_percent),
    ):
        rounded = round(percent, 9)
        if rounded < MIN_COVERAGE_PERCENT:
            shown = _told_apart(rounded, MIN_COVERAGE_PERCENT)
            lacking.append(f"{what} {shown} % of the time, less than {MIN_COVERAGE_PERCENT:g} %")
    return lacking


def _told_apart(value: float, limit: float, places: int = 1) -> str:
    """The value with so many decimals, or as many more as it takes to stay on its side of the limit."""

    def side(of: float) -> tuple[bool, bool]:
        return of < limit, of > limit

    while places < 9 and side(round(value, places)) != side(value):
        places += 1
    return f"{value:.{places}f}"


def _unknown(vehicle_id: str, window: Window | None, threshold: float) -> Performance:
    return Performance(
        vehicle_id=vehicle_id,
        window=window,
        status=Status.NO_VEHICLE,
        reason="no reading of this vehicle was ever loaded",
        alert=False,
        alert_threshold=threshold,
        ac=Side(),
        dc=Side(),
        linked_percent=0.0,
        efficiency_percent=None,
        loss_kwh=None,
        temperature=Temperature(),
        meters=(),
    )


@contextmanager
def _snapshot(conn: Connection[Any]) -> Iterator[None]:
    """One state of the database for several queries."""
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        yield
        return
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
