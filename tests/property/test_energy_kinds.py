"""Registers with all that happens to them: any cut, any order of files gives the energy that was drawn."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_etl import feed
from energy_etl.db import storage
from energy_etl.db.session import Sessions
from energy_etl.energy import EnergyKind, Quality
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions, OnConflict
from energy_etl.outcome import Status
from energy_etl.profiles.load import load as read_profile
from tests.property.test_load_model import Quiet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import Server

BEGIN = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
"""So that readings fall on two days."""
STEP_KWH = 0.01
DIAL_KWH = 1_000.0
MAX_KW = 22.0
TABLES = ("meter_history", "meter_live", "reject", "load", "device_energy")

PROFILE = f"""
[time]
column = "at"
[meter]
id = {{ column = "meter" }}
energy = {{ column = "total", unit = "kWh", kind = "register" }}
max_kw = {MAX_KW}
dial_kwh = {DIAL_KWH}
"""


@dataclass
class Meter:
    """A power curve, what its register showed of it, and the energy that the readings must give back."""

    drawn: list[float]
    begin: float
    reset_at: int | None
    missing: set[int] = field(default_factory=set)
    zero: set[int] = field(default_factory=set)
    dips: set[int] = field(default_factory=set)

    def readings(self) -> list[tuple[int, float]]:
        """Minute and register, in order."""
        shown: list[tuple[int, float]] = []
        total = self.begin
        for minute, energy in enumerate(self.drawn):
            if minute == self.reset_at:
                total = 0.0
            total = (total + energy) % DIAL_KWH
            value = round(total / STEP_KWH) * STEP_KWH
            if minute in self.missing:
                continue
            if minute in self.zero:
                value = 0.0
            elif minute in self.dips and value > 1:
                value -= 0.3
            shown.append((minute, round(value, 2)))
        return shown

    def expected(self) -> float:
        """What was drawn after the first reading."""
        first = self.readings()[0][0]
        return sum(self.drawn[first + 1 :])


@st.composite
def meters(draw: st.DrawFn) -> Meter:
    size = draw(st.integers(12, 40))
    drawn = draw(st.lists(st.sampled_from([0.02, 0.05, 0.13, 0.3]), min_size=size, max_size=size))
    # The register is believed again only after three readings: what happens, ends before the last of them.
    reset_at = draw(st.none() | st.integers(4, size - 6))
    begin = draw(st.sampled_from([20.0, 250.0, DIAL_KWH - 0.5] if reset_at is None else [20.0, 250.0]))
    odd = st.sets(st.integers(1, size - 5), max_size=4)
    calm = set(range(reset_at - 1, reset_at + 4)) if reset_at is not None else set()
    missing = draw(odd) - calm
    zero = draw(odd) - calm - missing
    return Meter(drawn, begin, reset_at, missing, zero, draw(odd) - calm - missing - zero)


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[str]:
    with server.migrated() as found:
        yield found


def write(path: Path, rows: list[tuple[str, int, float]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["meter", "at", "total"])
        for meter, minute, value in rows:
            writer.writerow([meter, f"{BEGIN + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}", value])
    return path


def load(sessions: Sessions, options: LoadOptions, path: Path) -> None:
    (result,) = ingest([str(path)], sessions, options, Quiet())
    assert result.status is Status.LOADED, result.error


def stored(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT meter_id, ts, register_kwh, kwh_consumed_ac, quality FROM meter_history ORDER BY meter_id, ts"
    ).fetchall()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fleet=st.lists(meters(), min_size=1, max_size=3),
    cuts=st.integers(1, 4),
    sizes=st.tuples(st.integers(3, 30), st.integers(3, 60)),
    chance=st.randoms(use_true_random=False),
)
def test_any_cut_in_any_order_gives_back_what_was_drawn(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fleet: list[Meter],
    cuts: int,
    sizes: tuple[int, int],
    chance: Any,
) -> None:
    (tmp_path / "profile.toml").write_text(PROFILE)
    options = LoadOptions(profile=read_profile(str(tmp_path / "profile.toml")))
    rows = [(f"M-{number}", *one) for number, meter in enumerate(fleet) for one in meter.readings()]
    with psycopg.connect(address, autocommit=True) as conn, Sessions(address) as sessions:
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        load(sessions, options, write(tmp_path / "whole.csv", rows))
        in_order = stored(conn)

        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        monkeypatch.setattr(feed, "READ_ROWS", sizes[0])
        monkeypatch.setattr(storage, "ROWS", sizes[1])
        monkeypatch.setattr(storage, "ROWS_COMPRESSED", sizes[1])
        chance.shuffle(rows)
        for number in range(cuts):
            part = rows[number::cuts]
            if part:
                load(sessions, options, write(tmp_path / f"{number}.csv", part))
        assert stored(conn) == in_order

        newest = conn.execute(
            "SELECT meter_id, ts, register_kwh, kwh_consumed_ac, quality FROM meter_live ORDER BY meter_id"
        ).fetchall()
        last = {row[0]: row for row in in_order}
        assert newest == [last[meter] for meter in sorted(last)]
        oldest: dict[str, datetime] = dict(
            conn.execute("SELECT meter_id, first_ts FROM meter_live").fetchall()
        )
        assert oldest == {meter: min(row[1] for row in in_order if row[0] == meter) for meter in last}

    for number, meter in enumerate(fleet):
        energy = sum(row[3] for row in in_order if row[0] == f"M-{number}")
        assert energy == pytest.approx(meter.expected(), abs=STEP_KWH * 1.01)


@pytest.mark.parametrize("kind", [EnergyKind.SESSION, EnergyKind.POWER])
def test_late_readings_of_other_kinds_change_what_follows(
    address: str, tmp_path: Path, kind: EnergyKind
) -> None:
    values = [0.0, 0.5, 1.0, 1.5, 0.2, 0.4, 0.6, 0.9, 0.0, 0.1, 0.3, 0.5]
    rows = [("M-1", 7 * minute, value) for minute, value in enumerate(values)]
    header = PROFILE.replace('"register"', f'"{kind}"')
    if kind is EnergyKind.POWER:
        header = header.replace('"kWh"', '"kW"')
    (tmp_path / "profile.toml").write_text(header)
    options = LoadOptions(profile=read_profile(str(tmp_path / "profile.toml")))
    query = "SELECT ts, kwh_consumed_ac, quality FROM meter_history ORDER BY ts"
    with psycopg.connect(address, autocommit=True) as conn, Sessions(address) as sessions:
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        load(sessions, options, write(tmp_path / "whole.csv", rows))
        in_order = conn.execute(query).fetchall()
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        for number, part in enumerate((rows[6:], rows[0:6:2], rows[1:6:2])):
            load(sessions, options, write(tmp_path / f"{number}.csv", part))
        assert conn.execute(query).fetchall() == in_order
    if kind is EnergyKind.SESSION:
        assert sum(row[1] for row in in_order) == pytest.approx(1.5 + 0.9 + 0.5)
    else:
        hours = 7 / 60
        means = [(one + other) / 2 for one, other in pairwise(values)]
        assert sum(row[1] for row in in_order) == pytest.approx(sum(means) * hours)


def test_a_restated_register_changes_what_follows(address: str, tmp_path: Path) -> None:
    rows = [("M-1", minute, 100 + minute / 10) for minute in range(6)]
    (tmp_path / "profile.toml").write_text(PROFILE)
    profile = read_profile(str(tmp_path / "profile.toml"))
    with psycopg.connect(address, autocommit=True) as conn, Sessions(address) as sessions:
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        load(sessions, LoadOptions(profile=profile), write(tmp_path / "first.csv", rows))
        restated = LoadOptions(profile=profile, on_conflict=OnConflict.REPLACE)
        load(sessions, restated, write(tmp_path / "second.csv", [("M-1", 5, 100.6), ("M-1", 2, 0.0)]))
        found = [(row[2], round(row[3], 6), row[4]) for row in stored(conn)]
        live = conn.execute("SELECT register_kwh, round(kwh_consumed_ac::numeric, 6) FROM meter_live")
        assert found == [
            (100.0, 0.0, Quality.FIRST),
            (100.1, 0.1, None),
            (0.0, 0.0, Quality.DROPOUT),
            (100.3, 0.2, None),
            (100.4, 0.1, None),
            (100.6, 0.2, None),
        ]
        assert [(one, float(other)) for one, other in live] == [(100.6, 0.2)]
