"""Opens a recognised dump with the reader of its format.

Formats are imported when a file of theirs is opened: Arrow is not needed to print help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from energy_etl.sources.source import Format

if TYPE_CHECKING:
    from energy_etl.sources.source import Layout, Reader, SourceFile


def open_source(source: SourceFile, layout: Layout | None = None) -> Reader:
    """Read the header of a dump and return its reader.

    No file is left open: :meth:`Reader.batches` opens it and closes it when it ends, is closed, or fails.

    Args:
        source: The dump.
        layout: What is read of it; None: the columns that energy-etl documents.

    Raises:
        InputError: The file's columns are not those of a known stream, or it cannot be read at all.
    """
    if source.format is Format.CSV:
        from energy_etl.sources.delimited import DelimitedReader

        return DelimitedReader(source, layout)
    if source.format is Format.PARQUET:
        from energy_etl.sources.parquet import ParquetReader

        return ParquetReader(source, layout)
    from energy_etl.sources.json_records import JsonReader

    return JsonReader(source, layout)


def headers_of(
    source: SourceFile, *, delimiter: str | None = None, skip_rows: int = 0
) -> dict[str, tuple[str, ...]]:
    """The names of a dump's columns, by each delimiter with which there is a header; "" where it has none.

    Args:
        source: The dump.
        delimiter: The only one to try, if it is known.
        skip_rows: Lines before the header of a delimited file.

    Raises:
        InputError: There is none, or the dump cannot be read at all.
    """
    if source.format is Format.CSV:
        from energy_etl.sources import dialect

        return dialect.headers(source, delimiter, skip_rows)
    if source.format is Format.PARQUET:
        from energy_etl.sources import parquet

        return {"": parquet.headers(source)}
    from energy_etl.sources import json_records

    return {"": json_records.headers(source)}
