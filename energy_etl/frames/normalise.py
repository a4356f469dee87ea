"""Rows as the file has them → typed canonical columns.

A value that cannot be read becomes null **and** a fault that names column, rule and the text, so that one bad
value costs one row and is told; nothing turns into null in silence but the words for a missing value. Ids are
trimmed, numbers are read by the dump's notation, timestamps become UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from energy_etl.frames import numbers as numeric
from energy_etl.frames.clock import AMBIGUOUS, SKIPPED, LocalClock
from energy_etl.frames.faults import FAULT_SCHEMA, told
from energy_etl.frames.numbers import NumberNotation
from energy_etl.frames.timestamps import TimeNotation, as_text, parse
from energy_etl.streams import STREAMS

IDS = tuple(stream.device for stream in STREAMS)
NUMBERS = tuple(measure for stream in STREAMS for measure in stream.measures)


@dataclass(frozen=True, slots=True)
class Notation:
    """How a dump writes its values."""

    numbers: NumberNotation = field(default_factory=NumberNotation)
    times: TimeNotation = field(default_factory=TimeNotation)
    null_ids: bool = False
    """Whether an id may be one of the words for a missing value, too."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A typed batch."""

    frame: pl.DataFrame
    """``row_number`` and the batch's columns: ids String, ``ts`` Datetime[µs, UTC], the rest Float64."""
    faults: pl.DataFrame
    """Values that could not be read: row_number, column, rule, detail."""
    naive_timestamps: int
    """Timestamps without a zone, taken in the zone given."""


def normalise(
    raw: pl.DataFrame, notation: Notation | None = None, clock: LocalClock | None = None
) -> Normalised:
    """Type a raw batch.

    Args:
        raw: ``row_number`` and canonical columns, String or the file's own types; others are kept.
        notation: How its values are written; None: as energy-etl documents.
        clock: By which timestamps without a zone are placed; None: UTC.
    """
    notation, clock = notation or Notation(), clock or LocalClock()
    raw = raw.with_columns(
        pl.col(name).str.strip_chars().replace("", None)
        for name, dtype in raw.schema.items()
        if dtype == pl.String
    )
    if notation.null_ids:
        raw = raw.with_columns(
            pl.when(~notation.numbers.is_null(name)).then(name).alias(name)
            for name in IDS
            if raw.schema.get(name) == pl.String
        )
    numbers = [name for name in NUMBERS if name in raw.columns]
    devices = _devices(raw) if clock.by_order else None
    stamps = parse(raw["ts"], clock, notation.times, devices)
    frame = raw.with_columns(
        *(pl.col(name).cast(pl.String) for name in IDS if name in raw.columns),
        *(numeric.read(raw[name], notation.numbers) for name in numbers),
        stamps.values,
    )
    if missing := notation.numbers.null_numbers:
        frame = frame.with_columns(
            pl.when(~pl.col(name).is_in(missing)).then(name).alias(name) for name in numbers
        )
    faults = [
        _number_faults(raw.filter(frame[name].is_null() & raw[name].is_not_null()), name, notation.numbers)
        for name in numbers
        if frame[name].null_count() > raw[name].null_count()
    ]
    if stamps.faults.null_count() < stamps.faults.len():
        faults.append(_timestamp_faults(raw, stamps.faults, notation, clock.zone))
    return Normalised(frame, pl.concat(faults) if faults else pl.DataFrame(schema=FAULT_SCHEMA), stamps.naive)


def _devices(raw: pl.DataFrame) -> pl.Series | None:
    ids = [pl.col(name).cast(pl.String) for name in IDS if name in raw.columns]
    return raw.select(pl.concat_str(ids, separator=" ", ignore_nulls=True)).to_series() if ids else None


def _number_faults(unread: pl.DataFrame, column: str, notation: NumberNotation) -> pl.DataFrame:
    if unread.schema[column] == pl.String:
        unread = unread.filter(~notation.is_null(column))
    if missing := notation.null_numbers:
        number = pl.col(column).cast(pl.Float64, strict=False)
        unread = unread.filter(~number.is_in(missing).fill_null(value=False))
    return unread.select(
        "row_number",
        column=pl.lit(column),
        rule=pl.lit(f"{column}:not_a_number"),
        detail=told("{} is {}, which is not a number", pl.lit(column), _quoted(column)),
    )


def _timestamp_faults(raw: pl.DataFrame, rules: pl.Series, notation: Notation, zone: str) -> pl.DataFrame:
    unread = raw.with_columns(rules.alias("rule")).filter(pl.col("rule").is_not_null())
    if unread.schema["ts"] == pl.String:
        unread = unread.filter(~notation.numbers.is_null("ts"))
    skipped = pl.lit(f"is skipped by a clock change in {zone}")
    repeated = pl.lit(f"occurs twice at a clock change in {zone}: --fold says which one is meant")
    declared = notation.times.formats or notation.times.origin
    unknown = pl.lit(
        "is not written as the profile says"
        if declared
        else "is neither ISO-8601 with a time nor an epoch in s, ms or µs"
    )
    what = (
        pl.when(pl.col("rule") == SKIPPED)
        .then(skipped)
        .when(pl.col("rule") == AMBIGUOUS)
        .then(repeated)
        .otherwise(unknown)
    )
    return unread.with_columns(as_text(unread["ts"])).select(
        "row_number",
        column=pl.lit("ts"),
        rule="rule",
        detail=told("timestamp is {}, which {}", _quoted("ts"), what),
    )


def _quoted(column: str) -> pl.Expr:
    """The value for a message: in quotes, and short."""
    return told("'{}'", pl.col(column).cast(pl.String).str.slice(0, 100))
