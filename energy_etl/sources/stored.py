"""Rows of earlier dumps that were rejected, as a source: they are judged again like those of any dump.

The database spools them to a file, as CSV without a header: number, reject_id, stream and the rows' fields,
sorted by stream and number.
"""

from __future__ import annotations

import csv
import io
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.sources.malformed import malformed_frame
from energy_etl.sources.source import RawBatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELD_CHARACTERS = 100_000
"""No field is longer: what is stored is cut well before, and longer ones of repaired files are refused."""

STREAM = "stream of the reject"
"""An additional column of every batch: the stream that its rows were taken for; empty for none."""

_NUMBER, _STREAM, _FIELDS = 0, 2, 3


class StoredRows:
    """A spooled file of rejected rows (see :class:`energy_etl.sources.source.Reader`).

    A batch holds rows of one stream: of a row that names a meter and a vehicle, one reading may have been
    rejected and the other loaded.

    Args:
        path: The file.
        columns: Names of the fields.
    """

    ignored: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._path = path
        self.columns = columns

    def batches(self, rows: int) -> Iterator[RawBatch]:
        """See :meth:`energy_etl.sources.source.Reader.batches`."""
        with self._path.open("rb") as file:
            lines = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
            for stream, found in groupby(lines, key=itemgetter(_STREAM)):
                while batch := list(islice(found, rows)):
                    frame = _frame(batch, self.columns).with_columns(pl.lit(stream).alias(STREAM))
                    yield RawBatch(frame, malformed_frame([]), file.tell())


def _frame(rows: list[list[str]], columns: tuple[str, ...]) -> pl.DataFrame:
    by_field = list(zip(*rows, strict=True))
    numbers = pl.Series("row_number", [int(number) for number in by_field[_NUMBER]], dtype=pl.Int64)
    fields = zip(columns, by_field[_FIELDS:], strict=True)
    # PostgreSQL cannot store a NUL: the reject table shows its picture, and no value was rejected for that.
    texts = (pl.Series(name, values, dtype=pl.String).str.replace_all("␀", "\x00") for name, values in fields)
    return pl.DataFrame([numbers, *(text.replace("", None) for text in texts)])
