"""The dumps that are loaded, made once per size and kept in ``bench-results/dumps``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.generate.generation import generate_fleet
from energy_etl.generate.plan import DumpFormat, FleetPlan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEVICES = 10_000
SEED = 7


@dataclass(frozen=True)
class Dumps:
    """Dumps of a fleet of :data:`DEVICES` meters, a reading each a minute, time-major as exports come."""

    folder: Path

    def meters(self, rows: int, dump_format: DumpFormat = DumpFormat.PARQUET) -> Path:
        """About so many meter readings."""
        return self._fleet(rows, dump_format) / f"meters.{dump_format.value}"

    def vehicles(self, rows: int) -> Path:
        """About so many vehicle readings, of the fleet of the meters."""
        return self._fleet(rows, DumpFormat.PARQUET) / "vehicles.parquet"

    def recut(self, rows: int) -> Path:
        """The same readings as other bytes."""
        return self._derived(rows, "recut", lambda whole: whole.with_columns(note=pl.lit("again")))

    def half_new(self, rows: int) -> tuple[Path, Path]:
        """Two dumps of which the second repeats the second half of the first, and goes on as long."""
        at = pl.int_range(pl.len())
        first = self._derived(rows, "first-two-thirds", lambda whole: whole.filter(at < pl.len() * 2 // 3))
        second = self._derived(rows, "last-two-thirds", lambda whole: whole.filter(at >= pl.len() // 3))
        return first, second

    def late(self, rows: int) -> tuple[Path, Path]:
        """A dump without one reading in a hundred, and one of those between readings that are new."""
        late = pl.int_range(pl.len()) % 101 == 0
        half = pl.int_range(pl.len()) < pl.len() // 2
        first = self._derived(rows, "without-late", lambda whole: whole.filter(half & ~late))
        second = self._derived(rows, "with-late", lambda whole: whole.filter((half & late) | ~half))
        return first, second

    def bad(self, rows: int) -> Path:
        """One row in a hundred has no energy."""
        bad = pl.int_range(pl.len()) % 100 == 0
        energy = pl.when(~bad).then("kwhConsumedAc")
        return self._derived(rows, "bad", lambda whole: whole.with_columns(kwhConsumedAc=energy))

    def registers(self, rows: int) -> Path:
        """The same energy as registers show it."""
        energy = pl.col("kwhConsumedAc").cum_sum().over("meterId") + 1_000
        return self._derived(rows, "registers", lambda whole: whole.with_columns(kwhConsumedAc=energy))

    def small_files(self, count: int, rows_each: int) -> Path:
        """A folder of small dumps, one minute of the fleet each, as CSV."""
        folder = self.folder / f"small-{count}x{rows_each}"
        if not folder.exists():
            whole = pl.read_parquet(self.meters(count * rows_each))
            unfinished = folder.with_suffix(".part")
            unfinished.mkdir(parents=True)
            for number in range(count):
                part = whole.slice(number * rows_each, rows_each)
                part.write_csv(unfinished / f"{number:04}.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
            unfinished.rename(folder)
        return folder

    def one_file(self, count: int, rows_each: int) -> Path:
        """The rows of :meth:`small_files` as one CSV."""
        path = self.folder / f"one-{count}x{rows_each}.csv"
        if not path.exists():
            whole = pl.read_parquet(self.meters(count * rows_each)).head(count * rows_each)
            whole.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        return path

    def _fleet(self, rows: int, dump_format: DumpFormat) -> Path:
        hours = max(1, round(rows / DEVICES / 60))
        folder = self.folder / f"fleet-{hours}h-{dump_format.value}"
        if not (folder / "truth.json").exists():
            plan = FleetPlan(meters=DEVICES, vehicles=DEVICES, hours=hours, seed=SEED, faulty=30)
            generate_fleet(plan, folder, dump_format, replace=True)
        return folder

    def _derived(self, rows: int, name: str, change: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Path:
        path = self.folder / f"{name}-{rows}.parquet"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            change(pl.read_parquet(self.meters(rows)).lazy()).collect().write_parquet(unfinished)
            unfinished.rename(path)
        return path
