"""Late readings of counters and of power: they change what follows, so history is derived anew there.

What a reading yields depends on the readings before it only, and a believed reading ends that dependence. So
it is enough to derive from the last believed reading before a late one up to the first one after it that is
believed with and without it: the result is that of loading everything in order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace as with_fields
from io import BytesIO
from typing import TYPE_CHECKING, Any

import polars as pl

from energy_etl.db.copying import copy_in
from energy_etl.db.late import LateReadings, Outcome
from energy_etl.db.sql import query
from energy_etl.energy import HELD
from energy_etl.frames.copy_binary import encode
from energy_etl.frames.energy import Counting, derive, quality_flags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from psycopg import Connection, Cursor

    from energy_etl.db.late import Counts
    from energy_etl.energy import EnergyRule
    from energy_etl.streams import Stream

    Touched = list[tuple[str, datetime, datetime]]

_DEVICES_AT_ONCE = 200
_READINGS_AT_ONCE = 500_000

_FURTHER, _FURTHEST = 20, 10_000_000
"""Believed readings looked at beyond what is touched, before looking further."""

_WINDOW = {
    "device": pl.String,
    "ts": pl.Int64,
    "raw": pl.Float64,
    "kwh": pl.Float64,
    "quality": pl.Int32,
    "fresh": pl.String,
}


class DerivedReadings(LateReadings):
    """One stream's late readings where energy is derived. Expects the load's transaction."""

    def __init__(
        self, conn: Connection[Any], stream: Stream, rules: Mapping[str, EnergyRule], *, dry_run: bool = False
    ) -> None:
        """Nothing is made yet.

        Args:
            conn: In the load's transaction, holding the stream's lock.
            stream: Of a derived kind.
            rules: Per device; complete when readings are settled.
            dry_run: Compare with what the load would have stored, too.
        """
        super().__init__(conn, stream, None, dry_run=dry_run)
        self._rules = rules
        self._flags: Counter[str] = Counter()
        self._has_fresh = False
        self._changed = False

    def settle(self, *, replace: bool) -> Outcome:
        """As for readings that are not derived; what is stored around the late ones is derived anew."""
        outcome = super().settle(replace=replace)
        if outcome.replaced:
            self._make_fresh()
            for devices in self._touched("touched_by_late"):
                self._change(self._window(devices)[1])
        return with_fields(outcome, flags=self._flags, rederived=self._changed)

    def _insert(self, bounds: dict[str, Any]) -> Counts:
        self._make_fresh()
        self._counts("insert", bounds)
        self._energy("analyze_fresh")
        self._energy("create_derived")
        changed = []
        for devices in self._touched("touched_by_fresh"):
            fresh, stored = self._window(devices)
            changed.append(stored)
            self._flags.update(quality_flags(fresh))
            statement = query("energy.copy_derived").format(**self._names)
            copy_in(self._conn, statement, encode(fresh), "a temporary table")
        rows = self._energy("insert_fresh").fetchall()
        for stored in changed:
            self._change(stored)
        return Counter(dict(rows))

    def _make_fresh(self) -> None:
        """The table of new late readings, empty."""
        self._energy("clear_fresh" if self._has_fresh else "create_fresh")
        self._has_fresh = True

    def _touched(self, statement: str) -> Iterator[Touched]:
        """Devices with the span of what is touched, as many at a time as fit in memory."""
        devices: Touched = []
        height = 0
        for device, first, last, readings in self._energy(statement).fetchall():
            if devices and (len(devices) == _DEVICES_AT_ONCE or height + readings > _READINGS_AT_ONCE):
                yield devices
                devices, height = [], 0
            devices.append((device, first, last))
            height += readings
        if devices:
            yield devices

    def _window(self, touched: Touched) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Derive around what is touched: device, ts, energy, quality of new and of changed readings."""
        fresh, stored = [], []
        further = _FURTHER
        while touched:
            window = self._fetch(touched, further)
            again, settled = self._settled(window, touched, further)
            fresh.append(settled.filter("fresh"))
            stored.append(settled.filter("changed"))
            touched, further = again, further * 20
        columns = (self._stream.device, "ts", self._stream.energy, "quality")
        return pl.concat(fresh).select(columns), pl.concat(stored).select(columns)

    def _settled(self, window: pl.DataFrame, touched: Touched, further: int) -> tuple[Touched, pl.DataFrame]:
        """What was derived, and the devices of which more must be looked at to know where it ends."""
        device = self._stream.device
        spans = pl.DataFrame(
            touched,
            schema={device: pl.String, "first": pl.Datetime("us", "UTC"), "last": pl.Datetime("us", "UTC")},
            orient="row",
        )
        derived = derive(self._stream, window, Counting(self._rules, {})).join(
            spans, on=device, maintain_order="left"
        )
        new = pl.col("quality").fill_null(0)
        # The reading the window begins with was believed, and is not derived again.
        anchor = (
            ~pl.col("fresh")
            & (pl.col("ts") < pl.col("first"))
            & (pl.col(device) != pl.col(device).shift()).fill_null(value=True)
        )
        beyond = ~pl.col("fresh") & (pl.col("ts") > pl.col("last")) & (pl.col("old_quality") & int(HELD) == 0)
        differs = (pl.col(self._stream.energy) != pl.col("old_kwh")) | (new != pl.col("old_quality"))
        derived = derived.with_columns(
            changed=~pl.col("fresh") & ~anchor & differs, beyond=beyond, meets=beyond & (new & int(HELD) == 0)
        )
        ends = derived.group_by(device).agg(pl.col("beyond").sum(), pl.col("meets").any())
        open_ended = ends.filter(~pl.col("meets") & (pl.col("beyond") > further))[device]
        again = [span for span in touched if span[0] in set(open_ended)]
        return again, derived.filter(~pl.col(device).is_in(open_ended.implode()))

    def _fetch(self, touched: Touched, further: int) -> pl.DataFrame:
        devices, first, last = (list(column) for column in zip(*touched, strict=True))
        values = {"devices": devices, "first": first, "last": last, "held": int(HELD), "further": further}
        received = BytesIO()
        statement = query("energy.window").format(**self._names)
        with self._conn.cursor() as cursor, cursor.copy(statement, values) as copy:
            for piece in copy:
                received.write(piece)
        received.seek(0)
        stream = self._stream
        window = pl.read_csv(received, has_header=False, new_columns=list(_WINDOW), schema=_WINDOW)
        return window.select(
            pl.col("device").alias(stream.device),
            pl.col("ts").cast(pl.Datetime("us", "UTC")),
            pl.col("raw").alias(stream.raw or ""),
            pl.col("kwh").alias("old_kwh"),
            pl.col("quality").alias("old_quality"),
            fresh=pl.col("fresh") == "t",
        ).sort(stream.device, "ts")

    def _change(self, stored: pl.DataFrame) -> None:
        if stored.is_empty():
            return
        self._changed = True
        rows = [
            {"device": device, "ts": ts, "kwh": kwh, "quality": quality}
            for device, ts, kwh, quality in stored.iter_rows()
        ]
        with self._conn.cursor() as cursor:
            cursor.executemany(query("energy.change").format(**self._names), rows)

    def _energy(self, statement: str, values: dict[str, Any] | None = None) -> Cursor[Any]:
        return self._conn.execute(query(f"energy.{statement}").format(**self._names), values)
