"""What real dumps do to time, each with what must come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from energy_etl.errors import AmbiguousInputError, ExitCode
from energy_etl.profiles.model import DateOrder, Fold
from tests.quirks.looked_at import look

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "meterId,kwhConsumedAc,voltage,timestamp\n"
AMBIGUOUS, SKIPPED = "ts:ambiguous_local_time", "ts:no_such_local_time"
BERLIN = "Europe/Berlin"


def dump(*times: str, device: str = "m1") -> str:
    return HEAD + "".join(f"{device},0.5,230,{time}\n" for time in times)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31 13:00:05", "2026-01-31 13:00:05"),
        ("2026-01-31T13:00:05+01:00", "2026-01-31 12:00:05"),
        ("31.01.2026 13:00", "2026-01-31 13:00:00"),
        ("31.1.2026 13:00:05.5", "2026-01-31 13:00:05"),
        ("2026/01/31 13:00:05", "2026-01-31 13:00:05"),
        ("2026-01-31 1:00:05 PM", "2026-01-31 13:00:05"),
        ("31.01.2026 12:30 am", "2026-01-31 00:30:00"),
        ("31/01/2026 13:00", "2026-01-31 13:00:00"),
        ("31-01-2026 13:00:05", "2026-01-31 13:00:05"),
        ("01/31/2026 01:00:05 PM", "2026-01-31 13:00:05"),
        ("1/31/2026 1:00 PM", "2026-01-31 13:00:00"),
        ("1769864405", "2026-01-31 13:00:05"),
        ("1769864405000", "2026-01-31 13:00:05"),
    ],
)
def test_a_time_is_read_in_each_of_its_shapes(tmp_path: Path, text: str, utc: str) -> None:
    assert look(tmp_path, dump(text)).times == [utc]


def test_several_formats_in_one_column(tmp_path: Path) -> None:
    times = [
        "2016-06-26 10:11:12",
        "6/26/2016 10:12",
        "26.06.2016 10:13:00",
        "1466935980",
        "2016-06-26T10:14Z",
    ]
    found = look(tmp_path, dump(*times))
    assert found.counts == (5, 5, {})
    assert [time[11:16] for time in found.times] == ["10:11", "10:12", "10:13", "10:13", "10:14"]
    assert found.naive == 3


@pytest.mark.parametrize("before", [0, 3000])
@pytest.mark.parametrize(
    ("telling", "order", "utc"),
    [("13/01/2017 10:00", DateOrder.DMY, "2017-01-11"), ("01/13/2017 10:00", DateOrder.MDY, "2017-11-01")],
)
def test_day_and_month_are_told_by_the_whole_file(
    tmp_path: Path, before: int, telling: str, order: DateOrder, utc: str
) -> None:
    found = look(tmp_path, dump(*["11/01/2017 10:00"] * (before + 1), telling), rows=100)
    assert found.times[0] == f"{utc} 10:00:00"
    assert found.how.date_order is order
    assert found.counts[1] == before + 2
    assert found.how.recorded()["date_order"] == order


@pytest.mark.parametrize("more", [[], ["13/01/2017 10:00", "01/13/2017 10:00"]])
def test_day_and_month_that_nothing_tells_apart_are_refused_until_told(
    tmp_path: Path, more: list[str]
) -> None:
    text = dump("2017-01-05 10:00", "11/01/2017 10:00", *more)
    with pytest.raises(AmbiguousInputError) as caught:
        look(tmp_path, text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "--date-order" in (caught.value.hint or "")
    assert look(tmp_path, text, date_order=DateOrder.DMY).times[1] == "2017-01-11 10:00:00"
    assert look(tmp_path, text, date_order=DateOrder.MDY).times[1] == "2017-11-01 10:00:00"


def test_a_dump_that_shows_no_such_dates_is_read_once(tmp_path: Path) -> None:
    found = look(tmp_path, dump("2017-01-05 10:00", "31.01.2017 10:00"))
    assert found.how.date_order is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0014-11-18 15:40:26", "ts:below_range"),
        ("18.11.0014 15:40:26", "ts:below_range"),
        ("11/18/14 15:40", "ts:not_a_timestamp"),
        ("1970-01-01T00:00:05Z", "ts:below_range"),
        ("2009-12-31T23:59:59Z", "ts:below_range"),
        ("2099-01-01T00:00:00Z", "ts:in_the_future"),
        ("2026-02-30 10:00", "ts:not_a_timestamp"),
        ("2026-01-31", "ts:not_a_timestamp"),
        ("", "ts:missing"),
    ],
)
def test_a_time_that_no_clock_showed_is_rejected_with_its_reason(
    tmp_path: Path, text: str, rule: str
) -> None:
    found = look(tmp_path, dump("2026-01-31 10:00", text))
    assert found.counts == (2, 1, {rule: 1})


def test_an_earlier_beginning_is_told_by_the_profile(tmp_path: Path) -> None:
    own = """
