"""Dumps made to exhaust memory: refused or streamed, in bounded memory, with a clear error."""

from __future__ import annotations

import gzip
import json
import os
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.process import Done, run
from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ingest = Callable[..., Done]

PEAK_MB = 400
"""Of a load that needs 120 MB for its libraries alone; each of the dumps unpacks to a gigabyte or more."""
GIGABYTE = 1 << 30
HEADER = b"meterId,kwhConsumedAc,voltage,timestamp\n"


@pytest.fixture
def ingest(database_url: str, flavour: str) -> Ingest:
    """Load a dump, and say what it took."""
    if flavour != "postgres":
        pytest.skip("the dump is what matters, not the server")

    def loaded(path: Path, *codes: int) -> Done:
        command = [sys.executable, "-m", "energy_etl", "ingest", str(path), "--format", "json"]
        environment = {"DATABASE_URL": database_url, "LANG": "C.UTF-8", "PATH": os.defpath}
        return run(command, env=environment, check=codes)

    return loaded


def packed(path: Path, start: bytes, piece: bytes, size: int, end: bytes = b"") -> Path:
    """A gzip file of so many bytes, a thousand times smaller."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(size // len(piece)):
            file.write(piece)
        file.write(end)
    assert path.stat().st_size < size // 100
    return path


def error_of(done: Done) -> str:
    (file,) = json.loads(done.stdout)["files"]
    return str(file["error"])


def test_a_line_of_a_gigabyte_is_refused(ingest: Ingest, tmp_path: Path) -> None:
    dump = packed(tmp_path / "line.csv.gz", HEADER + b"M-1,", b"x" * (1 << 20), GIGABYTE)
    done = ingest(dump, ExitCode.INPUT)
    assert "row 1 is longer than 1 MB" in error_of(done)
    assert done.peak_mb < PEAK_MB


def test_a_header_of_a_gigabyte_is_refused(ingest: Ingest, tmp_path: Path) -> None:
    dump = packed(tmp_path / "header.csv.gz", b"meterId", b"x" * (1 << 20), GIGABYTE)
    done = ingest(dump, ExitCode.INPUT)
    assert "header" in error_of(done)
    assert done.peak_mb < PEAK_MB


def test_a_gigabyte_of_blank_lines_is_no_row(ingest: Ingest, tmp_path: Path) -> None:
    dump = packed(tmp_path / "blank.csv.gz", HEADER, b"\n" * (1 << 20), GIGABYTE // 4)
    done = ingest(dump, ExitCode.DONE)
    assert json.loads(done.stdout)["totals"]["read"] == 0
    assert done.peak_mb < PEAK_MB


@pytest.mark.parametrize("name", ["record.ndjson.gz", "record.json.gz"])
def test_a_record_of_a_gigabyte_is_refused(ingest: Ingest, tmp_path: Path, name: str) -> None:
    start = b'{"meterId": "' if "ndjson" in name else b'[{"meterId": "'
    done = ingest(packed(tmp_path / name, start, b"x" * (1 << 20), GIGABYTE), ExitCode.INPUT)
    assert "longer than 1 million characters" in error_of(done)
    assert done.peak_mb < PEAK_MB


def test_texts_that_unpack_to_gigabytes_are_rejected_row_by_row(ingest: Ingest, tmp_path: Path) -> None:
    rows = 3_000
    long_id = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 900_000]))
    table = pa.table(
        {
            "meterId": long_id,
            "kwhConsumedAc": [0.5] * rows,
            "voltage": [230.0] * rows,
            "timestamp": ["2026-03-01T10:00:00Z"] * rows,
        }
    )
    dump = tmp_path / "bomb.parquet"
    pq.write_table(table, dump)
    assert dump.stat().st_size < 1 << 20
    done = ingest(dump, ExitCode.INPUT)
    assert f"{rows} of {rows} readings are rejected" in error_of(done)
    assert done.peak_mb < PEAK_MB
