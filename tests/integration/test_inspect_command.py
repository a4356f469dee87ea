"""``inspect`` as a user runs it: what it says of dumps, without any database."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.conftest import Run

    Look = Callable[..., dict[str, Any]]

METERS = "meterId,kwhConsumedAc,voltage,timestamp"
VEHICLES = "vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp"
REALDATA = Path(__file__).resolve().parents[3] / "shared" / "realdata"
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}

OWN = """
[time]
column = "when"
[meter]
id = "device"
energy = {{ column = "energy", unit = "{unit}"{kind} }}
voltage = {{ column = "volt", unit = "{volt}" }}
"""


def minute(number: int) -> str:
    return f"2026-03-01T{number // 60:02d}:{number % 60:02d}:00Z"


def uneven(number: int) -> float:
    """Goes up and down."""
    return 0.01 + 0.005 * (number * 7 % 5)


def dump(header: str, row: Callable[[int], tuple[object, ...]], rows: int = 60) -> str:
    lines = [",".join(map(str, row(number))) for number in range(rows)]
    return "\n".join([header, *lines, ""])


def meters(energy: Callable[[int], float] = uneven, voltage: object = 230, rows: int = 60) -> str:
    return dump(METERS, lambda at: ("M-1", energy(at), voltage, minute(at)), rows)


def vehicles(soc: float = 50, temperature: float = 20) -> str:
    return dump(VEHICLES, lambda at: ("V-1", soc, uneven(at), temperature, minute(at)))


def looked(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stderr == "", done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["files"]
    return found


@pytest.fixture
def look(run_without_server: Run, tmp_path: Path) -> Look:
    """Write a dump, inspect it, and hold the exit code against the verdict."""

    def look(content: str | bytes, *options: str, name: str = "dump.csv") -> dict[str, Any]:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        # A server that is named and not there: none is asked.
        done = run_without_server("inspect", name, *options, "--format", "json", env=NOWHERE)
        (found,) = looked(done)
        assert done.returncode == found["exitCode"]
        return found

    return look


def column(found: dict[str, Any], means: str) -> dict[str, Any]:
    (one,) = (one for one in found["columns"] if one["means"] == means)
    return one  # type: ignore[no-any-return]


def test_a_dump_with_the_documented_columns(look: Look) -> None:
    found = look(meters())
    assert found["verdict"] == "would be loaded"
    assert found["exitCode"] == ExitCode.DONE
    assert (found["format"], found["compression"], found["encoding"]) == ("csv", "none", "utf-8")
    assert (found["delimiter"], found["rows"], found["bytes"]) == (",", 60, len(meters()))
    assert found["profile"] == "canonical"
    assert found["commands"] == ["energy-etl ingest dump.csv"]
    assert column(found, "voltage") == {
        "names": ["voltage"],
        "means": "voltage",
        "type": "number",
        "unit": "V",
        "doubt": None,
        "values": 60,
        "missing": 0,
        "nullTokens": {},
        "unreadable": 0,
        "min": 230.0,
        "max": 230.0,
        "example": "230",
    }
    stream = found["streams"]["meter"]
    assert stream.pop("energy")["kind"] == "interval"
    assert stream == {
        "read": 60,
        "loaded": 60,
        "duplicate": 0,
        "conflicting": 0,
        "rejected": 0,
        "repetitionsCountedAmong": 60,
        "devices": 1,
        "minTs": "2026-03-01T00:00:00Z",
        "maxTs": "2026-03-01T00:59:00Z",
        "cadenceS": 60.0,
        "order": "by time",
        "backwardSteps": 0,
    }


@pytest.mark.parametrize(
    ("content", "means", "unit"),
    [
        (meters(voltage=2301), "voltage", '"dV"'),
        (meters(voltage=230_100), "voltage", '"mV"'),
        (meters(voltage=0.97), "voltage", "not the voltage of a line"),
        (meters(lambda at: 1000 * (0.1 + uneven(at))), "kwh_consumed_ac", '"Wh"'),
        (meters(lambda at: 500_000 + 60.0 * at), "kwh_consumed_ac", '"Wh"'),
        (vehicles(soc=0.5), "soc", '"fraction"'),
        (vehicles(temperature=77), "battery_temp", '"F"'),
        (vehicles(temperature=293), "battery_temp", '"K"'),
    ],
)
def test_a_unit_that_looks_wrong_is_told(look: Look, content: str, means: str, unit: str) -> None:
    found = look(content)
    assert unit in column(found, means)["doubt"]
    others = [one["doubt"] for one in found["columns"] if one["means"] != means]
    assert others == [None] * len(others)


def test_power_in_watts_looks_wrong(look: Look) -> None:
    found = look(meters(lambda at: 2000 + at % 7), "--meter-energy", "power")
    assert '"W"' in column(found, "kwh_consumed_ac")["doubt"]


def test_units_that_a_profile_says_are_not_doubted(look: Look, tmp_path: Path) -> None:
    text = OWN.format(unit="Wh", volt="dV", kind=', kind = "register"')
    (tmp_path / "own file.toml").write_text(text, encoding="utf-8")
    rows = dump("device,when,energy,volt", lambda at: ("M-1", minute(at), 500_000 + 60.0 * at, 2301))
    found = look(rows, "--profile", "own file.toml")
    assert [one["doubt"] for one in found["columns"]] == [None] * 4
    energy = column(found, "kwh_consumed_ac")
    assert (energy["names"], energy["unit"], energy["min"]) == (["energy"], "Wh", 500_000.0)
    assert found["commands"] == ["energy-etl ingest dump.csv --profile 'own file.toml'"]
    kind = found["streams"]["meter"]["energy"]
    assert (kind["kind"], kind["origin"], kind["flags"]) == ("register", "declared", {"first": 1})
    assert kind["kwh"] == pytest.approx(3.54)


@pytest.mark.parametrize(
    ("content", "options", "likely"),
    [
        (meters(lambda at: 5000 + 0.05 * at), [], "register"),
        (meters(lambda at: 0.05 + 0.1 * (at % 20)), [], "session"),
        (meters(lambda at: 1000 * (0.1 + uneven(at))), [], None),
    ],
)
def test_energy_that_is_not_what_it_should_be(
    look: Look, content: str, options: list[str], likely: str | None
) -> None:
    found = look(content, *options)
    assert (found["verdict"], found["exitCode"]) == ("needs an option", ExitCode.USAGE)
    energy = found["streams"]["meter"]["energy"]
    assert (energy["kind"], energy["likely"]) == (None, likely)
    assert energy["evidence"][0]["readings"] == 60
    assert "--meter-energy" in found["problems"][0]["hint"]
    assert len(found["commands"]) == 4
    assert found["commands"][0] == f"energy-etl ingest dump.csv --meter-energy {likely or 'interval'}"


def test_energy_that_nobody_has_declared(look: Look, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN.format(unit="kWh", volt="V", kind=""), encoding="utf-8")
    header = "device,when,energy,volt"
    few = dump(header, lambda at: ("M-1", minute(at), 7.0 + at, 230), rows=5)
    found = look(few, "--profile", "own.toml")
    assert found["exitCode"] == ExitCode.USAGE
    assert "so few of them" in found["problems"][0]["message"]
    assert found["streams"]["meter"]["energy"]["kind"] is None
    register = dump(header, lambda at: ("M-1", minute(at), 7000 + 0.1 * at, 230))
    found = look(register, "--profile", "own.toml")
    assert found["exitCode"] == ExitCode.DONE
    energy = found["streams"]["meter"]["energy"]
    assert (energy["kind"], energy["origin"]) == ("register", "found")
    assert found["commands"] == ["energy-etl ingest dump.csv --profile own.toml --meter-energy register"]


def test_both_streams_can_be_ambiguous(look: Look) -> None:
    mixed = dump(
        f"{METERS},vehicleId,soc,kwhDeliveredDc,batteryTemp",
        lambda at: ("M-1", 5000 + 0.05 * at, 230, minute(at), "V-1", 50, 7000 + 0.05 * at, 20),
    )
    found = look(mixed)
    assert [len(problem["choices"]) for problem in found["problems"]] == [4, 4]
    assert len(found["commands"]) == 16
    best = {"--meter-energy register", "--vehicle-energy register"}
    assert all(choice in found["commands"][0] for choice in best)


def test_what_is_derived_is_counted(look: Look) -> None:
    values = [5000 + 0.05 * at for at in range(60)]
    values[10], values[30] = 0.0, 4999.9
    found = look(meters(lambda at: values[at]), "--meter-energy", "register")
    energy = found["streams"]["meter"]["energy"]
    assert energy["flags"] == {"first": 1, "dropout": 1, "dip": 1}
    assert energy["kwh"] == pytest.approx(2.95)
    assert energy["origin"] == "told"


def test_dates_that_can_be_read_in_two_ways(look: Look) -> None:
    text = dump(METERS, lambda at: ("M-1", 0.1, 230, f"0{at + 1}/01/2026 10:00"), rows=8)
    found = look(text)
    assert found["exitCode"] == ExitCode.USAGE
    assert found["commands"] == [
        "energy-etl ingest dump.csv --date-order dmy",
        "energy-etl ingest dump.csv --date-order mdy",
    ]
    assert found["rows"] is None
    found = look(text, "--date-order", "mdy", "--timezone", "Europe/Berlin")
    assert found["exitCode"] == ExitCode.DONE
    assert found["naiveTimestamps"] == 8
    assert found["commands"] == [
        "energy-etl ingest dump.csv --timezone Europe/Berlin --date-order mdy",
    ]


def test_commas_that_can_be_read_in_two_ways(look: Look) -> None:
    text = dump(METERS, lambda at: ("M-1", "1,234", 230, minute(at)), rows=5)
    text = "\n".join(";".join(line.replace("1,234", "1#234").split(",")) for line in text.splitlines())
    found = look(text.replace("#", ","))
    assert found["exitCode"] == ExitCode.USAGE
    assert found["problems"][0]["choices"] == ["--decimal ,", "--decimal ."]
    found = look(text.replace("#", ",") + "\n", "--decimal", ",")
    assert (found["exitCode"], found["decimal"]) == (ExitCode.DONE, ",")
    assert column(found, "kwh_consumed_ac")["max"] == 1.234


def test_what_was_found_out_stands_in_the_command(look: Look) -> None:
    rows = "".join(f"M-1;0,{at}5;230,1;{at}.03.2026 10:00\n" for at in range(1, 6))
    found = look(METERS.replace(",", ";") + "\n" + rows)
    assert found["commands"] == ["energy-etl ingest dump.csv --timezone UTC --decimal ,"]


def test_columns_that_two_profiles_know(look: Look) -> None:
    header = "Date,id,charge_energy_added,battery_level,charger_voltage,charging_state,usable_battery_level"
    row = "2026-03-01 10:00:00,7,0.1,50,230,Charging,49"
    both = f"{header},datetime,12V%,odometer,SOC%,EV range\n{row},2026-03-01 10:00:00,85,1,50,200\n"
    found = look(both)
    assert found["exitCode"] == ExitCode.USAGE
    assert found["problems"][0]["choices"] == ["--profile hyundai-kia", "--profile teslafi"]
    fits = {near["profile"] for near in found["nearestProfiles"] if not near["missing"]}
    assert {"hyundai-kia", "teslafi"} <= fits


def test_columns_that_no_profile_knows(look: Look) -> None:
    found = look("meterId;Wann;kwhConsumedAc;voltage;Notiz\nM-1;2026-03-01 10:00;-;230,5;\x1b[31mrot[/]\n")
    assert (found["verdict"], found["exitCode"]) == ("would be refused", ExitCode.INPUT)
    assert found["nearestProfiles"][0] == {
        "profile": "canonical",
        "found": ["meterId", "kwhConsumedAc", "voltage"],
        "missing": ["timestamp"],
    }
    types = {one["names"][0]: one["type"] for one in found["columns"]}
    assert types == {
        "meterId": "text",
        "Wann": "time",
        "kwhConsumedAc": "text",
        "voltage": "number with a comma",
        "Notiz": "text",
    }
    assert found["columns"][2]["nullTokens"] == {"-": 1}
    assert found["commands"] == []


def test_rejects_repetitions_and_missing_values_are_counted(look: Look) -> None:
    rows = [
        f"M-1,0.1,230,{minute(2)}",
        f"M-1,0.1,230,{minute(2)}",
        f"M-1,0.2,230,{minute(2)}",
        f"M-1,0.1,NA,{minute(1)}",
        f"M-1,0.1,,{minute(3)}",
        f"M-1,n/a,230,{minute(4)}",
        *(f"M-1,0.1,230,{minute(at)}" for at in range(10, 20)),
    ]
    found = look("\n".join([METERS, *rows, ""]))
    assert found["exitCode"] == ExitCode.PROBLEMS
    stream = found["streams"]["meter"]
    counts = ("read", "loaded", "duplicate", "conflicting", "rejected", "backwardSteps")
    assert [stream[name] for name in counts] == [16, 13, 1, 1, 1, 1]
    assert stream["order"] == "unordered"
    assert found["rejectsByRule"] == [{"stream": "meter", "rule": "kwh_consumed_ac:missing", "rejects": 1}]
    voltage = column(found, "voltage")
    assert (voltage["missing"], voltage["nullTokens"]) == (2, {"NA": 1})
    assert column(found, "kwh_consumed_ac")["nullTokens"] == {"n/a": 1}


def test_counts_are_those_of_a_dry_run(run: Run, look: Look) -> None:
    samples = Path(__file__).resolve().parents[2] / "samples"
    found = look((samples / "dirty.csv").read_bytes(), name="dirty.csv")
    done = run("ingest", "dirty.csv", "--dry-run", "--format", "json", "--quiet")
    (file,) = json.loads(done.stdout)["files"]
    assert found["exitCode"] == done.returncode
    broken = [one for one in file["rejectsByRule"] if one["rule"] != "reading:conflicting"]
    assert sorted(found["rejectsByRule"], key=str) == sorted(broken, key=str)
    for name in ("read", "loaded", "duplicate", "conflicting", "rejected"):
        for stream in ("meter", "vehicle"):
            assert found["streams"][stream][name] == file["streams"][stream][name]
    assert found["unassigned"] == file["streams"]["unassigned"]["read"]


@pytest.mark.parametrize(
    ("devices", "order"),
    [
        (("A", "B", "A", "B"), "by time"),
        (("A", "A", "B", "B"), "by device and time"),
        (("A", "B", "B", "A"), "by time within each device"),
    ],
)
def test_order_is_told(look: Look, devices: tuple[str, ...], order: str) -> None:
    seen: dict[str, int] = {}
    rows = []
    for at, device in enumerate(devices):
        seen[device] = seen.get(device, 0) + 1
        when = at if order == "by time" else seen[device]
        rows.append(f"{device},0.1,230,{minute(when)}")
    if order == "by time within each device":
        rows.insert(3, f"B,0.1,230,{minute(5)}")
    assert look("\n".join([METERS, *rows, ""]))["streams"]["meter"]["order"] == order


def test_parquet_and_archives(look: Look, tmp_path: Path) -> None:
    table = pa.table(
        {"meterId": ["M-1"], "kwhConsumedAc": [0.1], "voltage": [230], "timestamp": [1_772_359_200], "x": [1]}
    )
    pq.write_table(table, tmp_path / "made.parquet")
    found = look((tmp_path / "made.parquet").read_bytes(), name="dump.parquet")
    assert (found["exitCode"], found["format"], found["delimiter"]) == (ExitCode.DONE, "parquet", None)
    assert (column(found, "voltage")["type"], column(found, "voltage")["max"]) == ("Int64", 230.0)
    assert [one["names"] for one in found["columns"] if one["means"] is None] == [["x"]]
    found = look(gzip.compress(meters().encode()), name="dump.csv.gz")
    assert (found["exitCode"], found["compression"], found["rows"]) == (ExitCode.DONE, "gzip", 60)


def test_one_bad_file_does_not_stop_the_others(run_without_server: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(meters(), encoding="utf-8")
    (tmp_path / "b.csv").write_bytes(b"")
    (tmp_path / "c.csv").write_text(meters(lambda at: 5000 + 0.05 * at), encoding="utf-8")
    done = run_without_server("inspect", ".", "--format", "json")
    assert [file["exitCode"] for file in looked(done)] == [0, 4, 2]
    assert done.returncode == ExitCode.USAGE
    assert run_without_server("inspect", "a.csv", "b.csv").returncode == ExitCode.INPUT
    table = run_without_server("inspect", ".").stdout
    assert [line.split()[1] for line in table.splitlines() if line.startswith("File ")] == [
        "a.csv",
        "b.csv",
        "c.csv",
    ]
    rows = run_without_server("inspect", ".", "--format", "csv").stdout.splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["a.csv", "would be loaded"],
        ["b.csv", "would be refused"],
        ["c.csv", "needs an option"],
    ]


def test_names_and_values_are_shown_and_not_obeyed(run_without_server: Run, tmp_path: Path) -> None:
    name = "it's \x1b[31m[b]\u202e.csv"
    (tmp_path / name).write_text(
        dump(f"{METERS},\x1b[1m[/]", lambda at: ("\x1b]0;M[/]", uneven(at), 230, minute(at), 1)),
        encoding="utf-8",
    )
    done = run_without_server("inspect", name)
    assert done.returncode == ExitCode.INPUT
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\x1b[1m[/]" in done.stdout
    assert done.stderr == ""


def test_the_command_can_be_copied(run: Run, look: Look, tmp_path: Path) -> None:
    name = "-it's a dump $(x).csv"
    (tmp_path / name).write_text(meters(lambda at: 5000 + 0.05 * at), encoding="utf-8")
    done = run("inspect", f"./{name}", "--format", "json")
    command = looked(done)[0]["commands"][0]
    program, *words = shlex.split(command)
    assert program == "energy-etl"
    assert words == ["ingest", f"./{name}", "--meter-energy", "register"]
    loaded = run(*words, "--format", "json")
    assert loaded.returncode == ExitCode.DONE, loaded.stderr


def test_standard_input(run_without_server: Run) -> None:
    done = run_without_server("inspect", "-", "--format", "json", stdin=meters())
    assert done.returncode == ExitCode.DONE
    assert looked(done)[0]["commands"] == ["energy-etl ingest -"]


def test_options_of_the_configuration_hold(run_without_server: Run, tmp_path: Path) -> None:
    text = dump(METERS, lambda at: ("M-1", 0.1, 230, f"2026-03-01 {at + 10}:00"), rows=3)
    (tmp_path / "dump.csv").write_text(text, encoding="utf-8")
    (tmp_path / "energy-etl.toml").write_text('[ingest]\ntimezone = "Europe/Berlin"\n', encoding="utf-8")
    done = run_without_server("inspect", "dump.csv", "--format", "json")
    assert looked(done)[0]["timezone"] == "Europe/Berlin"


def test_ingest_names_inspect_where_a_dump_is_ambiguous(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dump one.csv").write_text(meters(lambda at: 5000 + 0.05 * at), encoding="utf-8")
    done = run("ingest", "dump one.csv")
    assert done.returncode == ExitCode.USAGE
    assert "`energy-etl inspect 'dump one.csv'` shows what is in it" in done.stderr
    (tmp_path / "strange.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "`energy-etl inspect` shows what they hold" in run("ingest", "strange.csv").stderr


@pytest.mark.parametrize(
    ("path", "profile", "code", "counts"),
    [
        ("hyundai_kia_monitor/tests_INPUT_monitor.csv", "hyundai-kia", 0, (497, 171, 326, 0, 0)),
        ("uci_household_power/household_power_consumption.txt", "uci-household", 5, (7999, 7997, 0, 0, 2)),
    ],
)
def test_real_files(
    run_without_server: Run, path: str, profile: str, code: int, counts: tuple[int, ...]
) -> None:
    if not (REALDATA / path).exists():
        pytest.skip("the real files are not here")
    done = run_without_server("inspect", REALDATA / path, "--format", "json")
    (found,) = looked(done)
    assert (done.returncode, found["profile"]) == (code, profile)
    (stream,) = found["streams"].values()
    names = ("read", "loaded", "duplicate", "conflicting", "rejected")
    assert tuple(stream[name] for name in names) == counts


def test_a_real_file_that_needs_a_profile_shows_its_columns(run_without_server: Run) -> None:
    path = REALDATA / "bmw_i3_trips" / "TripA01.csv"
    if not path.exists():
        pytest.skip("the real files are not here")
    done = run_without_server("inspect", path, "--format", "json")
    (found,) = looked(done)
    assert (done.returncode, found["encoding"], found["rows"]) == (ExitCode.INPUT, "windows-1252", 3999)
    temperature = next(one for one in found["columns"] if one["names"] == ["Battery Temperature [°C]"])
    assert (temperature["type"], temperature["min"], temperature["max"]) == ("number", 21.0, 22.0)
