"""Frames → PostgreSQL's binary COPY format (``COPY … FROM STDIN (FORMAT binary)``).

Binary, because text costs the server twice the time. Encoded by pgpq, straight from Arrow memory. Binary COPY
casts nothing: a frame's types must be the table's (String text, Float64 double precision, Int32 integer,
Int64 bigint, Datetime[µs] timestamptz).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgpq
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLICE_ROWS = 65_536
"""Rows encoded at a time: a few MB, so that encoding and sending overlap and memory stays small."""


def encode(frame: pl.DataFrame) -> Iterator[bytes]:
    """A frame as one complete binary COPY stream, in pieces.

    Args:
        frame: Columns in the order of the COPY's column list.
    """
    # pgpq knows neither string_view nor zones; the oldest Arrow layout and naive UTC have the same bytes.
    plain = frame.with_columns(pl.col(pl.Datetime("us", "UTC")).dt.replace_time_zone(None))
    schema = plain.head(0).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    yield encoder.write_header()
    for part in plain.iter_slices(_SLICE_ROWS):
        for batch in part.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches():
            yield encoder.write_batch(batch)
    yield encoder.finish()
