"""Rows as the file has them → typed canonical columns.

A value that cannot be read becomes null **and** a fault that names column, rule and the text, so that one bad
value costs one row and is told; nothing turns into null in silence. Ids are trimmed, numbers are read with a
decimal point, timestamps become UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from energy_etl.frames.timestamps import as_text, parse
from energy_etl.streams import STREAMS

IDS = tuple(stream.device for stream in STREAMS)
NUMBERS = tuple(measure for stream in STREAMS for measure in stream.measures)

FAULT_SCHEMA = {"row_number": pl.Int64, "column": pl.String, "rule": pl.String, "detail": pl.String}


@dataclass(frozen=True, slots=True)
class Normalised:
    """A typed batch."""

    frame: pl.DataFrame
    """``row_number`` and the batch's columns: ids String, ``ts`` Datetime[µs, UTC], the rest Float64."""
    faults: pl.DataFrame
    """Values that could not be read: row_number, column, rule, detail."""
    naive_timestamps: int
    """Timestamps without a zone, taken in the zone given."""


def normalise(raw: pl.DataFrame, zone: str = "UTC") -> Normalised:
    """Type a raw batch.

    Args:
        raw: ``row_number`` and canonical columns, String or the file's own types.
        zone: IANA name of the zone of timestamps that carry none.
    """
    raw = raw.with_columns(
        pl.col(name).str.strip_chars().replace("", None)
        for name, dtype in raw.schema.items()
        if dtype == pl.String
    )
    numbers = [name for name in NUMBERS if name in raw.columns]
    stamps = parse(raw["ts"], zone)
    frame = raw.with_columns(
        *(pl.col(name).cast(pl.String) for name in IDS if name in raw.columns),
        *(pl.col(name).cast(pl.Float64, strict=False) for name in numbers),
        stamps.values,
    )
    faults = [
        _number_faults(raw.filter(frame[name].is_null() & raw[name].is_not_null()), name)
        for name in numbers
        if frame[name].null_count() > raw[name].null_count()
    ]
    if stamps.faults.null_count() < stamps.faults.len():
        faults.append(_timestamp_faults(raw, stamps.faults, zone))
    return Normalised(frame, pl.concat(faults) if faults else pl.DataFrame(schema=FAULT_SCHEMA), stamps.naive)


def _number_faults(unread: pl.DataFrame, column: str) -> pl.DataFrame:
    return unread.select(
        "row_number",
        column=pl.lit(column),
        rule=pl.lit(f"{column}:not_a_number"),
        detail=pl.format("{} is {}, which is not a number", pl.lit(column), _quoted(column)),
    )


def _timestamp_faults(raw: pl.DataFrame, rules: pl.Series, zone: str) -> pl.DataFrame:
    local = pl.lit(f"is skipped or repeated by a clock change in {zone}")
    unknown = pl.lit("is neither ISO-8601 with a time nor an epoch in s, ms or µs")
    broken = rules.drop_nulls()
    what = pl.when(broken == "ts:no_such_local_time").then(local).otherwise(unknown)
    unread = raw.filter(rules.is_not_null())
    return unread.with_columns(as_text(unread["ts"])).select(
        "row_number",
        column=pl.lit("ts"),
        rule=broken,
        detail=pl.format("timestamp is {}, which {}", _quoted("ts"), what),
    )


def _quoted(column: str) -> pl.Expr:
    """The value for a message: in quotes, and short."""
    return pl.format("'{}'", pl.col(column).cast(pl.String).str.slice(0, 100))
