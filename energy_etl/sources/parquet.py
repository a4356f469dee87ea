"""Parquet, streamed through Arrow's reader; types stay the file's own, ids become text exactly.

A dictionary-encoded column can unpack to a million times its size, so dictionaries stay packed until a batch
is known to fit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from polars.exceptions import PanicException

from energy_etl.errors import InputError
from energy_etl.sources.headers import pick, resolve
from energy_etl.sources.malformed import malformed_frame
from energy_etl.sources.source import PARQUET_MAGIC, RawBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from energy_etl.sources.source import Layout, SourceFile

BATCH_BYTES = 32 << 20
"""Unpacked size of one batch; a batch of wide rows has fewer of them."""

TEXT_BYTES = 1 << 20
"""The longest text a field may hold, as in delimited files."""

_SCAN_BYTES = 1 << 20

_IDS = ("meter_id", "vehicle_id")


class ParquetReader:
    """A Parquet file (see :class:`energy_etl.sources.source.Reader`).

    Args:
        source: The file; its footer is read at once.
        layout: What is read of it; None: the columns that energy-etl documents.

    Raises:
        InputError: The footer is corrupt, a column is missing or has a type that cannot hold its values.
    """

    encoding: str | None = None
    delimiter: str | None = None

    def __init__(self, source: SourceFile, layout: Layout | None = None) -> None:
        self._source = source
        self._packed: list[str] = []
        _refuse_joined(source)
        with _readable(source), self._open() as file:
            schema: pa.Schema = file.schema_arrow
            found = (
                resolve(source.name, schema.names)
                if layout is None
                else pick(source.name, schema.names, layout.columns)
            )
            self._fields = [schema.field(position) for position in found.positions]
            self._row_bytes = max(1, _row_bytes(file.metadata))
        for name, field in zip(found.names, self._fields, strict=True):
            if layout is None or name in layout.ids:
                _require_type(source.name, name if layout is None else _IDS[0], field)
            else:
                _require_plain(source.name, field)
        self._packed = [field.name for field in self._fields if _is_text(field.type)]
        self.columns = found.names
        self.ignored = found.ignored

    def batches(self, rows: int) -> Iterator[RawBatch]:
        """See :meth:`energy_etl.sources.source.Reader.batches`.

        Raises:
            InputError: A page is corrupt, a text is not UTF-8 or is longer than :data:`TEXT_BYTES`.
        """
        source = self._source
        size = max(1, min(rows, BATCH_BYTES // self._row_bytes))
        with _readable(source), self._open() as file:
            total = file.metadata.num_rows
            done = 0
            pending: list[pl.DataFrame] = []
            for frame in self._frames(file, size):
                if pending and _too_much(pending, frame, rows):
                    yield self._batch(pending, done, total)
                    pending = []
                pending.append(frame)
                done += frame.height
            if pending:
                yield self._batch(pending, done, total)
            if done != total:
                raise InputError(source.name, f"holds {done:,} rows, but its footer says {total:,}")

    def _batch(self, frames: list[pl.DataFrame], done: int, total: int) -> RawBatch:
        consumed = self._source.bytes * done // max(done, total)
        return RawBatch(pl.concat(frames), malformed_frame([]), consumed)

    def _frames(self, file: pq.ParquetFile, size: int) -> Iterator[pl.DataFrame]:
        done = 0
        for packed in file.iter_batches(size, columns=[field.name for field in self._fields]):
            for batch in self._fitting(packed, done):
                frame = pl.DataFrame(pl.from_arrow(batch))
                numbers = pl.int_range(done + 1, done + 1 + frame.height, dtype=pl.Int64, eager=True)
                done += frame.height
                yield frame.select(numbers.alias("row_number"), pl.all())

    def _open(self) -> pq.ParquetFile:
        return pq.ParquetFile(
            self._source.path,
            pre_buffer=False,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",
            read_dictionary=self._packed or None,
        )

    def _fitting(self, batch: pa.RecordBatch, done: int) -> Iterator[pa.RecordBatch]:
        """The batch, or its halves while they would unpack to more than :data:`BATCH_BYTES`."""
        if batch.num_rows > 1 and sum(map(_unpacked_bytes, batch.columns)) > BATCH_BYTES:
            half = batch.num_rows // 2
            yield from self._fitting(batch.slice(0, half), done)
            yield from self._fitting(batch.slice(half), done + half)
            return
        arrays = [
            self._unpacked(array, name, done) for array, name in zip(batch.columns, self.columns, strict=True)
        ]
        yield pa.record_batch(arrays, names=list(self.columns))

    def _unpacked(self, array: pa.Array, name: str, done: int) -> pa.Array:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if _is_text(array.type):
            if pa.types.is_string_view(array.type):
                array = pc.cast(array, pa.large_string())
            # Neither reader looks: bytes that are not UTF-8 would crash later, far from here.
            array.validate(full=True)
            lengths = pc.binary_length(array)
            if (pc.max(lengths).as_py() or 0) > TEXT_BYTES:
                row = done + pc.index(pc.greater(lengths, TEXT_BYTES), True).as_py() + 1
                raise InputError(
                    self._source.name, f"row {row:,}: {name} is longer than {TEXT_BYTES >> 20} MB"
                )
            return array
        if name in _IDS or pa.types.is_null(array.type):
            return pc.cast(array, pa.string())
        return pc.cast(array, pa.float32()) if pa.types.is_float16(array.type) else array


def _refuse_joined(source: SourceFile) -> None:
    """Refuse files that were joined (``cat a.parquet b.parquet``).

    The places in the last footer would be looked up in the first file: its rows would stand for those of the
    last one, and all others be lost in silence.
    """
    joint, before, kept = PARQUET_MAGIC * 2, 0, b""
    with _readable(source), source.path.open("rb") as file:
        while block := file.read(_SCAN_BYTES):
            data, at = kept + block, -1
            while (at := data.find(joint, at + 1)) >= 0:
                # Text may say so, too, but has no footer of a length that fits before it.
                footer = int.from_bytes(data[max(0, at - 4) : at], "little")
                if 0 < footer <= before + at - 8:
                    raise InputError(
                        source.name,
                        f"is several Parquet files joined: another one begins at byte {before + at + 4:,}",
                        hint="name each file by itself, or write them again as one",
                    )
            kept = data[-(len(joint) + 3) :]
            before += len(data) - len(kept)


def _too_much(pending: list[pl.DataFrame], frame: pl.DataFrame, rows: int) -> bool:
    """Whether a batch would grow too tall or too large by one more frame."""
    frames = [*pending, frame]
    return sum(each.height for each in frames) > rows or (
        sum(each.estimated_size() for each in frames) > BATCH_BYTES
    )


@contextmanager
def _readable(source: SourceFile) -> Iterator[None]:
    """Every way in which a broken Parquet file fails → InputError."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, PanicException) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            source.name, f"the Parquet file is truncated or corrupt: {cause}", hint="fetch or write it again"
        ) from error


