"""Dump files of one stream: time-major (every device of a minute, then the next minute), as exports come.

A file appears under its name only when it is complete: it is written as ``NAME.part`` and renamed, so that
an interrupted run never leaves a short dump that looks whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from energy_etl.generate.plan import DumpFormat
from energy_etl.generate.simulation import DECIMALS
from energy_etl.streams import SOURCE_COLUMNS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from energy_etl.generate.simulation import Block
    from energy_etl.streams import Stream

ROW_GROUP_ROWS = 500_000
ISO_SECONDS_Z = "%Y-%m-%dT%H:%M:%SZ"


class _Part(Protocol):
    """One open file."""

    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _ParquetPart:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        # The Arrow schema stays out of the file: with it, readers would get the dictionaries used here for
        # speed instead of plain strings.
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)

    def close(self) -> None:
        self._writer.close()


class _CsvPart:
    """CSV with all decimals in every row.

    A reader that goes by the first rows for a column's type must not take an idle fleet's 0 for an integer.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("wb")
        self._file.write((",".join(schema.names) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        fixed = {SOURCE_COLUMNS[name]: pl.Decimal(18, decimals) for name, decimals in DECIMALS.items()}
        frame.cast({name: kind for name, kind in fixed.items() if name in frame.columns}).write_csv(
            self._file, include_header=False
        )

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class DumpFile:
    """A finished dump."""

    path: Path
    rows: int
    bytes: int


class Dump:
    """The files of one stream, written one after the other.

    Columns carry the names dumps are documented with: the device, its measures, ``timestamp`` (the end of the
    interval; Parquet: microseconds in UTC, CSV: ISO 8601 with ``Z``).

    Use as a context manager; leaving it by an exception removes the unfinished file.
    """

    def __init__(
        self, stream: Stream, devices: list[str], paths: list[Path], dump_format: DumpFormat, start: datetime
    ) -> None:
        self._stream = stream
        self._devices = pa.array(devices, pa.string())
        self._pending = list(paths)
        self._format = dump_format
        self._start = start
        self._part: _Part | None = None
        self._path: Path | None = None
        self._rows = 0
        self.files: list[DumpFile] = []

    def __enter__(self) -> Dump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._part is not None and self._path is not None:
            self._part.close()
            self._temporary(self._path).unlink()

    def begin(self) -> None:
        """Open the next file."""
        self._path, self._rows = self._pending.pop(0), 0
        opened = _ParquetPart if self._format is DumpFormat.PARQUET else _CsvPart
        self._part = opened(self._temporary(self._path), self._schema())

    def write(self, block: Block) -> None:
        """Append the readings of a block."""
        if self._part is None:
            raise RuntimeError("begin() a file before writing to it")
        minutes, devices = block.minutes, len(self._devices)
        if devices == 0:
            return
        numbers = np.tile(np.arange(devices, dtype=np.int32), minutes)
        measures = [pa.array(getattr(block, name).ravel()) for name in self._stream.measures]
        arrays = [
            pa.DictionaryArray.from_arrays(numbers, self._devices),
            *measures,
            self._timestamps(block.first_minute, minutes),
        ]
        self._part.write(pa.Table.from_arrays(arrays, schema=self._schema()))
        self._rows += minutes * devices

    def finish(self) -> None:
        """Complete the file begun last and give it its name."""
        if self._part is None or self._path is None:
            raise RuntimeError("begin() a file before finishing it")
        self._part.close()
        self._part = None
        temporary = self._temporary(self._path)
        temporary.replace(self._path)
        self.files.append(DumpFile(self._path, self._rows, self._path.stat().st_size))

    def _schema(self) -> pa.Schema:
        text = pa.dictionary(pa.int32(), pa.string())
        in_utc = pa.timestamp("us", tz="UTC")
        measures = [(SOURCE_COLUMNS[name], pa.float64()) for name in self._stream.measures]
        return pa.schema(
            [
                (SOURCE_COLUMNS[self._stream.device], text),
                *measures,
                (SOURCE_COLUMNS["ts"], in_utc if self._format is DumpFormat.PARQUET else text),
            ]
        )

    def _timestamps(self, first_minute: int, minutes: int) -> pa.Array:
        devices = len(self._devices)
        first = self._start + timedelta(minutes=first_minute)
        if self._format is DumpFormat.PARQUET:
            ends = int(first.timestamp()) * 1_000_000 + 60_000_000 * np.arange(minutes, dtype=np.int64)
            return pa.array(np.repeat(ends, devices), pa.timestamp("us", tz="UTC"))
        texts = [f"{first + timedelta(minutes=minute):{ISO_SECONDS_Z}}" for minute in range(minutes)]
        numbers = np.repeat(np.arange(minutes, dtype=np.int32), devices)
        return pa.DictionaryArray.from_arrays(numbers, pa.array(texts, pa.string()))

    @staticmethod
    def _temporary(path: Path) -> Path:
        return path.with_name(path.name + ".part")
