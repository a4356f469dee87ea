from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.analytics.spans import Span, merged, seconds_within, touches
from energy_etl.analytics.window import Window, WindowEnd

if TYPE_CHECKING:
    from random import Random

START = datetime(2025, 6, 1, tzinfo=UTC)
TICKS = 12


def at(tick: int) -> datetime:
    return START + timedelta(seconds=tick)


def span(start: int | None, end: int | None) -> Span:
    return (None if start is None else at(start), None if end is None else at(end))


def window(after: int, until: int) -> Window:
    return Window(at(after), at(until), WindowEnd.GIVEN)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span on a grid small enough for spans to meet and overlap often; its ends may be open."""
    start, end = sorted(draw(st.lists(st.integers(0, TICKS), min_size=2, max_size=2, unique=True)))
    return span(start if draw(st.booleans()) else None, end if draw(st.booleans()) else None)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    return window(*sorted(draw(st.lists(st.integers(-2, TICKS + 2), min_size=2, max_size=2, unique=True))))


def holds(found: Span, moment: datetime) -> bool:
    start, end = found
    return (start is None or start < moment) and (end is None or moment <= end)


SPAN_LISTS = st.lists(spans(), max_size=6)
MOMENTS = [at(0) + timedelta(milliseconds=500 * half) for half in range(-3, 2 * TICKS + 4)]
"""The edges of the grid, and the times between them."""


@given(SPAN_LISTS)
def test_merged_spans_cover_the_same_instants(found: list[Span]) -> None:
    result = merged(found)
    for moment in MOMENTS:
        assert sum(holds(each, moment) for each in result) == any(holds(each, moment) for each in found)


@given(SPAN_LISTS)
def test_merged_spans_are_in_order_and_neither_overlap_nor_meet(found: list[Span]) -> None:
    for (_, end), (start, _) in pairwise(merged(found)):
        assert end is not None
        assert start is not None
        assert end < start


@given(SPAN_LISTS, st.randoms(use_true_random=False))
def test_merging_again_or_in_another_order_changes_nothing(found: list[Span], random: Random) -> None:
    once = merged(found)
    assert merged(once) == once
    shuffled = list(found)
    random.shuffle(shuffled)
    assert merged(shuffled) == once


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ([], []),
        ([span(None, None)], [span(None, None)]),
        ([span(0, 2), span(2, 4)], [span(0, 4)]),
        ([span(0, 2), span(3, 4)], [span(0, 2), span(3, 4)]),
        ([span(3, 4), span(0, 9)], [span(0, 9)]),
        ([span(5, None), span(None, 5)], [span(None, None)]),
        ([span(5, None), span(None, 4)], [span(None, 4), span(5, None)]),
    ],
)
def test_how_spans_merge(found: list[Span], result: list[Span]) -> None:
    assert merged(found) == result


@given(windows(), spans(), st.integers(0, TICKS))
def test_the_seconds_of_a_span_are_those_of_its_parts(whole: Window, found: Span, cut: int) -> None:
    start, end = found
    if holds(found, at(cut)) and start != at(cut):
        parts = [(start, at(cut)), (at(cut), end)]
        assert sum(seconds_within(part, whole) for part in parts) == seconds_within(found, whole)


@given(windows(), spans(), st.integers(-2, TICKS + 2))
def test_neighbouring_windows_share_a_spans_seconds(whole: Window, found: Span, cut: int) -> None:
    if whole.after < at(cut) < whole.until:
        parts = [Window(whole.after, at(cut), whole.end), Window(at(cut), whole.until, whole.end)]
        assert sum(seconds_within(found, part) for part in parts) == seconds_within(found, whole)


@given(windows(), SPAN_LISTS)
def test_merged_spans_never_cover_more_than_the_window(whole: Window, found: list[Span]) -> None:
    covered = sum(seconds_within(each, whole) for each in merged(found))
    assert max((seconds_within(each, whole) for each in found), default=0) <= covered <= whole.seconds


@given(windows())
def test_an_open_span_covers_the_whole_window(whole: Window) -> None:
    assert seconds_within((None, None), whole) == whole.seconds


@given(windows(), spans())
def test_a_span_that_does_not_touch_a_window_can_hold_none_of_its_readings(
    whole: Window, found: Span
) -> None:
    shared = [ts for ts in MOMENTS if whole.after < ts <= whole.until and holds(found, ts)]
    assert touches(found, whole) == bool(shared)


@pytest.mark.parametrize(
    ("found", "touching"),
    [
        (span(None, None), True),
        (span(None, 0), False),
        (span(None, 1), True),
        (span(9, None), True),
        (span(10, None), False),
        (span(11, None), False),
    ],
)
def test_the_end_of_a_window_belongs_to_it_and_its_beginning_does_not(found: Span, *, touching: bool) -> None:
    assert touches(found, window(0, 10)) is touching
