from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.analytics.window import Window, WindowEnd, WindowRequest
from energy_etl.errors import UsageError

NEWEST = datetime(2025, 6, 2, 10, 37, tzinfo=UTC)
FROM = datetime(2025, 6, 1, tzinfo=UTC)
TO = datetime(2025, 6, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

MOMENTS = st.datetimes(
    datetime(2025, 1, 1),  # noqa: DTZ001 - the zone is given beside
    datetime(2025, 1, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SPANS = st.timedeltas(timedelta(seconds=1), timedelta(days=40))


@pytest.mark.parametrize(
    ("request_", "window"),
    [
        (WindowRequest(), Window(NEWEST - DAY, NEWEST, WindowEnd.NEWEST_READING)),
        (WindowRequest(last=HOUR), Window(NEWEST - HOUR, NEWEST, WindowEnd.NEWEST_READING)),
        (WindowRequest(after=FROM), Window(FROM, NEWEST, WindowEnd.NEWEST_READING)),
        (WindowRequest(until=TO), Window(TO - DAY, TO, WindowEnd.GIVEN)),
        (WindowRequest(until=TO, last=HOUR), Window(TO - HOUR, TO, WindowEnd.GIVEN)),
        (WindowRequest(after=FROM, until=TO), Window(FROM, TO, WindowEnd.GIVEN)),
        (WindowRequest(until=TO, until_is_now=True), Window(TO - DAY, TO, WindowEnd.NOW)),
        (WindowRequest(after=FROM, until=TO, until_is_now=True), Window(FROM, TO, WindowEnd.NOW)),
    ],
)
def test_what_is_left_out_is_the_last_day_up_to_the_newest_reading(
    request_: WindowRequest, window: Window
) -> None:
    assert request_.resolve(NEWEST) == window


@pytest.mark.parametrize("request_", [WindowRequest(), WindowRequest(last=HOUR), WindowRequest(after=FROM)])
def test_without_a_reading_there_is_no_end_to_default_to(request_: WindowRequest) -> None:
    assert request_.resolve(None) is None


@pytest.mark.parametrize("until_is_now", [False, True])
def test_a_given_end_needs_no_reading(*, until_is_now: bool) -> None:
    request = WindowRequest(until=TO, until_is_now=until_is_now)
    assert request.resolve(None) == request.resolve(NEWEST)


def test_a_beginning_and_a_length_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="--last and --from"):
        WindowRequest(after=FROM, last=HOUR)


@pytest.mark.parametrize("until", [FROM, FROM - HOUR])
def test_a_window_ends_after_its_beginning(until: datetime) -> None:
    with pytest.raises(UsageError, match="not after its beginning") as caught:
        WindowRequest(after=FROM, until=until)
    assert "--from and --to" in str(caught.value.hint)


@pytest.mark.parametrize("newest", [FROM, FROM - HOUR])
def test_a_beginning_beyond_the_newest_reading_is_refused(newest: datetime) -> None:
    with pytest.raises(UsageError, match=r"the newest reading, at .* is not after") as caught:
        WindowRequest(after=FROM).resolve(newest)
    assert "--to" in str(caught.value.hint)


def test_no_window_begins_before_the_calendar() -> None:
    with pytest.raises(UsageError, match="before the year 1") as caught:
        WindowRequest(until=datetime(1, 1, 1, 12, tzinfo=UTC)).resolve(None)
    assert "--last" in str(caught.value.hint)


@given(MOMENTS, SPANS)
def test_a_length_is_kept(until: datetime, last: timedelta) -> None:
    window = WindowRequest(until=until, last=last).resolve(None)
    assert window is not None
    assert window.seconds == last.total_seconds()
    assert window.until == until


@given(st.lists(MOMENTS, min_size=2, max_size=6, unique=True).map(sorted), st.lists(MOMENTS))
def test_neighbouring_windows_share_no_reading_and_lose_none(
    edges: list[datetime], readings: list[datetime]
) -> None:
    windows = [WindowRequest(after=after, until=until).resolve(None) for after, until in pairwise(edges)]
    # Readings on the edges are the interesting ones.
    for ts in [*readings, *edges]:
        holding = [window for window in windows if window and window.after < ts <= window.until]
        assert len(holding) == (1 if edges[0] < ts <= edges[-1] else 0)


@given(MOMENTS, st.lists(SPANS, min_size=1, max_size=6))
def test_windows_of_given_lengths_can_follow_each_other(newest: datetime, lengths: list[timedelta]) -> None:
    until, seconds = newest, 0.0
    for last in lengths:
        window = WindowRequest(until=until, last=last).resolve(None)
        assert window is not None
        assert window.until == until
        until, seconds = window.after, seconds + window.seconds
    whole = WindowRequest(after=until, until=newest).resolve(None)
    assert whole is not None
    assert whole.seconds == pytest.approx(seconds)
