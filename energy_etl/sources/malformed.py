"""Rows that are no rows of their table: the shape in which every reader reports them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

RAW_CHARACTERS = 4096
"""How much of such a row's text is kept."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """One such row."""

    row_number: int
    rule: str
    """``field_count``, ``broken_json`` or ``duplicate_key``."""
    detail: str
    raw: str
    """The text as read, cut to :data:`RAW_CHARACTERS`."""


def malformed_frame(rows: Sequence[Malformed]) -> pl.DataFrame:
    """The rows as :attr:`RawBatch.malformed` has them.

    Returns:
        ``row_number`` Int64, ``rule``, ``detail`` and ``raw`` String.
    """
    import polars as pl

    return pl.DataFrame(
        {
            "row_number": [row.row_number for row in rows],
            "rule": [row.rule for row in rows],
            "detail": [row.detail for row in rows],
            "raw": [row.raw for row in rows],
        },
        schema={"row_number": pl.Int64, "rule": pl.String, "detail": pl.String, "raw": pl.String},
    )
