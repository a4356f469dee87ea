"""Dumps → batches that are ready for the database, made in threads while the server works on earlier ones.

Rows are read in small pieces and gathered into batches as large as the server likes them, over the borders of
small dumps: a transaction and a COPY for each of a hundred small files would take longer than their readings.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.dump import RejectLimitError
from energy_etl.errors import InputError
from energy_etl.frames.rejects import count_by_rule
from energy_etl.kinds import Watch
from energy_etl.outcome import Status
from energy_etl.plan import StreamBatch, check, ready
from energy_etl.prefetch import prefetch
from energy_etl.sources.fingerprint import verify_unchanged
from energy_etl.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import datetime

    from energy_etl.dump import Dump
    from energy_etl.frames.arrange import Watermarks
    from energy_etl.kinds import Energy
    from energy_etl.options import LoadOptions
    from energy_etl.plan import Checked

READ_ROWS = 250_000
"""Rows read at a time. More gains little, and memory grows with it."""

READ_AHEAD = 2
"""Pieces, or small dumps, that are read while earlier ones are arranged."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A dump that is not loaded, while others of the same transaction are."""

    dump: Dump
    error: InputError
    rejects: pl.DataFrame | None = None
    """Where too many of them are the reason."""


@dataclass(slots=True)
class Fed:
    """What the database gets at a time."""

    checked: list[tuple[Dump, Checked]] = field(default_factory=list)
    """In the order of dumps and rows."""
    refused: list[Refused] = field(default_factory=list)
    too_large: list[Dump] = field(default_factory=list)
    """Looked small and are not: for a transaction of their own."""
    streams: dict[str, StreamBatch] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(checked.rows for _, checked in self.checked)


class Feed:
    """Reads dumps for one transaction.

    Args:
        dumps: Claimed. Several are small ones: each is read wholly before any of it is passed on, so that it
            can still be refused by itself.
        marks: Stream name → what history holds, of every stream the dumps can carry.
        energies: Stream name → what the dumps carry as its energy.
        options: How to load.
        latest: The latest believable timestamp.
        batch_rows: Rows gathered into a batch.
        summed: Make checksums of the new readings.
    """

    def __init__(
        self,
        dumps: Sequence[Dump],
        marks: dict[str, Watermarks],
        energies: dict[str, Energy],
        options: LoadOptions,
        *,
        latest: datetime,
        batch_rows: int,
        summed: bool,
    ) -> None:
        self._dumps = dumps
        self._marks = marks
        self._energies = energies
        self._options = options
        self._latest = latest
        self._batch_rows = batch_rows
        self._summed = summed
        self._stopped = False

    def stop(self) -> None:
        """Read no further; for another thread to say."""
        self._stopped = True

    def __iter__(self) -> Iterator[Fed]:
        """Batch by batch.

        Raises:
            InputError: The only dump is unusable.
        """
        fed, target = Fed(), (step := min(READ_ROWS, self._batch_rows))
        with closing(prefetch(self._pieces(), ahead=READ_AHEAD)) as pieces:
            for piece in pieces:
                if self._stopped:
                    return
                if isinstance(piece, Refused):
                    fed.refused.append(piece)
                    continue
                dump, checked = piece
                if checked is None:
                    fed.too_large.append(dump)
                    continue
                fed.checked.append((dump, checked))
                if fed.rows >= target:
                    yield self._ready(fed)
                    # The first batches are small: the server should not wait long for them. Each is larger
                    # by no more than is made ready while it takes the one before.
                    fed, target = Fed(), min(target + step, self._batch_rows)
        yield self._ready(fed)

    def _pieces(self) -> Generator[tuple[Dump, Checked | None] | Refused]:
        """The dumps' rows, piece by piece; None for a dump that is too large for this company."""
        if len(self._dumps) > 1:
            yield from filter(None, map(self._whole, self._dumps))
            return
        for dump in self._dumps:
            for checked in self._read(dump):
                yield dump, checked
            verify_unchanged(dump.source, dump.taken)

    def _whole(self, dump: Dump) -> tuple[Dump, Checked | None] | Refused | None:
        """A small dump as one piece; None without rows."""
        try:
            with closing(self._read(dump)) as pieces:
                first = next(pieces, None)
                if next(pieces, None) is not None:
                    return dump, None
            verify_unchanged(dump.source, dump.taken)
        except InputError as error:
            return Refused(dump, error)
        if first is None:
            return None
        limit = self._options.max_rejects
        if not limit.exceeded(first.rejected, first.read):
            return dump, first
        dump.add(first)
        result = dump.result(Status.FAILED, count_by_rule(first.rejects))
        return Refused(dump, RejectLimitError(result, limit), first.rejects)

    def _read(self, dump: Dump) -> Generator[Checked]:
        """A dump's batches, held against what is known of its devices' energy."""
        rows = min(READ_ROWS, self._batch_rows)
        kinds = {name: energy.kind for name, energy in self._energies.items()}
        watch = Watch(dump, kinds)
        pieces = check(
            dump.interpretation,
            latest=self._latest,
            rows=rows,
            kinds={name: kind.rule.kind for name, kind in kinds.items()},
        )
        with closing(pieces):
            for checked in pieces:
                for name, valid in checked.valid.items():
                    self._energies[name].admit(dump.source.name, valid)
                watch.add(checked.valid, checked.rejects)
                yield checked
        watch.close()

    def _ready(self, fed: Fed) -> Fed:
        for stream in STREAMS:
            parts = [
                _labelled(dump, checked.valid.pop(stream.name))
                for dump, checked in fed.checked
                if stream.name in checked.valid
            ]
            readings = pl.concat(parts) if parts else None
            if readings is not None and not readings.is_empty():
                fed.streams[stream.name] = self._arranged(stream.name, readings)
        return fed

    def _arranged(self, name: str, readings: pl.DataFrame) -> StreamBatch:
        energy = self._energies[name]
        return ready(energy.stream, readings, self._marks[name], energy.counting, summed=self._summed)


def _labelled(dump: Dump, readings: pl.DataFrame) -> pl.DataFrame:
    return readings.with_columns(pl.lit(dump.load_id, pl.Int32).alias("load_id"))
