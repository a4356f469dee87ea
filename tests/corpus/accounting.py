"""How many rows a file has, counted without our readers, and whether a result accounts for them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from energy_etl.outcome import LoadResult, Status
from energy_etl.sources.recognise import recognise
from energy_etl.sources.source import Compression, Format, SourceFile

if TYPE_CHECKING:
    from pathlib import Path

LONG = {"ocpp": 2, "han": 2}
"""Profiles with one value per row → how many values their readings have."""


def rows_of(path: Path) -> int | None:
    """Rows of a file that was accepted; None where there is no telling without the product's own reader."""
    source = recognise(path, path.name)
    if source.format is Format.PARQUET:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            return int(file.metadata.num_rows)
    text = _text(source)
    if text is None:
        return None
    if source.format is Format.CSV:
        return _records(text)
    if source.format is Format.NDJSON:
        return sum(bool(line.strip(" \t\r\n")) for line in text.split("\n"))
    try:
        document = json.loads(text)
    except ValueError:
        # Objects one after another are read, too.
        return None
    return len(document) if isinstance(document, list) else 1


def unaccounted(result: LoadResult, path: Path) -> str | None:
    """What of a loaded file's rows is not accounted for, if anything is."""
    for name, counts in result.streams.items():
        if counts.read != counts.loaded + counts.duplicate + counts.conflicting + counts.rejected:
            return f"{name}: {counts}"
    if result.status is Status.ALREADY_LOADED:
        return None
    rows = rows_of(path)
    if rows is not None and rows != result.rows:
        return f"{result.rows} rows are told, the file has {rows}"
    read, passed_over = result.total("read"), sum(result.passed_over.values())
    most = LONG.get(result.interpretation.get("profile", ""), len({*result.streams} - {"unassigned"}) or 1)
    if result.interpretation.get("profile") in LONG:
        if not read + passed_over <= result.rows <= most * read + passed_over:
            return f"{result.rows} rows, but {read} readings and {passed_over} others"
    elif passed_over or not result.rows <= read <= most * result.rows:
        return f"{result.rows} rows, but {read} readings in {sorted(result.streams)}"
    return None


def _text(source: SourceFile) -> str | None:
    content = source.path.read_bytes()
    try:
        if source.compression is Compression.GZIP:
            content = gzip.decompress(content)
        elif source.compression is Compression.ZSTD:
            with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
                content = stream.read()
    except (OSError, EOFError, zlib.error):
        return None
    for encoding in (source.encoding,) if source.encoding else ("utf-8", "cp1252"):
        try:
            return content.decode(encoding or "").removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    return None


def _records(text: str) -> int | None:
    """Records behind the header of a delimited file, by every delimiter alike; None if they differ."""
    counts = {_records_by(text, delimiter) for delimiter in ",;\t|"} if '"' in text else {_lines(text)}
    return counts.pop() if len(counts) == 1 else None


def _lines(text: str) -> int:
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line]
    header = next((at for at, line in enumerate(lines) if line.strip(" ,;\t|")), 0)
    return len(lines) - header - 1


def _records_by(text: str, delimiter: str) -> int:
    # The limit is the interpreter's: the product, in the same process, reads headers by the usual one.
    usual = csv.field_size_limit(1 << 24)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        records = [record for record in reader if record]
    finally:
        csv.field_size_limit(usual)
    header = next((at for at, record in enumerate(records) if any(name.strip() for name in record)), 0)
    return len(records) - header - 1