[time]
column = "time"
earliest = 2006-01-01
[meter]
id = "id"
energy = "kWh"
"""
    found = look(tmp_path, "id,kWh,time\nm,1,2006-12-16T17:24Z\nm,1,2005-12-31T23:59Z\n", profile=own)
    assert found.counts == (2, 1, {"ts:below_range": 1})
    assert "2006-01-01" in found.rejects[0][2]


def test_a_local_time_that_does_not_exist_and_one_that_exists_twice_are_told_apart(tmp_path: Path) -> None:
    text = dump("2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-10-25 03:00:00")
    found = look(tmp_path, text, timezone=BERLIN)
    assert found.counts == (3, 1, {SKIPPED: 1, AMBIGUOUS: 1})
    details = [detail for _, _, detail in found.rejects]
    assert "skipped by a clock change in Europe/Berlin" in details[0]
    assert "--fold" in details[1]
    for fold, utc in ((Fold.EARLIER, "00:30:00"), (Fold.LATER, "01:30:00")):
        found = look(tmp_path, text, timezone=BERLIN, fold=fold)
        assert found.counts == (3, 2, {SKIPPED: 1})
        assert found.times == [f"2026-10-25 {utc}", "2026-10-25 02:00:00"]


DOUBLE = [f"2026-10-25 02:{minute:02}:00" for minute in range(0, 60, 10)]
"""One pass through the double hour; the file goes through it twice."""


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 1000])
@pytest.mark.parametrize("devices", [1, 3])
def test_the_order_of_a_devices_readings_tells_the_double_hour_apart(
    tmp_path: Path, rows: int, devices: int
) -> None:
    times = ["2026-10-25 01:50:00", *DOUBLE, *DOUBLE, "2026-10-25 03:00:00"]
    body = "".join(f"m{device},0.5,230,{time}\n" for time in times for device in range(devices))
    found = look(tmp_path, HEAD + body, rows=rows, timezone=BERLIN, fold=Fold.ORDER)
    assert found.counts == (14 * devices, 14 * devices, {})
    utc = ["2026-10-24 23:50:00"]
    utc += [f"2026-10-25 {hour:02}:{minute:02}:00" for hour in (0, 1) for minute in range(0, 60, 10)]
    for device in range(devices):
        of_device = [
            reading["ts"].strftime("%Y-%m-%d %H:%M:%S")
            for reading in found.valid
            if reading["meter_id"] == f"m{device}"
        ]
        assert of_device == [*utc, "2026-10-25 02:00:00"]


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_hourly_readings_show_the_same_time_twice(tmp_path: Path, rows: int) -> None:
    times = [f"2026-10-25 {hour}:00:00" for hour in ("00", "01", "02", "02", "03")]
    found = look(tmp_path, dump(*times), rows=rows, timezone=BERLIN, fold=Fold.ORDER)
    assert [time[11:13] for time in found.times] == ["22", "23", "00", "01", "02"]


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_the_same_minute_again_is_the_same_reading_again(tmp_path: Path, rows: int) -> None:
    times = [f"2026-10-25 02:{minute}:00" for minute in ("00", "01", "01", "02", "00", "01")]
    found = look(tmp_path, dump(*times), rows=rows, timezone=BERLIN, fold=Fold.ORDER)
    assert [time[11:16] for time in found.times] == ["00:00", "00:01", "00:01", "00:02", "01:00", "01:01"]


def test_two_autumns_in_one_file(tmp_path: Path) -> None:
    times = ["2025-10-26 02:30", "2025-10-26 02:10", "2026-10-25 02:20", "2026-10-25 02:10"]
    found = look(tmp_path, dump(*times), timezone=BERLIN, fold=Fold.ORDER)
    assert [time[11:16] for time in found.times] == ["00:30", "01:10", "00:20", "01:10"]


SPLIT = """
[time]
date = "Date"
time = "Time"
formats = ["%d/%m/%Y %H:%M:%S"]
zone = "Europe/Paris"
[meter]
id = { constant = "house" }
energy = "kWh"
"""


def test_date_and_time_stand_in_two_columns(tmp_path: Path) -> None:
    rows = "11/01/2026;17:24:00;0.5\n11/01/2026;?;0.5\n?;17:25:00;0.5\n"
    found = look(tmp_path, f"Date;Time;kWh\n{rows}", profile=SPLIT)
    assert found.times == ["2026-01-11 16:24:00"]
    assert found.counts[1] == 1
    assert sum(found.counts[2].values()) == 2


def test_the_zone_of_the_command_wins_over_the_profiles(tmp_path: Path) -> None:
    found = look(tmp_path, "Date;Time;kWh\n11/01/2026;17:24:00;0.5\n", profile=SPLIT, timezone="UTC")
    assert found.times == ["2026-01-11 17:24:00"]


@pytest.mark.parametrize(
    ("formats", "text", "utc"),
    [
        ('["epoch_s"]', "1769864405", "2026-01-31 13:00:05"),
        ('["epoch_ms"]', "1769864405123", "2026-01-31 13:00:05"),
        ('["epoch_us"]', "1769864405123456", "2026-01-31 13:00:05"),
        ('["%d.%m.%y %H:%M", "iso"]', "31.01.26 13:00", "2026-01-31 13:00:00"),
        ('["%d.%m.%Y %H:%M:%S.%f"]', "31.01.2026 13:00:05.75", "2026-01-31 13:00:05"),
        ('["%d.%m.%y %H:%M", "iso"]', "2026-01-31T13:00:00Z", "2026-01-31 13:00:00"),
        ('["%a, %d %b %Y %H:%M:%S %z"]', "Sat, 31 Jan 2026 13:00:05 +0100", "2026-01-31 12:00:05"),
    ],
)
def test_formats_are_told_by_the_profile(tmp_path: Path, formats: str, text: str, utc: str) -> None:
    own = SPLIT.replace('date = "Date"\ntime = "Time"', 'column = "t"').replace("Europe/Paris", "UTC")
    own = own.replace('["%d/%m/%Y %H:%M:%S"]', formats)
    found = look(tmp_path, f't;kWh\n"{text}";0.5\nnever;0.5\n', profile=own)
    assert found.times == [utc]
    assert found.counts == (2, 1, {"ts:not_a_timestamp": 1})


def test_seconds_since_a_moment(tmp_path: Path) -> None:
    own = """
[time]
column = "Time [s]"
origin = 2019-06-25T13:21:14Z
[vehicle]
id = { file_name = '^(Trip\\w+)\\.csv$' }
energy = { constant = 0 }
battery_temp = "Battery Temperature [°C]"
"""
    text = "Time [s];Battery Temperature [°C]\n0;21\n0.1;21\n61.25;22\n-1;21\n"
    found = look(tmp_path, text.encode("latin-1"), "TripA01.csv", profile=own)
    assert [ts.isoformat() for ts in found.column("ts")] == [
        "2019-06-25T13:21:14+00:00",
        "2019-06-25T13:21:14.100000+00:00",
        "2019-06-25T13:22:15.250000+00:00",
    ]
    assert found.column("vehicle_id") == ["TripA01"] * 3
    assert found.counts == (4, 3, {"ts:not_a_timestamp": 1})
