"""How readings are stored on each flavour of server, and that the ledger says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
import pytest

from energy_etl.db.session import Sessions
from energy_etl.errors import ConservationError, ExitCode
from energy_etl.frames import checksum
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions
from energy_etl.outcome import Status
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import LoadProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

PATHS = {"postgres": "day partitions", "timescale": "direct compress", "timescale_apache": "rows"}
HEADER = "meterId,kwhConsumedAc,voltage,timestamp\n"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.csv"
    rows = [f"M-{n % 7},0.{n % 9},230.5,2026-03-0{1 + n % 3}T10:{n % 60:02d}:00Z" for n in range(120)]
    path.write_text(HEADER + "\n".join(dict.fromkeys(rows)) + "\n")
    return path


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(statement.encode()).fetchall()


def storage_of(run: Run, load_id: int = 1) -> str:
    shown = json.loads(run("loads", "show", str(load_id), "--format", "json").stdout)
    return str(shown["options"]["storage"])


def test_the_ledger_says_how_readings_were_stored(run: Run, dump: Path, flavour: str) -> None:
    assert run("ingest", dump).returncode == ExitCode.DONE
    assert storage_of(run) == PATHS[flavour]


@pytest.mark.parametrize("where", ["option", "configuration"])
def test_direct_compress_can_be_switched_off(
    run: Run, database_url: str, dump: Path, flavour: str, where: str, tmp_path: Path
) -> None:
    if where == "option":
        done = run("ingest", dump, "--direct-compress", "off")
    else:
        (tmp_path / "my.toml").write_text('[storage]\ndirect_compress = "off"\n')
        done = run("--config", "my.toml", "ingest", dump)
    assert done.returncode == ExitCode.DONE, done.stderr
    assert storage_of(run) == ("day partitions" if flavour == "postgres" else "rows")
    assert rows(database_url, "SELECT count(*) FROM meter_history") == [(120,)]


def test_compressed_readings_read_back_in_order(run: Run, database_url: str, dump: Path) -> None:
    assert run("ingest", dump).returncode == ExitCode.DONE
    found = rows(database_url, "SELECT meter_id, ts FROM meter_history ORDER BY meter_id, ts")
    assert found == sorted(found)
    assert len(set(found)) == 120


def test_a_trigger_that_somebody_added_is_told_and_the_load_goes_on(
    run: Run, database_url: str, dump: Path, flavour: str
) -> None:
    if flavour != "timescale":
        pytest.skip("only the columnstore minds")
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        conn.execute(
            "CREATE TRIGGER nothing BEFORE INSERT ON meter_history FOR EACH ROW EXECUTE FUNCTION nothing()"
        )
    done = run("ingest", dump)
    assert done.returncode == ExitCode.DONE, done.stderr
    assert "stored as rows, not compressed: disabling direct compress" in done.stderr
    assert storage_of(run) == "rows"
    assert rows(database_url, "SELECT count(*) FROM meter_history") == [(120,)]


SENT: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a value": (
        lambda sent: sent.with_columns(voltage=sent["voltage"].scatter(0, 231.0)),
        "other ones",
    ),
    "a device": (
        lambda sent: sent.with_columns(meter_id=sent["meter_id"].scatter(0, "M-9")),
        "other ones",
    ),
    "a reading more": (lambda sent: pl.concat([sent, sent[-1:]]), "holds 120 of them"),
}
"""What else the load believes to have sent, and what it says."""


@pytest.mark.parametrize(("other", "said"), SENT.values(), ids=SENT)
def test_a_columnstore_that_holds_something_else_than_was_sent_is_found_out(
    database_url: str,
    dump: Path,
    flavour: str,
    monkeypatch: pytest.MonkeyPatch,
    other: Callable[[pl.DataFrame], pl.DataFrame],
    said: str,
) -> None:
    if flavour != "timescale":
        pytest.skip("only direct compress is verified")
    truth = checksum.total
    monkeypatch.setattr(checksum, "total", lambda stream, readings: truth(stream, other(readings)))
    with Sessions(database_url) as sessions:
        run = ingest([str(dump)], sessions, LoadOptions(), LoadProgress(Diagnostics(quiet=True)))
        assert next(run).status is Status.FAILED
        with pytest.raises(ConservationError, match=said):
            next(run)
    assert rows(database_url, "SELECT count(*) FROM meter_history") == [(0,)]
    assert rows(database_url, "SELECT count(*) FROM load") == [(0,)]


def test_partitions_are_attached_with_their_key_and_nothing_else(
    run: Run, database_url: str, dump: Path, flavour: str
) -> None:
    if flavour != "postgres":
        pytest.skip("TimescaleDB makes its chunks itself")
    assert run("ingest", dump).returncode == ExitCode.DONE
    assert rows(
        database_url,
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c"
        " WHERE c.relispartition AND c.relkind = 'r' ORDER BY 1",
    ) == [
        (
            f"meter_history_2026030{day}",
            f"FOR VALUES FROM ('2026-03-0{day} 00:00:00+00') TO ('2026-03-0{day + 1} 00:00:00+00')",
        )
        for day in (1, 2, 3)
    ]
    kinds = rows(
        database_url,
        "SELECT DISTINCT contype FROM pg_constraint WHERE conrelid::regclass::text LIKE 'meter_history_%'"
        " AND contype <> 'n'",
    )
    assert kinds == [("p",)]


def test_a_load_that_fails_leaves_no_partition(
    run: Run, database_url: str, tmp_path: Path, flavour: str
) -> None:
    bad = [f"M-1,much,230,2026-03-01T10:{n:02d}:00Z" for n in range(30)]
    good = [f"M-1,0.5,230,2026-03-01T11:{n:02d}:00Z" for n in range(30)]
    (tmp_path / "bad.csv").write_text(HEADER + "\n".join(bad + good) + "\n")
    assert run("ingest", "bad.csv").returncode == ExitCode.INPUT
    parts = rows(database_url, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'meter_history'::regclass")
    assert parts == [(0,)], flavour


def test_late_readings_of_a_day_without_a_partition_find_one(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    times = ["2026-03-01T10:00:00Z", "2026-03-05T10:00:00Z"]
    (tmp_path / "ends.csv").write_text(HEADER + "".join(f"M-1,0.5,230,{ts}\n" for ts in times))
    (tmp_path / "gap.csv").write_text(HEADER + "M-1,0.25,230,2026-03-03T10:00:00Z\n")
    assert run("ingest", "ends.csv").returncode == ExitCode.DONE
    assert run("ingest", "gap.csv").returncode == ExitCode.DONE
    assert rows(database_url, "SELECT count(*) FROM meter_history") == [(3,)]
