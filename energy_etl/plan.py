"""What is to be done with a dump's rows, worked out ahead of the database and without it: pure.

Source → normalise → split → validate, which makes a :class:`Checked` batch; then arrange and encode, which
makes a :class:`StreamBatch` that only has to be sent. The load adds what the server says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.frames import checksum, rejects
from energy_etl.frames.arrange import Watermarks, merge_newest, newest
from energy_etl.frames.copy_binary import Encoded, encode
from energy_etl.frames.normalise import normalise
from energy_etl.frames.split import split, streams_of
from energy_etl.frames.validate import validate

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import date, datetime

    from energy_etl.sources.source import RawBatch, Reader
    from energy_etl.streams import Stream

WORTH_A_CHECKSUM = 10_000
"""From so many late readings on, it pays to ask the server whether it knows them by their checksum."""


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """What a batch brings of one stream."""

    read: int
    rejected: int
    min_ts: datetime | None
    max_ts: datetime | None
    """Oldest and newest timestamp of the valid readings."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch of a dump's rows, typed and judged."""

    rows: int
    """Rows of the file in this batch."""
    bytes_read: int
    """Bytes of the file read so far."""
    streams: dict[str, StreamCounts]
    valid: dict[str, pl.DataFrame]
    """Stream name → row_number and the stream's columns. Whoever takes them on takes them out."""
    rejects: pl.DataFrame
    """As ``frames.rejects.SCHEMA``."""
    unassigned: int
    """Rows that belong to no stream; they are among the rejects."""
    naive_timestamps: int

    @property
    def read(self) -> int:
        """Readings, the rows that belong to no stream among them."""
        return self.unassigned + sum(stream.read for stream in self.streams.values())

    @property
    def rejected(self) -> int:
        """Those of them that are rejected."""
        return self.unassigned + sum(stream.rejected for stream in self.streams.values())


@dataclass(frozen=True, slots=True)
class DayPart:
    """New readings of one UTC day, to be sent as they are."""

    day: date
    readings: Encoded
    """The stream's columns and load_id, sorted by (device, ts)."""


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """One stream's readings, ready for the database."""

    parts: tuple[DayPart, ...]
    """Surely new."""
    new: dict[int, int]
    """load_id → how many of them."""
    late: pl.DataFrame
    """load_id, row_number and the stream's columns of those that may exist, sorted by (device, ts)."""
    late_checksums: pl.DataFrame | None
    """Per device, as ``checksum.by_device``; None where they are few."""
    late_days: tuple[date, ...]
    newest: pl.DataFrame | None
    """The newest new reading per device: the stream's columns, load_id, first_ts; None without any."""
    new_checksums: tuple[pl.DataFrame, ...]
    """Per device, of the new readings; if asked for."""


def check(reader: Reader, *, zone: str, latest: datetime, rows: int) -> Generator[Checked]:
    """Type and judge a dump batch by batch.

    Args:
        reader: The opened dump.
        zone: Of timestamps that carry none.
        latest: The latest believable timestamp.
        rows: Per batch, about.
    """
    for raw in reader.batches(rows):
        yield _check_batch(raw, zone, latest)


def ready(stream: Stream, readings: pl.DataFrame, marks: Watermarks, *, summed: bool) -> StreamBatch:
    """Arrange and encode readings; what is new widens the marks.

    Args:
        stream: Whose readings.
        readings: load_id, row_number and the stream's columns, in the order of the dumps.
        marks: What history holds, this load's earlier readings included.
        summed: Also make the checksums of the new readings.
    """
    arranged = marks.arrange(readings)
    new = [part for part in (arranged.after, arranged.before) if not part.is_empty()]
    late = arranged.late
    return StreamBatch(
        parts=tuple(part for frame in new for part in _by_day(stream, frame)),
        new=_by_load(new),
        late=late,
        late_checksums=checksum.by_device(stream, late) if late.height >= WORTH_A_CHECKSUM else None,
        late_days=_days(late),
        newest=merge_newest(stream, [_newest(stream, part) for part in new]) if new else None,
        new_checksums=tuple(checksum.by_device(stream, part) for part in new) if summed else (),
    )


def _check_batch(raw: RawBatch, zone: str, latest: datetime) -> Checked:
    normalised = normalise(raw.frame, zone)
    parts = split(normalised.frame)
    streams = streams_of(tuple(raw.frame.columns))
    only = streams[0].name if len(streams) == 1 else None
    # Rows that could not be read as rows belong to the dump's only stream, if it has only one.
    malformed = rejects.from_malformed(raw.malformed, only)
    counts: dict[str, StreamCounts] = {}
    valid: dict[str, pl.DataFrame] = {}
    broken = [parts.neither]
    for stream in streams:
        readings = parts.readings[stream.name]
        judged = validate(stream, readings, normalised.faults, latest)
        broken.append(judged.rejects)
        valid[stream.name] = judged.valid
        ts = judged.valid["ts"].dt.replace_time_zone("UTC")
        unread = malformed.height if only else 0
        counts[stream.name] = StreamCounts(
            read=readings.height + unread,
            rejected=judged.rejects.height + unread,
            min_ts=ts.min(),  # type: ignore[arg-type]
            max_ts=ts.max(),  # type: ignore[arg-type]
        )
    return Checked(
        rows=raw.rows,
        bytes_read=raw.bytes_read,
        streams=counts,
        valid=valid,
        rejects=pl.concat([rejects.with_raw(pl.concat(broken), raw.frame), malformed]),
        unassigned=parts.neither.height + (0 if only else malformed.height),
        naive_timestamps=normalised.naive_timestamps,
    )


def _by_day(stream: Stream, readings: pl.DataFrame) -> Iterator[DayPart]:
    columns = readings.select(*stream.columns, "load_id")
    days = _days(readings)
    if len(days) == 1:
        yield DayPart(days[0], encode(columns))
        return
    day = pl.col("ts").dt.date()
    for part in columns.with_columns(day.alias("day")).partition_by("day", maintain_order=True):
        yield DayPart(part["day"][0], encode(part.drop("day")))


def _days(readings: pl.DataFrame) -> tuple[date, ...]:
    return tuple(readings["ts"].dt.date().unique().sort().to_list())


def _by_load(parts: list[pl.DataFrame]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for part in parts:
        for load_id, count in part["load_id"].value_counts().iter_rows():
            counts[load_id] = counts.get(load_id, 0) + count
    return counts


def _newest(stream: Stream, readings: pl.DataFrame) -> pl.DataFrame:
    return newest(stream, readings.select(*stream.columns, "load_id"))
