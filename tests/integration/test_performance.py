"""Figures and statuses; 100 minutes with a reading of each side per minute unless said otherwise."""

from __future__ import annotations

import dataclasses
import math
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from energy_etl.analytics.performance import Performance, Status
from energy_etl.analytics.window import WindowEnd, WindowRequest
from energy_etl.errors import UsageError
from tests.telemetry import MINUTE, START, meter, vehicle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.telemetry import Telemetry

Energies = list[float | None]

READINGS = 100
WINDOW = WindowRequest(last=READINGS * MINUTE)


def steady(total: float) -> Energies:
    """A total, in equal parts."""
    return [total / READINGS] * READINGS


def with_gap(total: float, received: int) -> Energies:
    """A total in fewer readings than expected, the last one among them."""
    part = total / received
    return [*[part] * (received - 1), *[None] * (READINGS - received), part]


def charged(
    telemetry: Telemetry,
    name: str,
    ac: Sequence[float | None],
    dc: Sequence[float | None],
    *,
    threshold: float = 85.0,
) -> Performance:
    """The figures of a vehicle that is served by the meter of its own id."""
    telemetry.load(meter(name, ac), vehicle(name, dc))
    return telemetry.performance(name, WINDOW, threshold=threshold)


def test_the_figures_of_a_window(telemetry: Telemetry) -> None:
    degrees: Energies = [10.0, None, 30.5, *[20.0] * (READINGS - 3)]
    telemetry.load(meter("figures", steady(20)), vehicle("figures", steady(18), temperatures=degrees))
    found = telemetry.performance("figures", WINDOW)
    assert found.vehicle_id == "figures"
    assert found.window is not None
    assert (found.window.after, found.window.until) == (START, START + READINGS * MINUTE)
    assert found.window.end is WindowEnd.NEWEST_READING
    assert found.ac.kwh == pytest.approx(20)
    assert found.dc.kwh == pytest.approx(18)
    assert found.efficiency_percent == pytest.approx(90)
    assert found.loss_kwh == pytest.approx(2)
    assert found.temperature.avg == pytest.approx((10.0 + 30.5 + 20.0 * 97) / 99)
    assert (found.temperature.min, found.temperature.max) == (10.0, 30.5)
    assert (found.status, found.alert, found.alert_threshold) == (Status.OK, False, 85.0)
    assert found.linked_percent == 100
    for side in (found.ac, found.dc):
        assert (side.readings, side.expected, side.coverage_percent) == (READINGS, READINGS, 100)
        assert (side.first_ts, side.last_ts) == (START + MINUTE, START + READINGS * MINUTE)
    (share,) = found.meters
    assert (share.meter_id, share.linked, share.side) == ("figures", False, found.ac)


@pytest.mark.parametrize(
    ("name", "ac", "dc", "status"),
    [
        ("ok", steady(10), steady(9), Status.OK),
        ("at the threshold", steady(10), steady(8.5), Status.OK),
        ("below the threshold", steady(10), steady(8.499), Status.LOW),
        ("nothing arrives", steady(10), steady(0), Status.LOW),
        ("all arrives", steady(10), steady(10), Status.OK),
        # The same total in other parts: its sum differs in the last digit.
        ("all arrives, with residue", steady(10), [0.3, *[9.7 / 99] * 99], Status.OK),
        ("more arrives", steady(10), steady(10.001), Status.IMPLAUSIBLE),
        ("exactly 1 kWh", steady(1), steady(0.9), Status.OK),
        ("less than 1 kWh", steady(0.999), steady(0.9), Status.INSUFFICIENT),
        ("no AC", steady(0), steady(9), Status.INSUFFICIENT),
        ("no energy at all", steady(0), steady(0), Status.INSUFFICIENT),
        ("80 % of AC", with_gap(10, 80), steady(9), Status.OK),
        ("79 % of AC", with_gap(10, 79), steady(9), Status.INSUFFICIENT),
        ("80 % of DC", steady(10), with_gap(9, 80), Status.OK),
        ("79 % of DC", steady(10), with_gap(9, 79), Status.INSUFFICIENT),
        ("too little to be low", steady(0.9), steady(0.1), Status.INSUFFICIENT),
        ("too little to be implausible", steady(0.9), steady(1.8), Status.INSUFFICIENT),
        ("too few to be low", with_gap(10, 79), steady(5), Status.INSUFFICIENT),
        ("too few to be implausible", with_gap(10, 79), steady(12), Status.INSUFFICIENT),
    ],
)
def test_the_status(telemetry: Telemetry, name: str, ac: Energies, dc: Energies, status: Status) -> None:
    found = charged(telemetry, name, ac, dc)
    assert found.status is status
    assert found.alert is (status in (Status.LOW, Status.IMPLAUSIBLE))
    assert found.reason


