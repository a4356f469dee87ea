from __future__ import annotations

import pytest

from energy_etl.errors import ExitCode, InputError
from energy_etl.sources.headers import canonical, resolve

METER = ("meterId", "kwhConsumedAc", "voltage", "timestamp")
VEHICLE = ("vehicleId", "soc", "kwhDeliveredDc", "batteryTemp", "timestamp")


@pytest.mark.parametrize(
    "spelling",
    ["meterId", "meter_id", "METER_ID", "Meter ID", "meter-id", "METERID", " meter id ", "Meter.Id"],
)
def test_one_name_in_every_spelling(spelling: str) -> None:
    assert canonical(spelling) == "meter_id"


@pytest.mark.parametrize("spelling", ["ts", "TS", "timestamp", "Time Stamp", "time_stamp"])
def test_the_time_has_two_names(spelling: str) -> None:
    assert canonical(spelling) == "ts"


@pytest.mark.parametrize("spelling", ["", "id", "meter", "voltage_v", "time", "energy", "kwh", "_"])
def test_nothing_else_is_guessed(spelling: str) -> None:
    assert canonical(spelling) is None


def test_columns_are_found_by_name_and_the_rest_is_listed() -> None:
    columns = resolve("a.csv", ("site", "Timestamp", "voltage", "meter id", "soc", "KWH_CONSUMED_AC", "site"))

    assert columns.names == ("ts", "voltage", "meter_id", "kwh_consumed_ac")
    assert columns.positions == (1, 2, 3, 5)
    assert columns.ignored == ("site", "soc", "site")


def test_a_dump_may_hold_both_streams() -> None:
    columns = resolve("a.csv", (*METER, *VEHICLE[:-1]))

    meter = {"meter_id", "kwh_consumed_ac", "voltage", "ts"}
    assert set(columns.names) == meter | {"vehicle_id", "soc", "kwh_delivered_dc", "battery_temp"}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ((*METER, "ts"), '"timestamp" and "ts" both mean timestamp (columns 4 and 5)'),
        ((*METER, "voltage"), '"voltage" appears twice (columns 3 and 5)'),
        (("a", "timestamp"), 'no column meterId or vehicleId; found: "a", "timestamp"'),
        (METER[:2], "no column timestamp and voltage, which meter readings need"),
        (
            (*METER, "vehicleId", "soc", "kwhDeliveredDc"),
            "no column batteryTemp, which vehicle readings need",
        ),
        ((), "no column meterId or vehicleId; found: none"),
        (tuple("abcdefghijklmnopqrstuvwxyz"), "and 6 more"),
    ],
)
def test_a_header_that_does_not_do_is_refused(header: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve("a.csv", header)

    assert caught.value.message.startswith("a.csv: ")
    assert message in caught.value.message
    assert caught.value.exit_code is ExitCode.INPUT


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (("meterId", "kwhConsumed", "voltage", "ts"), 'is "kwhConsumed" meant? Rename it to kwhConsumedAc'),
        (("metre_id", "kwhConsumedAc", "voltage", "ts"), 'is "metre_id" meant? Rename it to meterId'),
    ],
)
def test_the_nearest_name_is_offered(header: tuple[str, ...], hint: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve("a.csv", header)

    assert caught.value.hint == hint