def headers(source: SourceFile) -> tuple[str, ...]:
    """The names of a Parquet file's columns.

    Raises:
        InputError: The footer is corrupt.
    """
    with _readable(source), pq.ParquetFile(source.path, pre_buffer=False) as file:
        return tuple(file.schema_arrow.names)


def _require_type(file: str, name: str, field: pa.Field) -> None:
    """Refuse a column whose type cannot carry its values exactly."""
    types = pa.types
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    if _is_text(kind) or types.is_integer(kind) or types.is_null(kind):
        return
    whole = types.is_decimal128(kind) and kind.scale == 0
    if name in _IDS:
        accepted, wanted = whole, "text or integers"
    elif name == "ts":
        accepted, wanted = types.is_timestamp(kind) or types.is_date(kind), "timestamps, integers or text"
    else:
        accepted, wanted = types.is_floating(kind) or types.is_decimal128(kind), "numbers or text"
    if not accepted:
        raise InputError(
            file,
            f'column "{field.name}" has the type {field.type}, which is not accepted for {name}',
            hint=f"write it as {wanted}",
        )


def _require_plain(file: str, field: pa.Field) -> None:
    """Refuse a column whose values are no single ones."""
    types = pa.types
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    single = (
        *(types.is_integer, types.is_floating, types.is_decimal128),
        *(types.is_timestamp, types.is_date, types.is_null, _is_text),
    )
    if not any(accepted(kind) for accepted in single):
        raise InputError(
            file,
            f'column "{field.name}" has the type {field.type}, which is not accepted',
            hint="write it as text, numbers or timestamps",
        )


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _row_bytes(metadata: pq.FileMetaData) -> int:
    """Bytes of the widest row group's average row, all columns, dictionaries packed.

    The metadata of single columns would say it better, but asking a damaged footer for them aborts the
    process: Arrow checks them in a place from which it cannot raise.
    """
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    return max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1)


def _unpacked_bytes(array: pa.Array) -> int:
    if not pa.types.is_dictionary(array.type) or not _is_text(array.type.value_type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary)
    return int(pc.sum(pc.take(lengths, array.indices)).as_py() or 0)
