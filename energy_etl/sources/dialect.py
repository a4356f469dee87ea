"""A delimited file's header and delimiter, found out from its first record.

The delimiter is the one that makes known column names appear: counting characters in data rows would take a
decimal comma for a delimiter.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energy_etl.errors import InputError
from energy_etl.sources.bytestream import ByteStream
from energy_etl.sources.headers import canonical

if TYPE_CHECKING:
    from energy_etl.sources.source import SourceFile

DELIMITERS = (",", ";", "\t", "|")
HEADER_BYTES = 1 << 20
"""A header must end within this many bytes."""

_SHOWN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited file is to be read."""

    delimiter: str
    header: tuple[str, ...]
    data_offset: int
    """Decompressed bytes before the first data record."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    delimiter: str
    header: tuple[str, ...]
    characters: int

    @property
    def rank(self) -> tuple[int, int]:
        return sum(canonical(name) is not None for name in self.header), len(self.header)


def find_dialect(source: SourceFile) -> Dialect:
    """Read the header of a delimited file.

    Raises:
        InputError: The file holds no header, or one that can be split in more than one way.
    """
    text, mark = _head(source)
    candidates = [found for one in DELIMITERS if (found := _split(text, one))]
    if not candidates:
        if not text.strip():
            raise InputError(source.name, "is empty: there is no header in it")
        raise InputError(
            source.name,
            "the first line is no header: a quote in it is not closed, or it is too long",
            hint="the first line must name the columns",
        )
    ranks = sorted((found.rank for found in candidates), reverse=True)
    best = max(candidates, key=lambda found: found.rank)
    if ranks[0] in ranks[1:] and ranks[0] > (1, 1):
        tied = " and ".join(_SHOWN[found.delimiter] for found in candidates if found.rank == ranks[0])
        raise InputError(
            source.name,
            f"the delimiter is ambiguous: {tied} split the header equally well",
            hint="use one delimiter throughout, and quote names that contain another",
        )
    try:
        offset = mark + len(text[: best.characters].encode())
    except UnicodeEncodeError as error:
        raise InputError(
            source.name,
            "the header is not UTF-8 text",
            hint="convert the file to UTF-8 first, for example with iconv",
        ) from error
    if best.characters == len(text) and offset >= HEADER_BYTES:
        raise InputError(source.name, f"the header is longer than {HEADER_BYTES >> 20} MB")
    return Dialect(best.delimiter, best.header, offset)


def _head(source: SourceFile) -> tuple[str, int]:
    """The text at the file's beginning, and the length of the byte order mark before it."""
    with ByteStream(source.name, source.path, source.compression) as stream:
        data = bytearray()
        while len(data) < HEADER_BYTES and (block := stream.read(HEADER_BYTES - len(data))):
            data += block
    mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    # What is not UTF-8 is refused with its line when the rows are read; the cut may split a character.
    return bytes(data[mark:]).decode("utf-8", errors="surrogateescape"), mark


def _split(text: str, delimiter: str) -> _Candidate | None:
    """The first record that is not blank; None if there is none or its quotes do not fit the delimiter."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if any(name.strip() for name in record):
                break
        else:
            return None
    except csv.Error:
        return None
    lines = io.StringIO(text, newline="")
    characters = sum(len(lines.readline()) for _ in range(reader.line_num))
    return _Candidate(delimiter, tuple(name.strip() for name in record), characters)
