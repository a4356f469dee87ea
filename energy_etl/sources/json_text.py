"""JSON text → records, one at a time: lines of NDJSON, or the elements of one document.

Python's own parser is used because it alone keeps every number as written (``18446744073709551615``,
``1e400``) and shows a key that occurs twice; with everything around it, 0.2 M records a second come out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from energy_etl.errors import InputError
from energy_etl.sources.malformed import RAW_CHARACTERS, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from energy_etl.sources.bytestream import TextStream

CHUNK_BYTES = 1 << 20
RECORD_CHARACTERS = 1 << 20
"""The longest record that is read."""

_BLANK = re.compile(r"[ \t\r\n]*")


class Record(dict[str, object]):
    """One record: numbers and the words NaN and Infinity as text, exactly as written."""

    __slots__ = ("characters", "number", "raw", "twice")

    number: int
    """The record's number in the file, from 1."""
    raw: str
    """The text as read, cut."""
    characters: int
    """The text's whole length."""
    twice: str | None
    """A key that occurs more than once, if any."""


def _record(pairs: list[tuple[str, object]]) -> Record:
    record = Record(pairs)
    record.twice = None
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        record.twice = next(key for key in keys if keys.count(key) > 1)
    return record


_DECODER = json.JSONDecoder(
    object_pairs_hook=_record, parse_float=str, parse_int=str, parse_constant=str, strict=True
)


def lines(stream: TextStream) -> Iterator[Record | Malformed]:
    """The records of an NDJSON file; a line that is none is reported and passed over.

    Raises:
        InputError: A line is longer than :data:`RECORD_CHARACTERS`.
    """
    number = 0
    for line in _text_lines(stream):
        text = line.strip(" \t\r\n")
        if not text:
            continue
        number += 1
        if len(text) > RECORD_CHARACTERS:
            raise _too_long(stream.name, number)
        try:
            value = _DECODER.decode(text)
        except json.JSONDecodeError as error:
            yield _broken(number, f"is no JSON: {error.msg} at character {error.pos + 1}", text)
        except RecursionError:
            yield _broken(number, "is nested too deeply", text)
        else:
            yield _numbered(value, number, text)


def elements(stream: TextStream) -> Iterator[Record | Malformed]:
    """The records of a JSON document: the elements of its array, or objects one after another.

    Raises:
        InputError: The syntax is broken (there is no telling where the next record begins), or a record is
            longer than :data:`RECORD_CHARACTERS`.
    """
    scan = _Scan(stream)
    if scan.peek() != "[":
        while scan.peek():
            yield scan.value()
        return
    scan.step()
    if scan.peek() == "]":
        scan.step()
    else:
        yield scan.value()
        while (mark := scan.peek()) == ",":
            scan.step()
            yield scan.value()
        if mark != "]":
            scan.fail("expected a comma or the end of the array" if mark else "the array is not closed")
        scan.step()
    if scan.peek():
        scan.fail("there is text after the end of the array")


def _text_lines(stream: TextStream) -> Iterator[str]:
    rest = ""
    while (text := stream.read_text(CHUNK_BYTES)) is not None:
        *whole, rest = (rest + text).split("\n")
        yield from whole
        if len(rest) > RECORD_CHARACTERS:
            # Too long to be read on: the caller, which numbers the lines, refuses it (unless it is blank).
            yield rest
            rest = ""
    yield rest


class _Scan:
    """A place in a document's text, of which only what is needed next is kept."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0
        self._before = 0
        self._ended = False
        self._number = 0

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def step(self) -> None:
        """Go past the character that :meth:`peek` showed."""
        self._at += 1

    def value(self) -> Record | Malformed:
        """The value that begins at the next character."""
        self.peek()
        self._number += 1
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                fault, at = error.msg, error.pos
            except RecursionError:
                self.fail("it is nested too deeply")
            else:
                # A number at the edge of the text may go on behind it.
                if end < len(self._text) or self._ended:
                    text, self._at = self._text[self._at : end], end
                    if len(text) > RECORD_CHARACTERS:
                        raise _too_long(self._stream.name, self._number)
                    return _numbered(value, self._number, text)
                fault, at = "unexpected end", end
            if self._ended:
                self.fail(fault, at)
            if len(self._text) - self._at > RECORD_CHARACTERS:
                # A fault far from the edge is a fault; at the edge the record has no end in sight.
                if at < len(self._text) - 64 and not fault.startswith("Unterminated"):
                    self.fail(fault, at)
                raise _too_long(self._stream.name, self._number)
            self._more()

    def fail(self, cause: str, at: int | None = None) -> NoReturn:
        """Refuse the file at the current place."""
        place = self._before + (self._at if at is None else at) + 1
        raise InputError(
            self._stream.name,
            f"broken JSON in or after record {max(1, self._number):,}, at character {place:,}: {cause}",
            hint="write one record per line (NDJSON) and only the broken lines are rejected",
        )

    def _more(self) -> bool:
        text = self._stream.read_text(CHUNK_BYTES)
        if text is None:
            self._ended = True
            return False
        self._before += self._at
        self._text = self._text[self._at :] + text
        self._at = 0
        return True


def _numbered(value: object, number: int, text: str) -> Record | Malformed:
    """A decoded value as a record, or why it is none."""
    if not isinstance(value, Record):
        return _broken(number, "is not an object with named fields", text)
    if value.twice is not None:
        detail = f'has the key "{_shown(value.twice)}" twice'
        return Malformed(number, "duplicate_key", detail, text[:RAW_CHARACTERS])
    if "\\u" in text and not _encodable(value):
        return _broken(number, "holds half of a surrogate pair", text)
    value.number = number
    value.characters = len(text)
    value.raw = text[:RAW_CHARACTERS]
    return value


def _broken(number: int, detail: str, text: str) -> Malformed:
    return Malformed(number, "broken_json", detail, text[:RAW_CHARACTERS])


def _encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(key: str) -> str:
    return key[:80].encode(errors="replace").decode()


def _too_long(name: str, number: int) -> InputError:
    return InputError(name, f"record {number:,} is longer than {RECORD_CHARACTERS >> 20} million characters")
