from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import sys
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy_etl.errors import InputError
from energy_etl.sources.recognise import named, recognise
from energy_etl.sources.source import Compression, Format

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.sources.conftest import Dumps

CSV = b"meterId,kwhConsumedAc,voltage,timestamp\nm,1,2,3\n"
LINES = b'{"meterId":"m"}\n{"meterId":"n"}\n'
ARRAY = b' \n[{"meterId":"m"}]'
PRETTY = b'{\n  "meterId": "m"\n}\n'


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"meter_id": ["m"]}), out)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


def gzipped(data: bytes) -> bytes:
    """The same bytes whenever it is made: contents become test ids, which all workers must agree on."""
    return gzip.compress(data, mtime=0)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), CSV)
    return out.getvalue()


@pytest.mark.parametrize("compress", [bytes, gzipped], ids=["plain", "gzip"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["bare", "marked"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "content", "found"),
    [("a.csv", CSV, Format.CSV), ("a.ndjson", LINES, Format.NDJSON), ("a.json", ARRAY, Format.JSON)],
)
def test_text_of_two_bytes_a_character_is_told_by_its_mark_or_its_zeros(
    dumps: Dumps,
    name: str,
    content: bytes,
    found: Format,
    encoding: str,
    mark: str,
    compress: Callable[[bytes], bytes],
) -> None:
    name = name if compress is bytes else f"{name}.gz"
    path = dumps.write(name, compress((mark + content.decode()).encode(encoding)))
    source = recognise(path, name)
    assert (source.format, source.encoding) == (found, encoding)


@pytest.mark.parametrize(
    ("name", "content", "found", "compression"),
    [
        ("a.csv", CSV, Format.CSV, Compression.NONE),
        ("a.CSV", b"\xef\xbb\xbf" + CSV, Format.CSV, Compression.NONE),
        ("a.tsv", CSV, Format.CSV, Compression.NONE),
        ("a.txt", CSV, Format.CSV, Compression.NONE),
        ("-", CSV, Format.CSV, Compression.NONE),
        ("dump.2026.07", CSV, Format.CSV, Compression.NONE),
        ("orc.csv", b"ORCHARD," + CSV, Format.CSV, Compression.NONE),
        ("esc.csv", CSV + b"\x1b[31m\x00\x00,1,2,3\n", Format.CSV, Compression.NONE),
        ("a.csv.gz", gzipped(CSV), Format.CSV, Compression.GZIP),
        ("-", gzipped(CSV), Format.CSV, Compression.GZIP),
        ("dump.gz", gzipped(CSV), Format.CSV, Compression.GZIP),
        ("a.csv.zst", zstd(CSV), Format.CSV, Compression.ZSTD),
        ("a.csv.zst", b"\x53\x2a\x4d\x18\x01\x00\x00\x00x" + zstd(CSV), Format.CSV, Compression.ZSTD),
        ("a.parquet", parquet(), Format.PARQUET, Compression.NONE),
        ("a.pq", parquet(), Format.PARQUET, Compression.NONE),
        ("-", parquet(), Format.PARQUET, Compression.NONE),
        ("a.ndjson", LINES, Format.NDJSON, Compression.NONE),
        ("a.jsonl", b"{broken\n" + LINES, Format.NDJSON, Compression.NONE),
        ("a.ndjson", b"broken\n" + LINES, Format.NDJSON, Compression.NONE),
        ("a.json", LINES, Format.NDJSON, Compression.NONE),
        ("-", LINES, Format.NDJSON, Compression.NONE),
        ("-", ARRAY, Format.JSON, Compression.NONE),
        ("a.json", b"\xef\xbb\xbf" + ARRAY, Format.JSON, Compression.NONE),
        ("a.ndjson", ARRAY, Format.JSON, Compression.NONE),
        ("a.json", PRETTY, Format.JSON, Compression.NONE),
        ("a.json", b'{"meterId":"m"}', Format.NDJSON, Compression.NONE),
        ("a.json.gz", gzipped(ARRAY), Format.JSON, Compression.GZIP),
        ("a.json", b'{"a":"' + b"x" * 100_000 + b'"}', Format.JSON, Compression.NONE),
    ],
)
def test_content_and_name_agree(
    dumps: Dumps, name: str, content: bytes, found: Format, compression: Compression
) -> None:
    path = dumps.write("content", content)

    source = recognise(path, name)

    assert (source.name, source.path) == (name, path)
    assert (source.format, source.compression, source.bytes) == (found, compression, len(content))


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \r\n\t\n", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\n", "is empty"),
        ("a.ndjson", b"\n\n", "is empty"),
        ("a.csv.gz", gzipped(b""), "is empty: there is nothing in the gzip archive"),
        ("a.parquet", CSV, "is named like Parquet, but holds delimited text"),
        ("a.csv", parquet(), "is named like delimited text, but holds Parquet"),
        ("a.csv", LINES, "is named like delimited text, but holds JSON records"),
        ("a.json", CSV, "is named like JSON, but holds delimited text"),
        ("a.ndjson", CSV, "is named like JSON records, but holds delimited text"),
        ("a.csv.gz", CSV, "is named like a gzip archive, but is none"),
        ("a.csv.zst", CSV, "is named like a zstd archive, but is none"),
        ("a.csv", gzipped(CSV), "is a gzip archive, but its name does not say so"),
        ("a.csv.gz", zstd(CSV), "is a zstd archive, but its name does not say so"),
        ("a.parquet.gz", gzipped(parquet()), "is Parquet inside a gzip archive"),
        ("a.csv.gz", gzipped(CSV)[:-5], "the gzip archive is truncated"),
        ("a.csv.zst", zstd(CSV)[:-2], "the zstd archive is truncated"),
        ("a.csv.gz", gzipped(CSV)[:-8] + bytes(8), "the gzip archive is corrupt"),
        ("a.csv.gz", gzipped(gzipped(CSV)), "is a gzip archive inside"),
        ("a.parquet", parquet()[:-1], "the Parquet file is truncated"),
        ("a.parquet", b"PAR1", "the Parquet file is truncated"),
        ("a.parquet", b"PARE" + bytes(50), "is an encrypted Parquet file"),
        ("a.csv", CSV.decode().encode("utf-32"), "is UTF-32 text"),
        ("a.csv", zipped(), "is a zip archive"),
        ("a.csv", lzma.compress(CSV), "is an xz archive"),
        ("a.csv", bz2.compress(CSV), "is a bzip2 archive"),
        ("-", b"SQLite format 3\x00" + bytes(100), "is an SQLite database"),
        ("a.csv", bytes(range(256)) * 100, "is binary data"),
        ("a.csv", bytes(5000), "holds only zeros"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_cause(
    dumps: Dumps, name: str, content: bytes, cause: str
) -> None:
    path = dumps.write("content", content)

    with pytest.raises(InputError) as caught:
        recognise(path, name)

    assert caught.value.message.startswith(f"{name}: ")
    assert cause in caught.value.message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.csv"))
    for name, cause in {
        "pipe.csv": "is not a regular file",
        "s.csv": "is not a regular file",
        ".": "is not a regular file",
        "loop.csv": "cannot be opened: Too many levels",
        "none.csv": "cannot be opened: No such file",
    }.items():
        with pytest.raises(InputError, match=cause):
            recognise(tmp_path / name, name)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    path.chmod(0)

    with pytest.raises(InputError, match="cannot be opened: Permission denied"):
        recognise(path, "a.csv")


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("x/a.b.CSV.GZ", (Format.CSV, Compression.GZIP)),
        ("a.jsonl.zst", (Format.NDJSON, Compression.ZSTD)),
        ("a.gz", (None, Compression.GZIP)),
        ("x.csv/readme", (None, Compression.NONE)),
        ("csv", (None, Compression.NONE)),
        ("a.csv.bak", (None, Compression.NONE)),
    ],
)
def test_what_a_name_claims(name: str, claim: tuple[Format | None, Compression]) -> None:
    assert named(name) == claim
