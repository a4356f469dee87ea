"""Timestamps as dumps write them → UTC, microseconds.

Read: ISO-8601 with an offset or ``Z`` (``T`` or blank between date and time, fractions of a second, seconds
left out), epoch seconds, milliseconds and microseconds as numbers or digits, dates with dots (day first) or
slashes, with 24 or 12 hours, several of them in one column; and timestamps without a zone, which are placed
by the clock the caller names and counted. Never guessed: which of two numbers is the day, dates without a
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.profiles.model import DateOrder

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from energy_etl.frames.clock import LocalClock, Placed

_ZONED = tuple(f"%Y-%m-%d{sep}%H:%M{seconds}%#z" for seconds in (":%S%.f", "") for sep in ("T", " "))
_SPACED_OFFSET = tuple(f"%Y-%m-%d{sep}%H:%M{seconds} %#z" for seconds in (":%S%.f", "") for sep in ("T", " "))
_NAIVE = tuple(f"%Y-%m-%d{sep}%H:%M{seconds}" for seconds in (":%S%.f", "") for sep in ("T", " "))
_TIMES = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")
_DATES = {
    "%d.%m.%Y": r"^\d{1,2}\.\d{1,2}\.\d{4} ",
    "%Y/%m/%d": r"^\d{4}/\d{1,2}/\d{1,2} ",
    "%Y-%m-%d": r"^\d{4}-\d{1,2}-\d{1,2} ",
}
"""Dates in which day and month cannot be confused, and what they look like."""

DAY_OR_MONTH_FIRST = r"^\d{1,2}[/-]\d{1,2}[/-]\d{4}\b"
"""What a date looks like in which they can."""
_ORDERED = {
    DateOrder.DMY: ("%d/%m/%Y", "%d-%m-%Y"),
    DateOrder.MDY: ("%m/%d/%Y", "%m-%d-%Y"),
}

_EPOCH = r"^\d{9,17}(\.\d{1,9})?$"
_MICROSECONDS_PER = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
"""Below the bound, a number counts units of so many µs. From 1973 to 5138 the three cannot be confused."""
_EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}

_CALENDAR_MS = (-62_135_596_800_000, 253_402_300_799_999)
"""The years 1 to 9999."""


@dataclass(frozen=True, slots=True)
class TimeNotation:
    """How a dump writes its times."""

    formats: tuple[str, ...] = ()
    """As strptime has them, or ``iso``, ``epoch_s``, ``epoch_ms``, ``epoch_us``; none: what can be read."""
    date_order: Callable[[], DateOrder] | None = None
    """Whether the day comes first; asked where it makes a difference."""
    origin: datetime | None = None
    """The moment from which numbers count seconds."""


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Parsed timestamps and what had to be assumed or given up."""

    values: pl.Series
    """Datetime[µs, UTC]; null where the row has none or it could not be read."""
    faults: pl.Series
    """String: the rule a row breaks (``ts:not_a_timestamp``, ``ts:no_such_local_time``,
    ``ts:ambiguous_local_time``), else null."""
    naive: int
    """How many carried no zone and were placed by the clock."""


def parse(
    raw: pl.Series,
    clock: LocalClock,
    notation: TimeNotation | None = None,
    devices: pl.Series | None = None,
) -> Timestamps:
    """Timestamps of any supported shape as UTC.

    Args:
        raw: String, integer, float, Date or Datetime values.
        clock: By which values without a zone are placed.
        notation: How the dump writes them; None: in any way that cannot be confused.
        devices: Whose they are, for the clock.
    """
    notation = notation or TimeNotation()
    if notation.origin is not None:
        zoned, local = _since(notation.origin, raw), _none(raw.len())
    elif raw.dtype == pl.String and notation.formats:
        zoned, local = _parse_declared(raw, notation.formats)
    elif raw.dtype == pl.String:
        zoned, local = _parse_text(raw, notation.date_order)
    elif raw.dtype.is_integer() or raw.dtype.is_float() or raw.dtype.is_decimal():
        zoned, local = _from_epoch(raw, notation.formats), _none(raw.len())
    elif isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone is not None:
        moments = _within_calendar(raw).dt.cast_time_unit("us")
        zoned, local = moments.dt.convert_time_zone("UTC"), _none(raw.len())
    elif isinstance(raw.dtype, pl.Datetime):
        zoned, local = _none(raw.len(), "UTC"), _within_calendar(raw).dt.cast_time_unit("us")
    else:
        zoned, local = _none(raw.len(), "UTC"), _none(raw.len())
    return _settle(raw, zoned, local, clock, devices)


