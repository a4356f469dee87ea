"""Rows that are not loaded: the rule each breaks, what that means for its value, and the row as read."""

from __future__ import annotations

import polars as pl

from energy_etl.frames.timestamps import as_text
from energy_etl.streams import SOURCE_COLUMNS

SCHEMA = {
    "row_number": pl.Int64,
    "stream": pl.String,
    "rule": pl.String,
    "detail": pl.String,
    "raw": pl.String,
}
"""Shape of a frame of rejects. ``stream`` is null where a row belongs to neither; ``raw`` is JSON."""


CHARACTERS = 4_096
"""How much of a value is kept: enough to see what it is, also where it is a megabyte long."""


def empty() -> pl.DataFrame:
    """No rejects."""
    return pl.DataFrame(schema=SCHEMA)


def with_raw(rejects: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Complete rejects (row_number, stream, rule, detail) with the raw values of their rows.

    Values are kept as text, so that NaN and 18446744073709551615 survive, and cut to :data:`CHARACTERS`; a
    NUL, which PostgreSQL cannot store, is shown as its control picture, in the detail too.
    """
    if rejects.is_empty():
        return empty()
    ours = [name for name in SOURCE_COLUMNS if name in raw.columns]
    columns = [*ours, *(name for name in raw.columns if name not in (*ours, "row_number"))]
    rows = raw.join(rejects.select("row_number").unique(), on="row_number", how="semi")
    text = rows.with_columns(as_text(rows[name]) for name in columns).select(
        "row_number", raw=pl.struct(_storable(name) for name in columns).struct.json_encode()
    )
    complete = rejects.join(text, on="row_number", how="left", maintain_order="left")
    return complete.with_columns(_storable("detail")).select(*SCHEMA)


def count_by_rule(rejects: pl.DataFrame) -> dict[tuple[str | None, str], int]:
    """Rejects by (stream, rule), most frequent first."""
    counts = (
        rejects.group_by("stream", "rule")
        .len()
        .sort("len", "stream", "rule", descending=[True, False, False])
    )
    return {(stream, rule): count for stream, rule, count in counts.iter_rows()}


def from_malformed(malformed: pl.DataFrame, stream: str | None) -> pl.DataFrame:
    """Rejects of rows that could not be read as rows at all (RawBatch.malformed)."""
    if malformed.is_empty():
        return empty()
    return malformed.select(
        "row_number",
        stream=pl.lit(stream, pl.String),
        rule="rule",
        detail=_storable("detail"),
        raw=pl.struct(line=_storable("raw")).struct.json_encode(),
    ).select(*SCHEMA)


def _storable(column: str) -> pl.Expr:
    text = pl.col(column)
    cut = pl.when(text.str.len_bytes() > CHARACTERS).then(text.str.slice(0, CHARACTERS)).otherwise(text)
    return cut.str.replace_all("\x00", "␀")
