"""Valid readings of one batch → the order the server takes fastest, and what it has to look twice at.

The server is fastest with rows sorted by (device, ts): neighbouring rows go to neighbouring index pages, or
to one compressed segment. Where a device's reading is newer than all its history, or older, it cannot exist
yet and goes straight in; the others are late or repeated and are compared with history first.

Measured on 3 M readings of 10,000 devices: sorting by (text, ts) takes 0.83 s, ranking the ids once and
sorting one packed integer 0.3 s, and a dump that is sorted already only a linear check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from energy_etl.streams import Stream

_KEY_LIMIT = 2**62
_FEW_DEVICES = 2**16


@dataclass(frozen=True, slots=True)
class Arranged:
    """A batch's readings, each part sorted by (device, ts) and then as they came."""

    after: pl.DataFrame
    """Newer than all history of their device."""
    before: pl.DataFrame
    """Older than all history of their device."""
    late: pl.DataFrame
    """To be compared with history: inside a device's span, or a repetition within the batch."""


class Watermarks:
    """Per device, the oldest and newest reading that history holds: what lies outside cannot exist yet.

    Starts from the live tables and is widened with every batch, so it stays true within a load. Grows with
    the number of devices, not with the number of readings.
    """

    def __init__(self, stream: Stream, known: pl.DataFrame) -> None:
        """Start from what history holds.

        Args:
            stream: Whose devices.
            known: device String, first_ts and last_ts Datetime[µs, UTC].
        """
        self._stream = stream
        self._known = known

    def arrange(self, valid: pl.DataFrame) -> Arranged:
        """Sort a batch and tell new readings from late ones; what is new counts as known from then on.

        Args:
            valid: The stream's columns, valid, among others that are kept; rows as they came.
        """
        device = self._stream.device
        devices = valid[device].unique().sort()
        rank = valid[device].cast(pl.Enum(devices)).to_physical()
        readings, rank, repeated = _sorted(valid, rank, devices.len())

        span = pl.DataFrame({device: devices}).join(self._known, on=device, how="left", maintain_order="left")
        first, last = (span[name].gather(rank) for name in ("first_ts", "last_ts"))
        ts = readings["ts"]
        newer = ((ts > last) | last.is_null()) & ~repeated
        older = (ts < first).fill_null(value=False) & ~repeated
        arranged = Arranged(
            after=readings.filter(newer) if not newer.all() else readings,
            before=readings.filter(older),
            late=readings.filter(~(newer | older)),
        )
        self._widen(arranged)
        return arranged

    def _widen(self, arranged: Arranged) -> None:
        seen = [
            newest(self._stream, part).select(self._stream.device, "first_ts", last_ts="ts")
            for part in (arranged.after, arranged.before)
            if not part.is_empty()
        ]
        if seen:
            spans = pl.concat([self._known, *seen]).group_by(self._stream.device)
            self._known = spans.agg(pl.col("first_ts").min(), pl.col("last_ts").max())


def runs(device: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Where the rows of each device begin and end in a column in which they stand together."""
    starts = (device != device.shift()).fill_null(value=True).arg_true()
    ends = (device != device.shift(-1)).fill_null(value=True).arg_true()
    return starts, ends


def newest(stream: Stream, readings: pl.DataFrame) -> pl.DataFrame:
    """The newest reading of each device, with the oldest ts: one row per device, sorted.

    Args:
        stream: Whose readings.
        readings: The stream's columns and others, which are kept; sorted by (device, ts).
    """
    starts, ends = runs(readings[stream.device])
    return readings[ends].with_columns(readings["ts"].gather(starts).alias("first_ts"))


def merge_newest(stream: Stream, parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Several results of :func:`newest` as one."""
    if len(parts) == 1:
        return parts[0]
    merged = pl.concat(parts).sort(stream.device, "ts")
    _, ends = runs(merged[stream.device])
    oldest = merged.group_by(stream.device, maintain_order=True).agg(pl.col("first_ts").min())
    return merged[ends].with_columns(oldest["first_ts"])


def _sorted(valid: pl.DataFrame, rank: pl.Series, devices: int) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """Readings by (device, ts) and as they came, their device ranks, and which repeat the one before them."""
    ts = valid["ts"].to_physical()
    if devices <= _FEW_DEVICES and ts.is_sorted():
        # Time-major, as exports come: a stable sort by device will do, which numpy does in linear time.
        order = pl.Series(np.argsort(rank.to_numpy().astype(np.uint16), kind="stable"))
        return _repetitions(valid[order], rank.gather(order))
    start, end = ts.min(), ts.max()
    span = end - start + 1 if isinstance(start, int) and isinstance(end, int) else 1
    if devices * span < _KEY_LIMIT:
        key = rank.cast(pl.Int64) * span + (ts - start)
        steps = key.diff()
        in_order = bool((steps > 0).all())
        if in_order:
            return valid, rank, pl.repeat(value=False, n=valid.height, eager=True)
        order = key.arg_sort()
        sorted_key = key.gather(order)
        repeated = (sorted_key.diff() == 0).fill_null(value=False)
        if not repeated.any():
            return valid[order], rank.gather(order), repeated
    keys = pl.DataFrame({"rank": rank, "ts": ts})
    order = keys.select(pl.arg_sort_by("rank", "ts", maintain_order=True)).to_series()
    return _repetitions(valid[order], rank.gather(order))


def _repetitions(readings: pl.DataFrame, rank: pl.Series) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    repeated = (rank == rank.shift()) & (readings["ts"] == readings["ts"].shift())
    return readings, rank, repeated.fill_null(value=False)
