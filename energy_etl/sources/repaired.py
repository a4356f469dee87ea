"""Files of exported rejects that somebody has repaired: CSV, Parquet or NDJSON, row by row."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from energy_etl.errors import InputError
from energy_etl.sources.dialect import DELIMITERS
from energy_etl.sources.stored import FIELD_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

KEY = {"reject_id": 2**63, "load_id": 2**31, "row_number": 2**63}
"""Columns that say which reject a row is → what their numbers are below."""

BOOKKEEPING = (*KEY, "source", "stream", "rule", "detail")
"""Columns that are about a row; all others are fields of it."""

OWN = "its "
"""Before the name of a field that is called like one of these."""

SUFFIXES = (".csv", ".parquet", ".ndjson")

_BATCH_ROWS = 10_000


class RepairedRow(NamedTuple):
    """One row of it."""

    line: int
    """Number of the row in the file, from 1; the header is not counted."""
    reject_id: int
    load_id: int
    row_number: int
    raw: dict[str, str]
    """Its fields; those that are empty are left out."""


def repaired_rows(path: Path, as_written: Callable[[str], str]) -> Iterator[RepairedRow]:
    """Read a file of repaired rejects.

    Args:
        path: As ``energy-etl rejects export`` writes it.
        as_written: What a cell of CSV stands for.

    Raises:
        InputError: It cannot be read, is not of this kind, or a row of it does not say which reject it is.
    """
    reader = {".csv": _csv, ".parquet": _parquet, ".ndjson": _ndjson}.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            str(path),
            "is not named like a file of rejects",
            hint=f"`energy-etl rejects export` writes {', '.join(SUFFIXES)}",
        )
    try:
        for line, record in enumerate(reader(path, as_written), start=1):
            yield _row(str(path), line, record)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is not UTF-8 text", hint="save it as CSV UTF-8") from error


def _row(file: str, line: int, record: Mapping[str, Any]) -> RepairedRow:
    key: dict[str, int] = {}
    for name, bound in KEY.items():
        try:
            number = int(record[name])
        except (KeyError, TypeError, ValueError):
            number = bound
        if number >= bound:
            raise InputError(
                file,
                f"row {line} does not say which reject it is: {name} is {str(record.get(name))[:100]!r}",
                hint=f"{', '.join(KEY)} must stay as `energy-etl rejects export` wrote them",
            )
        key[name] = number
    raw = {name.removeprefix(OWN): _text(value) for name, value in record.items() if name not in BOOKKEEPING}
    longest = max(map(len, raw.values()), default=0)
    if longest > FIELD_CHARACTERS:
        raise InputError(file, f"row {line} has a value of {longest:,} characters", hint="shorten it")
    # The server stores no NUL; whoever reads what is stored knows its picture.
    stored = {name: text.replace("\x00", "␀") for name, text in raw.items() if text}
    return RepairedRow(line, **key, raw=stored)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv(path: Path, as_written: Callable[[str], str]) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        # Spreadsheets write what the country's lists are separated by.
        delimiter = max(DELIMITERS, key=first.count)
        file.seek(0)
        lines = csv.reader(file, delimiter=delimiter)
        try:
            header = next(lines, [])
            for line, cells in enumerate(lines, start=1):
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise InputError(
                        str(path), f"row {line} has {len(cells)} fields, the header has {len(header)}"
                    )
                yield dict(zip(header, map(as_written, cells), strict=True))
        except csv.Error as error:
            raise InputError(str(path), f"line {lines.line_num} cannot be read: {error}") from error


def _ndjson(path: Path, _: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                raise InputError(str(path), f"line {line} is no JSON object")
            yield record


def _parquet(path: Path, _: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise InputError(str(path), "is no readable Parquet file") from error
