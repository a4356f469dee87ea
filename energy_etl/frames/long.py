"""Long layouts, with one value per row and a column that says of what → one row per device and time.

A reading is what brings its energy: rows of a device and time without an energy channel, of channels that
nobody asked for, or filtered out, are no reading; they are counted. A repeated energy value begins another
reading of the same device and time, so that repetitions are found by the load and not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.profiles.binding import unit_column

if TYPE_CHECKING:
    from energy_etl.profiles.binding import BoundLong

REACH_ROWS = 10_000
"""How many rows apart those of one reading may stand. So many are held back at the end of a batch."""

CHANNELS_TOLD = 20
"""Names of channels that are counted apart."""

_AT, _CHANNEL, _TURN = "row_number", "channel of the row", "turn of the row"
_LAST, _ROWS = "last row of the reading", "rows of the reading"


@dataclass(frozen=True, slots=True)
class Unfolded:
    """Readings, one per row."""

    frame: pl.DataFrame
    """row_number (that of the energy value), the columns that tell readings apart, a column per channel, and
    one per channel with its unit where the layout has units. In the order of the file."""
    passed_over: dict[str, int] = field(default_factory=dict)
    """What rows that are no part of a reading are → how many."""


class Unfolder:
    """Unfolds the batches of one dump, in their order."""

    def __init__(self, long: BoundLong) -> None:
        self._long = long
        self._held: pl.DataFrame | None = None

    def unfold(self, raw: pl.DataFrame) -> Unfolded:
        """The readings that are complete with this batch; the others are held back."""
        rows, passed_over = self._chosen(raw)
        if self._held is not None:
            rows = pl.concat([self._held, rows])
        end = rows.height - REACH_ROWS
        if end <= 0:
            self._held = rows
            return Unfolded(self._wide(rows.clear(), {}), passed_over)
        last = rows.with_row_index(_LAST).select(pl.col(_LAST).max().over(*self._long.key)).to_series()
        complete = last < end
        self._held = rows.filter(~complete)
        return Unfolded(self._wide(rows.filter(complete), passed_over), passed_over)

    def finish(self) -> Unfolded | None:
        """What was held back, if anything was."""
        held, self._held = self._held, None
        if held is None or held.is_empty():
            return None
        passed_over: dict[str, int] = {}
        return Unfolded(self._wide(held, passed_over), passed_over)

    def _chosen(self, raw: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """The rows of channels that are asked for and not filtered out; what the others are."""
        long = self._long
        channel = _trimmed(long.channel)
        if long.default_channel is not None:
            channel = pl.when(channel == "").then(pl.lit(long.default_channel)).otherwise(channel)
        rows = raw.with_columns(channel.alias(_CHANNEL))
        wanted = rows.filter(pl.col(_CHANNEL).is_in(list(long.channels)))
        passed_over: dict[str, int] = {}
        if wanted.height < rows.height:
            others = rows.filter(~pl.col(_CHANNEL).is_in(list(long.channels)))
            counted = others[_CHANNEL].value_counts(sort=True)
            for name, count in counted.head(CHANNELS_TOLD).iter_rows():
                passed_over[f'channel "{name}"'] = count
            if rest := int(counted["count"].slice(CHANNELS_TOLD).sum()):
                passed_over["other channels"] = rest
        kept = pl.lit(value=True)
        for name, filters in long.channels.items():
            for column, values in filters.items():
                fits = _trimmed(column).is_in(list(values))
                kept = kept & (fits | (pl.col(_CHANNEL) != name))
        chosen = wanted.filter(kept)
        if chosen.height < wanted.height:
            columns = sorted({column for filters in long.channels.values() for column in filters})
            passed_over[f"filtered out by {' and '.join(columns)}"] = wanted.height - chosen.height
        return chosen, passed_over

    def _wide(self, rows: pl.DataFrame, passed_over: dict[str, int]) -> pl.DataFrame:
        long = self._long
        energy = pl.col(_CHANNEL).is_in(list(long.energy))
        # Counting costs more than all the rest, and is hardly ever needed.
        repeated = rows.select(pl.struct(*long.key, _CHANNEL).is_duplicated().any()).item()
        turn = pl.int_range(pl.len()).over(*long.key, _CHANNEL) if repeated else pl.lit(0, pl.Int64)
        rows = rows.with_columns(turn.alias(_TURN))
        columns = [long.value, *([long.unit] if long.unit is not None else [])]
        values = [
            pl.col(column).filter(pl.col(_CHANNEL) == channel).first().alias(name)
            for channel in long.channels
            for column, name in zip(columns, (channel, unit_column(channel)), strict=False)
        ]
        number = pl.col(_AT).filter(energy).first()
        groups = rows.group_by(*long.key, _TURN, maintain_order=True)
        readings = groups.agg(number, pl.len().alias(_ROWS), *values)
        alone = readings.filter(pl.col(_AT).is_null())
        for what, first in (
            ("without an energy value beside them", True),
            ("values repeated beside one energy value", False),
        ):
            if count := int(alone.filter((pl.col(_TURN) == 0) == first)[_ROWS].sum()):
                passed_over[what] = count
        readings = readings.filter(pl.col(_AT).is_not_null()) if alone.height else readings
        return readings.select(_AT, pl.exclude(_AT, _TURN, _ROWS)).sort(_AT)


def _trimmed(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars().fill_null("")
