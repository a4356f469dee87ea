"""What is to be done with each batch of a dump, worked out ahead of the database and without it: pure.

Source → normalise → split → validate → arrange, the stages in their order. The counts are made here; the load
adds what the server says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.frames import rejects
from energy_etl.frames.arrange import Arranged, Watermarks, newest
from energy_etl.frames.normalise import normalise
from energy_etl.frames.split import split, streams_of
from energy_etl.frames.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from energy_etl.frames.normalise import Normalised
    from energy_etl.sources.source import RawBatch, Reader
    from energy_etl.streams import Stream


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """One stream's part of a batch."""

    read: int
    rejected: int
    arranged: Arranged
    newest: pl.DataFrame | None
    """The newest reading per device among those that are surely new, with first_ts; None without any."""
    days: tuple[date, ...]
    """UTC days of the valid readings."""
    min_ts: datetime | None
    max_ts: datetime | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A batch, ready for the database."""

    rows: int
    """Rows of the file in this batch."""
    bytes_read: int
    """Bytes of the file read so far."""
    streams: dict[str, StreamBatch]
    rejects: pl.DataFrame
    """As ``frames.rejects.SCHEMA``."""
    unassigned: int
    """Rows that belong to no stream; they are among the rejects."""
    naive_timestamps: int


def plan(
    reader: Reader, marks: dict[str, Watermarks], *, zone: str, latest: datetime, rows: int
) -> Iterator[Planned]:
    """Plan a dump batch by batch.

    Args:
        reader: The opened dump.
        marks: Stream name → what history holds, for every stream the dump can carry; widened as batches
            go by.
        zone: Of timestamps that carry none.
        latest: The latest believable timestamp.
        rows: Per batch, about.
    """
    for raw in reader.batches(rows):
        yield _plan_batch(raw, streams_of(tuple(raw.frame.columns)), marks, zone, latest)


def _plan_batch(
    raw: RawBatch, streams: tuple[Stream, ...], marks: dict[str, Watermarks], zone: str, latest: datetime
) -> Planned:
    normalised = normalise(raw.frame, zone)
    parts = split(normalised.frame)
    only = streams[0].name if len(streams) == 1 else None
    planned: dict[str, StreamBatch] = {}
    broken = [parts.neither]
    for stream in streams:
        planned[stream.name], rejected = _plan_stream(
            stream, parts.readings[stream.name], normalised, marks[stream.name], latest
        )
        broken.append(rejected)
    malformed = rejects.from_malformed(raw.malformed, only)
    if only and malformed.height:
        planned[only] = _with_rejected(planned[only], malformed.height)
    return Planned(
        rows=raw.rows,
        bytes_read=raw.bytes_read,
        streams=planned,
        rejects=pl.concat([rejects.with_raw(pl.concat(broken), raw.frame), malformed]),
        unassigned=parts.neither.height + (0 if only else malformed.height),
        naive_timestamps=normalised.naive_timestamps,
    )


def _plan_stream(
    stream: Stream, readings: pl.DataFrame, normalised: Normalised, marks: Watermarks, latest: datetime
) -> tuple[StreamBatch, pl.DataFrame]:
    checked = validate(stream, readings, normalised.faults, latest)
    arranged = marks.arrange(checked.valid)
    added = [part for part in (arranged.after, arranged.before) if not part.is_empty()]
    ts = checked.valid["ts"]
    batch = StreamBatch(
        read=readings.height,
        rejected=checked.rejects.height,
        arranged=arranged,
        newest=newest(stream, pl.concat(added)) if added else None,
        days=tuple(ts.dt.date().unique().sort().to_list()),
        min_ts=ts.dt.replace_time_zone("UTC").min(),  # type: ignore[arg-type]
        max_ts=ts.dt.replace_time_zone("UTC").max(),  # type: ignore[arg-type]
    )
    return batch, checked.rejects


def _with_rejected(batch: StreamBatch, rows: int) -> StreamBatch:
    """Rows that could not be read as rows belong to the dump's only stream."""
    return StreamBatch(
        batch.read + rows,
        batch.rejected + rows,
        batch.arranged,
        batch.newest,
        batch.days,
        batch.min_ts,
        batch.max_ts,
    )
