from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.frames.clock import LocalClock
from energy_etl.frames.timestamps import as_text, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polars._typing import PolarsDataType, TimeUnit

BAD = "ts:not_a_timestamp"
SKIPPED, TWICE = "ts:no_such_local_time", "ts:ambiguous_local_time"
NOON = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNITS: tuple[TimeUnit, ...] = ("ms", "us", "ns")


def read(values: Sequence[Any] | pl.Series, zone: str = "UTC", dtype: PolarsDataType = pl.String) -> Any:
    """Moments, faults and the number of naive ones."""
    raw = values if isinstance(values, pl.Series) else pl.Series("ts", values, dtype)
    found = parse(raw, LocalClock(zone))
    assert found.values.dtype == pl.Datetime("us", "UTC")
    assert found.faults.dtype == pl.String
    return found.values.to_list(), found.faults.to_list(), found.naive


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:05Z", NOON),
        ("2026-01-31 12:00:05Z", NOON),
        ("2026-01-31T12:00:05 Z", NOON),
        ("2026-01-31T12:00:05+00:00", NOON),
        ("2026-01-31T13:30:05+01:30", NOON),
        ("2026-01-31T13:30:05+0130", NOON),
        ("2026-01-31T13:00:05+01", NOON),
        ("2026-01-31 07:00:05-05:00", NOON),
        ("2026-01-31 07:00:05 -0500", NOON),
        ("2026-01-31T12:00:05.25Z", NOON + timedelta(milliseconds=250)),
        ("2026-01-31T12:00:05.000001+00:00", NOON + MICROSECOND),
        ("2026-01-31T12:00:05.000001999Z", NOON + MICROSECOND),
        ("2026-01-31T12:00Z", NOON.replace(second=0)),
        ("2026-01-31 14:00+0200", NOON.replace(second=0)),
        ("1769860805", NOON),
        ("1769860805.5", NOON + timedelta(milliseconds=500)),
        ("1769860805250", NOON + timedelta(milliseconds=250)),
        ("1769860805000001", NOON + MICROSECOND),
    ],
)
def test_a_moment_is_read_in_each_of_its_shapes(text: str, moment: datetime) -> None:
    assert read([text]) == ([moment], [None], 0)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-01-31",
        "2026-02-30T12:00:05Z",
        "2026-13-01T12:00:05Z",
        "31/01/2026 12:00:05",
        "01.02.26 12:00 CET",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:05+25:00",
        "2026-01-31T12:00:05 CET",
        "2026-01-31T12:00:05Z trailing",
        "2026-01-31T12Z",
        "20260131T120005Z",
        "12345678",
        "123456789012345678",
        "-1769860805",
        "1.769860805e9",
        "NaN",
        "0",
        "",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_text_that_is_no_moment_is_never_guessed(text: str, zone: str) -> None:
    assert read([text, "2026-01-31T12:00:05Z"], zone) == ([None, NOON], [BAD, None], 0)


def test_what_is_missing_is_no_fault() -> None:
    assert read([None, None]) == ([None, None], [None, None], 0)
    assert read([]) == ([], [], 0)


def test_one_batch_may_mix_the_shapes() -> None:
    texts = ["2026-01-31T12:00:05Z", "1769860805", "2026-01-31 13:00:05", None, "soon", "2026-01-31 12:00Z"]
    moments = [NOON, NOON, NOON, None, None, NOON.replace(second=0)]
    assert read(texts, "Europe/Berlin") == (moments, [None, None, None, None, BAD, None], 1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T13:00:05", NOON),
        ("2026-01-31 13:00:05", NOON),
        ("2026-01-31T13:00:05.000001", NOON + MICROSECOND),
        ("2026-01-31 13:00", NOON.replace(second=0)),
        ("2026-07-31T14:00:05", NOON.replace(month=7)),
    ],
)
def test_a_time_without_a_zone_is_taken_in_the_given_one_and_counted(text: str, moment: datetime) -> None:
    assert read([text, None], "Europe/Berlin") == ([moment, None], [None, None], 1)


