"""One batch → the readings of each stream.

A row with a meter id is a meter reading, with a vehicle id a vehicle reading, with both it yields both. In a
dump of one stream every row belongs to it, the one whose id is missing too: the stream's own rules say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from energy_etl.streams import STREAMS, Stream


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of a batch by stream."""

    readings: dict[str, pl.DataFrame]
    """Stream name → row_number and the stream's columns."""
    neither: pl.DataFrame
    """row_number, stream (null), rule, detail of the rows that name no device."""


def streams_of(columns: tuple[str, ...]) -> tuple[Stream, ...]:
    """The streams a dump with these columns can carry."""
    return tuple(stream for stream in STREAMS if stream.device in columns)


def split(frame: pl.DataFrame) -> Split:
    """Part a normalised batch."""
    streams = streams_of(tuple(frame.columns))
    if len(streams) == 1:
        stream = streams[0]
        return Split({stream.name: _columns(frame, stream)}, _neither(frame.clear()))
    readings = {
        stream.name: _columns(frame.filter(pl.col(stream.device).is_not_null()), stream) for stream in streams
    }
    nameless = pl.all_horizontal(pl.col(stream.device).is_null() for stream in streams)
    return Split(readings, _neither(frame.filter(nameless)))


def _columns(frame: pl.DataFrame, stream: Stream) -> pl.DataFrame:
    """A stream's columns; a measure that a dump does not carry is missing in every row."""
    absent = (name for name in stream.measures if name not in frame.columns)
    frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
    return frame.select("row_number", *stream.columns)


def _neither(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        "row_number",
        stream=pl.lit(None, pl.String),
        rule=pl.lit("row:no_device"),
        detail=pl.lit("neither a meter id nor a vehicle id"),
    )
