"""CSV and its relatives, streamed through Arrow's reader with every field as a string.

Arrow is strict about the number of fields and hands out what does not fit, so a bad row is reported instead
of shifting its neighbours. It does not say whether a quote was still open at the end of the file: a marker
row appended to the data tells, because an open quote swallows it.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Literal

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from energy_etl.errors import InputError
from energy_etl.sources.bytestream import UTF8, TextStream
from energy_etl.sources.dialect import find_dialect, read_dialect
from energy_etl.sources.headers import pick, resolve
from energy_etl.sources.malformed import RAW_CHARACTERS, Malformed, malformed_frame
from energy_etl.sources.source import RawBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from energy_etl.sources.source import Layout, SourceFile

BLOCK_BYTES = 1 << 20
"""What is parsed at once, and the longest row that is certain to be read. Arrow reads 32 blocks ahead."""

BATCH_BYTES = 32 << 20
"""Text in one batch; a batch of long rows has fewer of them."""

HOPELESS_ROWS = 10_000
"""So many ragged rows before the first good one: the header is not this table's."""


class DelimitedReader:
    """A CSV, TSV or similar file (see :class:`energy_etl.sources.source.Reader`).

    Args:
        source: The file; its header is read at once.
        layout: What is read of it; None: the columns that energy-etl documents.
        block_bytes: See :data:`BLOCK_BYTES`.

    Raises:
        InputError: The header is missing, ambiguous or incomplete.
    """

    def __init__(
        self, source: SourceFile, layout: Layout | None = None, *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._source = source
        self._block_bytes = block_bytes
        if layout is None:
            self._dialect = find_dialect(source)
            found = resolve(source.name, self._dialect.header)
        else:
            self._dialect = read_dialect(source, layout)
            found = pick(source.name, self._dialect.header, layout.columns)
        self.encoding: str | None = source.encoding or UTF8
        self.delimiter: str | None = self._dialect.delimiter
        self.columns = found.names
        self.ignored = found.ignored
        self._positions = found.positions

    def batches(self, rows: int) -> Iterator[RawBatch]:
        """See :meth:`energy_etl.sources.source.Reader.batches`.

        Raises:
            InputError: Not text in its encoding, a row too long, a quote never closed, a truncated or corrupt
                archive.
        """
        source = self._source
        marker = secrets.token_hex(16)
        ragged = _Ragged(len(self._dialect.header), marker)
        with TextStream(source.name, source.path, source.compression, source.encoding) as stream:
            _skip(stream, self._dialect.data_offset)
            feed = _Feed(stream, b"\n" + marker.encode() + b"\n")
            try:
                reader = self._open(feed, ragged)
                with reader:
                    yield from self._gather(reader, ragged, feed, rows)
            except pa.ArrowInvalid as error:
                raise self._unusable(error, ragged) from error

    def _open(self, feed: _Feed, ragged: _Ragged) -> pc.CSVStreamingReader:
        names = [str(position) for position in range(len(self._dialect.header))]
        return pc.open_csv(
            pa.PythonFile(feed, mode="r"),
            # Only the serial reader knows the number of the row it refuses.
            read_options=pc.ReadOptions(use_threads=False, block_size=self._block_bytes, column_names=names),
            parse_options=pc.ParseOptions(
                delimiter=self._dialect.delimiter, newlines_in_values=True, invalid_row_handler=ragged
            ),
            convert_options=pc.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[str(position) for position in self._positions],
                strings_can_be_null=True,
                null_values=[""],
            ),
        )

    def _gather(
        self, reader: pc.CSVStreamingReader, ragged: _Ragged, feed: _Feed, rows: int
    ) -> Iterator[RawBatch]:
        """Arrow's small record batches → batches of about ``rows`` rows."""
        pending: list[pl.DataFrame] = []
        height = size = consumed = 0
        for block in reader:
            consumed = feed.parsed()
            self.encoding = feed.encoding
            if block.num_rows:
                pending.append(self._frame(block, ragged))
            height += block.num_rows
            size += block.nbytes
            if height < rows and size < BATCH_BYTES and not ragged.full(rows):
                continue
            frame = pl.concat(pending) if pending else self._no_rows()
            while frame.height > rows:
                head, frame = frame.head(rows), frame.slice(rows)
                yield RawBatch(head, ragged.take(frame["row_number"][0]), consumed)
            if frame.height == rows or size >= BATCH_BYTES or ragged.full(rows):
                yield RawBatch(frame, ragged.take(), consumed)
                frame = frame.clear()
            pending, height, size = [frame], frame.height, int(frame.estimated_size())
        if not ragged.closed:
            raise InputError(
                self._source.name,
                f"row {ragged.last:,} opens a quote that is never closed",
                hint="write a quote inside a field twice, or repair that row",
            )
        if height or ragged.waiting:
            frame = pl.concat(pending) if pending else self._no_rows()
            yield RawBatch(frame, ragged.take(), self._source.bytes)

    def _frame(self, block: pa.RecordBatch, ragged: _Ragged) -> pl.DataFrame:
        frame = pl.DataFrame(pl.from_arrow(block.rename_columns(self.columns)))
        return frame.select(ragged.number(frame.height), pl.all())

    def _no_rows(self) -> pl.DataFrame:
        return pl.DataFrame(schema={"row_number": pl.Int64} | dict.fromkeys(self.columns, pl.String))

    def _unusable(self, error: pa.ArrowInvalid, ragged: _Ragged) -> InputError:
        name = self._source.name
        if ragged.hopeless:
            return InputError(
                name,
                f"none of the first {HOPELESS_ROWS:,} rows has as many fields as the header"
                f" ({len(self._dialect.header)}); row 1 {ragged.first_detail}",
            )
        if "straddling" in str(error):
            return InputError(
                name,
                f"row {ragged.last + 1:,} is longer than {_megabytes(self._block_bytes)}",
                hint="a quote opened in that row may not be closed",
            )
        return InputError(name, f"cannot be read as delimited text: {str(error).splitlines()[0]}")


