"""NDJSON and JSON arrays as batches of text columns.

Records of both streams may stand in one file, so the columns are those of the streams whose id key has been
met: more may come with a later batch, never fewer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.errors import InputError
from energy_etl.profiles.model import squash
from energy_etl.sources.bytestream import UTF8, TextStream
from energy_etl.sources.headers import canonical, present_streams, require_columns, same_meaning
from energy_etl.sources.json_text import Record, elements, lines
from energy_etl.sources.malformed import Malformed, malformed_frame
from energy_etl.sources.source import Format, Layout, RawBatch
from energy_etl.streams import SOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from energy_etl.sources.source import SourceFile

BATCH_CHARACTERS = 32 << 20
"""Text in one batch; Python's objects take several times as much."""

PEEK_RECORDS = 10_000
PEEK_BYTES = 4 << 20
"""What is read to learn the columns before the first batch."""

SHAPES = 1_000
"""Distinct sets of keys remembered at once, and unknown keys remembered in all."""


class JsonReader:
    """A file of JSON records (see :class:`energy_etl.sources.source.Reader`).

    ``columns`` and ``ignored`` may grow while batches are read.

    Args:
        source: The file; its first records are read at once.
        layout: What is read of it; None: the columns that energy-etl documents.

    Raises:
        InputError: No record, or none with an id, among the first; broken JSON in a document's beginning.
    """

    delimiter: str | None = None

    def __init__(self, source: SourceFile, layout: Layout | None = None) -> None:
        self._source = source
        self._layout = layout
        self._keys = _Keys(layout)
        self.encoding: str | None = source.encoding or UTF8
        first, broken = self._peek()
        if broken is not None and not self._keys.meanings:
            raise InputError(source.name, f"no usable JSON record in it: the first one {broken.detail}")
        if first is not None and layout is None and not present_streams(self._keys.known):
            require_columns(source.name, list(self._keys.meanings), self._keys.known)
        self._name_columns()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the first records."""
        return tuple(self._keys.meanings)

    def batches(self, rows: int) -> Iterator[RawBatch]:
        """See :meth:`energy_etl.sources.source.Reader.batches`.

        Raises:
            InputError: Broken JSON in a document, a record too long, a column that no record has.
        """
        with self._open() as stream:
            records = self._records(stream)
            while batch := self._batch(records, rows, stream):
                self.encoding = stream.encoding
                yield batch
        if self._keys.known and self._layout is None:
            require_columns(self._source.name, list(self._keys.meanings), self._keys.known)

    def _peek(self) -> tuple[Record | None, Malformed | None]:
        """Learn the keys of the first records; the first one, and the file's beginning if it is none."""
        first = broken = None
        with self._open() as stream:
            for record in islice(self._records(stream), PEEK_RECORDS):
                if isinstance(record, Record):
                    first = record if first is None else first
                    self._keys.shape(record)
                elif record.row_number == 1:
                    broken = record
                if stream.consumed > PEEK_BYTES and self._keys.meanings:
                    break
        return first, broken

    def _open(self) -> TextStream:
        source = self._source
        return TextStream(source.name, source.path, source.compression, source.encoding)

    def _records(self, stream: TextStream) -> Iterator[Record | Malformed]:
        return lines(stream) if self._source.format is Format.NDJSON else elements(stream)

    def _name_columns(self) -> None:
        if self._layout is not None:
            self.columns = self._layout.columns
            self.ignored = tuple(key for key, name in self._keys.meanings.items() if name is None)
            return
        streams = present_streams(self._keys.known)
        self.columns = tuple(dict.fromkeys(name for stream in streams for name in stream.columns))
        self.ignored = tuple(key for key, name in self._keys.meanings.items() if name not in self.columns)

    def _batch(self, records: Iterator[Record | Malformed], rows: int, stream: TextStream) -> RawBatch | None:
        numbers: list[int] = []
        values: list[tuple[object, ...]] = []
        malformed: list[Malformed] = []
        characters = 0
        for record in islice(records, rows):
            if isinstance(record, Malformed):
                malformed.append(record)
                characters += len(record.raw)
            elif fault := (shape := self._keys.shape(record)).fault:
                malformed.append(Malformed(record.number, "duplicate_key", fault, record.raw))
                characters += len(record.raw)
            else:
                numbers.append(record.number)
                values.append(tuple(map(record.get, shape.keys)))
                characters += record.characters
            if characters >= BATCH_CHARACTERS:
                break
        if not numbers and not malformed:
            return None
        self._name_columns()
        return RawBatch(self._frame(numbers, values), malformed_frame(malformed), stream.consumed)

    def _frame(self, numbers: list[int], values: list[tuple[object, ...]]) -> pl.DataFrame:
        named = dict(zip(self._keys.wanted, zip(*values, strict=True), strict=True)) if values else {}
        columns = [pl.Series("row_number", numbers, dtype=pl.Int64)]
        for name in self.columns:
            column: Sequence[object] = named.get(name, ())
            if not set(map(type, column)) <= {str, NoneType}:
                column = [_text(value) for value in column]
            columns.append(pl.Series(name, column, dtype=pl.String).replace("", None))
        return pl.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the keys of a record mean."""

    keys: tuple[str, ...]
    """The record's key for each column that is read, a key that it does not have where it lacks one."""
    fault: str | None
    """Why the record cannot be read: two of its keys mean the same."""


class _Keys:
    """The keys met in a file and what they mean; records with the same keys are looked up once."""

    def __init__(self, layout: Layout | None) -> None:
        self.wanted = tuple(SOURCE_COLUMNS) if layout is None else layout.columns
        if layout is None:
            self._meaning: Callable[[str], str | None] = canonical
        else:
            self._meaning = partial(_own, {squash(name): name for name in layout.columns})
        self.meanings: dict[str, str | None] = {}
        self.known: set[str] = set()
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def shape(self, record: Record) -> _Shape:
        keys = tuple(record)
        found = self._shapes.get(keys)
        if found is None:
            if len(self._shapes) >= SHAPES:
                self._shapes.clear()
            found = self._shapes[keys] = self._learn(keys)
        return found

    def _learn(self, keys: tuple[str, ...]) -> _Shape:
        by_name: dict[str, str] = {}
        fault = None
        for key in keys:
            meaning = self._meaning(key)
            if meaning is not None or len(self.meanings) < SHAPES:
                self.meanings[key] = meaning
            if meaning is None:
                continue
            self.known.add(meaning)
            if meaning in by_name:
                fault = f"has two keys for one column: {_same(by_name[meaning], key, meaning)}"
            by_name[meaning] = key
        absent = "".join(keys) + "-"
        return _Shape(tuple(by_name.get(name, absent) for name in self.wanted), fault)


def _own(names: dict[str, str], key: str) -> str | None:
    return names.get(squash(key))


def _same(one: str, other: str, meaning: str) -> str:
    return same_meaning(one, other, meaning) if meaning in SOURCE_COLUMNS else f'"{one}" and "{other}"'


def headers(source: SourceFile) -> tuple[str, ...]:
    """The keys of a file's first records.

    Raises:
        InputError: None of the first is a record.
    """
    return JsonReader(source, Layout(columns=())).keys


def _text(value: object) -> str | None:
    """A value as it stands in JSON; nested ones are for the rules to reject."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
