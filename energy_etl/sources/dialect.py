"""A delimited file's header and delimiter, found out from its first record.

The delimiter is the one that makes known column names appear: counting characters in data rows would take a
decimal comma for a delimiter.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from energy_etl.errors import InputError
from energy_etl.sources.bytestream import TextStream
from energy_etl.sources.headers import UnknownColumnsError, canonical

if TYPE_CHECKING:
    from energy_etl.sources.source import Layout, SourceFile

DELIMITERS = (",", ";", "\t", "|")
HEADER_BYTES = 1 << 20
"""A header must end within this many bytes."""

_USUAL_HEADER = 8_192

_SHOWN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited file is to be read."""

    delimiter: str
    header: tuple[str, ...]
    data_offset: int
    """Bytes of UTF-8 before the first data record."""


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
    candidates = _candidates(source, text)
    ranks = sorted((found.rank for found in candidates), reverse=True)
    best = max(candidates, key=lambda found: found.rank)
    if ranks[0] in ranks[1:] and ranks[0] > (1, 1):
        tied = " and ".join(_SHOWN[found.delimiter] for found in candidates if found.rank == ranks[0])
        raise UnknownColumnsError(
            source.name,
            f"the delimiter is ambiguous: {tied} split the header equally well",
            hint="use one delimiter throughout, and quote names that contain another",
        )
    return _dialect(source, best, text, mark)


def read_dialect(source: SourceFile, layout: Layout) -> Dialect:
    """The same of a file whose layout is known.

    Raises:
        InputError: It has no such header.
    """
    text, mark = _head(source)
    skipped = _skipped(text, layout.skip_rows)
    if layout.header is not None:
        return Dialect(layout.delimiter or ",", layout.header, mark + len(text[:skipped].encode()))
    found = _split(text[skipped:], layout.delimiter or ",")
    if found is None:
        raise _no_header(source)
    return _dialect(source, replace(found, characters=found.characters + skipped), text, mark)


def headers(source: SourceFile, delimiter: str | None, skip_rows: int) -> dict[str, tuple[str, ...]]:
    """Delimiter → what the header would be with it.

    Args:
        source: A delimited file.
        delimiter: The only one to try, if it is known.
        skip_rows: Lines before the header.

    Raises:
        InputError: There is no header with any of them.
    """
    text, _ = _head(source)
    among = (delimiter,) if delimiter else DELIMITERS
    return {
        one.delimiter: one.header for one in _candidates(source, text[_skipped(text, skip_rows) :], among)
    }


def _candidates(source: SourceFile, text: str, among: tuple[str, ...] = DELIMITERS) -> list[_Candidate]:
    candidates = [found for one in among if (found := _split(text, one))]
    if not candidates:
        if not text.strip():
            raise InputError(source.name, "is empty: there is no header in it")
        raise _no_header(source)
    return candidates


def _no_header(source: SourceFile) -> InputError:
    return InputError(
        source.name,
        "the first line is no header: a quote in it is not closed, or it is too long",
        hint="the first line must name the columns",
    )


def _dialect(source: SourceFile, found: _Candidate, text: str, mark: int) -> Dialect:
    offset = mark + len(text[: found.characters].encode())
    if found.characters == len(text) and offset >= HEADER_BYTES:
        raise InputError(source.name, f"the header is longer than {HEADER_BYTES >> 20} MB")
    return Dialect(found.delimiter, found.header, offset)


def _skipped(text: str, rows: int) -> int:
    """Characters of so many lines."""
    lines = io.StringIO(text, newline="")
    return sum(len(lines.readline()) for _ in range(rows))


def _head(source: SourceFile) -> tuple[str, int]:
    """The text at the file's beginning, and the length of the byte order mark before it."""
    with TextStream(source.name, source.path, source.compression, source.encoding) as stream:
        data = bytearray()
        while len(data) < HEADER_BYTES and (block := stream.read(HEADER_BYTES - len(data))):
            data += block
    mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    # The end may split a character.
    return bytes(data[mark:]).decode("utf-8", errors="ignore"), mark


def _split(text: str, delimiter: str) -> _Candidate | None:
    """The first record that is not blank; None if there is none or its quotes do not fit the delimiter."""
    # Of a megabyte of text, a header takes a hundred characters.
    short = _first_record(text[:_USUAL_HEADER], delimiter)
    if short is not None and short.characters < _USUAL_HEADER:
        return short
    return _first_record(text, delimiter)


def _first_record(text: str, delimiter: str) -> _Candidate | None:
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
