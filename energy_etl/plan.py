"""What is to be done with a dump's rows, worked out ahead of the database and without it: pure.

Source → normalise → split → validate, which makes a :class:`Checked` batch; then arrange and encode, which
makes a :class:`StreamBatch` that only has to be sent. The load adds what the server says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.frames import checksum, rejects
from energy_etl.frames.arrange import Arranged, Watermarks, merge_newest, newest
from energy_etl.frames.copy_binary import Encoded, encode
from energy_etl.frames.energy import Counting, derive, quality_flags
from energy_etl.frames.mapping import Mapped
from energy_etl.frames.normalise import normalise
from energy_etl.frames.split import split, streams_of
from energy_etl.frames.units import convert
from energy_etl.frames.validate import validate
from energy_etl.sources.malformed import malformed_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from datetime import date, datetime

    from energy_etl.energy import EnergyKind
    from energy_etl.interpret import Interpretation
    from energy_etl.sources.source import RawBatch
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
    passed_over: dict[str, int]
    """What rows that are no part of a reading are → how many."""

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
    flags: dict[str, int]
    """Flag of a derived reading → how many of them carry it."""
    late: pl.DataFrame
    """load_id, row_number, device, ts and reported measures of those that may exist."""
    late_checksums: pl.DataFrame | None
    """Per device, as ``checksum.by_device``; None where they are few."""
    late_days: tuple[date, ...]
    newest: pl.DataFrame | None
    """The newest new reading per device: the stream's columns, load_id, first_ts; None without any."""
    new_total: checksum.Total | None
    """Of the new readings; if asked for and there are any."""


def check(
    interpretation: Interpretation,
    *,
    latest: datetime,
    rows: int,
    kinds: Mapping[str, EnergyKind],
    seen: Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame], None] | None = None,
) -> Generator[Checked]:
    """Type and judge a dump batch by batch.

    Args:
        interpretation: The opened dump, and how it is read.
        latest: The latest believable timestamp.
        rows: Per batch, about.
        kinds: Stream name → what its energy column carries, which decides what is believable.
        seen: Shown each batch under our columns: as read, typed, and in our units.

    Raises:
        InputError: The dump turns out to be unusable.
        AmbiguousInputError: Its values can be read in more than one way.
    """
    checker = _Checker(interpretation, latest, kinds, seen)
    for raw in interpretation.reader.batches(rows):
        yield checker.batch(raw)
    if (rest := checker.rest()) is not None:
        yield rest


def ready(
    stream: Stream,
    readings: pl.DataFrame,
    marks: Watermarks,
    counting: Counting | None = None,
    *,
    summed: bool,
) -> StreamBatch:
    """Arrange and encode readings; what is new widens the marks.

    Args:
        stream: Whose readings, of the kind they carry.
        readings: load_id, row_number and the stream's columns, in the order of the dumps.
        marks: What history holds, this load's earlier readings included.
        counting: How their energy is derived, if it is; moved on by what is new.
        summed: Also make the checksum of the new readings.
    """
    arranged = marks.arrange(readings)
    if counting is None:
        new, late, flags = [arranged.after, arranged.before], arranged.late, {}
        seen = new
    else:
        after, late, before = _derived(stream, arranged, counting)
        new, seen, flags = [after], [after, before], quality_flags(after)
    new = [part for part in new if not part.is_empty()]
    newest_parts = [_newest(stream, part) for part in seen if not part.is_empty()]
    by_checksum = counting is None and late.height >= WORTH_A_CHECKSUM
    return StreamBatch(
        parts=tuple(part for frame in new for part in _by_day(stream, frame)),
        new=_by_load(new),
        flags=flags,
        late=late,
        late_checksums=checksum.by_device(stream, late) if by_checksum else None,
        late_days=_days(late),
        newest=merge_newest(stream, newest_parts) if newest_parts else None,
        new_total=_total(stream, new) if summed and new else None,
    )


