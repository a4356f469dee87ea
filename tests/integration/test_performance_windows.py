"""Windows from the options to the readings counted, and every figure against a plain computation."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_etl.analytics.window import WindowRequest
from tests.telemetry import START, Telemetry, meter, vehicle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run

HOUR = timedelta(hours=1)
NEWEST = "2025-06-02T06:00:00Z"
"""Of 30 hourly readings from :data:`START` on."""


@pytest.fixture
def hourly(database_url: str, tmp_path: Path) -> Iterator[Telemetry]:
    """A vehicle and its meter with 30 hourly readings, in the database that ``run`` works on."""
    with Telemetry(database_url, tmp_path) as found:
        found.load(meter("V", [1.0] * 30, every=HOUR), vehicle("V", [0.9] * 30, every=HOUR))
        yield found


@pytest.mark.parametrize(
    ("options", "begin", "end", "kind", "readings"),
    [
        ([], "2025-06-01T06:00:00Z", NEWEST, "newestReading", 24),
        (["--last", "90m"], "2025-06-02T04:30:00Z", NEWEST, "newestReading", 2),
        (["--last", "2d"], "2025-05-31T06:00:00Z", NEWEST, "newestReading", 30),
        (["--from", "2025-06-02T00:00Z"], "2025-06-02T00:00:00Z", NEWEST, "newestReading", 6),
        (["--to", "2025-06-01T08:00Z"], "2025-05-31T08:00:00Z", "2025-06-01T08:00:00Z", "given", 8),
        (
            ["--to", "2025-06-01T08:00Z", "--last", "3h"],
            "2025-06-01T05:00:00Z",
            "2025-06-01T08:00:00Z",
            "given",
            3,
        ),
        (
            ["--from", "2025-06-01T05:00+01:00", "--to", "2025-06-01T09:59:59+01:00"],
            "2025-06-01T04:00:00Z",
            "2025-06-01T08:59:59Z",
            "given",
            4,
        ),
    ],
)
def test_the_readings_of_a_window(
    hourly: Telemetry, run: Run, options: list[str], begin: str, end: str, kind: str, readings: int
) -> None:
    done = run("analytics", "V", "--format", "json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["timeWindow"] == {"from": begin, "to": end, "end": kind}
    for side, energy in (("ac", "acConsumed"), ("dc", "dcDelivered")):
        assert found[side]["readings"] == readings
        assert found[energy] == pytest.approx(readings * (1.0 if side == "ac" else 0.9))


def test_the_wall_clock_may_end_the_window(hourly: Telemetry, run: Run) -> None:
    now = datetime.now(UTC)
    hourly.load(vehicle("now", [1.0, 2.0], start=now - timedelta(minutes=150), every=HOUR))
    done = run("analytics", "now", "--until", "NOW", "--last", "60m", "--format", "json")
    found = json.loads(done.stdout)
    window = found["timeWindow"]
    begin, end = (datetime.fromisoformat(window[key]) for key in ("from", "to"))
    assert (window["end"], end - begin) == ("now", HOUR)
    assert now <= end <= datetime.now(UTC)
    assert (found["dc"]["readings"], found["dcDelivered"]) == (1, 2.0)
    archived = json.loads(run("analytics", "V", "--until", "now", "--format", "json").stdout)
    assert (archived["status"], archived["dc"]["readings"]) == ("NO_METER", 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--last", "3h", "--from", "2025-06-01Z"], "'2025-06-01Z' is no date"),
        (["--last", "3h", "--from", "2025-06-01"], "--last and --from"),
        (["--to", "2025-06-02", "--until", "now"], "--to and --until"),
        (["--from", "2025-06-02", "--to", "2025-06-01"], "not after its beginning"),
        (["--from", "2025-06-02", "--to", "2025-06-02"], "not after its beginning"),
        (["--from", NEWEST], "the newest reading, at 2025-06-02T06:00:00Z, is not after"),
        (["--last", "soon"], "--last: 'soon' is no duration"),
        (["--to", "soon"], "--to: 'soon' is no date"),
        (["--to", "0001-01-01"], "before the year 1"),
        (["--until", "soon"], "--until"),
    ],
)
def test_windows_that_contradict_themselves_are_wrong_use(
    hourly: Telemetry, run: Run, options: list[str], told: str
) -> None:
    done = run("analytics", "V", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_time_without_an_offset_is_utc_and_said_so(hourly: Telemetry, run: Run) -> None:
    done = run(
        "analytics", "V", "--from", "2025-06-01T05:00", "--to", "2025-06-01T08:00Z", "--format", "json"
    )
    assert done.stderr == "note: --from names no offset: taken as UTC\n"
    assert json.loads(done.stdout)["timeWindow"]["from"] == "2025-06-01T05:00:00Z"
    quiet = run("analytics", "V", "--from", "2025-06-01", "--to", "2025-06-02", "--quiet")
    assert quiet.stderr == ""


@dataclass(frozen=True)
class Reading:
    second: int
    kwh: float
    degrees: float | None


ENERGIES = st.floats(0, 12_000) | st.sampled_from([0.0, 0.1, 1e-9])
DEGREES = st.none() | st.floats(-50, 150)
SIDES = st.lists(
    st.builds(Reading, st.integers(0, 300), ENERGIES, DEGREES),
    unique_by=lambda reading: reading.second,
    max_size=40,
)
NUMBERS = count()


def dump(device: str, name: str, energy: str, readings: list[Reading]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            device: [name] * len(readings),
            "timestamp": [START + timedelta(seconds=reading.second) for reading in readings],
            energy: [reading.kwh for reading in readings],
            "batteryTemp": [reading.degrees for reading in readings],
            "soc": [None] * len(readings),
            "voltage": [None] * len(readings),
        },
        schema_overrides={"batteryTemp": pl.Float64, "soc": pl.Float64, "voltage": pl.Float64},
    )


def expected(readings: list[Reading], seconds: int) -> dict[str, Any]:
    """A side's figures over so many seconds, from its readings in them, computed without a database."""
    moments = sorted(reading.second for reading in readings)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    interval = median(gaps) if len(moments) >= 3 else 60
    return {
        "readings": len(readings),
        "kwh": math.fsum(reading.kwh for reading in readings) if readings else None,
        "expected": seconds / interval,
        "coverage_percent": min(100.0, 100 * len(readings) * interval / seconds) if seconds else 0.0,
        "first_ts": START + timedelta(seconds=moments[0]) if moments else None,
        "last_ts": START + timedelta(seconds=moments[-1]) if moments else None,
    }


