"""Which meter's energy is a vehicle's: links over time, and the meter of the same id without any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from energy_etl.analytics.performance import Status
from energy_etl.analytics.window import WindowRequest
from tests.telemetry import MINUTE, START, meter, vehicle

if TYPE_CHECKING:
    from energy_etl.analytics.performance import Performance
    from tests.telemetry import Telemetry

READINGS = 100
WINDOW = WindowRequest(after=START, until=START + READINGS * MINUTE)
QUARTER = timedelta(minutes=15)


def at(minute: float) -> datetime:
    return START + minute * MINUTE


def counted(found: Performance) -> int:
    """How many readings the AC energy is made of: each carries 1 kWh."""
    assert found.ac.kwh == found.ac.readings
    return found.ac.readings


def test_a_linked_meter_is_taken_and_the_one_of_the_same_id_is_not(telemetry: Telemetry) -> None:
    telemetry.load(meter("own", [7.0] * READINGS), meter("M-own", [1.0] * READINGS))
    telemetry.load(vehicle("own", [0.9] * READINGS))
    telemetry.link("own", "M-own")
    found = telemetry.performance("own", WINDOW)
    assert (counted(found), found.status, found.linked_percent) == (READINGS, Status.OK, 100)
    (share,) = found.meters
    assert (share.meter_id, share.linked, share.valid_from, share.valid_to) == ("M-own", True, None, None)


def test_several_meters_at_once_add_up(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-home", [1.0] * READINGS), meter("M-work", [1.0] * 90))
    telemetry.load(vehicle("two", [1.5] * READINGS))
    telemetry.link("two", "M-home")
    telemetry.link("two", "M-work", at(0))
    found = telemetry.performance("two", WINDOW)
    assert counted(found) == READINGS + 90
    assert [(share.meter_id, share.side.readings) for share in found.meters] == [
        ("M-home", READINGS),
        ("M-work", 90),
    ]
    assert (found.ac.first_ts, found.ac.last_ts) == (at(1), at(READINGS))
    # The later link holds for all of the window too: a meter of two covers nine tenths of it.
    assert (found.ac.coverage_percent, found.linked_percent) == (95, 100)
    assert found.efficiency_percent == pytest.approx(100 * 150 / 190)


def test_a_meter_that_changes_hands_gives_each_vehicle_its_own_readings(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-shared", [1.0] * READINGS))
    telemetry.load(vehicle("before", [0.9] * READINGS), vehicle("after", [0.9] * READINGS))
    telemetry.link("before", "M-shared", None, at(40))
    telemetry.link("after", "M-shared", at(40))
    before, after = (telemetry.performance(name, WINDOW) for name in ("before", "after"))
    # What the reading at the very moment measures was consumed before it.
    assert (counted(before), before.ac.last_ts) == (40, at(40))
    assert (counted(after), after.ac.first_ts) == (60, at(41))
    assert (before.linked_percent, after.linked_percent) == (40, 60)
    for found in (before, after):
        assert found.status is Status.INSUFFICIENT
        assert "a meter is linked for" in found.reason


def test_a_vehicle_that_changes_meters_is_covered_throughout(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-first", [1.0] * READINGS), meter("M-second", [1.0] * READINGS))
    telemetry.load(vehicle("moves", [0.9] * READINGS))
    telemetry.link("moves", "M-first", None, at(30))
    telemetry.link("moves", "M-second", at(30))
    found = telemetry.performance("moves", WINDOW)
    assert (counted(found), found.linked_percent, found.status) == (READINGS, 100, Status.OK)
    assert [(share.meter_id, share.side.readings) for share in found.meters] == [
        ("M-first", 30),
        ("M-second", 70),
    ]


@pytest.mark.parametrize(
    ("name", "spans", "merged"),
    [
        ("meeting", [(None, 50), (50, None)], [(None, None)]),
        ("overlapping", [(None, 60), (40, 90)], [(None, 90)]),
        ("nested", [(10, 90), (20, 30), (40, None)], [(10, None)]),
        ("apart", [(0, 20), (60, None)], [(0, 20), (60, None)]),
    ],
)
def test_no_reading_counts_twice_however_links_lie(
    telemetry: Telemetry,
    name: str,
    spans: list[tuple[int | None, int | None]],
    merged: list[tuple[int | None, int | None]],
) -> None:
    telemetry.load(meter(f"M-{name}", [1.0] * READINGS), vehicle(name, [0.9] * READINGS))
    for begin, end in spans:
        # Written past the check that refuses overlaps: other programs write to this table, too.
        telemetry.conn.execute(
            "INSERT INTO vehicle_meter_link VALUES (%s, %s, coalesce(%s, '-infinity'::timestamptz),"
            " coalesce(%s, 'infinity'::timestamptz))",
            [name, f"M-{name}", None if begin is None else at(begin), None if end is None else at(end)],
        )
    found = telemetry.performance(name, WINDOW)
    expected = [
        minute
        for minute in range(1, READINGS + 1)
        if any((begin or 0) < minute <= (end or READINGS) for begin, end in spans)
    ]
    assert counted(found) == len(expected)
    assert [(share.valid_from, share.valid_to) for share in found.meters] == [
        (None if begin is None else at(begin), None if end is None else at(end)) for begin, end in merged
    ]


def test_links_outside_of_the_window_are_no_links_in_it(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-former", [1.0] * READINGS), meter("former", [1.0] * READINGS))
    telemetry.load(vehicle("former", [0.9] * READINGS))
    telemetry.link("former", "M-former", None, at(0))
    telemetry.link("former", "M-former", at(READINGS + 1))
    found = telemetry.performance("former", WINDOW)
    assert (found.status, found.reason) == (Status.NO_METER, "no link holds in the window")
    assert (found.meters, found.linked_percent, found.ac.kwh) == ((), 0, None)


def test_a_link_that_begins_as_the_window_ends_is_no_link_in_it(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-last", [1.0] * READINGS), vehicle("last", [0.9] * READINGS))
    telemetry.link("last", "M-last", at(READINGS))
    found = telemetry.performance("last", WINDOW)
    assert (found.status, found.meters, found.linked_percent) == (Status.NO_METER, (), 0)


def test_a_linked_meter_without_readings_is_no_meter(telemetry: Telemetry) -> None:
    telemetry.load(vehicle("dead meter", [0.9] * READINGS), meter("dead meter", [1.0] * READINGS))
    telemetry.link("dead meter", "M-dead")
    found = telemetry.performance("dead meter", WINDOW)
    assert (found.status, found.linked_percent) == (Status.NO_METER, 100)
    assert found.reason == "the linked meters have no reading in the window"
    assert [share.side.readings for share in found.meters] == [0]


def test_the_meter_of_the_same_id_is_not_taken_while_it_serves_another(telemetry: Telemetry) -> None:
    telemetry.load(meter("lent", [1.0] * READINGS), vehicle("lent", [0.9] * READINGS))
    telemetry.link("borrower", "lent", at(90), at(120))
    found = telemetry.performance("lent", WINDOW)
    assert (found.status, found.meters, found.linked_percent) == (Status.NO_METER, (), 0)
    assert "serves another vehicle (borrower at lent from" in found.reason
    earlier = telemetry.performance("lent", WindowRequest(after=at(0), until=at(89)))
    assert (earlier.status, counted(earlier)) == (Status.OK, 89)


def test_a_slow_meter_that_changes_hands_is_as_complete_as_it_was(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-slow-1", [1.0] * 96, every=QUARTER), meter("M-slow-2", [1.0] * 96, every=QUARTER))
    telemetry.load(vehicle("slow", [0.9] * 96, every=QUARTER))
    day = 96 * QUARTER
    telemetry.link("slow", "M-slow-1", None, START + day - 2 * QUARTER + MINUTE)
    telemetry.link("slow", "M-slow-2", START + day - 2 * QUARTER + MINUTE)
    found = telemetry.performance("slow")
    assert [share.side.readings for share in found.meters] == [94, 2]
    assert found.status is Status.OK
    assert found.ac.coverage_percent > 97


def test_a_quick_meter_does_not_hide_the_gaps_of_a_slow_one(telemetry: Telemetry) -> None:
    gaps: list[float | None] = [*[1.0] * 43, *[None] * 52, 1.0]
    telemetry.load(meter("M-quick", [1.0] * 1_440), meter("M-gaps", gaps, every=QUARTER))
    telemetry.load(vehicle("gaps", [15.0] * 96, every=QUARTER))
    for name in ("M-quick", "M-gaps"):
        telemetry.link("gaps", name)
    found = telemetry.performance("gaps")
    # 100 % and 46 %, each for a day; of the readings alone 97 % are there.
    assert found.ac.coverage_percent == pytest.approx((100 + 100 * 44 / 96) / 2)
    assert found.status is Status.INSUFFICIENT


def test_links_before_and_after_all_time_are_bounded_by_the_window(telemetry: Telemetry) -> None:
    telemetry.load(meter("M-ever", [1.0] * READINGS), vehicle("ever", [0.9] * READINGS))
    telemetry.link("ever", "M-ever", datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
    found = telemetry.performance("ever", WINDOW)
    assert (counted(found), found.linked_percent, found.status) == (READINGS, 100, Status.OK)
