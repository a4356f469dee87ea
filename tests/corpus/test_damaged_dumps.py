"""Dumps damaged at random: they are read or refused, and never anything else."""

from __future__ import annotations

import gzip
import io
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.errors import ExitCode, InputError
from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

ROWS = 50


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@cache
def sound(name: str) -> bytes:
    """A dump of :data:`ROWS` readings in the format its name says."""
    table = pa.table(
        {
            "meterId": [f"MTR-{row:03d}" for row in range(ROWS)],
            "kwhConsumedAc": [row / 4 for row in range(ROWS)],
            "voltage": [230.5] * ROWS,
            "timestamp": ["2026-07-01T00:00:00Z"] * ROWS,
        }
    )
    out = io.BytesIO()
    if "parquet" in name:
        pq.write_table(table, out, row_group_size=20, write_page_checksum="sums" in name)
    elif "json" in name:
        records = [str(record).replace("'", '"') for record in table.to_pylist()]
        array = name.startswith("array")
        out.write(("[" + ",\n".join(records) + "]" if array else "\n".join(records)).encode())
    else:
        pc.write_csv(table, out)
    data = out.getvalue()
    if name.endswith(".gz"):
        return gzip.compress(data)
    return bytes(pa.compress(data, "zstd", asbytes=True)) if name.endswith(".zst") else data


NAMES = (
    *("plain.csv", "packed.csv.gz", "packed.csv.zst", "bare.parquet", "sums.parquet"),
    *("lines.ndjson", "lines.ndjson.gz", "array.json", "array.json.zst"),
)


def read(path: Path, name: str, content: bytes) -> int | None:
    """How many rows a dump has; None if it is refused."""
    path.write_bytes(content)
    try:
        return sum(batch.rows for batch in open_source(recognise(path, name)).batches(7))
    except InputError as error:
        assert error.message.startswith(f"{name}: ")  # noqa: PT017 - every refusal names the file
        return None


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_dump_is_read(folder: Path, name: str) -> None:
    assert read(folder / "dump", name, sound(name)) == ROWS


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
    cut=st.floats(0, 1),
    junk=st.binary(max_size=20),
)
def test_a_damaged_dump_is_read_or_refused(
    folder: Path, name: str, flips: list[tuple[float, int]], cut: float, junk: bytes
) -> None:
    content = bytearray(sound(name))
    for place, bits in flips:
        content[int(place * len(content))] ^= bits

    read(folder / "dump", name, bytes(content[: int(cut * len(content))]) + junk)
    read(folder / "dump", name, bytes(content))


@pytest.mark.parametrize("flip", [0x01, 0x08])
def test_no_byte_of_a_parquet_footer_stops_the_process(folder: Path, flip: int) -> None:
    """Arrow aborts on some damaged footers when asked for what it checks too late."""
    content = sound("bare.parquet")
    footer = int.from_bytes(content[-8:-4], "little")

    for place in range(len(content) - 8 - footer, len(content)):
        damaged = bytearray(content)
        damaged[place] ^= flip
        read(folder / "dump", "bare.parquet", bytes(damaged))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("plain", "lines"))])
def test_a_truncated_dump_is_refused_wherever_it_ends(folder: Path, name: str) -> None:
    content = sound(name)

    for end in range(0, len(content) - 1, max(1, len(content) // 200)):
        assert read(folder / "dump", name, content[:end]) is None, end


@pytest.mark.parametrize("name", ["lines.ndjson.gz", "packed.csv.gz"])
def test_truncated_archives_of_lines_are_refused_too(folder: Path, name: str) -> None:
    assert read(folder / "dump", name, sound(name)[:-1]) is None


def test_a_dump_that_is_given_up_ends_the_process_as_it_should(
    run_without_server: Run, tmp_path: Path
) -> None:
    """Arrow reads ahead in a thread; an interpreter that goes away under it would be aborted (code 134)."""
    rows = "".join(f"M-1,0.5,230,2026-03-01T10:{at % 60:02}:00Z\n" for at in range(12))
    (tmp_path / "quote.csv").write_text(f'meterId,kwhConsumedAc,voltage,timestamp\n{rows}"M-1,0.5,230\n')
    codes = {run_without_server("inspect", "quote.csv").returncode for _ in range(8)}
    assert codes == {ExitCode.INPUT}
