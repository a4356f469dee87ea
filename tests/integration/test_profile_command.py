"""Dumps of other tools, loaded by ``ingest`` as a user runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import Run

NAMES = ("read", "loaded", "duplicate", "conflicting", "rejected")
METERS = "meterId,kwhConsumedAc,voltage,timestamp\n"

OWN = """
[format]
null = ["-"]
[time]
column = "Zeit"
zone = "Europe/Berlin"
fold = "order"
[meter]
id = "Zähler"
energy = { column = "Verbrauch [Wh]", unit = "Wh", kind = "interval" }
voltage = { column = "Spannung [dV]", unit = "dV" }
"""
STRANGE = """Zähler;Zeit;Verbrauch [Wh];Spannung [dV];Gerät
Küche;24.10.2026 23:30;125,5;2301;A
Küche;25.10.2026 02:30;125,0;2301;A
Küche;25.10.2026 02:30;125,0;2301;A
Küche;25.10.2026 02:45;125,0;2301;A
Küche;25.10.2026 02:30;250,0;-;A
Küche;25.10.2026 02:30;260,0;-;A
Küche;25.10.2026 03:00;-;2301;A
Küche;29.03.2026 02:30;1,0;2301;A
Küche;25.10.2026 04:00;1,25
"""


def files(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)["files"]
    return found


def counts(file: dict[str, Any], stream: str) -> tuple[int, ...]:
    return tuple(file["streams"][stream][name] for name in NAMES)


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(statement.encode()).fetchall()


def test_a_strange_dump_is_loaded_by_a_profile_of_ones_own(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "strange.csv").write_bytes(STRANGE.encode("cp1252"))
    options = ("--profile", "own.toml", "--max-rejects", "3", "--format", "json")
    done = run("ingest", "strange.csv", *options)
    assert done.returncode == ExitCode.PROBLEMS, done.stderr
    (file,) = files(done)
    assert counts(file, "meter") == (9, 4, 1, 1, 3)
    assert {rule["rule"]: rule["rejects"] for rule in file["rejectsByRule"]} == {
        "reading:conflicting": 1,
        "kwh_consumed_ac:missing": 1,
        "ts:no_such_local_time": 1,
        "field_count": 1,
    }
    assert file["interpretation"] == {
        "profile": "own",
        "timezone": "Europe/Berlin",
        "fold": "order",
        "decimal": ",",
        "encoding": "windows-1252",
    }
    assert file["ignoredColumns"] == ["Gerät"]
    for note in ("read by the profile own: it was named", "taken as windows-1252", "have a decimal comma"):
        assert note in done.stderr
    assert rows(
        database_url, "SELECT meter_id, ts::text, kwh_consumed_ac, voltage FROM meter_history ORDER BY ts"
    ) == [
        ("Küche", "2026-10-24 21:30:00+00", 0.1255, 230.1),
        ("Küche", "2026-10-25 00:30:00+00", 0.125, 230.1),
        ("Küche", "2026-10-25 00:45:00+00", 0.125, 230.1),
        ("Küche", "2026-10-25 01:30:00+00", 0.25, None),
    ]
    ((raw,),) = rows(database_url, "SELECT raw FROM reject WHERE rule = 'kwh_consumed_ac:missing'")
    assert raw == {
        "Zähler": "Küche",
        "Zeit": "25.10.2026 03:00",
        "Verbrauch [Wh]": "-",
        "Spannung [dV]": "2301",
    }
    ((recorded,),) = rows(database_url, "SELECT options FROM load")
    told = {name: recorded[name] for name in ("profile", "timezone", "fold", "decimal", "encoding")}
    assert told == {
        "profile": "own",
        "timezone": "Europe/Berlin",
        "fold": "order",
        "decimal": ",",
        "encoding": "windows-1252",
    }


def test_files_of_several_kinds_share_a_run(run: Run, database_url: str, tmp_path: Path) -> None:
    head = "datetime, longitude, latitude, engineOn, 12V%, odometer, SOC%, charging, plugged,"
    head += " address, EV range\n"
    row = "2026-01-02 16:10:09+01:00, 5.0, 51.6, False, 90, {}, {}, False, 0, 56; Street; Town, 301.0\n"
    (tmp_path / "a.csv").write_text(head + row.format(1, 76) * 3 + row.format(2, 77))
    (tmp_path / "b.csv").write_text(f"{METERS}M,0.5,230,2026-01-31T12:00:00Z\n")
    (tmp_path / "c.csv").write_text("what,ever\n1,2\n")
    (tmp_path / "d.csv").write_text(f"{METERS}M,0.5,230,01/02/2026 12:00\n")
    (tmp_path / "e.csv").write_text(f"{METERS}N,0.5,230,13.01.2026 12:00\n".replace(",", ";"))
    done = run("ingest", "a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS
    monitor, plain, unknown, ambiguous, dotted = files(done)
    assert counts(monitor, "vehicle") == (4, 1, 2, 1, 0)
    assert monitor["interpretation"]["profile"] == "hyundai-kia"
    assert counts(plain, "meter") == counts(dotted, "meter") == (1, 1, 0, 0, 0)
    assert "--profile" in unknown["hint"]
    assert "--date-order" in ambiguous["hint"]
    assert len(rows(database_url, "SELECT * FROM meter_history")) == 2


def test_a_dump_that_can_be_read_in_two_ways_is_wrong_use_until_told(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"{METERS}M,0.5,230,01/02/2026 12:00\n")
    done = run("ingest", "a.csv")
    assert done.returncode == ExitCode.USAGE
    assert "hint: say which: --date-order dmy, or --date-order mdy" in done.stderr
    assert rows(database_url, "SELECT * FROM meter_history") == []
    assert run("ingest", "a.csv", "--date-order", "dmy").returncode == ExitCode.DONE
    assert rows(database_url, "SELECT ts::text FROM meter_history") == [("2026-02-01 12:00:00+00",)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--profile", "teslafy"), "is teslafi meant?"),
        (("--profile", "none.toml"), "none.toml: cannot be read"),
        (("--timezone", "Berlin"), "is no time zone"),
        (("--fold", "last"), "last"),
    ],
)
def test_options_that_mean_nothing_are_wrong_use(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "a.csv").write_text(METERS)
    done = run("ingest", "a.csv", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert message in done.stderr


def test_the_configuration_names_the_profile(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "energy-etl.toml").write_text(
        '[ingest]\nprofile = "own.toml"\nfold = "later"\ndate_order = "dmy"\ndecimal = ","\n'
    )
    (tmp_path / "strange.csv").write_text("Zähler;Zeit;Verbrauch [Wh]\nKüche;25.10.2026 02:30;1,234\n")
    done = run("ingest", "strange.csv", "--format", "json")
    assert done.returncode == ExitCode.DONE, done.stderr
    (file,) = files(done)
    assert file["streams"]["meter"]["minTs"] == "2026-10-25T01:30:00Z"
    assert "voltage is not in the file" in done.stderr
