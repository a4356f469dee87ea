"""A vehicle's charging performance as table, JSON and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energy_etl.analytics.window import WindowEnd
from energy_etl.present import cells
from energy_etl.present.output import Format, write_json, write_record, write_table
from energy_etl.present.tables import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from energy_etl.analytics.performance import Performance
    from energy_etl.analytics.sides import MeterShare, Side, Temperature

SCHEMA_VERSION = 1
"""Of the JSON document; raised when a key changes its meaning or goes away."""

_END = {
    WindowEnd.NEWEST_READING: "up to the newest reading",
    WindowEnd.GIVEN: "as given",
    WindowEnd.NOW: "up to now",
}

_CSV = (
    "vehicle_id",
    "window_from",
    "window_to",
    "window_end",
    "status",
    "reason",
    "alert",
    "alert_threshold",
    "ac_consumed",
    "dc_delivered",
    "efficiency_percent",
    "loss_kwh",
    "avg_battery_temp",
    "min_battery_temp",
    "max_battery_temp",
    "ac_readings",
    "ac_coverage_percent",
    "dc_readings",
    "dc_coverage_percent",
    "linked_percent",
    "meters",
    "ac_flags",
    "dc_flags",
)


def write_performance(figures: Performance, output: Format, *, width: int | None = None) -> None:
    """Write one vehicle's figures; energies in kWh, temperatures in °C."""
    if output is Format.JSON:
        write_json(_document(figures))
    elif output is Format.CSV:
        write_table([Column(key, key) for key in _CSV], [_csv_row(figures)], output=output)
    else:
        write_record(_fields(figures), width=width)


def _document(figures: Performance) -> dict[str, Any]:
    """The origin's keys first: vehicleId … timeWindow; then ours."""
    window = figures.window
    return {
        "schemaVersion": SCHEMA_VERSION,
        "vehicleId": figures.vehicle_id,
        "acConsumed": figures.ac.kwh,
        "dcDelivered": figures.dc.kwh,
        "efficiencyPercent": figures.efficiency_percent,
        "avgBatteryTemp": figures.temperature.avg,
        "timeWindow": {"from": window.after, "to": window.until, "end": window.end} if window else None,
        "minBatteryTemp": figures.temperature.min,
        "maxBatteryTemp": figures.temperature.max,
        "lossKwh": figures.loss_kwh,
        "status": figures.status,
        "reason": figures.reason,
        "alert": figures.alert,
        "alertThreshold": figures.alert_threshold,
        "ac": _side(figures.ac),
        "dc": _side(figures.dc),
        "linkedPercent": figures.linked_percent,
        "meters": [_meter(share) for share in figures.meters],
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "readings": side.readings,
        "expectedReadings": side.expected,
        "coveragePercent": side.coverage_percent,
        "firstReading": side.first_ts,
        "lastReading": side.last_ts,
        "flags": dict(side.flags),
    }


def _meter(share: MeterShare) -> dict[str, Any]:
    return {
        "meterId": share.meter_id,
        "linked": share.linked,
        "validFrom": share.valid_from,
        "validTo": share.valid_to,
        "acConsumed": share.side.kwh,
        **_side(share.side),
    }


def _csv_row(figures: Performance) -> list[Any]:
    window = figures.window
    return [
        figures.vehicle_id,
        window.after if window else None,
        window.until if window else None,
        window.end if window else None,
        figures.status,
        figures.reason,
        figures.alert,
        figures.alert_threshold,
        figures.ac.kwh,
        figures.dc.kwh,
        figures.efficiency_percent,
        figures.loss_kwh,
        figures.temperature.avg,
        figures.temperature.min,
        figures.temperature.max,
        figures.ac.readings,
        figures.ac.coverage_percent,
        figures.dc.readings,
        figures.dc.coverage_percent,
        figures.linked_percent,
        " ".join(dict.fromkeys(share.meter_id for share in figures.meters)),
        " ".join(f"{flag}={count}" for flag, count in figures.ac.flags.items()),
        " ".join(f"{flag}={count}" for flag, count in figures.dc.flags.items()),
    ]


def _fields(figures: Performance) -> list[tuple[str, str]]:
    return [
        ("Vehicle", cells.visible(figures.vehicle_id)),
        ("Status", f"{figures.status} – {cells.visible(figures.reason)}"),
        ("Alert", cells.text(figures.alert)),
        ("Window", _window(figures)),
        ("AC consumed", _amount(cells.kwh, figures.ac.kwh, "kWh")),
        ("DC delivered", _amount(cells.kwh, figures.dc.kwh, "kWh")),
        ("Loss", _amount(cells.kwh, figures.loss_kwh, "kWh")),
        ("Efficiency", _amount(cells.one_place, figures.efficiency_percent, "%")),
        ("Battery temperature", _degrees(figures.temperature)),
        ("AC readings", _readings(figures.ac)),
        ("DC readings", _readings(figures.dc)),
        ("Meters", _meters(figures)),
    ]


def _amount(show: Callable[[float | None], str], value: float | None, unit: str) -> str:
    return cells.ABSENT if value is None else f"{show(value)} {unit}"


def _window(figures: Performance) -> str:
    window = figures.window
    if window is None:
        return cells.ABSENT
    return f"{cells.timestamp(window.after)} to {cells.timestamp(window.until)}, {_END[window.end]}"


def _degrees(temperature: Temperature) -> str:
    if temperature.avg is None:
        return cells.ABSENT
    shown = [cells.one_place(value) for value in (temperature.avg, temperature.min, temperature.max)]
    return "{} °C on average over the readings, {} to {} °C".format(*shown)


def _readings(side: Side) -> str:
    flags = ", ".join(f"{count:,} × {flag}" for flag, count in side.flags.items())
    derived = f"; energy derived with {flags}" if flags else ""
    return f"{side.readings:,} ({side.coverage_percent:.1f} % of those expected){derived}"


def _meters(figures: Performance) -> str:
    return "; ".join(cells.visible(_meter_text(share)) for share in figures.meters) or cells.ABSENT


def _meter_text(share: MeterShare) -> str:
    if not share.linked:
        return f"{share.meter_id} (same id, no link stored)"
    ends = [
        f"{word} {cells.timestamp(moment)}"
        for word, moment in (("from", share.valid_from), ("to", share.valid_to))
        if moment
    ]
    return f"{share.meter_id} (linked{''.join(f' {end}' for end in ends)})"