def as_text(values: pl.Series) -> pl.Series:
    """Values of any type as text; a moment beyond the calendar as the number that stands for it."""
    if not isinstance(values.dtype, pl.Date | pl.Datetime):
        return values.cast(pl.String)
    shown, number = _within_calendar(values).cast(pl.String), values.to_physical().cast(pl.String)
    return pl.select(pl.coalesce(shown, number)).to_series()


def _settle(
    raw: pl.Series, zoned: pl.Series, local: pl.Series, clock: LocalClock, devices: pl.Series | None
) -> Timestamps:
    """Bring both kinds together and name what is left over."""
    naive = local.len() - local.null_count()
    values, placed = zoned, None
    if naive:
        placed = clock.place(local, devices)
        values = pl.select(pl.coalesce(zoned, placed.values)).to_series()
    return Timestamps(values.alias("ts"), _faults(raw, values, placed).alias("ts"), naive)


def _faults(raw: pl.Series, values: pl.Series, placed: Placed | None) -> pl.Series:
    faults = pl.Series([None], dtype=pl.String).new_from_index(0, raw.len())
    if values.null_count() > raw.null_count():
        unplaced = pl.lit(placed.rules) if placed is not None else pl.lit(None, pl.String)
        unread = pl.coalesce(unplaced, pl.lit("ts:not_a_timestamp"))
        faults = pl.select(pl.when(values.is_null() & raw.is_not_null()).then(unread)).to_series()
    return faults


def _parse_text(raw: pl.Series, date_order: Callable[[], DateOrder] | None) -> tuple[pl.Series, pl.Series]:
    """Text → (UTC, local); a row has at most one of them.

    Formats are tried one after the other on what is still unread: a dump that keeps to one format costs one
    vectorised pass.
    """
    zoned, local = _parse_iso(raw)
    if zoned.null_count() + local.null_count() > raw.len() + raw.null_count():
        digits = raw.str.contains(_EPOCH) & _unread(raw, zoned, local)
        if digits.any():
            whole = pl.select(pl.when(digits).then(raw)).to_series()
            epoch = _from_epoch(whole.cast(pl.Decimal(38, 9), strict=False))
            zoned = pl.select(pl.coalesce(zoned, epoch)).to_series()
        local = _parse_dates(raw, zoned, local, date_order)
    return zoned, local


