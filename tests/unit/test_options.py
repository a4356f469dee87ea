from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.errors import ExitCode, UsageError
from energy_etl.frames.clock import LocalClock
from energy_etl.frames.timestamps import parse
from energy_etl.options import DirectCompress, LoadOptions, OnConflict
from energy_etl.outcome import RejectLimit

NOON = datetime(2026, 1, 31, 12)  # noqa: DTZ001 - a local time is what a zone is needed for
NO_ZONES = {"Factory", "localtime"}
"""Files of the system's that Python counts among the zones."""
ZONES = sorted(available_timezones() - NO_ZONES)


def accepts(zone: str) -> bool:
    try:
        LoadOptions(timezone=zone)
    except UsageError:
        return False
    return True


@pytest.mark.parametrize(
    "zone",
    [
        "",
        " ",
        "localtime",
        "right/UTC",
        "posix/UTC",
        "posixrules",
        "Factory",
        "../etc/passwd",
        "/etc/localtime",
        "Europe/../UTC",
        "Europe",
        "Europe/",
        "Europe/Berlin ",
        "europe/berlin",
        "+01:00",
        "CET+1",
        "Mars/Olympus",
        "zone.tab",
        "UTC\0",
        "\udce9",
        "Zürich",
        "A" * 5000,
    ],
)
def test_what_is_no_zone_is_wrong_use(zone: str) -> None:
    with pytest.raises(UsageError) as caught:
        LoadOptions(timezone=zone)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.message == f"--timezone {zone!r} is no time zone"
    assert "Europe/Berlin" in (caught.value.hint or "")


def test_every_zone_there_is_is_accepted_and_means_the_same_to_polars() -> None:
    assert len(ZONES) > 400
    assert [zone for zone in ZONES if not accepts(zone)] == []
    local = pl.Series("ts", [NOON], pl.Datetime("us"))
    for zone in ZONES:
        found = parse(local, LocalClock(zone))
        assert (found.values.to_list(), found.naive) == ([NOON.replace(tzinfo=ZoneInfo(zone))], 1), zone


ALMOST = st.tuples(st.sampled_from(ZONES), st.sampled_from("/. aA0+-_\0"), st.integers(0, 40)).map(
    lambda drawn: drawn[0][: drawn[2]] + drawn[1] + drawn[0][drawn[2] :]
)


@given(st.one_of(st.text(max_size=40), ALMOST))
def test_no_text_is_accepted_that_is_no_zone(text: str) -> None:
    assert accepts(text) is (text in ZONES)


def test_unless_told_otherwise_nothing_is_replaced_and_times_are_utc() -> None:
    options = LoadOptions()
    assert (options.timezone, options.on_conflict, options.dry_run) == (None, OnConflict.KEEP, False)
    assert options.direct_compress is DirectCompress.AUTO
    assert options.max_rejects == RejectLimit.parse("10%")


def test_what_decides_the_outcome_is_recorded() -> None:
    options = LoadOptions(
        timezone="Europe/Berlin",
        on_conflict=OnConflict.REPLACE,
        max_rejects=RejectLimit.parse("2.5%"),
        dry_run=True,
        lock_wait=1.0,
        retry_for=2.0,
        direct_compress=DirectCompress.OFF,
    )
    recorded = {"timezone": "Europe/Berlin", "on_conflict": "replace", "max_rejects": "2.5 %"}
    assert json.loads(json.dumps(options.recorded())) == recorded
    assert LoadOptions(max_rejects=RejectLimit(count=7)).recorded() == {
        "timezone": "UTC",
        "on_conflict": "keep",
        "max_rejects": "7",
    }
