"""Rejects of dumps that were read by a profile, or with a kind of energy, retried as they were read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

COUNTS = ("read", "loaded", "duplicate", "conflicting", "rejected")
REGISTER = "Energy.Active.Import.Register"

OWN = """
[time]
column = "Zeit"
zone = "Europe/Berlin"
fold = "order"
[meter]
id = "source"
energy = { column = "Verbrauch [Wh]", unit = "Wh", kind = "interval" }
voltage = { column = "Spannung [dV]", unit = "dV" }
"""
STRANGE = """source;Zeit;Verbrauch [Wh];Spannung [dV]
K;24.10.2026 23:30;125,5;2301
K;25.10.2026 02:30;oops;2301
K;24.10.2026 23:30;250,0;2301
K;25.10.2026 04:00
"""


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(statement.encode()).fetchall()


def retried(run: Run, *arguments: str, code: ExitCode = ExitCode.DONE) -> tuple[int, ...]:
    done = run("rejects", "retry", *arguments, "--format", "json")
    assert done.returncode == code, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    return tuple(file["streams"]["meter"][name] for name in COUNTS)


def change(path: Path, **replaced: str) -> None:
    text = path.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def test_fields_stay_under_the_names_of_the_dump_and_are_read_by_its_profile(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "strange.csv").write_text(STRANGE)
    done = run("ingest", "strange.csv", "--profile", "own.toml", "--max-rejects", "100%")
    assert done.returncode == ExitCode.PROBLEMS, done.stderr
    assert run("rejects", "export", "--to", "fix.csv").returncode == ExitCode.DONE
    header, *lines = (tmp_path / "fix.csv").read_text().splitlines()
    # A field that is called like one of ours does not get into its way.
    assert {"its source", "Zeit", "Verbrauch [Wh]", "Spannung [dV]", "line"} <= set(header.split(","))
    assert len(lines) == 3

    unknown = run("rejects", "retry", "--from", "fix.csv")
    assert unknown.returncode == ExitCode.USAGE
    assert "read by the profile own, which is not built in" in unknown.stderr
    change(tmp_path / "fix.csv", **{",oops,": ',"77,5",'})
    mended = ("--from", "fix.csv", "--profile", "own.toml")
    # Which of the two half past two it was, only the rows around it could tell.
    assert retried(run, *mended, code=ExitCode.PROBLEMS) == (1, 0, 0, 0, 1)
    assert retried(run, *mended, "--fold", "later") == (1, 1, 0, 0, 0)
    assert rows(database_url, "SELECT meter_id, kwh_consumed_ac, voltage FROM meter_history ORDER BY ts") == [
        ("K", 0.1255, 230.1),
        ("K", 0.0775, 230.1),
    ]
    assert rows(database_url, "SELECT ts::text FROM meter_live") == [("2026-10-25 01:30:00+00",)]


def test_a_conflicting_reading_is_in_our_units_already(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "strange.csv").write_text(STRANGE)
    run("ingest", "strange.csv", "--profile", "own.toml", "--max-rejects", "100%")
    both = run("rejects", "retry", "--profile", "own.toml", "--on-conflict", "replace")
    assert both.returncode == ExitCode.USAGE
    assert "retry them apart: first with --rule reading:conflicting" in both.stderr
    assert retried(run, "--rule", "reading:*", "--on-conflict", "replace") == (1, 0, 0, 1, 0)
    assert rows(database_url, "SELECT kwh_consumed_ac, voltage, load_id > 1 FROM meter_history") == [
        (0.25, 230.1, True)
    ]


def test_what_a_long_layout_had_in_several_rows_is_one(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "ocpp.csv").write_text(
        "timestamp,charge_box_id,connector_id,measurand,unit,context,phase,location,value\n"
        f"2026-01-31T12:00:00Z,CP1,1,{REGISTER},Wh,,,,1500\n"
        f"2026-01-31T12:01:00Z,CP1,1,{REGISTER},kWh,,,,oops\n"
        "2026-01-31T12:01:00Z,CP1,1,Voltage,V,,L1,,232\n"
        f"2026-01-31T12:02:00Z,CP1,1,{REGISTER},MJ,,,,7\n"
        f"2026-01-31T12:03:00Z,CP1,1,{REGISTER},kWh,,,,1.875\n"
    )
    run("ingest", "ocpp.csv", "--max-rejects", "100%")
    run("rejects", "export", "--to", "fix.ndjson")
    change(tmp_path / "fix.ndjson", oops="1.625", MJ="kWh")
    change(tmp_path / "fix.ndjson", **{'"7"': '"1.75"'})
    assert retried(run, "--from", "fix.ndjson") == (2, 2, 0, 0, 0)
    # A register that comes in late derives its neighbours anew.
    assert rows(
        database_url, "SELECT register_kwh, kwh_consumed_ac, voltage, load_id FROM meter_history ORDER BY ts"
    ) == [(1.5, 0.0, None, 1), (1.625, 0.125, 232.0, 2), (1.75, 0.125, None, 2), (1.875, 0.125, None, 1)]


def test_a_register_stays_one(run: Run, database_url: str, tmp_path: Path) -> None:
    header = "meterId,kwhConsumedAc,voltage,timestamp\n"
    first = "".join(f"M-1,{100 + minute / 8},230,2026-03-01T10:{minute:02d}:00Z\n" for minute in range(5))
    (tmp_path / "a.csv").write_text(header + first)
    assert run("ingest", "a.csv", "--meter-energy", "register").returncode == ExitCode.DONE
    second = "M-1,100.75,230,2026-03-01T10:04:00Z\nM-1,much,230,2026-03-01T10:05:00Z\n"
    (tmp_path / "b.csv").write_text(header + second)
    run("ingest", "b.csv", "--meter-energy", "register", "--max-rejects", "100%")
    run("rejects", "export", "--to", "fix.csv")
    change(tmp_path / "fix.csv", much="101")
    assert retried(run, "--from", "fix.csv", "--on-conflict", "replace") == (2, 1, 0, 1, 0)
    assert rows(
        database_url, "SELECT register_kwh, kwh_consumed_ac FROM meter_history ORDER BY ts DESC LIMIT 2"
    ) == [(101.0, 0.25), (100.75, 0.375)]


def test_rows_of_dumps_that_were_read_in_different_ways_are_retried_apart(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "strange.csv").write_text(STRANGE)
    bad = "M-1,x,230,2026-03-01T10:00:00Z\n"
    (tmp_path / "a.csv").write_text(f"meterId,kwhConsumedAc,voltage,timestamp\n{bad}")
    run("ingest", "strange.csv", "--profile", "own.toml", "--max-rejects", "100%")
    run("ingest", "a.csv", "--max-rejects", "100%")
    done = run("rejects", "retry")
    assert done.returncode == ExitCode.USAGE
    assert "read by different profiles: canonical, own" in done.stderr
    assert retried(run, "--load", "2", code=ExitCode.PROBLEMS) == (1, 0, 0, 0, 1)
