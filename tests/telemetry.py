"""Readings for the tests, loaded as a user loads them: as dumps, through the load protocol."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

import polars as pl

from energy_etl.analytics.performance import DEFAULT_THRESHOLD_PERCENT, Performance, performance
from energy_etl.analytics.window import WindowRequest
from energy_etl.db import links, session
from energy_etl.energy import EnergyKind
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import LoadProgress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START = datetime(2025, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INTERVALS = LoadOptions(meter_energy=EnergyKind.INTERVAL, vehicle_energy=EnergyKind.INTERVAL)
"""Whatever figures a test makes up are the energy of intervals."""


def meter(
    meter_id: str, energies: Sequence[float | None], *, start: datetime = START, every: timedelta = MINUTE
) -> pl.DataFrame:
    """A meter's readings; the first ends one interval after the start, and None is one that is missing."""
    return _readings("meterId", meter_id, {"kwhConsumedAc": energies}, start, every).with_columns(
        voltage=pl.lit(230.0)
    )


def vehicle(
    vehicle_id: str,
    energies: Sequence[float | None],
    *,
    temperatures: Sequence[float | None] | None = None,
    soc: float | None = 50.0,
    start: datetime = START,
    every: timedelta = MINUTE,
) -> pl.DataFrame:
    """A vehicle's readings, as those of a meter; 20 °C unless given otherwise."""
    measures = {"kwhDeliveredDc": energies, "batteryTemp": temperatures or [20.0] * len(energies)}
    frame = _readings("vehicleId", vehicle_id, measures, start, every)
    return frame.with_columns(soc=pl.lit(soc, pl.Float64))


def _readings(
    device: str,
    device_id: str,
    measures: dict[str, Sequence[float | None]],
    start: datetime,
    every: timedelta,
) -> pl.DataFrame:
    values = {name: pl.Series(given, dtype=pl.Float64) for name, given in measures.items()}
    count = len(next(iter(values.values())))
    ends = pl.Series(
        [start + every * number for number in range(1, count + 1)], dtype=pl.Datetime("us", "UTC")
    )
    frame = pl.DataFrame({device: [device_id] * count, "timestamp": ends, **values})
    return frame.filter(pl.col(next(iter(measures))).is_not_null())


class Telemetry:
    """A database and a folder for its dumps; a context manager that closes its connections."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self._folder = folder
        self._open = ExitStack()
        self._sessions = self._open.enter_context(session.Sessions(address))
        self.conn = self._open.enter_context(session.connect(address, autocommit=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def load(self, *dumps: pl.DataFrame) -> None:
        """Load each frame as a dump of its own; every reading must be new and valid."""
        paths = [self._folder / f"{uuid.uuid4().hex}.parquet" for _ in dumps]
        for path, dump in zip(paths, dumps, strict=True):
            dump.write_parquet(path)
        self.load_files(*paths)

    def load_files(self, *paths: Path) -> None:
        """Load dumps; every reading must be new and valid."""
        observer = LoadProgress(Diagnostics(quiet=True))
        for result in ingest([str(path) for path in paths], self._sessions, INTERVALS, observer):
            assert result.error is None
            assert result.total("loaded") == result.total("read") > 0

    def link(
        self, vehicle_id: str, meter_id: str, begin: datetime | None = None, end: datetime | None = None
    ) -> None:
        """Add a link."""
        assert links.add_links(self.conn, [links.Link(vehicle_id, meter_id, begin, end)]).added == 1

    def performance(
        self,
        vehicle_id: str,
        request: WindowRequest | None = None,
        *,
        threshold: float = DEFAULT_THRESHOLD_PERCENT,
    ) -> Performance:
        """A vehicle's figures; by default over the day up to its newest reading."""
        return performance(self.conn, vehicle_id, request or WindowRequest(), threshold)
