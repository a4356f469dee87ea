"""Frames → PostgreSQL's binary COPY format (``COPY … FROM STDIN (FORMAT binary)``).

Binary, because text costs the server twice the time. Encoded by pgpq, straight from Arrow memory. Binary COPY
casts nothing: a frame's types must be the table's (String text, Float64 double precision, Int32 integer,
Int64 bigint, Datetime[µs] timestamptz).
"""

from __future__ import annotations

from dataclasses import dataclass

import pgpq
import polars as pl

_SLICE_ROWS = 65_536
"""Rows encoded at a time: pieces of a few MB, which the driver sends without copying them again."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as one complete binary COPY stream."""

    rows: int
    pieces: tuple[bytes, ...]


def encode(frame: pl.DataFrame) -> Encoded:
    """Encode a frame.

    Args:
        frame: Columns in the order of the COPY's column list.
    """
    # pgpq knows neither string_view nor zones; the oldest Arrow layout and naive UTC have the same bytes.
    plain = frame.with_columns(pl.col(pl.Datetime("us", "UTC")).dt.replace_time_zone(None))
    schema = plain.head(0).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    pieces = [encoder.write_header()]
    for part in plain.iter_slices(_SLICE_ROWS):
        for batch in part.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches():
            pieces.append(encoder.write_batch(batch))
    pieces.append(encoder.finish())
    return Encoded(frame.height, tuple(pieces))
