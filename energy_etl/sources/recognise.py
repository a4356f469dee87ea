"""What a file is: its format and compression, told by its content and held against its name.

The content decides and the name must not contradict it: a dump that is something else than it says was
damaged or mixed up on its way, and loading it by guess would hide that.
"""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from energy_etl.errors import InputError
from energy_etl.sources.bytestream import ByteStream
from energy_etl.sources.source import PARQUET_MAGIC, Compression, Format, SourceFile

if TYPE_CHECKING:
    import os
    from pathlib import Path

HEAD_BYTES = 1 << 16

FORMAT_SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".txt": Format.CSV,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".json": Format.JSON,
}
COMPRESSION_SUFFIXES = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}

_ARCHIVES = {
    b"\x1f\x8b": Compression.GZIP,
    b"\x28\xb5\x2f\xfd": Compression.ZSTD,
    **{bytes((low,)) + b"\x2a\x4d\x18": Compression.ZSTD for low in range(0x50, 0x60)},
}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (xlsx)",
    b"PK\x05\x06": "an empty zip archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"BZh": "a bzip2 archive",
    b"\x04\x22\x4d\x18": "an lz4 archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (xls)",
    b"PARE": "an encrypted Parquet file",
    b"ARROW1": "an Arrow IPC (Feather) file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF-": "a PDF document",
}
_WIDE_TEXT = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_SHOWN = {
    Format.CSV: "delimited text",
    Format.PARQUET: "Parquet",
    Format.NDJSON: "JSON records",
    Format.JSON: "JSON",
}
_NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b") | {127}


def named(name: str) -> tuple[Format | None, Compression]:
    """The format and compression that a file name claims; None if it claims no known format."""
    parts = name.lower().rsplit("/", 1)[-1].split(".")
    suffixes = [f".{part}" for part in parts[1:]]
    compression = COMPRESSION_SUFFIXES.get(suffixes[-1] if suffixes else "", Compression.NONE)
    if compression is not Compression.NONE:
        suffixes.pop()
    return FORMAT_SUFFIXES.get(suffixes[-1] if suffixes else ""), compression


def recognise(path: Path, name: str) -> SourceFile:
    """Recognise one file.

    Args:
        path: The file.
        name: As the user named it.

    Raises:
        InputError: Not a readable regular file, empty, of a format that is not read, damaged, or not what
            its name says.
    """
    size = _stat(path, name).st_size
    if size == 0:
        raise InputError(name, "is empty")
    with ByteStream(name, path, Compression.NONE) as stream:
        head = stream.read(HEAD_BYTES)
    claimed, claimed_compression = named(name)
    compression = _archive(head)
    if compression is not Compression.NONE:
        with ByteStream(name, path, compression) as stream:
            head = _full(stream)
        if not head:
            raise InputError(name, f"is empty: there is nothing in the {compression} archive")
        if _archive(head) is not Compression.NONE:
            raise InputError(
                name,
                f"is a {_archive(head)} archive inside a {compression} archive",
                hint="decompress it once",
            )
    elif claimed_compression is not Compression.NONE:
        raise InputError(
            name,
            f"is named like a {claimed_compression} archive, but is none",
            hint="rename it after what it holds, or fetch it again",
        )
    if compression is not claimed_compression and claimed is not None:
        raise InputError(
            name,
            f"is a {compression} archive, but its name does not say so",
            hint=f"rename it to end in {_suffix(compression)}",
        )
    encoding = _wide_text(name, head)
    if encoding is not None:
        head = head.decode(encoding, errors="ignore").removeprefix("\ufeff").encode()
    _refuse_foreign(name, head)
    if head.startswith(PARQUET_MAGIC):
        _check_parquet(path, name, compression, size)
        found = Format.PARQUET
    else:
        if not head.strip(b"\xef\xbb\xbf \t\r\n"):
            raise InputError(name, "is empty: there is nothing but blanks in it")
        found = _text_format(head, claimed, complete=len(head) < HEAD_BYTES)
    _check_claim(name, found, claimed)
    return SourceFile(
        name=name, path=path, format=found, compression=compression, bytes=size, encoding=encoding
    )


