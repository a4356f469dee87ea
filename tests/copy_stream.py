"""Reads PostgreSQL's binary COPY format, as its documentation of COPY describes it."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from polars._typing import PolarsDataType

SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
MOMENT = pl.Datetime("us", "UTC")
EPOCH_2000 = datetime(2000, 1, 1, tzinfo=UTC)


def moment(field: bytes) -> datetime:
    """timestamptz: microseconds since 2000."""
    return EPOCH_2000 + timedelta(microseconds=struct.unpack("!q", field)[0])


READ: dict[PolarsDataType, Callable[[bytes], object]] = {
    pl.String(): bytes.decode,
    pl.Float64(): lambda field: struct.unpack("!d", field)[0],
    pl.Int32(): lambda field: struct.unpack("!i", field)[0],
    pl.Int64(): lambda field: struct.unpack("!q", field)[0],
    MOMENT: moment,
}
"""The type of a column → how its fields are read."""


class Decoder:
    """One stream."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        assert len(taken) == size, "the stream ends in the middle"
        self.at += size
        return taken

    def integer(self, code: str) -> int:
        return int(struct.unpack(f"!{code}", self.take(struct.calcsize(f"!{code}")))[0])

    def rows(self, readers: list[Callable[[bytes], object]]) -> list[tuple[Any, ...]]:
        assert self.take(len(SIGNATURE)) == SIGNATURE
        assert self.integer("I") == 0, "flags"
        self.take(self.integer("I"))
        found = []
        while (fields := self.integer("h")) != -1:
            assert fields == len(readers)
            found.append(tuple(self.field(read) for read in readers))
        assert self.at == len(self.data), "something follows the trailer"
        return found

    def field(self, read: Callable[[bytes], object]) -> object:
        size = self.integer("i")
        if size == -1:
            return None
        assert size >= 0
        return read(self.take(size))


def decoded(pieces: Iterable[bytes], types: Sequence[PolarsDataType]) -> list[tuple[Any, ...]]:
    """The rows of one stream, whose columns have these types."""
    return Decoder(b"".join(pieces)).rows([READ[dtype] for dtype in types])
