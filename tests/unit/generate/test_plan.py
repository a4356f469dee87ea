"""What is no fleet is said before anything is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from energy_etl.errors import UsageError
from energy_etl.generate.plan import FleetPlan


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"meters": 0, "vehicles": 0, "faulty": 0}, "has no device"),
        ({"meters": -1}, "A fleet of -1 meters"),
        ({"hours": 0}, "--hours 0 is no span"),
        ({"hours": 10**9}, "outside the years"),
        ({"seed": -1}, "--seed -1 is negative"),
        ({"faulty": 4}, "--faulty 4 is more than the 3 vehicles"),
        ({"meters": 1, "faulty": 2}, "--faulty 2 is more than the 1 vehicles"),
        ({"faulty": -1}, "--faulty -1 is negative"),
        ({"start": datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)}, "not a whole minute"),
        ({"start": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "not a whole minute in UTC"),
        ({"start": datetime(1970, 1, 1, tzinfo=UTC)}, "outside the years"),
    ],
)
def test_refused(wrong: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"meters": 3, "vehicles": 3, "hours": 24, "seed": 1, "faulty": 1} | wrong
    with pytest.raises(UsageError, match=message) as raised:
        FleetPlan(**given)
    assert raised.value.hint


def test_ids_grow_with_the_fleet() -> None:
    plan = FleetPlan(meters=100_001, vehicles=2, hours=1, seed=0, faulty=0)
    assert plan.vehicle_ids() == ["EV-00001", "EV-00002"]
    assert plan.meter_ids()[-2:] == ["MTR-100000", "MTR-100001"]
    assert (plan.paired, plan.minutes, plan.end) == (2, 60, datetime(2026, 1, 1, 1, tzinfo=UTC))