def agrees(found: object, wanted: dict[str, Any]) -> bool:
    return all(
        math.isclose(value, wanted[name], rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(value := getattr(found, name), float) and wanted[name] is not None
        else value == wanted[name]
        for name in wanted
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ac=SIDES,
    dc=SIDES.filter(len),
    ends=st.lists(st.integers(-5, 305), min_size=2, max_size=2, unique=True).map(sorted),
    handover=st.integers(-5, 305),
)
def test_every_figure_is_what_a_plain_computation_gives(
    telemetry: Telemetry, ac: list[Reading], dc: list[Reading], ends: list[int], handover: int
) -> None:
    """A meter serves one vehicle up to the handover and another from then on."""
    number = next(NUMBERS)
    first, second, meter_id = f"property-{number}-a", f"property-{number}-b", f"property-{number}-m"
    sides = [("vehicleId", first, "kwhDeliveredDc", dc), ("vehicleId", second, "kwhDeliveredDc", dc[:1])]
    sides += [("meterId", meter_id, "kwhConsumedAc", ac)] if ac else []
    telemetry.load(*(dump(*side) for side in sides))
    moment = START + timedelta(seconds=handover)
    telemetry.link(first, meter_id, None, moment)
    telemetry.link(second, meter_id, moment)
    after, until = ends
    window = WindowRequest(after=START + timedelta(seconds=after), until=START + timedelta(seconds=until))
    found, later = (telemetry.performance(name, window) for name in (first, second))

    def within(readings: list[Reading], begin: float, end: float) -> list[Reading]:
        return [
            reading
            for reading in readings
            if after < reading.second <= until and begin < reading.second <= end
        ]

    inside = within(dc, -math.inf, math.inf)
    assert agrees(found.dc, expected(inside, until - after))
    degrees = [reading.degrees for reading in inside if reading.degrees is not None]
    wanted = {"avg": fmean(degrees), "min": min(degrees), "max": max(degrees)} if degrees else {}
    assert agrees(found.temperature, wanted or dict.fromkeys(("avg", "min", "max")))

    cut = min(max(handover, after), until)
    assert agrees(found.ac, expected(within(ac, -math.inf, handover), cut - after))
    assert agrees(later.ac, expected(within(ac, handover, math.inf), until - cut))
    whole = within(ac, -math.inf, math.inf)
    assert found.ac.readings + later.ac.readings == len(whole)
    total = math.fsum(reading.kwh for reading in whole)
    assert math.isclose((found.ac.kwh or 0) + (later.ac.kwh or 0), total, rel_tol=1e-9, abs_tol=1e-9)
    if found.ac.kwh and found.dc.kwh is not None:
        assert found.efficiency_percent == pytest.approx(100 * found.dc.kwh / found.ac.kwh)
        assert found.loss_kwh == pytest.approx(found.ac.kwh - found.dc.kwh)
    else:
        assert found.efficiency_percent is None