def _parse_iso(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    zoned = _none(raw.len(), "UTC")
    for fmt in _ZONED:
        zoned = _fill(zoned, raw, fmt, "UTC")
    local = _none(raw.len())
    for fmt in _NAIVE:
        local = _fill(local, raw, fmt, None, unless=zoned)
    for fmt in _SPACED_OFFSET:
        zoned = _fill(zoned, raw, fmt, "UTC", unless=local)
    return zoned, local


def _parse_dates(
    raw: pl.Series, zoned: pl.Series, local: pl.Series, date_order: Callable[[], DateOrder] | None
) -> pl.Series:
    """Dates as people write them, of what is still unread."""
    for date, looks in _DATES.items():
        if (raw.str.contains(looks) & _unread(raw, zoned, local)).any():
            for time in _TIMES:
                local = _fill(local, raw, f"{date} {time}", None, unless=zoned)
    if date_order is not None and (raw.str.contains(DAY_OR_MONTH_FIRST) & _unread(raw, zoned, local)).any():
        for date in _ORDERED[date_order()]:
            for time in _TIMES:
                local = _fill(local, raw, f"{date} {time}", None, unless=zoned)
    return local


def _parse_declared(raw: pl.Series, formats: tuple[str, ...]) -> tuple[pl.Series, pl.Series]:
    """Text → (UTC, local), by the formats the profile names."""
    zoned, local = _none(raw.len(), "UTC"), _none(raw.len())
    for fmt in formats:
        if fmt == "iso":
            found, found_local = _parse_iso(raw)
            zoned = pl.select(pl.coalesce(zoned, pl.when(local.is_null()).then(found))).to_series()
            local = pl.select(pl.coalesce(local, pl.when(zoned.is_null()).then(found_local))).to_series()
        elif fmt in _EPOCH_UNITS:
            number = pl.select(pl.when(_unread(raw, zoned, local)).then(raw)).to_series()
            epoch = _from_epoch(number.cast(pl.Decimal(38, 9), strict=False), (fmt,))
            zoned = pl.select(pl.coalesce(zoned, epoch)).to_series()
        elif "%z" in fmt or "%#z" in fmt or "%:z" in fmt:
            zoned = _fill(zoned, raw, fmt, "UTC", unless=local)
        else:
            local = _fill(local, raw, fmt, None, unless=zoned)
    return zoned, local


def _unread(raw: pl.Series, zoned: pl.Series, local: pl.Series) -> pl.Series:
    return raw.is_not_null() & zoned.is_null() & local.is_null()


def _fill(
    known: pl.Series, raw: pl.Series, fmt: str, zone: str | None, unless: pl.Series | None = None
) -> pl.Series:
    """Read by one more format what neither ``known`` nor ``unless`` has, of which a row is in one at most."""
    left = known.null_count() - raw.null_count()
    if unless is not None:
        left -= unless.len() - unless.null_count()
    if not left:
        return known
    if left == raw.len():
        return _read(raw, fmt, zone)
    missing = known.is_null() & raw.is_not_null()
    if unless is not None:
        missing &= unless.is_null()
    parsed = _read(raw.filter(missing), fmt, zone)
    if parsed.null_count() == parsed.len():
        return known
    return known.scatter(missing.arg_true(), parsed)


def _read(text: pl.Series, fmt: str, zone: str | None) -> pl.Series:
    return text.str.to_datetime(fmt, time_unit="us", time_zone=zone, strict=False)


def _from_epoch(raw: pl.Series, formats: tuple[str, ...] = ()) -> pl.Series:
    """Numbers → UTC; the magnitude tells the unit where no format does. Floats to the nearest µs."""
    if not raw.dtype.is_decimal():
        # Narrow types cannot hold what they are multiplied to.
        raw = raw.cast(pl.Float64 if raw.dtype.is_float() else pl.Int64, strict=False)
    number = pl.lit(raw)
    declared = next((_EPOCH_UNITS[fmt] for fmt in formats if fmt in _EPOCH_UNITS), None)
    bounds = _MICROSECONDS_PER if declared is None else ((1e17 / declared, declared),)
    micros: pl.Expr = pl.lit(None, pl.Int64)
    for bound, factor in reversed(bounds):
        within = number.is_between(0, bound, closed="left")
        micros = pl.when(within).then(_scaled(pl.when(within).then(number), factor, raw)).otherwise(micros)
    return pl.select(micros.cast(pl.Datetime("us", "UTC"))).to_series()


def _since(origin: datetime, raw: pl.Series) -> pl.Series:
    """Seconds since a moment → UTC."""
    seconds = raw.cast(pl.Decimal(38, 9), strict=False) if raw.dtype == pl.String else raw
    near = seconds.is_between(0, 1e11)
    micros = _scaled(pl.when(pl.lit(near)).then(pl.lit(seconds)), 1_000_000, seconds)
    start = pl.lit(origin).cast(pl.Datetime("us", "UTC"))
    return pl.select(start + pl.duration(microseconds=micros)).to_series()


def _scaled(number: pl.Expr, factor: int, raw: pl.Series) -> pl.Expr:
    scaled = number * factor
    if raw.dtype.is_float():
        scaled = scaled.round(0)
    return scaled.cast(pl.Int64, strict=False)


def _within_calendar(moments: pl.Series) -> pl.Series:
    """The moments, null where Polars can neither convert nor print what the file holds."""
    inside = moments.dt.timestamp("ms").is_between(*_CALENDAR_MS)
    return moments if inside.all() else pl.select(pl.when(inside).then(moments)).to_series()


def _none(length: int, zone: str | None = None) -> pl.Series:
    return pl.Series([None], dtype=pl.Datetime("us", zone)).new_from_index(0, length)
