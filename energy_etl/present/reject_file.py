"""The rejects of a run as a file, for whoever has to repair the dumps: CSV or Parquet, by its suffix.

Written beside its place and renamed when complete, readable by its owner only: raw values are other people's
data. In CSV no cell begins with what a spreadsheet would calculate.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from energy_etl.errors import UsageError
from energy_etl.present.cells import csv_text

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("source", "row_number", "stream", "rule", "detail", "raw")
"""``row_number``: of the data row in the file, from 1. ``raw``: the values as read, as JSON."""

_SUFFIXES = (".csv", ".parquet")


class RejectFile:
    """The rejects of several dumps in one file.

    Use as a context manager: the file is there when it ends well, also when there was nothing to reject.

    Args:
        path: Ends in ``.csv`` or ``.parquet``; a file that is there is replaced.

    Raises:
        UsageError: It ends in something else, or its folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in _SUFFIXES:
            raise UsageError(
                f"--rejects-to {path}: neither CSV nor Parquet", hint="let its name end in .csv or .parquet"
            )
        self._path = path
        self._parts: list[tuple[str, Path]] = []

    def part(self, source: str) -> Path:
        """Where the rejects of one dump go: row_number, stream, rule, detail and raw as CSV without a header.

        A dump whose part is never written has no rejects here.
        """
        place = self._folder / f"{len(self._parts)}.csv"
        self._parts.append((source, place))
        return place

    def __enter__(self) -> Self:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self._path.name}.", dir=self._path.parent))
        except OSError as error:
            raise UsageError(
                f"--rejects-to {self._path}: cannot be written: {error.strerror}", hint="choose another place"
            ) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            whole = self._folder / "whole"
            whole.touch(mode=0o600)
            self._parts = [(source, part) for source, part in self._parts if part.exists()]
            if self._path.suffix.lower() == ".csv":
                self._write_csv(whole)
            else:
                self._write_parquet(whole)
            whole.replace(self._path)
        finally:
            shutil.rmtree(self._folder)

    def _write_csv(self, whole: Path) -> None:
        with whole.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for source, part in self._parts:
                with part.open(encoding="utf-8", newline="") as rows:
                    writer.writerows([csv_text(source), *row] for row in csv.reader(rows))

    def _write_parquet(self, whole: Path) -> None:
        import polars as pl

        frames = [self._scan(source, part) for source, part in self._parts if part.stat().st_size]
        empty = pl.LazyFrame(schema=dict.fromkeys(COLUMNS, pl.String) | {"row_number": pl.Int64})
        pl.concat([empty, *frames]).sink_parquet(whole, compression="zstd")

    @staticmethod
    def _scan(source: str, part: Path) -> pl.LazyFrame:
        import polars as pl

        schema: dict[str, type[pl.DataType]] = dict.fromkeys(COLUMNS[1:], pl.String)
        rows = pl.scan_csv(part, has_header=False, schema=schema | {"row_number": pl.Int64})
        return rows.select(pl.lit(source).alias("source"), pl.all())
