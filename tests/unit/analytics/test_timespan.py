from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.analytics.timespan import Instant, parse_duration, parse_instant
from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
WEEKS = 5_200

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))  # noqa: DTZ001 - each test gives the zone


@given(MOMENTS, OFFSETS)
def test_a_time_with_an_offset_is_read_back_in_utc(moment: datetime, offset: timezone) -> None:
    written = moment.replace(tzinfo=offset)
    read = parse_instant(written.isoformat(), "--from")
    assert (read.moment, read.moment.tzinfo, read.naive) == (written, UTC, False)


@given(MOMENTS)
def test_a_time_without_an_offset_is_utc_and_says_so(moment: datetime) -> None:
    assert parse_instant(moment.isoformat(), "--from") == Instant(moment.replace(tzinfo=UTC), naive=True)


@pytest.mark.parametrize(
    ("text", "moment", "naive"),
    [
        ("2025-06-01", datetime(2025, 6, 1, tzinfo=UTC), True),
        (" 2025-06-01T12:00 ", datetime(2025, 6, 1, 12, tzinfo=UTC), True),
        ("2025-06-01 12:00:00", datetime(2025, 6, 1, 12, tzinfo=UTC), True),
        ("2025-06-01T12:00:00.5", datetime(2025, 6, 1, 12, 0, 0, 500_000, tzinfo=UTC), True),
        ("2025-06-01T12:00Z", datetime(2025, 6, 1, 12, tzinfo=UTC), False),
        ("2025-06-01T12:00:00+02:00", datetime(2025, 6, 1, 10, tzinfo=UTC), False),
        ("2025-06-01T00:30:00+02:00", datetime(2025, 5, 31, 22, 30, tzinfo=UTC), False),
    ],
)
def test_the_forms_of_a_time(text: str, moment: datetime, *, naive: bool) -> None:
    assert parse_instant(text, "--from") == Instant(moment, naive)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "yesterday", "now", "infinity", "1748736000", "2025-02-30", "2025-06-01T25:00", "12:00"),
        *("0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2025-06-01T12:00+99:00", "01.06.2025"),
    ],
)
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--to: ") as caught:
        parse_instant(text, "--to")
    assert repr(text) in caught.value.message
    assert "2025-06-01T12:00" in str(caught.value.hint)


@given(st.sampled_from(sorted(SECONDS)), st.data())
def test_whole_durations_are_read_exactly(unit: str, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, min(WEEKS * SECONDS["w"] // SECONDS[unit], 999_999_999)))
    written = data.draw(st.sampled_from([f"{number}{unit}", f" {number} {unit.upper()} "]))
    assert parse_duration(written, "--last") == timedelta(seconds=number * SECONDS[unit])


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("0.25d", timedelta(hours=6)),
        ("0.5m", timedelta(seconds=30)),
        ("5200w", timedelta(weeks=WEEKS)),
    ],
)
def test_the_forms_of_a_duration(text: str, span: timedelta) -> None:
    assert parse_duration(text, "--last") == span


@pytest.mark.parametrize(
    "text",
    [
        *("", "24", "h", "-1h", "+1h", "1e3h", ".5h", "1,5h", "24 hours", "1h30m", "nand", "5y", "5ſ", "٢h"),
        *("0s", "0.0w", "0.9s", "5200.1w", "999999999w"),
    ],
)
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--last: ") as caught:
        parse_duration(text, "--last")
    assert repr(text) in caught.value.message
    assert "24h" in str(caught.value.hint)


@pytest.mark.parametrize("parse", [parse_instant, parse_duration])
@given(text=st.text() | st.text("0123456789.:+-TZ smhdwſ", max_size=25))
def test_any_text_is_read_or_refused(parse: Callable[[str, str], object], text: str) -> None:
    with suppress(UsageError):
        parse(text, "--last")
