"""Local times → UTC, through the hours that a clock change skips or repeats.

A time that occurs twice is given up unless the caller says which one is meant; which two rules tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.profiles.model import Fold

if TYPE_CHECKING:
    from datetime import datetime

AMBIGUOUS, SKIPPED = "ts:ambiguous_local_time", "ts:no_such_local_time"

_SAME_NIGHT = timedelta(hours=3)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Placed:
    """Local times on the time line."""

    values: pl.Series
    """Datetime[µs, UTC]; null where there is none or it could not be placed."""
    rules: pl.Series
    """String: why it could not, else null."""


class LocalClock:
    """The clock that a dump's local times were read from.

    Remembers the readings it has placed where their order decides, so that batches may end anywhere.

    Args:
        zone: IANA name.
        fold: Which of two is meant where a local time occurs twice.
    """

    def __init__(self, zone: str = "UTC", fold: Fold | None = None) -> None:
        self.zone = zone
        self._fold = fold
        self._before: pl.DataFrame | None = None
        self._second: dict[str, tuple[datetime, bool]] = {}

    @property
    def by_order(self) -> bool:
        """Whether the order of a device's readings decides."""
        return self._fold is Fold.ORDER

    def place(self, local: pl.Series, devices: pl.Series | None = None) -> Placed:
        """Place local times.

        Args:
            local: Datetime[µs] without a zone, in the order of the dump.
            devices: Whose times they are, String; needed where their order decides.
        """
        placed = local.dt.replace_time_zone(self.zone, ambiguous="null", non_existent="null")
        lost = placed.is_null() & local.is_not_null()
        rules = pl.Series([None], dtype=pl.String).new_from_index(0, local.len())
        ambiguous = pl.repeat(value=False, n=local.len(), eager=True)
        if lost.any():
            earlier, later = (
                local.dt.replace_time_zone(self.zone, ambiguous=which, non_existent="null")
                for which in ("earliest", "latest")
            )
            ambiguous = lost & earlier.is_not_null()
            rules = pl.select(pl.when(lost & ~ambiguous).then(pl.lit(SKIPPED))).to_series()
            if self._fold is None:
                unclear = pl.when(ambiguous).then(pl.lit(AMBIGUOUS))
                rules = pl.select(pl.coalesce(rules, unclear)).to_series()
            else:
                second = pl.repeat(value=self._fold is Fold.LATER, n=local.len(), eager=True)
                if self._fold is Fold.ORDER:
                    second = self._second_by_order(local, ambiguous, devices)
                chosen = pl.when(ambiguous & second).then(later).otherwise(pl.coalesce(placed, earlier))
                placed = pl.select(chosen).to_series()
        elif self._fold is Fold.ORDER:
            self._remember(self._with_before(local, ambiguous, devices))
        return Placed(placed.dt.convert_time_zone("UTC"), rules)

    def _second_by_order(
        self, local: pl.Series, ambiguous: pl.Series, devices: pl.Series | None
    ) -> pl.Series:
        """Which readings follow a step back of their device's clock within the repeated hour."""
        readings = self._with_before(local, ambiguous, devices)
        self._remember(readings)
        wanted = readings.filter("ambiguous", pl.col("at").is_not_null())
        second: list[int] = []
        for at, device, now, before, earlier in wanted.select(
            "at", "device", "local", "before", "earlier"
        ).iter_rows():
            last, later = self._second.get(device, (None, False))
            if last is None or abs(now - last) > _SAME_NIGHT:
                later = False
            elif before == last and not later:
                # Hourly readings repeat the very time; of others, the same again is the same reading again.
                hourly = earlier is not None and before - earlier == _HOUR
                later = now < before or (now == before and hourly)
            self._second[device] = (now, later)
            if later:
                second.append(at)
        mask = pl.repeat(value=False, n=local.len(), eager=True)
        return mask.scatter(second, True) if second else mask  # noqa: FBT003 - Polars names it otherwise

    def _with_before(self, local: pl.Series, ambiguous: pl.Series, devices: pl.Series | None) -> pl.DataFrame:
        """Each reading with the two of its device that stand before it, those of the last batch in front."""
        device = devices if devices is not None else pl.Series([None], dtype=pl.String)
        if devices is None:
            device = device.new_from_index(0, local.len())
        readings = pl.DataFrame(
            {
                "at": pl.int_range(local.len(), dtype=pl.Int64, eager=True),
                "device": device.cast(pl.String).fill_null(""),
                "local": local,
                "ambiguous": ambiguous,
            }
        ).filter(pl.col("local").is_not_null())
        if self._before is not None:
            readings = pl.concat([self._before, readings])
        return readings.with_columns(
            before=pl.col("local").shift().over("device"), earlier=pl.col("local").shift(2).over("device")
        )

    def _remember(self, readings: pl.DataFrame) -> None:
        last = readings.select("at", "device", "local", "ambiguous")
        kept = last.group_by("device", maintain_order=True).tail(2).select(last.columns)
        self._before = kept.with_columns(pl.lit(None, pl.Int64).alias("at"))
