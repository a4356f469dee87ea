"""Dumps of other tools, by the profiles that come along and by ones of one's own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl.energy import EnergyKind, EnergyRule
from energy_etl.errors import AmbiguousInputError, InputError, UsageError
from energy_etl.frames import long
from energy_etl.profiles import load as profiles
from energy_etl.profiles.load import load
from tests.quirks.looked_at import look

REGISTER = "Energy.Active.Import.Register"
INTERVAL = "Energy.Active.Import.Interval"
OCPP = "timestamp,charge_box_id,connector_id,measurand,unit,context,phase,location,value\n"
T0, T1 = "2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z"


def ocpp(*rows: str) -> str:
    return OCPP + "".join(f"{row}\n" for row in rows)


def test_ocpp_meter_values_become_a_reading_per_connector_and_time(tmp_path: Path) -> None:
    text = ocpp(
        f"{T0},CP1,1,{REGISTER},Wh,Transaction.Begin,,,0",
        f"{T0},CP1,1,{REGISTER},Wh,Sample.Periodic,,,1500",
        f"{T0},CP1,1,Voltage,V,Sample.Periodic,L1,,231",
        f"{T0},CP1,1,Voltage,V,Sample.Periodic,L2,,232",
        f"{T0},CP1,1,Power.Offered,W,Sample.Periodic,,,11000",
        f"{T0},CP1,2,,,,,,2500",
        f"{T0},CP1,2,{REGISTER},Wh,,L1,,900",
        f"{T1},CP1,1,{REGISTER},kWh,Sample.Clock,,Outlet,1.75",
        f"{T1},CP1,1,SoC,Percent,Sample.Periodic,,EV,80",
        f"{T1},CP1,2,Voltage,V,,,,230",
        f"{T1},CP1,2,{REGISTER},MJ,,,,7",
    )
    found = look(tmp_path, text)
    assert found.how.profile.name == "ocpp"
    assert found.how.why == "its columns are those of the profile"
    assert found.how.energy == {"meter": EnergyRule(EnergyKind.REGISTER)}
    assert found.counts == (4, 3, {"kwh_consumed_ac:unknown_unit": 1})
    readings = [
        (one["meter_id"], one["kwh_consumed_ac"], one["voltage"], one["row_number"]) for one in found.valid
    ]
    assert readings == [("CP1/1", 1.5, 231.0, 2), ("CP1/2", 2.5, None, 6), ("CP1/1", 1.75, None, 8)]
    assert found.passed_over == {
        'channel "Power.Offered"': 1,
        'channel "SoC"': 1,
        "filtered out by context and location and phase": 3,
    }
    assert found.rows == 11


@pytest.mark.parametrize(
    ("measurands", "kind", "energy"),
    [
        ((REGISTER, INTERVAL, "Power.Active.Import"), EnergyKind.REGISTER, [0.001]),
        ((INTERVAL, "Power.Active.Import"), EnergyKind.INTERVAL, [0.002]),
        (("Power.Active.Import",), EnergyKind.POWER, [0.003]),
        (("",), EnergyKind.REGISTER, [0.001]),
    ],
)
def test_ocpp_energy_is_the_register_if_there_is_one(
    tmp_path: Path, measurands: tuple[str, ...], kind: EnergyKind, energy: list[float]
) -> None:
    values = {REGISTER: 1, "": 1, INTERVAL: 2, "Power.Active.Import": 3}
    rows = [{"timestamp": T0, "id": "CP", "measurand": one, "value": values[one]} for one in measurands]
    found = look(tmp_path, "\n".join(map(json.dumps, rows)), "values.ndjson")
    rule = found.how.energy["meter"]
    assert rule is not None
    assert (rule.kind, found.column("kwh_consumed_ac")) == (kind, energy)
    assert found.counts[1] == 1


def test_ocpp_without_any_energy_has_no_readings(tmp_path: Path) -> None:
    found = look(tmp_path, ocpp(f"{T0},CP1,1,Voltage,V,,,,230", f"{T1},CP1,1,Current.Import,A,,,,16"))
    assert found.counts == (0, 0, {})
    assert found.passed_over == {'channel "Current.Import"': 1, "without an energy value beside them": 1}


def test_a_channel_that_is_called_like_a_column_is_refused(tmp_path: Path) -> None:
    own = LONG.replace('"meter"', '"E"')
    with pytest.raises(InputError, match='"E" is a column as well as a channel'):
        look(tmp_path, f"at,E,what,value,unit\n{T0},M,E,1,\n", profile=own)


LONG = """
[time]
column = "at"
[long]
channel = "what"
value = "value"
unit = "unit"
[meter]
id = "meter"
energy = { channel = "E", unit = "Wh", kind = "register" }
voltage = { channel = "U", unit = "dV" }
"""


def long_rows(readings: int, devices: int) -> list[tuple[str, str, str, int]]:
    start = datetime(2026, 1, 1)  # noqa: DTZ001 - as the dump has it
    return [
        (f"{start + timedelta(minutes=at)}", f"M{device}", what, 1000 * at + device)
        for at in range(readings)
        for what in ("U", "E")
        for device in range(devices)
    ]


@settings(max_examples=40, deadline=None)
@given(readings=st.integers(0, 10), devices=st.integers(1, 3), rows=st.integers(1, 9))
def test_readings_may_straddle_batches(
    tmp_path_factory: pytest.TempPathFactory, readings: int, devices: int, rows: int
) -> None:
    given_rows = long_rows(readings, devices)
    text = "at,meter,what,value,unit\n" + "".join(
        f"{at},{meter},{what},{value},\n" for at, meter, what, value in given_rows
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long, "REACH_ROWS", 2 * devices)
        found = look(tmp_path_factory.mktemp("long"), text, profile=LONG, rows=rows)
    assert found.counts == (readings * devices, readings * devices, {})
    assert found.rows == len(given_rows)
    assert not found.passed_over
    energies = [value / 1000 for _, _, what, value in given_rows if what == "E"]
    voltages = [value / 10 for _, _, what, value in given_rows if what == "U"]
    assert found.column("kwh_consumed_ac") == energies
    assert found.column("voltage") == voltages


def test_a_repeated_value_is_another_reading_and_one_without_energy_is_none(tmp_path: Path) -> None:
    rows = [
        *(f"{T0},M,E,1000,", f"{T0},M,U,2300,", f"{T0},M,E,1000,", f"{T0},M,E,1001,", f"{T0},M,U,2310,"),
        *(f"{T1},M,U,2300,", f"{T1},M,T,7,", "2026-01-31T12:02:00Z,M,E,?,"),
    ]
    found = look(tmp_path, "at,meter,what,value,unit\n" + "\n".join(rows), profile=LONG)
    assert found.counts == (4, 3, {"kwh_consumed_ac:missing": 1})
    assert found.column("kwh_consumed_ac") == [1.0, 1.0, 1.001]
    assert found.column("voltage") == [230.0, 231.0, None]
    assert found.passed_over == {'channel "T"': 1, "without an energy value beside them": 1}


def test_a_han_dump_in_parquet_keeps_its_ids_exact(tmp_path: Path) -> None:
    ids = [2**64 - 1, 9007199254740993]
    times = [datetime(2026, 1, 31, 12, minute) for minute in (0, 15)]  # noqa: DTZ001
    rows = [
        (one, at, obis, value)
        for at in times
        for one in ids
        for obis, value in (("1-0:1.8.0", 7.5), ("1-0:32.7.0", 231.5), ("1-0:2.8.0", 0.0))
    ]
    types = {
        "meter_id": pa.uint64(),
        "timestamp": pa.timestamp("ns"),
        "obis": pa.string(),
        "value": pa.float64(),
    }
    columns = zip(types.items(), zip(*rows, strict=True), strict=True)
    table = pa.table({name: pa.array(values, kind) for (name, kind), values in columns})
    pq.write_table(table, tmp_path / "made.parquet")
    found = look(tmp_path, (tmp_path / "made.parquet").read_bytes(), "han.parquet")
    assert found.how.profile.name == "han"
    assert found.counts == (4, 4, {})
    assert set(found.column("meter_id")) == {str(one) for one in ids}
    assert set(found.column("voltage")) == {231.5}
    assert found.passed_over == {'channel "1-0:2.8.0"': 4}


UCI = (
    "Date;Time;Global_active_power;Global_reactive_power;Voltage;Global_intensity;"
    "Sub_metering_1;Sub_metering_2;Sub_metering_3\r\n"
)


def test_a_household_of_uci(tmp_path: Path) -> None:
    rows = "11/1/2007;17:24:00;4.216;0.4;234.84;18.4;0.0;1.0;17.0\r\n11/1/2007;17:25:00;?;?;?;?;?;?;\r\n"
    found = look(tmp_path, UCI + rows, "household.txt")
    assert found.how.profile.name == "uci-household"
    assert found.counts == (2, 1, {"kwh_consumed_ac:missing": 1})
    [reading] = found.valid
    assert (reading["kwh_consumed_ac"], reading["voltage"]) == (4.216, 234.84)
    assert found.times == ["2007-01-11 16:24:00"]
    rule = found.how.energy["meter"]
    assert rule is not None
    assert (rule.kind, rule.max_kw) == (EnergyKind.POWER, 50.0)


TESLAFI = "\ufeffDate,vehicle_id,battery_level,charge_energy_added,charger_voltage,charging_state,odometer\n"


def test_an_export_of_teslafi(tmp_path: Path) -> None:
    rows = [
        "2026-10-25 02:50:00,123,80,9.5,230,Charging,1000",
        "2026-10-25 02:10:00,123,81,10.0,230,Charging,1000",
        "10/25/2026 03:20,123,82,10.21,<invalid>,Complete,1000",
        "2026-10-25 03:30:00,None,None,None,,,",
    ]
    found = look(tmp_path, TESLAFI + "\n".join(rows), timezone="Europe/Berlin")
    assert found.how.profile.name == "teslafi"
    assert found.counts == (4, 3, {"kwh_delivered_dc:missing": 1})
    assert [time[11:16] for time in found.times] == ["00:50", "01:10", "02:20"]
    assert found.column("soc") == [80.0, 81.0, 82.0]
    assert "battery_temp is not in the file" not in found.how.notes()


def test_charges_of_teslamate(tmp_path: Path) -> None:
    head = "id,date,car_id,battery_level,charge_energy_added,charger_power,charging_process_id\n"
    found = look(tmp_path, f"{head}1,2026-01-31 12:00:00.123,1,80,9.5,11,7\n")
    assert found.how.profile.name == "teslamate"
    assert (found.column("vehicle_id"), found.column("kwh_delivered_dc")) == (["1"], [9.5])


def test_a_monitor_of_hyundai_and_kia(tmp_path: Path) -> None:
    head = "datetime, longitude, latitude, engineOn, 12V%, odometer, SOC%, charging, plugged,"
    head += " address, EV range\n"
    row = "2026-01-02 16:10:09+01:00, 5.0, 51.6, False, 90, 21847.1, 76, False, 0, 56; Street; Town, 301.0\n"
    found = look(tmp_path, head + row * 2)
    assert found.how.profile.name == "hyundai-kia"
    assert found.times == ["2026-01-02 15:10:09"] * 2
    assert found.column("soc") == [76.0, 76.0]
    assert "kwh_delivered_dc is 0 in every reading, as the profile says" in found.how.notes()


@pytest.mark.parametrize(
    ("unit", "value", "kwh"),
    [
        ("kWh", "1.5", 1.5),
        ("Wh", "1361", 1.361),
        ("MWh", "0.25", 250.0),
        ("kW", "7.4", 7.4),
        ("W", "7400", 7.4),
    ],
)
def test_energy_comes_in_units(tmp_path: Path, unit: str, value: str, kwh: float) -> None:
    own = f'[time]\ncolumn="t"\n[meter]\nid="id"\nenergy={{column="e",unit="{unit}"}}\n'
    found = look(tmp_path, f"id,t,e\nm,{T0},{value}\n", profile=own)
    assert found.column("kwh_consumed_ac") == [kwh]
    power = unit in ("kW", "W")
    assert found.how.energy["meter"] == (EnergyRule(EnergyKind.POWER) if power else None)


@pytest.mark.parametrize(
    ("column", "unit", "value", "ours"),
    [
        ("soc", "percent", "75.5", 75.5),
        ("soc", "fraction", "0.57", 57.0),
        ("battery_temp", "C", "21.5", 21.5),
        ("battery_temp", "F", "70.7", 21.5),
        ("battery_temp", "K", "293.15", 20.0),
        ("voltage", "V", "230.1", 230.1),
        ("voltage", "dV", "2301", 230.1),
        ("voltage", "mV", "230100", 230.1),
    ],
)
def test_other_measures_come_in_units(
    tmp_path: Path, column: str, unit: str, value: str, ours: float
) -> None:
    stream = "meter" if column == "voltage" else "vehicle"
    own = f'[time]\ncolumn="t"\n[{stream}]\nid="id"\nenergy="e"\n{column}={{column="x",unit="{unit}"}}\n'
    assert look(tmp_path, f"id,t,e,x\nm,{T0},1,{value}\n", profile=own).column(column) == [ours]


def test_a_float_is_no_id(tmp_path: Path) -> None:
    pq.write_table(pa.table({"car_id": [1.8e19], "date": [T0], "charge_energy_added": [1.0]}), tmp_path / "f")
    with pytest.raises(InputError, match='column "car_id" has the type double, which is not accepted'):
        look(tmp_path, (tmp_path / "f").read_bytes(), "f.parquet", profile="teslamate")


def test_a_row_may_hold_a_meter_and_a_vehicle(tmp_path: Path) -> None:
    own = """
