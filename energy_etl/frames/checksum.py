"""A checksum of readings per device that Polars and the server compute alike.

It tells in one small query whether history holds the very readings a dump repeats, without sending them. The
hash of a reading is the server's own ``hashfloat8extended`` (Bob Jenkins' lookup3), chained over ts and
measures so that every bit counts; a device's checksum is the XOR of its readings. Zero equals minus zero, as
in a comparison. Should a server ever hash differently, nothing matches and readings are compared one by one.

Measured: 50 ms for a million readings here, 150 ms on the server with its index on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from energy_etl.frames.arrange import runs

if TYPE_CHECKING:
    import numpy.typing as npt

    from energy_etl.streams import Stream

    Hashes = npt.NDArray[np.uint64]
    Words = npt.NDArray[np.uint32]

_CHUNK_ROWS = 32_768
"""Rows hashed at a time: some twenty arrays of this length stay in the processor's cache."""

_EPOCH_2000_US = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01."""


def by_device(stream: Stream, readings: pl.DataFrame) -> pl.DataFrame:
    """One row per device: device, first_ts, last_ts, readings (Int64), checksum (Int64).

    Args:
        stream: Whose readings.
        readings: The stream's columns, sorted by (device, ts).
    """
    starts, ends = runs(readings[stream.device])
    hashes = reading_hashes(stream, readings)
    checksums = np.bitwise_xor.reduceat(hashes, starts.to_numpy()) if hashes.size else hashes
    return pl.DataFrame(
        {
            stream.device: readings[stream.device].gather(starts),
            "first_ts": readings["ts"].gather(starts),
            "last_ts": readings["ts"].gather(ends),
            "readings": (ends.cast(pl.Int64) - starts.cast(pl.Int64)) + 1,
            "checksum": checksums.view(np.int64),
        }
    )


def merged(stream: Stream, parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Several results of :func:`by_device`, of different readings, as one."""
    return (
        pl.concat(parts)
        .group_by(stream.device)
        .agg(
            pl.col("first_ts").min(),
            pl.col("last_ts").max(),
            pl.col("readings").sum(),
            pl.col("checksum").bitwise_xor(),
        )
    )


def reading_hashes(stream: Stream, readings: pl.DataFrame) -> Hashes:
    """The hash of each reading's ts and measures, as ``db.tables`` has the server compute it."""
    ts = readings["ts"].to_physical().to_numpy() - _EPOCH_2000_US
    # No valid reading has a NaN, which is therefore free to stand for a value that is not there.
    columns = [readings[name].fill_null(float("nan")).to_numpy() for name in stream.floats]
    hashes = np.empty(readings.height, dtype=np.uint64)
    for start in range(0, readings.height, _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        hashed = _hash_timestamp(ts[rows])
        for number, values in enumerate(columns, start=1):
            # Zero leaves its seed as it is: without the column's number, it could change places.
            hashed = _hash_float(values[rows], hashed ^ np.uint64(number))
        hashes[rows] = hashed
    return hashes


def _hash_timestamp(ts: npt.NDArray[np.int64]) -> Hashes:
    """``timestamp_hash_extended(ts, 0)``: of the folded halves of the number."""
    low, high = _halves(ts.view(np.uint64))
    low ^= np.where(ts >= 0, high, ~high)
    start = np.full(low.shape, 0x9E3779B9 + 4 + 3923095, dtype=np.uint32)
    return _finish(start + low, start.copy(), start.copy())


def _hash_float(values: npt.NDArray[np.float64], seed: Hashes) -> Hashes:
    """``hashfloat8extended(value, seed)``: the seed itself for zero."""
    start = np.uint32(0x9E3779B9 + 8 + 3923095)
    low_seed, high_seed = _halves(seed)
    a, b, c = _mix(start + high_seed, start + low_seed, np.full(seed.shape, start, dtype=np.uint32))
    low, high = _halves(np.ascontiguousarray(values).view(np.uint64))
    a += low
    b += high
    # The server does not mix a seed of zero in: once in 2**64 readings, which then counts as different.
    return np.where(values == 0.0, seed, _finish(a, b, c))


def _halves(bits: Hashes) -> tuple[Words, Words]:
    return bits.astype(np.uint32), (bits >> np.uint64(32)).astype(np.uint32)


def _rotated(words: Words, bits: int) -> Words:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))


def _mix(a: Words, b: Words, c: Words) -> tuple[Words, Words, Words]:
    for bits in (4, 6, 8, 16, 19, 4):
        a -= c
        a ^= _rotated(c, bits)
        c += b
        a, b, c = b, c, a
    return a, b, c


def _finish(a: Words, b: Words, c: Words) -> Hashes:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c ^= b
        c -= _rotated(b, bits)
        a, b, c = b, c, a
    # After seven turns, what began as b is called a, and c is called b.
    return (a.astype(np.uint64) << np.uint64(32)) | b