def _derived(
    stream: Stream, arranged: Arranged, counting: Counting
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Where energy is derived: new readings with theirs, late ones, and those of the latter before history.

    What comes before history changes how history was derived from its beginning on: late readings do that.
    """
    reported = {stream.energy: stream.raw or stream.energy}
    after, before, late = (part.rename(reported) for part in (arranged.after, arranged.before, arranged.late))
    after = derive(stream, after, counting)
    unknown = before.with_columns(pl.lit(0.0).alias(stream.energy), quality=pl.lit(None, pl.Int32))
    return after, pl.concat([before, late]), unknown


class _Checker:
    """Types and judges the batches of one dump, in their order."""

    def __init__(
        self,
        interpretation: Interpretation,
        latest: datetime,
        kinds: Mapping[str, EnergyKind],
        seen: Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame], None] | None,
    ) -> None:
        self._notation = interpretation.notation
        self._mapper = interpretation.mapper()
        self._clock = interpretation.clock()
        self._conversions = interpretation.conversions
        self._earliest = interpretation.profile.time.earliest
        self._latest = latest
        self._kinds = kinds
        self._seen = seen
        self._bytes_read = 0

    def batch(self, raw: RawBatch) -> Checked:
        """A batch of the dump's rows."""
        self._bytes_read = raw.bytes_read
        if self._mapper is None:
            return self._checked(Mapped(raw.frame, raw.frame), raw.rows, raw.malformed)
        return self._checked(self._mapper.map(raw.frame), raw.rows, raw.malformed)

    def rest(self) -> Checked | None:
        """What had to wait for the end of the dump; its rows are counted already."""
        mapped = self._mapper.finish() if self._mapper is not None else None
        return self._checked(mapped, 0, malformed_frame([])) if mapped is not None else None

    def _checked(self, mapped: Mapped, rows: int, malformed: pl.DataFrame) -> Checked:
        normalised = normalise(mapped.frame, self._notation, self._clock)
        frame, faults = normalised.frame, normalised.faults
        if self._conversions:
            frame, foreign = convert(frame, self._conversions)
            faults = pl.concat([faults, foreign])
        if self._seen is not None:
            self._seen(mapped.frame, normalised.frame, frame)
        parts = split(frame)
        streams = streams_of(tuple(frame.columns))
        only = streams[0].name if len(streams) == 1 else None
        # Rows that could not be read as rows belong to the dump's only stream, if it has only one.
        unread = rejects.from_malformed(malformed, only)
        counts: dict[str, StreamCounts] = {}
        valid: dict[str, pl.DataFrame] = {}
        broken = [parts.neither]
        for stream in streams:
            readings = parts.readings[stream.name]
            judged = validate(
                stream.of_kind(self._kinds[stream.name]), readings, faults, self._latest, self._earliest
            )
            broken.append(judged.rejects)
            valid[stream.name] = judged.valid
            ts = judged.valid["ts"].dt.replace_time_zone("UTC")
            of_stream = unread.height if only else 0
            counts[stream.name] = StreamCounts(
                read=readings.height + of_stream,
                rejected=judged.rejects.height + of_stream,
                min_ts=ts.min(),  # type: ignore[arg-type]
                max_ts=ts.max(),  # type: ignore[arg-type]
            )
        return Checked(
            rows=rows,
            bytes_read=self._bytes_read,
            streams=counts,
            valid=valid,
            rejects=pl.concat([rejects.with_raw(pl.concat(broken), mapped.raw), unread]),
            unassigned=parts.neither.height + (0 if only else unread.height),
            naive_timestamps=normalised.naive_timestamps,
            passed_over=mapped.passed_over,
        )


def _by_day(stream: Stream, readings: pl.DataFrame) -> Iterator[DayPart]:
    columns = readings.select(*stream.stored, "load_id")
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


def _total(stream: Stream, parts: list[pl.DataFrame]) -> checksum.Total:
    return reduce(add, (checksum.total(stream, part) for part in parts))


def _newest(stream: Stream, readings: pl.DataFrame) -> pl.DataFrame:
    return newest(stream, readings.select(*stream.stored, "load_id"))