[time]
column = "t"
[meter]
id = "box"
energy = { column = "ac", kind = "interval" }
[vehicle]
id = "car"
energy = { column = "dc", kind = "session" }
max_kw = 11
"""
    rows = f"{T0},B1,C1,1.0,0.9\n{T0},B2,,1.0,\n{T0},,,1,1\n"
    found = look(tmp_path, f"t,box,car,ac,dc\n{rows}", profile=own)
    assert found.counts == (4, 3, {"row:no_device": 1})
    assert found.how.energy == {
        "meter": EnergyRule(EnergyKind.INTERVAL),
        "vehicle": EnergyRule(EnergyKind.SESSION, max_kw=11.0),
    }


def test_rejects_show_what_stands_in_the_file(tmp_path: Path) -> None:
    found = look(tmp_path, f"{UCI}31/02/2007;17:24:00;4.2;0;234;18;0;1;17\n", "household.txt")
    assert found.rejects == [
        (
            1,
            "ts:not_a_timestamp",
            "timestamp is '31/02/2007 17:24:00', which is not written as the profile says",
        )
    ]


def test_the_documented_columns_need_no_profile_and_may_be_named(tmp_path: Path) -> None:
    text = f"meterId,kwhConsumedAc,voltage,timestamp\nm,1,230,{T0}\n"
    found, named = look(tmp_path, text), look(tmp_path, text, profile="canonical")
    assert found.valid == named.valid
    assert found.how.energy == {"meter": EnergyRule()}
    assert found.how.notes() == []


def test_a_file_that_two_profiles_know_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twin.toml").write_text('[time]\ncolumn = "date"\n[vehicle]\nid = "car_id"\nenergy = "id"\n')
    known = {**profiles.builtin(), "twin": load(str(tmp_path / "twin.toml"))}
    monkeypatch.setattr(profiles, "builtin", lambda: known)
    text = f"id,date,car_id,charge_energy_added,charger_power\n1,{T0},1,9.5,11\n"
    with pytest.raises(AmbiguousInputError) as caught:
        look(tmp_path, text)
    assert "teslamate and twin" in caught.value.message
    assert "--profile teslamate" in (caught.value.hint or "")
    assert look(tmp_path, text, profile="teslamate").counts == (1, 1, {})


def test_a_file_that_no_profile_knows_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no column meterId or vehicleId; found: "a", "b"') as caught:
        look(tmp_path, "a,b\n1,2\n")
    assert "--profile" in (caught.value.hint or "")


def test_a_file_that_lacks_a_column_of_the_named_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no column car_id, which the profile teslamate needs; found: \"a\""
    ):
        look(tmp_path, "a,date\n1,2\n", profile="teslamate")


GOOD = '[time]\ncolumn = "t"\n[meter]\nid = "id"\nenergy = "e"\n'


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[time\n", "is no TOML", "toml.io"),
        ('[meter]\nid = "i"\nenergy = "e"\n', "has no [time]", "[time]"),
        ('[time]\ncolumn = "t"\n', "has neither [meter] nor [vehicle]", ""),
        (f"{GOOD}[metre]\n", "metre is no key of a profile", "is meter meant?"),
        (GOOD.replace("energy", "enregy"), "meter has no energy", ""),
        (f'{GOOD}volt = "v"\n', "meter.volt is no key of a profile", "is voltage meant?"),
        (GOOD.replace('"e"', '{ column = "e", unit = "J" }'), "meter.energy.unit is 'J'", "kWh, Wh, MWh"),
        (GOOD.replace('"e"', '{ column = "e", kind = "delta" }'), "meter.energy.kind is 'delta'", "interval"),
        (
            GOOD.replace('"e"', '{ column = "e", unit = "W", kind = "register" }'),
            "meter.energy.kind is register, but W is power",
            "power",
        ),
        (GOOD.replace('"e"', '{ column = "e", kind = "power" }'), "but kWh is energy", "kW"),
        (GOOD.replace('"e"', "7"), "meter.energy is neither a text nor a list of texts", ""),
        (GOOD.replace('"id"', "{ }"), "meter.id says it in no way", "constant"),
        (GOOD.replace('"id"', '{ file_name = "(" }'), "meter.id.file_name is no regular expression", ""),
        (GOOD.replace('"id"', '{ file_name = "x" }'), "has 0 groups", ""),
        (GOOD.replace('"t"', '"t"\nzone = "Berlin"'), "time.zone is 'Berlin'", "Europe/Berlin"),
        (GOOD.replace('"t"', '"t"\nfold = "last"'), "time.fold is 'last'", "later"),
        (GOOD.replace('"t"', '"t"\nformats = "ISO"'), "time.formats has 'ISO'", '"iso"'),
        (GOOD.replace('"t"', '"t"\nformats = "%d.%m.%Y"'), "time.formats has '%d.%m.%Y'", "%H:%M:%S"),
        (GOOD.replace('"t"', '"t"\nformats = "%Y-%m-%d %H"'), "no date and time can be read", "%H:%M:%S"),
        (GOOD.replace('"t"', '"t"\nformats = "%d/%m %H:%M"'), "no date and time can be read", ""),
        (GOOD.replace('"t"', '"t"\nformats = "%Y-%m-%d %H:%M:%S,%f"'), "no date and time can be read", ""),
        (GOOD.replace('"t"', '"t"\ndate = "d"'), "time does not say where the time is", "column"),
        (GOOD.replace('"t"', '"t"\norigin = "now"'), "time.origin is no moment", "quotes"),
        (f'{GOOD}[format]\ndecimal = ";"\n', "format.decimal is ';'", '","'),
        (f'{GOOD}[format]\ndecimal = ","\nthousands = ","\n', "format.thousands is the decimal mark", ""),
        (f'{GOOD}[format]\ndelimiter = "::"\n', "format.delimiter is '::'", "one character"),
        (f'{GOOD}[format]\nencoding = "klingon"\n', "format.encoding is 'klingon'", "windows-1252"),
        (f'{GOOD}[format]\nencoding = "base64"\n', "format.encoding is 'base64'", "windows-1252"),
        (f"{GOOD}[format]\nskip_rows = -1\n", "format.skip_rows is -1", ""),
        (
            GOOD.replace('"e"', "{ constant = 0 }") + '[long]\nchannel = "c"\nvalue = "v"\n',
            "meter.energy is constant",
            "channel",
        ),
        (f"{GOOD}max_kw = 0\n", "meter.max_kw is 0", "above 0"),
        (f'{GOOD}max_kw = "11"\n', "meter.max_kw is not a number", "quotes"),
        (f'{GOOD}[long]\nchannel = "c"\n', "long has no value", "value"),
        (f'{GOOD}description = 3\n'.replace("description", "x", 0), "meter.description is no key", ""),
    ],
)  # fmt: skip
def test_a_profile_that_means_nothing_is_wrong_use(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(str(tmp_path / "own.toml"))
    assert caught.value.message.startswith(f"{tmp_path}/own.toml: ")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("teslafy", "--profile 'teslafy' is no profile", "is teslafi meant?"),
        ("xyz", "--profile 'xyz' is no profile", "canonical, han, hyundai-kia, ocpp"),
        ("no/such.toml", "no/such.toml: cannot be read", "path"),
    ],
)
def test_a_profile_that_is_not_there_is_wrong_use(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(name)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_profiles_that_come_along_are_all_right() -> None:
    for name, profile in profiles.builtin().items():
        assert profile.name == name
        assert profile.description


REAL = Path(__file__).parents[3] / "shared" / "realdata"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize(
    ("file", "profile", "read", "missing"),
    [
        ("uci_household_power/household_power_consumption.txt", "uci-household", 7999, 2),
        ("hyundai_kia_monitor/tests_INPUT_monitor.csv", "hyundai-kia", 497, 0),
        ("hyundai_kia_monitor/examples_monitor.csv", "hyundai-kia", 24, 0),
    ],
)
def test_real_files(tmp_path: Path, file: str, profile: str, read: int, missing: int) -> None:
    path = REAL / file
    found = look(tmp_path, path.read_bytes(), path.name)
    assert found.how.profile.name == profile
    rules = {"kwh_consumed_ac:missing": missing} if missing else {}
    assert found.counts == (read, read - missing, rules)


TRIP = """
[time]
column = "Time [s]"
origin = 2019-06-25T13:21:14Z
[vehicle]
id = { file_name = '^(\\w+)\\.csv$' }
energy = { constant = 0 }
soc = "displayed SoC [%]"
battery_temp = "Battery Temperature [°C]"
"""


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
def test_a_real_trip_by_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = REAL / "bmw_i3_trips/TripA01.csv"
    found = look(tmp_path, path.read_bytes(), path.name, profile=TRIP)
    assert found.counts == (3999, 3999, {})
    first = found.valid[0]
    assert (first["vehicle_id"], first["soc"], first["battery_temp"]) == ("TripA01", 100.0, 21.0)
    assert "is not UTF-8, taken as windows-1252" in found.how.notes()
