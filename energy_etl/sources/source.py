"""What a source of readings is: one dump file, resolved, and the batches that come out of it.

The border between file formats and the pipeline. A reader yields :class:`RawBatch` objects; nothing after
it knows which format the rows came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl


PARQUET_MAGIC = b"PAR1"
"""How a Parquet file begins, and ends."""


class Format(StrEnum):
    """File formats that can be read."""

    CSV = "csv"
    PARQUET = "parquet"
    NDJSON = "ndjson"
    JSON = "json"

    @property
    def has_header(self) -> bool:
        """Whether a file names all its columns before its rows."""
        return self in {Format.CSV, Format.PARQUET}


class Compression(StrEnum):
    """Compression of the whole file (Parquet compresses inside)."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One dump, found and recognised, not yet read."""

    name: str
    """As the user named it (``-`` for standard input); used in messages and in the ledger."""
    path: Path
    """A regular file to read; for standard input its spooled copy."""
    format: Format
    compression: Compression
    bytes: int
    """Size on disk, compressed."""
    encoding: str | None = None
    """Of text, as Python names it; None: UTF-8, or Windows-1252 if it is not."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of a file other than by the columns that energy-etl documents."""

    columns: tuple[str, ...]
    """The file's own names of the columns that are read."""
    ids: tuple[str, ...] = ()
    """Those of them that must not go through a float."""
    delimiter: str | None = None
    header: tuple[str, ...] | None = None
    """Of a file that has none."""
    skip_rows: int = 0
    """Lines before the header."""


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Rows as the file has them, nothing interpreted yet."""

    frame: pl.DataFrame
    """``row_number`` (Int64, 1-based number of the data row in the file, the header not counted), then the
    file's recognised columns under their canonical names, or under the file's own where a layout asks for
    those: String where the format has no types, else the file's own type. An empty field is null."""
    malformed: pl.DataFrame
    """Rows that are no rows of this table (wrong number of fields, broken JSON): ``row_number`` Int64,
    ``rule`` String, ``detail`` String, ``raw`` String (the text as read, at most 4,096 characters)."""
    bytes_read: int
    """Bytes of the file consumed so far, for progress; compressed where the file is."""

    @property
    def rows(self) -> int:
        return self.frame.height + self.malformed.height


class Reader(Protocol):
    """An opened source."""

    columns: tuple[str, ...]
    """Names of the columns in its frames (see ``sources.headers``). JSON has no header: there, these
    are all columns of the streams met so far, and a later batch may bring the other stream's."""
    ignored: tuple[str, ...]
    """Names, as the file has them, of the columns that mean nothing here."""
    encoding: str | None
    """Of text, as far as it was read; None: the format has none."""
    delimiter: str | None
    """Where the format has one."""

    def batches(self, rows: int) -> Iterator[RawBatch]:
        """Yield the file's rows in order, at most ``rows`` good ones at a time, in bounded memory.

        A file with a header and no rows yields nothing. Each call reads the file from its beginning.

        Raises:
            InputError: The file turns out to be unusable (truncated, corrupt, changed while read).
        """
        ...
