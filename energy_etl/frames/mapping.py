"""Rows under a file's own columns → rows under ours, values as they are: by the profile's binding.

A constant becomes a column, a date and a time become one text, an id in two columns becomes one. Of a long
layout, the rows of a device and time become one row first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.frames.long import Unfolded, Unfolder
from energy_etl.frames.timestamps import as_text
from energy_etl.frames.units import Conversion
from energy_etl.profiles.binding import unit_column

if TYPE_CHECKING:
    from energy_etl.profiles.binding import Binding, BoundId

_UNIT = "unit of "


@dataclass(frozen=True, slots=True)
class Mapped:
    """A batch under our columns."""

    frame: pl.DataFrame
    """row_number, our columns, and the units of values that bring their own."""
    raw: pl.DataFrame
    """row_number and what the rows hold under the file's names, for rejects."""
    passed_over: dict[str, int] = field(default_factory=dict)
    """What rows that are no part of a reading are → how many."""


class Mapper:
    """Maps the batches of one dump, in their order."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._unfolder = Unfolder(binding.long) if binding.long is not None else None

    def map(self, raw: pl.DataFrame) -> Mapped:
        """Bring a batch under our columns; of a long layout, what is complete by then."""
        if self._unfolder is None:
            return Mapped(self._renamed(raw), raw)
        return self._unfolded(self._unfolder.unfold(raw))

    def finish(self) -> Mapped | None:
        """What was held back, if anything was."""
        rest = self._unfolder.finish() if self._unfolder is not None else None
        return self._unfolded(rest) if rest is not None else None

    def _unfolded(self, unfolded: Unfolded) -> Mapped:
        return Mapped(self._renamed(unfolded.frame), unfolded.frame, unfolded.passed_over)

    def _renamed(self, raw: pl.DataFrame) -> pl.DataFrame:
        bound = self._binding
        raw = raw.with_columns(
            as_text(raw[name]).alias(name)
            for name in (bound.time if len(bound.time) > 1 else ())
            if raw.schema[name] != pl.String
        )
        measures = [
            pl.lit(one.constant, pl.Float64) if one.column is None else pl.col(one.column)
            for one in bound.measures
        ]
        units = {
            f"{_UNIT}{one.name}": unit_column(one.column)
            for one in bound.measures
            if bound.long is not None and bound.long.unit is not None and one.column is not None
        }
        return raw.select(
            "row_number",
            *(_id(one) for one in bound.ids),
            _time(bound.time),
            *(each.alias(one.name) for each, one in zip(measures, bound.measures, strict=True)),
            *(pl.col(column).alias(name) for name, column in units.items()),
        )


def conversions(binding: Binding) -> tuple[Conversion, ...]:
    """The conversions of a dump's measures into our units; none for those that need none."""
    own = binding.long is not None and binding.long.unit is not None
    return tuple(
        Conversion(one.name, one.unit, f"{_UNIT}{one.name}" if own else None, one.power)
        for one in binding.measures
        if one.column is not None and (one.unit or own)
    )


def _id(one: BoundId) -> pl.Expr:
    if not one.columns:
        return pl.lit(one.constant, pl.String).alias(one.name)
    if len(one.columns) == 1:
        return pl.col(one.columns[0]).alias(one.name)
    texts = [pl.col(column).cast(pl.String).str.strip_chars() for column in one.columns]
    return pl.concat_str(texts, separator=one.separator).alias(one.name)


def _time(columns: tuple[str, ...]) -> pl.Expr:
    if len(columns) == 1:
        return pl.col(columns[0]).alias("ts")
    texts = [pl.col(column).str.strip_chars() for column in columns]
    return pl.concat_str(texts, separator=" ").alias("ts")
