"""What an energy column carries: told, declared, remembered or plain; else the dump is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.conftest import Run

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
INTERVALS = [0.1, 0.3, 0.2, 0.4, 0.1, 0.2, 0.5, 0.3] * 6
REGISTER = [20_000 + 0.2 * at for at in range(48)]
OLD_REGISTER = [5_000 + 0.2 * at for at in range(48)]
SESSIONS = ([0.3 * at for at in range(1, 13)] * 4)[:48]
SMALL_REGISTER = [0.2 * at for at in range(1, 49)]
CONSTANT = [0.2] * 48
UNDECLARED = """
[time]
column = "at"
[meter]
id = { column = "id" }
energy = { column = "energy", unit = "kWh" }
"""


@pytest.fixture
def dump(tmp_path: Path) -> Callable[..., str]:
    """Write a dump of M-1 in the documented columns, or in those of ``UNDECLARED``."""
    (tmp_path / "undeclared.toml").write_text(UNDECLARED)

    def write(name: str, values: Sequence[float], *, start: int = 0, documented: bool = True) -> str:
        columns = "meterId,kwhConsumedAc,voltage,timestamp" if documented else "id,energy,other,at"
        lines = [columns]
        for at, value in enumerate(values, start):
            lines.append(f"M-1,{value:.4f},230,{BEGIN + timedelta(minutes=at):%Y-%m-%dT%H:%M:%SZ}")
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return name

    return write


def energies(address: str) -> tuple[float, float | None]:
    with psycopg.connect(address) as conn:
        row = conn.execute("SELECT sum(kwh_consumed_ac), max(register_kwh) FROM meter_history").fetchone()
    assert row
    return round(row[0], 6), None if row[1] is None else round(row[1], 6)


def only_file(stdout: str) -> dict[str, Any]:
    (found,) = json.loads(stdout)["files"]
    return dict(found)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("beyond the ceiling", OLD_REGISTER),
        ("partly so", [*[11.5, 0.0] * 10, *[0.5] * 28]),
        ("only rising", SMALL_REGISTER),
        ("starting over", SESSIONS),
    ],
)
def test_documented_columns_with_a_counter_are_refused(
    run: Run, dump: Callable[..., str], name: str, values: list[float]
) -> None:
    done = run("ingest", dump("a.csv", values))
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "a.csv: kwh_consumed_ac is not interval energy, as declared: M-1: 48 readings every 60 s" in (
        done.stderr
    )
    assert "--meter-energy" in done.stderr


def test_documented_columns_with_more_than_any_interval_brings_are_refused(
    run: Run, dump: Callable[..., str]
) -> None:
    done = run("ingest", dump("a.csv", REGISTER))
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "kwh_consumed_ac is not interval energy, as declared: 48 of 48 readings have more" in done.stderr


def test_a_few_values_beyond_belief_are_rejects(run: Run, dump: Callable[..., str]) -> None:
    done = run("ingest", dump("a.csv", [*INTERVALS, 20_000]), "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS, done.stderr
    assert only_file(done.stdout)["streams"]["meter"]["rejected"] == 1


def test_documented_columns_load_however_few_the_readings(
    run: Run, dump: Callable[..., str], database_url: str
) -> None:
    assert run("ingest", dump("a.csv", [0.5, 0.7])).returncode == 0
    assert run("ingest", dump("b.csv", CONSTANT, start=10)).returncode == 0
    assert run("ingest", dump("c.csv", [11.0], start=100)).returncode == 0
    assert energies(database_url) == (21.8, None)


@pytest.mark.parametrize("charge", [[0.112], [0.112, 0.113], [0.111, 0.112, 0.113], [0.1, 0.11] * 2])
def test_a_charge_that_has_just_begun_is_no_counter(
    run: Run, dump: Callable[..., str], database_url: str, charge: list[float]
) -> None:
    """Of 200 readings nearly all are zero: that the others rise says nothing."""
    done = run("ingest", dump("a.csv", [0.0] * (200 - len(charge)) + charge))
    assert done.returncode == ExitCode.DONE, done.stderr
    assert energies(database_url) == (round(sum(charge), 6), None)


def test_more_than_the_largest_charge_point_delivers_is_refused(run: Run, dump: Callable[..., str]) -> None:
    # 10.5 kWh a minute, as in the assignment's sample: 630 kW.
    done = run("ingest", dump("a.csv", [10.5, 10.5]))
    assert done.returncode == ExitCode.USAGE
    assert "the most that one interval can bring is 10" in done.stderr


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("interval", INTERVALS, sum(INTERVALS)),
        ("register", REGISTER, 47 * 0.2),
        ("session", SESSIONS, 3.6 * 4 - 0.3),
    ],
)
def test_a_plain_kind_is_found_out_and_said(
    run: Run, dump: Callable[..., str], database_url: str, kind: str, values: list[float], expected: float
) -> None:
    name = dump("a.csv", values, documented=False)
    done = run("ingest", name, "--profile", "undeclared.toml", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert only_file(done.stdout)["energy"] == {"meter": f"{kind} (found)"}
    assert f"the energy of meter readings is {kind} (found)" in done.stderr
    highest = round(max(values), 6) if kind != "interval" else None
    assert energies(database_url) == (round(expected, 6), highest)


@pytest.mark.parametrize("values", [CONSTANT, SMALL_REGISTER, INTERVALS[:5]])
def test_what_is_not_plain_is_refused_until_told(
    run: Run, dump: Callable[..., str], database_url: str, values: list[float]
) -> None:
    name = dump("a.csv", values, documented=False)
    done = run("ingest", name, "--profile", "undeclared.toml")
    assert done.returncode == ExitCode.USAGE
    assert "a.csv: what the energy column of its meter readings carries is not plain" in done.stderr
    told = run("ingest", name, "--profile", "undeclared.toml", "--meter-energy", "interval")
    assert told.returncode == 0, told.stderr
    assert energies(database_url) == (round(sum(values), 6), None)


def test_a_kind_is_remembered_until_told_otherwise(
    run: Run, dump: Callable[..., str], database_url: str
) -> None:
    assert run("ingest", dump("a.csv", REGISTER), "--meter-energy", "register").returncode == 0
    # Of an undeclared dump too small to tell, the device's kind is known.
    small = dump("b.csv", [REGISTER[-1] + 0.1], start=48, documented=False)
    done = run("ingest", small, "--profile", "undeclared.toml")
    assert "the energy of meter readings is register (remembered)" in done.stderr
    assert energies(database_url)[0] == pytest.approx(47 * 0.2 + 0.1)

    other = dump("c.csv", INTERVALS, start=60)
    refused = run("ingest", other)
    assert refused.returncode == ExitCode.USAGE
    assert "meter M-1 has reported a register so far, here it reports interval energy" in refused.stderr
    assert run("ingest", other, "--meter-energy", "interval").returncode == 0
    assert run("ingest", dump("d.csv", INTERVALS, start=200)).returncode == 0
    back = run("ingest", dump("e.csv", REGISTER, start=400), "--meter-energy", "register")
    assert back.returncode == 0, back.stderr


def test_one_refused_dump_does_not_stop_the_others(
    run: Run, dump: Callable[..., str], database_url: str
) -> None:
    names = [dump("a.csv", [0.5]), dump("b.csv", REGISTER, start=10), dump("c.csv", [0.7], start=90)]
    done = run("ingest", *names, "--format", "json")
    assert done.returncode == ExitCode.PROBLEMS, done.stderr
    assert [file["status"] for file in json.loads(done.stdout)["files"]] == ["loaded", "failed", "loaded"]
    assert energies(database_url) == (1.2, None)


def test_flags_are_counted_in_the_summary_and_in_analytics(run: Run, dump: Callable[..., str]) -> None:
    values = [*REGISTER[:20], 0.0, *REGISTER[21:40], 0.5, 0.7, 0.9, 1.1]
    done = run("ingest", dump("a.csv", values), "--meter-energy", "register", "--format", "json")
    flags = {"first": 1, "dropout": 1, "glitch": 2, "reset": 1}
    assert only_file(done.stdout)["streams"]["meter"]["flags"] == flags
    assert "a.csv: meter energy derived with 1 × dropout, 1 × first, 2 × glitch, 1 × reset" in done.stderr
    vehicle = "vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp\nM-1,50,0.1,20,2026-03-01T00:43:00Z\n"
    assert run("ingest", "-", stdin=vehicle).returncode == 0
    shown = json.loads(run("analytics", "M-1", "--format", "json").stdout)
    assert shown["ac"]["flags"] == shown["meters"][0]["flags"] == flags
    assert shown["acConsumed"] == pytest.approx(39 * 0.2 + 1.1)
    assert "energy derived with 1 × first" in run("analytics", "M-1").stdout


def test_a_dry_run_derives_as_a_load_does(run: Run, dump: Callable[..., str], database_url: str) -> None:
    first, late = dump("a.csv", REGISTER[10:]), dump("b.csv", REGISTER[:10], start=-10)
    for name in (first, late):
        told = (name, "--meter-energy", "register", "--format", "json")
        rehearsed, loaded = (only_file(run("ingest", *told, *more).stdout) for more in (["--dry-run"], []))
        assert rehearsed["streams"] == loaded["streams"]
    assert energies(database_url) == (9.4, round(max(REGISTER), 6))