def _stat(path: Path, name: str) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(name, f"cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(name, "is not a regular file")
    return status


def _archive(head: bytes) -> Compression:
    return next((found for magic, found in _ARCHIVES.items() if head.startswith(magic)), Compression.NONE)


def _full(stream: ByteStream) -> bytes:
    """The stream's first bytes: an archive may hand them out in small pieces."""
    data = b""
    while len(data) < HEAD_BYTES and (block := stream.read(HEAD_BYTES - len(data))):
        data += block
    return data


def _refuse_foreign(name: str, head: bytes) -> None:
    for magic, what in _FOREIGN.items():
        # A header may begin with the letters of a magic number, such as "orchard,...".
        if head.startswith(magic) and not (magic.isalpha() and head[: len(magic) + 1].isalpha()):
            raise InputError(
                name, f"is {what}", hint="energy-etl reads CSV, Parquet and JSON, plain or as .gz or .zst"
            )
    if head.startswith(PARQUET_MAGIC):
        return
    if sum(map(head.count, (bytes((code,)) for code in _NO_TEXT))) > len(head) // 10:
        raise InputError(
            name, "is binary data of an unknown kind", hint="energy-etl reads CSV, Parquet and JSON"
        )


def _wide_text(name: str, head: bytes) -> str | None:
    """The encoding of text with two bytes a character, told by its mark or by the zeros in it."""
    if head.startswith(PARQUET_MAGIC):
        return None
    encoding = next((found for magic, found in _WIDE_TEXT.items() if head.startswith(magic)), None)
    if encoding is None:
        if not head.strip(b"\0"):
            raise InputError(name, "holds only zeros")
        # In UTF-16 every other byte of ASCII is zero.
        zeros = {"utf-16-be": head[::2].count(0), "utf-16-le": head[1::2].count(0)}
        most, other = sorted(zeros, key=lambda one: zeros[one], reverse=True)
        if zeros[most] > len(head) // 4 and zeros[other] < len(head) // 16:
            encoding = most
    if encoding == "utf-32":
        raise InputError(
            name,
            "is UTF-32 text, which is not read",
            hint="convert it: iconv -f UTF-32 -t UTF-8",
        )
    return encoding


def _check_parquet(path: Path, name: str, compression: Compression, size: int) -> None:
    if compression is not Compression.NONE:
        raise InputError(
            name,
            f"is Parquet inside a {compression} archive",
            hint="decompress it: Parquet compresses inside",
        )
    with path.open("rb") as file:
        file.seek(max(0, size - len(PARQUET_MAGIC)))
        if size < 12 or file.read() != PARQUET_MAGIC:
            raise InputError(
                name, "the Parquet file is truncated: it does not end as it should", hint="fetch it again"
            )


def _text_format(head: bytes, claimed: Format | None, *, complete: bool) -> Format:
    """CSV or JSON by the first character; records or one document by the first line, then by name."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return Format.JSON
    if not text.startswith(b"{"):
        # Records stay records when only the first of them is broken.
        records = claimed in {Format.NDJSON, Format.JSON} and any(
            line.lstrip().startswith(b"{") for line in text.splitlines()
        )
        return Format.NDJSON if records else Format.CSV
    if claimed is Format.NDJSON:
        return Format.NDJSON
    line, ended, _ = text.partition(b"\n")
    if not ended and not complete:
        return Format.JSON
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return Format.JSON
    return Format.NDJSON


def _check_claim(name: str, found: Format, claimed: Format | None) -> None:
    json_kinds = {Format.JSON, Format.NDJSON}
    if claimed is None or found is claimed or {found, claimed} == json_kinds:
        return
    raise InputError(
        name,
        f"is named like {_SHOWN[claimed]}, but holds {_SHOWN[found]}",
        hint="rename it after what it holds, or fetch it again",
    )


def _suffix(compression: Compression) -> str:
    return next(suffix for suffix, meant in COMPRESSION_SUFFIXES.items() if meant is compression)