@pytest.mark.parametrize(("threshold", "status"), [(90, Status.OK), (90.01, Status.LOW), (100, Status.LOW)])
def test_the_threshold_is_the_callers(telemetry: Telemetry, threshold: float, status: Status) -> None:
    found = charged(telemetry, f"threshold {threshold}", steady(10), steady(9), threshold=threshold)
    assert (found.status, found.alert_threshold) == (status, threshold)
    assert f"the threshold of {threshold:g} %" in found.reason


@pytest.mark.parametrize("threshold", [0, -1, 100.1, math.nan, math.inf])
def test_a_threshold_that_says_nothing_is_refused(telemetry: Telemetry, threshold: float) -> None:
    with pytest.raises(UsageError, match="alert threshold"):
        telemetry.performance("anyone", threshold=threshold)


def test_everything_that_lacks_is_named(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-lacking", with_gap(0.5, 50)), vehicle("lacking", with_gap(0.4, 50)))
    telemetry.link("lacking", "M-lacking", START, START + 70 * MINUTE)
    found = telemetry.performance("lacking", WINDOW)
    assert found.status is Status.INSUFFICIENT
    assert found.reason.split("; ") == [
        "AC energy is 0.490 kWh, less than 1 kWh",
        "meter readings cover 70.0 % of the time, less than 80 %",  # 49 of the 70 minutes of the link
        "vehicle readings cover 50.0 % of the time, less than 80 %",
        "a meter is linked for 70.0 % of the time, less than 80 %",
    ]


@pytest.mark.parametrize(
    ("name", "ac", "dc", "words"),
    [
        ("nearly enough", steady(10), steady(8.4996), "84.996 % is below the threshold of 85 %"),
        ("just enough", steady(10), steady(8.5), "85.0 % is not below the threshold of 85 %"),
        ("hardly too much", steady(10), steady(10.0002), "100.002 %: more reached the battery"),
        ("nearly 1 kWh", steady(0.99996), steady(0.9), "AC energy is 0.99996 kWh, less than 1 kWh"),
    ],
)
def test_the_number_in_the_reason_is_never_rounded_to_the_limit_it_missed(
    telemetry: Telemetry, name: str, ac: Energies, dc: Energies, words: str
) -> None:
    assert words in charged(telemetry, name, ac, dc).reason


def test_without_ac_there_is_no_ratio_and_certainly_not_0_percent(telemetry: Telemetry) -> None:
    found = charged(telemetry, "AC is 0", steady(0), steady(9))
    assert (found.ac.kwh, found.efficiency_percent) == (0, None)
    assert found.dc.kwh == pytest.approx(9)
    assert found.loss_kwh == pytest.approx(-9)
    assert not found.alert


def test_no_reading_of_a_side_is_not_0_kwh(telemetry: Telemetry) -> None:
    telemetry.load(meter("silent", steady(10)), vehicle("silent", [1.0], start=START - timedelta(days=3)))
    window = WindowRequest(after=START, until=START + READINGS * MINUTE)
    found = telemetry.performance("silent", window)
    assert found.status is Status.INSUFFICIENT
    assert found.ac.kwh == pytest.approx(10)
    assert (found.dc.kwh, found.dc.readings, found.dc.coverage_percent) == (None, 0, 0)
    assert (found.dc.first_ts, found.dc.last_ts) == (None, None)
    assert (found.efficiency_percent, found.loss_kwh) == (None, None)
    assert dataclasses.astuple(found.temperature) == (None, None, None)


def test_no_meter_comes_before_too_few_readings(telemetry: Telemetry) -> None:
    telemetry.load(vehicle("no meter", with_gap(9, 3)))
    found = telemetry.performance("no meter", WINDOW)
    assert (found.status, found.alert) == (Status.NO_METER, False)
    assert "no meter of the same id" in found.reason
    assert (found.ac.kwh, found.efficiency_percent, found.loss_kwh) == (None, None, None)
    assert found.dc.kwh == pytest.approx(9)


def test_no_vehicle_comes_before_everything(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-only", steady(10)))
    telemetry.link("unknown", "M-only")
    for name, request in (("M-only", WINDOW), ("unknown", WINDOW), ("unknown", WindowRequest(after=START))):
        found = telemetry.performance(name, request)
        assert (found.status, found.window, found.alert) == (Status.NO_VEHICLE, None, False)
        assert (found.ac.kwh, found.dc.kwh, found.efficiency_percent, found.meters) == (None, None, None, ())
    given = telemetry.performance("unknown", WindowRequest(after=START, until=START + MINUTE))
    assert given.status is Status.NO_VEHICLE
    assert given.window is not None


def test_streams_with_different_clocks_are_summed_apart(telemetry: Telemetry) -> None:
    late = timedelta(seconds=30)
    telemetry.load(meter("clocks", steady(10)), vehicle("clocks", steady(9), start=START + late))
    found = telemetry.performance("clocks", WINDOW)
    # The window follows the vehicle's clock: the meter's first interval is half outside, so not in it.
    assert (found.ac.readings, found.dc.readings) == (READINGS, READINGS)
    assert found.efficiency_percent == pytest.approx(90)
    assert (found.status, found.ac.coverage_percent) == (Status.OK, 100)


def test_sides_that_report_at_different_rates_are_both_complete(telemetry: Telemetry) -> None:
    telemetry.load(
        meter("rates", [2.5] * 4, every=timedelta(minutes=25)),
        vehicle("rates", [0.01] * 600, every=timedelta(seconds=10)),
    )
    found = telemetry.performance("rates", WINDOW)
    assert [(side.readings, side.coverage_percent) for side in (found.ac, found.dc)] == [(4, 100), (600, 100)]
    assert found.status is Status.LOW


def test_one_or_two_readings_leave_the_interval_open_and_a_minute_is_taken(telemetry: Telemetry) -> None:
    telemetry.load(meter("few", [5.0, 5.0], every=timedelta(minutes=50)), vehicle("few", steady(9)))
    found = telemetry.performance("few", WINDOW)
    assert (found.ac.readings, found.ac.expected, found.ac.coverage_percent) == (2, 100, 2)
    assert found.status is Status.INSUFFICIENT


def test_more_readings_than_expected_are_not_more_than_complete(telemetry: Telemetry) -> None:
    telemetry.load(
        meter("burst", steady(10)),
        meter("burst", [0.0] * 4, start=START + timedelta(seconds=60), every=timedelta(seconds=1)),
        vehicle("burst", steady(9)),
    )
    found = telemetry.performance("burst", WINDOW)
    assert (found.ac.readings, found.ac.coverage_percent) == (READINGS + 4, 100)


@pytest.mark.parametrize("lacking", ["temperature", "soc"])
def test_vehicles_may_not_tell_their_temperature_or_state_of_charge(
    telemetry: Telemetry, lacking: str
) -> None:
    degrees: Energies = [None] * READINGS if lacking == "temperature" else [20.0] * READINGS
    soc = None if lacking == "soc" else 50.0
    telemetry.load(meter(lacking, steady(10)), vehicle(lacking, steady(9), temperatures=degrees, soc=soc))
    found = telemetry.performance(lacking, WINDOW)
    assert (found.status, found.dc.readings) == (Status.OK, READINGS)
    degree = None if lacking == "temperature" else 20.0
    assert dataclasses.astuple(found.temperature) == (degree, degree, degree)


def test_late_readings_count_like_those_that_came_in_time(telemetry: Telemetry) -> None:
    ac, dc = steady(10), steady(9)
    for even in (True, False):
        halves = [
            [value if (number % 2 == 0) is even else None for number, value in enumerate(side)]
            for side in (ac, dc)
        ]
        telemetry.load(meter("late", halves[0]), vehicle("late", halves[1]))
        found = telemetry.performance("late", WINDOW)
        assert found.dc.kwh == pytest.approx(4.5 if even else 9)
    assert (found.status, found.ac.readings, found.ac.coverage_percent) == (Status.OK, READINGS, 100)


def test_neighbouring_windows_add_up(telemetry: Telemetry) -> None:
    telemetry.load(meter("neighbours", steady(10)), vehicle("neighbours", steady(9)))
    edges = [START + minutes * MINUTE for minutes in (0, 7, 7.5, 60, 99, 100)]
    parts = [
        telemetry.performance("neighbours", WindowRequest(after=after, until=until))
        for after, until in pairwise(edges)
    ]
    assert sum(part.ac.readings for part in parts) == sum(part.dc.readings for part in parts) == READINGS
    assert sum(part.ac.kwh or 0 for part in parts) == pytest.approx(10)
    assert sum(part.dc.kwh or 0 for part in parts) == pytest.approx(9)