class _Feed:
    """What Arrow reads, in full blocks: the data records, then a last row of our own.

    A short block would be taken for the end of a long row's patience: Arrow gives up on a row that covers
    a whole block, however small.
    """

    closed = False

    def __init__(self, stream: TextStream, ending: bytes) -> None:
        self._stream = stream
        self._ending = ending
        self._left = bytearray()
        self._marks: deque[int] = deque()

    def read(self, size: int) -> bytes:
        while len(self._left) < size:
            data = self._stream.read(size - len(self._left))
            if not data:
                self._left += self._ending
                self._ending = b""
                break
            self._left += data
        self._marks.append(self._stream.consumed)
        block, self._left = bytes(self._left[:size]), self._left[size:]
        return block

    @property
    def encoding(self) -> str:
        """Of the file, as far as it was read."""
        return self._stream.encoding

    def parsed(self) -> int:
        """Bytes of the file up to the end of the block that Arrow hands out now."""
        return self._marks.popleft() if self._marks else self._stream.consumed

    def close(self) -> None:
        """Closing is the stream's owner's."""


class _Ragged:
    """Arrow's invalid row handler: keeps the ragged rows, and numbers the good rows around them.

    Arrow numbers the rows it refuses by their record, blank lines not counted; the good rows of a block are
    the numbers in between. It parses ahead, so rows are kept here until the batch they belong to.
    """

    def __init__(self, fields: int, marker: str) -> None:
        self._fields = fields
        self._marker = marker
        self._rows: list[Malformed] = []
        self._characters = 0
        self._ahead: list[int] = []
        self._numbered = 0
        self._last_ragged = 0
        self._good = False
        self.closed = False
        """The marker row arrived as a row of its own."""
        self.hopeless = False
        self.first_detail = ""

    def __call__(self, row: pc.InvalidRow) -> Literal["skip", "error"]:
        if row.text == self._marker:
            self.closed = True
            return "skip"
        plural = "field" if row.actual_columns == 1 else "fields"
        detail = f"has {row.actual_columns} {plural}, the header has {self._fields}"
        self._rows.append(Malformed(row.number, "field_count", detail, row.text[:RAW_CHARACTERS]))
        self._characters += len(self._rows[-1].raw)
        self._last_ragged = row.number
        if row.number == self._numbered + 1:
            self._numbered = row.number
        else:
            self._ahead.append(row.number)
        self.first_detail = self.first_detail or detail
        self.hopeless = not self._good and self._numbered >= HOPELESS_ROWS
        return "error" if self.hopeless else "skip"

    @property
    def last(self) -> int:
        """The highest row number met."""
        return max(self._numbered, self._last_ragged)

    @property
    def waiting(self) -> int:
        """Ragged rows not taken yet."""
        return len(self._rows)

    def full(self, rows: int) -> bool:
        """Whether the waiting rows fill a batch of their own."""
        return len(self._rows) >= rows or self._characters >= BATCH_BYTES

    def number(self, count: int) -> pl.Series:
        """``row_number`` of the next ``count`` good rows, at least one."""
        self._good = True
        start = self._numbered + 1
        numbers = pl.int_range(start, start + count + len(self._ahead), dtype=pl.Int64, eager=True)
        if self._ahead:
            numbers = numbers.filter(~numbers.is_in(self._ahead)).head(count)
        self._numbered = int(numbers[-1])
        passed = bisect_left(self._ahead, self._numbered)
        while passed < len(self._ahead) and self._ahead[passed] == self._numbered + 1:
            self._numbered += 1
            passed += 1
        del self._ahead[:passed]
        return numbers.alias("row_number")

    def take(self, before: int | None = None) -> pl.DataFrame:
        """The ragged rows with numbers below ``before`` (None: all), once."""
        end = len(self._rows)
        if before is not None:
            end = bisect_left(self._rows, before, key=lambda row: row.row_number)
        taken, self._rows = self._rows[:end], self._rows[end:]
        self._characters -= sum(len(row.raw) for row in taken)
        return malformed_frame(taken)


def _skip(stream: TextStream, size: int) -> None:
    while size and (data := stream.read(size)):
        size -= len(data)


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size:,} bytes"
