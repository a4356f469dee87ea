"""Numbers as dumps write them → floats, and the words that stand where a value is missing.

What reads as a number is one; only what is left over is looked at again, so that clean columns cost nothing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.profiles.model import NULL_TOKENS, DecimalMark

if TYPE_CHECKING:
    from collections.abc import Callable

WITH_COMMA = r"^[+-]?\d*,"
"""What a number looks like that might have a decimal comma."""


@dataclass(frozen=True, slots=True)
class NumberNotation:
    """How a dump writes its numbers."""

    null: tuple[str, ...] = NULL_TOKENS
    decimal: DecimalMark | None = None
    """None: a point, unless ``find_decimal`` says otherwise."""
    thousands: str | None = None
    find_decimal: Callable[[], DecimalMark] | None = None
    """Asked where a comma in a number makes a difference."""

    def is_null(self, column: str) -> pl.Expr:
        """Whether a text is one of the words for a missing value."""
        return pl.col(column).str.to_lowercase().is_in([token.lower() for token in self.null])

    @property
    def null_numbers(self) -> list[float]:
        """The numbers among those words: what some devices send for want of a value."""
        found = []
        for token in self.null:
            with suppress(ValueError):
                found.append(float(token))
        return found


def read(raw: pl.Series, notation: NumberNotation) -> pl.Series:
    """A column as Float64; null where it holds no number."""
    if raw.dtype != pl.String:
        return raw.cast(pl.Float64, strict=False)
    mark = notation.decimal
    if mark is None and notation.find_decimal is not None:
        plain = raw.cast(pl.Float64, strict=False)
        if plain.null_count() == raw.null_count() or not raw.str.contains(WITH_COMMA).any():
            return plain
        mark = notation.find_decimal()
    if mark is DecimalMark.COMMA or notation.thousands is not None:
        raw = _with_point(raw, mark or DecimalMark.POINT, notation.thousands)
    return raw.cast(pl.Float64, strict=False)


def _with_point(raw: pl.Series, mark: DecimalMark, thousands: str | None) -> pl.Series:
    """Numbers without thousands marks and with a decimal point; null where a mark is misplaced."""
    point = re.escape(mark)
    plain = rf"^[+-]?\d*(?:{point}\d*)?(?:[eE][+-]?\d+)?$"
    fits = pl.lit(raw).str.contains(plain)
    text = pl.lit(raw)
    if thousands is not None:
        grouped = rf"^[+-]?\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+(?:{point}\d*)?$"
        fits = fits | pl.lit(raw).str.contains(grouped)
        text = text.str.replace_all(thousands, "", literal=True)
    # Words such as inf and NaN are not made of marks: they stay for the rules to judge.
    words = pl.lit(raw).str.contains(r"^[+-]?[A-Za-z]+$")
    text = text.str.replace(mark, ".", literal=True)
    return pl.select(pl.when(words).then(pl.lit(raw)).when(fits).then(text)).to_series()
