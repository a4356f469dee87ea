"""Timestamps as dumps write them → UTC, microseconds.

Read: ISO-8601 with an offset or ``Z`` (``T`` or blank between date and time, fractions of a second, seconds
left out), epoch seconds, milliseconds and microseconds as numbers or digits, and timestamps without a zone,
which are taken in the zone the caller names and counted. Never guessed: day and month the other way round,
dates without a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

_ZONED = tuple(f"%Y-%m-%d{sep}%H:%M{seconds}%#z" for seconds in (":%S%.f", "") for sep in ("T", " "))
_SPACED_OFFSET = tuple(f"%Y-%m-%d{sep}%H:%M{seconds} %#z" for seconds in (":%S%.f", "") for sep in ("T", " "))
_NAIVE = tuple(f"%Y-%m-%d{sep}%H:%M{seconds}" for seconds in (":%S%.f", "") for sep in ("T", " "))

_EPOCH = r"^\d{9,17}(\.\d{1,9})?$"
_MICROSECONDS_PER = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
"""Below the bound, a number counts units of so many µs. From 1973 to 5138 the three cannot be confused."""

_CALENDAR_MS = (-62_135_596_800_000, 253_402_300_799_999)
"""The years 1 to 9999."""


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Parsed timestamps and what had to be assumed or given up."""

    values: pl.Series
    """Datetime[µs, UTC]; null where the row has none or it could not be read."""
    faults: pl.Series
    """String: the rule a row breaks (``ts:not_a_timestamp``, ``ts:no_such_local_time``), else null."""
    naive: int
    """How many carried no zone and were taken in the caller's."""


def parse(raw: pl.Series, zone: str) -> Timestamps:
    """Timestamps of any supported shape as UTC.

    Args:
        raw: String, integer, float, Date or Datetime values.
        zone: IANA name of the zone in which values without one are meant.
    """
    if raw.dtype == pl.String:
        zoned, local = _parse_text(raw)
    elif raw.dtype.is_integer() or raw.dtype.is_float() or raw.dtype.is_decimal():
        zoned, local = _from_epoch(raw), _none(raw.len())
    elif isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone is not None:
        moments = _within_calendar(raw).dt.cast_time_unit("us")
        zoned, local = moments.dt.convert_time_zone("UTC"), _none(raw.len())
    elif isinstance(raw.dtype, pl.Datetime):
        zoned, local = _none(raw.len(), "UTC"), _within_calendar(raw).dt.cast_time_unit("us")
    else:
        zoned, local = _none(raw.len(), "UTC"), _none(raw.len())
    return _settle(raw, zoned, local, zone)


def as_text(values: pl.Series) -> pl.Series:
    """Values of any type as text; a moment beyond the calendar as the number that stands for it."""
    if not isinstance(values.dtype, pl.Date | pl.Datetime):
        return values.cast(pl.String)
    shown, number = _within_calendar(values).cast(pl.String), values.to_physical().cast(pl.String)
    return pl.select(pl.coalesce(shown, number)).to_series()


def _settle(raw: pl.Series, zoned: pl.Series, local: pl.Series, zone: str) -> Timestamps:
    """Bring both kinds together and name what is left over."""
    naive = local.len() - local.null_count()
    values = zoned
    if naive:
        placed = local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
        values = pl.select(pl.coalesce(zoned, placed.dt.convert_time_zone("UTC"))).to_series()
    faults = pl.Series([None], dtype=pl.String).new_from_index(0, raw.len())
    if values.null_count() > raw.null_count():
        faults = pl.select(
            pl.when(values.is_not_null() | raw.is_null())
            .then(None)
            .when(local.is_not_null())
            .then(pl.lit("ts:no_such_local_time"))
            .otherwise(pl.lit("ts:not_a_timestamp"))
        ).to_series()
    return Timestamps(values.alias("ts"), faults.alias("ts"), naive)


def _parse_text(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Text → (UTC, local); a row has at most one of them.

    Formats are tried one after the other on what is still unread: a dump that keeps to one format costs one
    vectorised pass.
    """
    zoned = _none(raw.len(), "UTC")
    for fmt in _ZONED:
        zoned = _fill(zoned, raw, fmt, "UTC")
    local = _none(raw.len())
    for fmt in _NAIVE:
        local = _fill(local, raw, fmt, None, unless=zoned)
    for fmt in _SPACED_OFFSET:
        zoned = _fill(zoned, raw, fmt, "UTC", unless=local)
    if zoned.null_count() + local.null_count() > raw.len() + raw.null_count():
        digits = raw.str.contains(_EPOCH) & zoned.is_null() & local.is_null()
        if digits.any():
            whole = pl.select(pl.when(digits).then(raw)).to_series()
            epoch = _from_epoch(whole.cast(pl.Decimal(38, 9), strict=False))
            zoned = pl.select(pl.coalesce(zoned, epoch)).to_series()
    return zoned, local


def _fill(
    known: pl.Series, raw: pl.Series, fmt: str, zone: str | None, unless: pl.Series | None = None
) -> pl.Series:
    missing = known.is_null() & raw.is_not_null()
    if unless is not None:
        missing &= unless.is_null()
    if not missing.any():
        return known
    everything = bool(missing.all())
    text = raw if everything else raw.filter(missing)
    parsed = text.str.to_datetime(fmt, time_unit="us", time_zone=zone, strict=False)
    if everything:
        return parsed
    if parsed.null_count() == parsed.len():
        return known
    return known.scatter(missing.arg_true(), parsed)


def _from_epoch(raw: pl.Series) -> pl.Series:
    """Numbers → UTC; the magnitude tells the unit. Floats to the nearest µs, the rest exact."""
    if not raw.dtype.is_decimal():
        # Narrow types cannot hold what they are multiplied to.
        raw = raw.cast(pl.Float64 if raw.dtype.is_float() else pl.Int64, strict=False)
    number = pl.lit(raw)
    micros: pl.Expr = pl.lit(None, pl.Int64)
    for bound, factor in reversed(_MICROSECONDS_PER):
        within = number.is_between(0, bound, closed="left")
        scaled = pl.when(within).then(number) * factor
        if raw.dtype.is_float():
            scaled = scaled.round(0)
        micros = pl.when(within).then(scaled.cast(pl.Int64, strict=False)).otherwise(micros)
    return pl.select(micros.cast(pl.Datetime("us", "UTC"))).to_series()


def _within_calendar(moments: pl.Series) -> pl.Series:
    """The moments, null where Polars can neither convert nor print what the file holds."""
    inside = moments.dt.timestamp("ms").is_between(*_CALENDAR_MS)
    return moments if inside.all() else pl.select(pl.when(inside).then(moments)).to_series()


def _none(length: int, zone: str | None = None) -> pl.Series:
    return pl.Series([None], dtype=pl.Datetime("us", zone)).new_from_index(0, length)
