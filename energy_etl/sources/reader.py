"""Opens a recognised dump with the reader of its format.

Formats are imported when a file of theirs is opened: Arrow is not needed to print help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from energy_etl.sources.source import Format

if TYPE_CHECKING:
    from energy_etl.sources.source import Reader, SourceFile


def open_source(source: SourceFile) -> Reader:
    """Read the header of a dump and return its reader.

    No file is left open: :meth:`Reader.batches` opens it and closes it when it ends, is closed, or fails.

    Raises:
        InputError: The file's columns are not those of a known stream, or it cannot be read at all.
    """
    if source.format is Format.CSV:
        from energy_etl.sources.delimited import DelimitedReader

        return DelimitedReader(source)
    if source.format is Format.PARQUET:
        from energy_etl.sources.parquet import ParquetReader

        return ParquetReader(source)
    from energy_etl.sources.json_records import JsonReader

    return JsonReader(source)
