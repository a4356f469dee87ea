"""What the two sides of charging reported in a window: the vehicle (DC), and the meters that served it (AC).

Each device is read by itself, by its id and a range of time, which is what every flavour of the history
tables has an access path for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from energy_etl.analytics.spans import merged, seconds_within, touches
from energy_etl.db.links import Link, links_of_meters, links_of_vehicle
from energy_etl.db.sql import query
from energy_etl.energy import Quality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from psycopg import Connection

    from energy_etl.analytics.window import Window

DEFAULT_INTERVAL_SECONDS = 60.0
"""How often a device reports, where fewer than three readings leave it open."""


@dataclass(frozen=True, slots=True)
class Side:
    """Readings of one side of the charger."""

    readings: int = 0
    expected: float = 0.0
    """Readings there would be without a gap: time observed / median time between readings."""
    kwh: float | None = None
    """Their energy; None without readings, which is not the same as 0."""
    first_ts: datetime | None = None
    last_ts: datetime | None = None
    coverage_percent: float = 0.0
    """Readings received of those expected, at most 100; of several meters each weighs by its time."""
    flags: Mapping[str, int] = field(default_factory=dict)
    """How derived energy came about (``energy.Quality``): flag → how many readings carry it."""


@dataclass(frozen=True, slots=True)
class Temperature:
    """Battery temperature over the readings that carry one, °C; the mean is not weighted by time."""

    avg: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class MeterShare:
    """What one meter contributed while it served the vehicle."""

    meter_id: str
    linked: bool
    """False for the meter of the vehicle's own id, which is taken where no link is stored."""
    valid_from: datetime | None
    """Included."""
    valid_to: datetime | None
    """Excluded."""
    side: Side


@dataclass(frozen=True, slots=True)
class MeterSide:
    """The AC side of a vehicle."""

    meters: tuple[MeterShare, ...]
    total: Side
    linked_percent: float
    """Share of the window in which some meter is known to serve the vehicle."""
    missing: str
    """Why there is no AC reading, if there is none."""


def vehicle_side(conn: Connection[Any], vehicle_id: str, window: Window) -> tuple[Side, Temperature]:
    """The DC side of a vehicle and its battery's temperature."""
    wanted = {"vehicle_id": vehicle_id, "after": window.after, "until": window.until}
    row = conn.execute(query("analytics.vehicle_window"), wanted).fetchone() or ()
    return _side(row[:6], window.seconds), Temperature(*row[6:])


def meter_side(conn: Connection[Any], vehicle_id: str, window: Window) -> MeterSide:
    """The AC side of a vehicle: its links in the window, or the meter of the same id where it has no link.

    The meter of the same id is not taken while it serves another vehicle.
    """
    links = links_of_vehicle(conn, vehicle_id)
    if links:
        serving = _disjoint([link for link in links if touches((link.valid_from, link.valid_to), window)])
        missing = "the linked meters have no reading in the window"
        return _meter_side(conn, serving, window, missing if serving else "no link holds in the window")
    for other in links_of_meters(conn, [vehicle_id]):
        if touches((other.valid_from, other.valid_to), window):
            taken = f"no link is stored, and the meter of the same id serves another vehicle ({other})"
            return _meter_side(conn, [], window, taken)
    missing = "no link is stored, and no meter of the same id has a reading in the window"
    return _meter_side(conn, [Link(vehicle_id, vehicle_id)], window, missing, linked=False)


def _meter_side(
    conn: Connection[Any], links: Sequence[Link], window: Window, missing: str, *, linked: bool = True
) -> MeterSide:
    meters = tuple(_share(conn, link, window, linked=linked) for link in links)
    sides = [share.side for share in meters]
    reporting = [side for side in sides if side.kwh is not None]
    served = [seconds_within((link.valid_from, link.valid_to), window) for link in links]
    total = Side(
        readings=sum(side.readings for side in sides),
        expected=sum(side.expected for side in sides),
        kwh=sum(side.kwh or 0.0 for side in reporting) if reporting else None,
        first_ts=min((side.first_ts for side in reporting if side.first_ts), default=None),
        last_ts=max((side.last_ts for side in reporting if side.last_ts), default=None),
        coverage_percent=_weighted((side.coverage_percent for side in sides), served),
        flags=sum((Counter(side.flags) for side in sides), Counter()),
    )
    spans = merged((link.valid_from, link.valid_to) for link in links)
    known = sum(seconds_within(span, window) for span in spans)
    return MeterSide(meters, total, 100 * known / window.seconds, missing)


def _share(conn: Connection[Any], link: Link, window: Window, *, linked: bool) -> MeterShare:
    wanted = {
        "meter_id": link.meter_id,
        "after": window.after,
        "until": window.until,
        "valid_from": link.valid_from,
        "valid_to": link.valid_to,
    }
    row = conn.execute(query("analytics.meter_window"), wanted).fetchone() or ()
    side = _side(row, seconds_within((link.valid_from, link.valid_to), window))
    return MeterShare(link.meter_id, linked, link.valid_from, link.valid_to, side)


def _side(row: Sequence[Any], seconds: float) -> Side:
    """A side from readings, kwh, median gap in seconds, first and last ts, and how many have each flag."""
    readings, kwh, median_gap, first_ts, last_ts, flagged = row
    interval = median_gap if median_gap and readings >= 3 else DEFAULT_INTERVAL_SECONDS
    expected = seconds / interval
    coverage = min(100.0, 100 * readings / expected) if expected else 0.0
    flags = {flag.label: count for flag, count in zip(Quality, flagged, strict=True) if count}
    return Side(readings, expected, kwh, first_ts, last_ts, coverage, flags)


def _weighted(values: Iterable[float], weights: Sequence[float]) -> float:
    """The weighted mean; 0 where nothing weighs."""
    total = sum(weights)
    return (
        sum(value * weight for value, weight in zip(values, weights, strict=True)) / total if total else 0.0
    )


def _disjoint(links: Sequence[Link]) -> list[Link]:
    """The same times as links that do not overlap, so that no reading counts twice."""
    disjoint = []
    for meter_id, found in groupby(sorted(links, key=lambda link: link.meter_id), lambda link: link.meter_id):
        spans = [(link.vehicle_id, link.valid_from, link.valid_to) for link in found]
        disjoint += [Link(spans[0][0], meter_id, *span) for span in merged(span[1:] for span in spans)]
    return disjoint
