"""Open rejects as a file to repair them in: a column per field, CSV, Parquet or NDJSON by its suffix.

Written beside its place and renamed when complete, readable by its owner only: raw values are other people's
data. In CSV no cell begins with what a spreadsheet would calculate.
"""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_etl.errors import UsageError
from energy_etl.present.cells import csv_text
from energy_etl.sources.repaired import BOOKKEEPING, OWN, SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from energy_etl.db.open_rejects import OpenReject

_BATCH_ROWS = 10_000

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")

_INTEGERS = ("reject_id", "load_id", "row_number")


def check_suffix(path: Path) -> None:
    """Make sure that the file's name says what it is to be.

    Raises:
        UsageError: It does not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"--to {path}: neither CSV nor Parquet nor NDJSON",
            hint=f"let its name end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}",
        )


def write_export(path: Path, rejects: Iterable[OpenReject], fields: Sequence[str]) -> int:
    """Write rejects to a file; a file that is there is replaced.

    Args:
        path: Ends in a suffix that is known.
        rejects: With text values; consumed once.
        fields: Their raw fields, in the order of the columns.

    Returns:
        How many.

    Raises:
        UsageError: It cannot be written there.
    """
    write = {".csv": _csv, ".parquet": _parquet, ".ndjson": _ndjson}[path.suffix.lower()]
    try:
        handle, place = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UsageError(
            f"--to {path}: cannot be written: {error.strerror}", hint="choose another place"
        ) from error
    part = Path(place)
    try:
        os.close(handle)
        shown = {name: f"{OWN}{name}" if name in BOOKKEEPING else name for name in fields}
        written = write(part, _records(rejects, shown), [*BOOKKEEPING, *shown.values()])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _records(rejects: Iterable[OpenReject], fields: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for reject in rejects:
        about = {name: getattr(reject, name) for name in BOOKKEEPING}
        yield about | {shown: reject.raw.get(name) for name, shown in fields.items()}


def _csv(part: Path, records: Iterable[dict[str, Any]], columns: Sequence[str]) -> int:
    written = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for record in records:
            writer.writerow([_cell(record[name]) for name in columns])
            written += 1
    return written


def _cell(value: object) -> object:
    # A number is for a spreadsheet to take as one: nothing is calculated from it.
    return csv_text(value) if isinstance(value, str) and not _NUMBER.fullmatch(value) else value


def _ndjson(part: Path, records: Iterable[dict[str, Any]], _: Sequence[str]) -> int:
    written = 0
    with part.open("w", encoding="utf-8") as file:
        for record in records:
            # A record has its own fields only, not those of every other.
            own = {name: value for name, value in record.items() if value is not None}
            file.write(json.dumps(own, ensure_ascii=False) + "\n")
            written += 1
    return written


def _parquet(part: Path, records: Iterable[dict[str, Any]], columns: Sequence[str]) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.int64() if name in _INTEGERS else pa.string()) for name in columns])
    written, left = 0, iter(records)
    with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
        while batch := list(islice(left, _BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            written += len(batch)
    return written
