"""Values that could not be read or break a rule: one row per value, with the rule and what to tell."""

from __future__ import annotations

import polars as pl

FAULT_SCHEMA = {"row_number": pl.Int64, "column": pl.String, "rule": pl.String, "detail": pl.String}


def told(sentence: str, *values: pl.Expr) -> pl.Expr:
    """A sentence with ``{}`` for each value.

    ``pl.format`` (polars 2.1.0) panics on a column of several chunks of which one is empty: that is what is
    left of a batch, which comes in row groups or blocks, when only a few rows are faulty.
    """
    first, *others = sentence.split("{}")
    parts = [pl.lit(first)]
    for value, text in zip(values, others, strict=True):
        parts += [value.cast(pl.String), pl.lit(text)]
    return pl.concat_str(parts)