@pytest.mark.parametrize(
    ("zone", "text", "rule"),
    [
        ("Europe/Berlin", "2026-03-29T02:30:00", "ts:no_such_local_time"),
        ("Europe/Berlin", "2026-10-25 02:30", "ts:ambiguous_local_time"),
        ("America/New_York", "2026-03-08T02:00:00", "ts:no_such_local_time"),
        ("America/New_York", "2026-11-01T01:59:59.999999", "ts:ambiguous_local_time"),
    ],
)
def test_a_local_time_that_is_skipped_or_doubled_is_no_moment(zone: str, text: str, rule: str) -> None:
    assert read([text], zone) == ([None], [rule], 1)
    assert read([text + "Z", text + "+01:00"], zone)[1:] == ([None, None], 0)
    assert read([text], "UTC")[1:] == ([None], 1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29T01:59:59", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        ("2026-03-29T03:00:00", datetime(2026, 3, 29, 1, 0, 0, tzinfo=UTC)),
        ("2026-10-25T01:59:59", datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        ("2026-10-25T03:00:00", datetime(2026, 10, 25, 2, 0, 0, tzinfo=UTC)),
    ],
)
def test_the_local_times_around_a_clock_change_are_moments(text: str, moment: datetime) -> None:
    assert read([text], "Europe/Berlin") == ([moment], [None], 1)


OFFSETS = (0, 60, -300, 330, 765, -210)


def at(moment: datetime, minutes: int) -> datetime:
    return moment.astimezone(timezone(timedelta(minutes=minutes)))


def minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def milli(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


# A way to write a moment, and what it leaves of it.
SHAPES: list[tuple[Callable[[datetime], str], Callable[[datetime], datetime]]] = [
    (lambda m: f"{m:%Y-%m-%dT%H:%M:%S.%fZ}", lambda m: m),
    (lambda m: f"{m:%Y-%m-%d %H:%M:%S.%f}000Z", lambda m: m),
    (lambda m: f"{m:%Y-%m-%dT%H:%M:%S}.{m.microsecond // 1000:03}z", milli),
    (lambda m: f"{m:%Y-%m-%dT%H:%M:%SZ}", lambda m: m.replace(microsecond=0)),
    (lambda m: f"{m:%Y-%m-%d %H:%MZ}", minute),
    *((lambda m, o=o: at(m, o).isoformat(), lambda m: m) for o in OFFSETS),
    *((lambda m, o=o: at(m, o).isoformat(sep=" "), lambda m: m) for o in OFFSETS),
    *((lambda m, o=o: f"{at(m, o):%Y-%m-%dT%H:%M:%S.%f%z}", lambda m: m) for o in OFFSETS),
    *((lambda m, o=o: f"{at(m, o):%Y-%m-%d %H:%M:%S.%f %z}", lambda m: m) for o in OFFSETS),
    *((lambda m, o=o: f"{at(m, o):%Y-%m-%dT%H:%M%z}", minute) for o in OFFSETS),
    (lambda m: f"{m:%Y-%m-%dT%H:%M:%S.%f}", lambda m: m),
    (lambda m: f"{m:%Y-%m-%d %H:%M}", minute),
    (lambda m: f"{micros(m) // 10**6}.{m.microsecond:06}", lambda m: m),
    (lambda m: f"{micros(m) // 10**6}", lambda m: m.replace(microsecond=0)),
    (lambda m: f"{micros(m) // 1000}", milli),
    (lambda m: f"{micros(m)}", lambda m: m),
]


def moments_until(last: str) -> st.SearchStrategy[datetime]:
    """From when on the unit of a number is known."""
    first = datetime.fromisoformat("1973-03-04")
    return st.datetimes(first, datetime.fromisoformat(last), timezones=st.just(UTC))


MOMENTS = moments_until("5000-01-01")
RECENT = moments_until("2037-12-31")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(MOMENTS, st.sampled_from(SHAPES)), min_size=1, max_size=20))
def test_whatever_shape_a_moment_is_written_in_it_comes_back(batch: list[tuple[datetime, Any]]) -> None:
    texts = [write(moment) for moment, (write, _) in batch]
    moments, faults, _ = read(texts)
    assert moments == [left(moment) for moment, (_, left) in batch]
    assert faults == [None] * len(batch)


