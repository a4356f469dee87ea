from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.errors import ConservationError, ExitCode, UsageError
from energy_etl.outcome import Counts, LoadResult, RejectLimit, Status

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("0", RejectLimit(count=0), "0"),
        ("100", RejectLimit(count=100), "100"),
        (" 7 ", RejectLimit(count=7), "7"),
        ("0%", RejectLimit(percent=0.0), "0 %"),
        ("2.5%", RejectLimit(percent=2.5), "2.5 %"),
        (" 10 % ", RejectLimit(percent=10.0), "10 %"),
        ("100%", RejectLimit(percent=100.0), "100 %"),
        ("0.001%", RejectLimit(percent=0.001), "0.001 %"),
    ],
)
def test_a_limit_is_a_count_or_a_share(text: str, limit: RejectLimit, shown: str) -> None:
    assert RejectLimit.parse(text) == limit
    assert str(limit) == shown


def test_a_share_is_the_limit_unless_told_otherwise() -> None:
    assert RejectLimit() == RejectLimit.parse("10%")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "%",
        "-1",
        "+1",
        "1.5",
        "-2%",
        "100.1%",
        "101%",
        "1e3",
        "1e3%",
        "ten",
        "5 percent",
        "5%%",
        "5,5%",
        "nan%",
        "1 0",
    ],
)
def test_what_is_neither_a_count_nor_a_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        RejectLimit.parse(text)
    assert caught.value.message == f"--max-rejects is '{text}', neither a count nor a percentage"
    assert "2.5%" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "rejected", "read", "exceeded"),
    [
        ("0", 0, 0, False),
        ("0", 1, 10, True),
        ("3", 3, 3, False),
        ("3", 4, 1_000_000, True),
        ("3", 4, 0, True),
        ("0%", 0, 0, False),
        ("0%", 0, 10, False),
        ("0%", 1, 1_000_000_000, True),
        ("10%", 1, 10, False),
        ("10%", 2, 19, True),
        ("100%", 10, 10, False),
        ("0.57%", 57, 10_000, False),
        ("0.57%", 58, 10_000, True),
    ],
)
def test_exactly_the_limit_is_not_too_many(text: str, rejected: int, read: int, *, exceeded: bool) -> None:
    assert RejectLimit.parse(text).exceeded(rejected, read) is exceeded


@given(st.integers(0, 100_000), st.integers(0, 3), st.integers(0, 10**9), st.integers(-1, 1))
def test_a_share_is_meant_as_it_is_written(digits: int, places: int, read: int, beside: int) -> None:
    share = Fraction(digits, 10**places)
    if share > 100:
        share = Fraction(100)
    text = f"{float(share):.3f}%"
    rejected = max(0, int(share * read / 100) + beside)
    assert RejectLimit.parse(text).exceeded(rejected, read) is (rejected * 100 > share * read)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_count_that_is_exceeded_stays_so(limit: int, rejected: int, read: int) -> None:
    exceeded = RejectLimit(count=limit).exceeded
    assert exceeded(rejected, read) is (rejected > limit)
    assert exceeded(rejected, read) is exceeded(rejected, 0)


def test_counts_that_add_up_pass() -> None:
    Counts().check("meter")
    Counts(read=10, loaded=4, duplicate=3, conflicting=2, rejected=1, replaced=2).check("meter")


@pytest.mark.parametrize("name", ["read", "loaded", "duplicate", "conflicting", "rejected"])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_reading_that_is_unaccounted_for_is_an_error(name: str, wrong: int) -> None:
    counts = Counts(read=10, loaded=4, duplicate=3, conflicting=2, rejected=1)
    setattr(counts, name, getattr(counts, name) + wrong)
    with pytest.raises(ConservationError, match=r"^vehicle readings do not add up: .*'read': ") as caught:
        counts.check("vehicle")
    assert caught.value.exit_code is ExitCode.BUG


def test_replaced_readings_are_conflicting_ones_and_do_not_count_twice() -> None:
    Counts(read=2, conflicting=2, replaced=2).check("meter")


def test_a_span_grows_to_both_sides() -> None:
    counts = Counts()
    seen: list[Any] = []
    for first, last in [
        (None, None),
        (NOON, NOON),
        (NOON + HOUR, NOON + 2 * HOUR),
        (NOON - HOUR, NOON),
        (None, None),
    ]:
        counts.span(first, last)
        seen.append((counts.min_ts, counts.max_ts))
    assert seen == [
        (None, None),
        (NOON, NOON),
        (NOON, NOON + 2 * HOUR),
        (NOON - HOUR, NOON + 2 * HOUR),
        (NOON - HOUR, NOON + 2 * HOUR),
    ]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)).map(sorted)))
def test_a_span_is_that_of_all_the_parts(spans: list[list[int]]) -> None:
    counts = Counts()
    for first, last in spans:
        counts.span(NOON + first * HOUR, NOON + last * HOUR)
    hours = [hour for span in spans for hour in span]
    assert counts.min_ts == (NOON + min(hours) * HOUR if hours else None)
    assert counts.max_ts == (NOON + max(hours) * HOUR if hours else None)


def test_counts_are_recorded_as_json_values() -> None:
    counts = Counts(read=4, loaded=1, duplicate=1, conflicting=1, rejected=1, replaced=1)
    numbers = {"read": 4, "loaded": 1, "duplicate": 1, "conflicting": 1, "rejected": 1, "replaced": 1}
    assert counts.recorded() == numbers
    counts.span(NOON, NOON + HOUR)
    span = {"min_ts": "2026-01-31T12:00:00+00:00", "max_ts": "2026-01-31T13:00:00+00:00"}
    assert counts.recorded() == numbers | span


def test_a_result_adds_up_its_streams() -> None:
    streams = {
        "meter": Counts(read=3, rejected=1),
        "vehicle": Counts(read=4),
        "unassigned": Counts(1, rejected=1),
    }
    result = LoadResult("a.csv", Status.LOADED, streams=streams)
    assert (result.total("read"), result.total("rejected"), result.total("loaded")) == (8, 2, 0)
    assert LoadResult("a.csv", Status.FAILED).total("read") == 0