@settings(max_examples=200, deadline=None)
@given(
    moments=st.lists(RECENT, min_size=1, max_size=20),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_local_times_mean_what_the_zone_says_or_nothing(moments: list[datetime], zone: str) -> None:
    local = [moment.astimezone(ZoneInfo(zone)) for moment in moments]
    doubled = [one.replace(fold=0).utcoffset() != one.replace(fold=1).utcoffset() for one in local]
    expected = [None if twice else moment for twice, moment in zip(doubled, moments, strict=True)]
    faults = [TWICE if twice else None for twice in doubled]

    naive = [one.replace(tzinfo=None) for one in local]

    assert read([one.isoformat() for one in naive], zone) == (expected, faults, len(local))
    assert read(naive, zone, pl.Datetime("us")) == (expected, faults, len(local))


@settings(max_examples=100, deadline=None)
@given(st.lists(RECENT, max_size=20))
def test_numbers_count_seconds_milliseconds_or_microseconds(moments: list[datetime]) -> None:
    exact, none = [micros(moment) for moment in moments], [None] * len(moments)
    seconds = [moment.replace(microsecond=0) for moment in moments]
    whole: tuple[PolarsDataType, ...] = (pl.Int64, pl.UInt64, pl.Float64, pl.Decimal(38, 0), pl.Decimal(18))
    for dtype in whole:
        assert read([value // 10**6 for value in exact], dtype=dtype) == (seconds, none, 0)
        assert read([value // 1000 for value in exact], dtype=dtype) == ([*map(milli, moments)], none, 0)
        assert read(exact, dtype=dtype) == (moments, none, 0)
    for narrow in (pl.Int32, pl.UInt32):
        assert read([value // 10**6 for value in exact], dtype=narrow) == (seconds, none, 0)
    assert read([value / 10**6 for value in exact], dtype=pl.Float64) == (moments, none, 0)
    assert read([Decimal(value) / 10**6 for value in exact], dtype=pl.Decimal(20, 6)) == (moments, none, 0)


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        (pl.Int64, -1),
        (pl.Int64, 10**17),
        (pl.Int64, 2**63 - 1),
        (pl.Int64, -(2**63)),
        (pl.UInt64, 2**64 - 1),
        (pl.Float64, float("nan")),
        (pl.Float64, float("inf")),
        (pl.Float64, -1.0),
        (pl.Float64, 1e300),
        (pl.Decimal(38, 0), Decimal(10) ** 37),
        (pl.Decimal(38, 0), -(Decimal(10) ** 37)),
    ],
)
def test_a_number_of_no_known_unit_is_no_moment(dtype: PolarsDataType, number: float | Decimal) -> None:
    known = Decimal(1_769_860_805) if isinstance(number, Decimal) else 1_769_860_805
    assert read([number, known], dtype=dtype) == ([None, NOON], [BAD, None], 0)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_typed_moments_keep_their_instant(unit: TimeUnit, zone: str) -> None:
    moments = [NOON, NOON + timedelta(milliseconds=7), None]
    typed = pl.Series("ts", moments, pl.Datetime(unit, "UTC")).dt.convert_time_zone(zone)
    assert read(typed, "Europe/Berlin") == (moments, [None, None, None], 0)


@pytest.mark.parametrize("unit", UNITS)
def test_typed_local_times_are_taken_in_the_given_zone(unit: TimeUnit) -> None:
    local = ["2026-01-31T13:00:05", None, "2026-03-29T02:30:00"]
    typed = pl.Series("ts", local).str.to_datetime(time_unit=unit)
    assert read(typed, "Europe/Berlin") == ([NOON, None, None], [None, None, SKIPPED], 2)


def test_nanoseconds_are_cut_to_the_microsecond() -> None:
    typed = pl.Series("ts", [micros(NOON) * 1000 + 1999]).cast(pl.Datetime("ns", "UTC"))
    assert read(typed) == ([NOON + MICROSECOND], [None], 0)


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("own", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("number", [2**63 - 1, -(2**63) + 1, 2**62, -(2**62)])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_typed_moment_beyond_the_calendar_is_a_fault(
    unit: TimeUnit, own: str | None, number: int, zone: str
) -> None:
    typed = pl.Series("ts", [number, None], pl.Int64).cast(pl.Datetime(unit, own))
    assert read(typed, zone) == ([None, None], [BAD, None], 0)
    assert as_text(typed).to_list() == [str(number), None]


@pytest.mark.parametrize(
    ("dtype", "value"), [(pl.Date, date(2026, 1, 31)), (pl.Time, time(12)), (pl.Boolean, True)]
)
def test_what_is_less_than_a_moment_is_refused(dtype: PolarsDataType, value: object) -> None:
    assert read([value, None], dtype=dtype) == ([None, None], [BAD, None], 0)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pl.Series([2**64 - 1, None], dtype=pl.UInt64), ["18446744073709551615", None]),
        (pl.Series([float("nan"), -0.0]), ["NaN", "-0.0"]),
        (pl.Series([date(2026, 1, 31), None]), ["2026-01-31", None]),
        (pl.Series([NOON], dtype=pl.Datetime("us", "UTC")), ["2026-01-31 12:00:05.000000+00:00"]),
        (pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date), ["2147483647"]),
    ],
)
def test_any_value_has_a_text(values: pl.Series, texts: list[str | None]) -> None:
    assert as_text(values).to_list() == texts
