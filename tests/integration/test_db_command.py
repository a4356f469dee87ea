from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from energy_etl.db import embedded, schema
from energy_etl.db.schema import Flavour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Run

NEWEST = schema.latest_version(Flavour.POSTGRES)
SECRET = "quietly=7"
FORMATS = ("table", "json", "csv")
TABLES = [
    "meter_history",
    "vehicle_history",
    "meter_live",
    "vehicle_live",
    "vehicle_meter_link",
    "load",
    "reject",
]
DUMP = """meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp
M-1,0.5,230.1,,,,,2026-03-01T10:00:00Z
M-1,0.5,230.4,,,,,2026-03-02T10:01:00Z
M-2,0.5,230.4,,,,,2026-03-02T10:00:00Z
,,,V-1,61.5,0.45,21.5,2026-03-01T12:00:00Z
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A data directory that does not exist yet; whatever runs in it at the end is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="ee-"))
    folder.chmod(0o711)
    try:
        yield folder / "home"
    finally:
        embedded.stop(folder / "home")
        shutil.rmtree(folder)


def document(run: Run, address: str) -> dict[str, Any]:
    done = run("db", "status", "--format", "json", env={"DATABASE_URL": address})
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_init_makes_the_tables_once_and_says_so(
    run_without_server: Run, bare_database_url: str, flavour: str
) -> None:
    layout = schema.describe(Flavour(flavour))
    first = run_without_server("db", "init", env={"DATABASE_URL": bare_database_url})
    assert first.returncode == 0
    assert first.stdout == ""
    assert first.stderr == f"note: schema version {NEWEST} set up ({layout})\n"
    again = run_without_server("db", "init", env={"DATABASE_URL": bare_database_url})
    assert again.returncode == 0
    assert again.stderr == f"note: schema version {NEWEST} is there already ({layout})\n"
    quiet = run_without_server("db", "init", "--quiet", env={"DATABASE_URL": bare_database_url})
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_status_before_init_says_what_makes_the_schema(
    run_without_server: Run, bare_database_url: str, flavour: str
) -> None:
    found = document(run_without_server, bare_database_url)
    assert found["flavour"] == flavour
    assert found["databaseSchemaVersion"] is None
    assert found["databaseSchemaLatest"] == schema.latest_version(Flavour(flavour))
    assert found["tables"] == found["streams"] == []
    table = run_without_server("db", "status", env={"DATABASE_URL": bare_database_url})
    assert table.returncode == 0
    assert "none yet; `energy-etl db init` or the first ingest makes it" in table.stdout
    assert "Tables" not in table.stdout
    as_csv = run_without_server("db", "status", "--format", "csv", env={"DATABASE_URL": bare_database_url})
    assert as_csv.stdout == "name,bytes,parts,rows\n"
    with psycopg.connect(bare_database_url) as conn:
        assert schema.current(conn) is None


def test_status_tells_server_streams_and_tables(
    run: Run, database_url: str, flavour: str, tmp_path: Path
) -> None:
    (tmp_path / "dump.csv").write_text(DUMP)
    assert run("ingest", "dump.csv").returncode == 0
    found = document(run, database_url)
    with psycopg.connect(database_url) as conn:
        version = conn.execute("SHOW server_version").fetchone()
        extension = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        assert (found["serverVersion"],) == version
        assert found["extensionVersion"] == next((row[0] for row in extension.fetchall()), None)
    assert found["database"] == conninfo_to_dict(database_url)["dbname"]
    assert found["flavour"] == flavour
    assert found["databaseSchemaVersion"] == found["databaseSchemaLatest"]
    assert found["streams"] == [
        {
            "stream": "meter",
            "devices": 2,
            "oldestTs": "2026-03-01T10:00:00Z",
            "newestTs": "2026-03-02T10:01:00Z",
        },
        {
            "stream": "vehicle",
            "devices": 1,
            "oldestTs": "2026-03-01T12:00:00Z",
            "newestTs": "2026-03-01T12:00:00Z",
        },
    ]
    assert [table["name"] for table in found["tables"]] == TABLES
    assert [table["parts"] for table in found["tables"]] == [2, 1, *[None] * 5]
    assert all(table["bytes"] > 0 and table["rows"] >= 0 for table in found["tables"])


def test_status_is_the_same_in_every_format(run: Run, database_url: str, flavour: str) -> None:
    found = document(run, database_url)
    as_csv = list(csv.DictReader(io.StringIO(run("db", "status", "--format", "csv").stdout)))
    assert [row["name"] for row in as_csv] == TABLES
    for row, table in zip(as_csv, found["tables"], strict=True):
        assert row["bytes"] == str(table["bytes"])
        assert row["parts"] == ("" if table["parts"] is None else str(table["parts"]))
    shown = run("db", "status").stdout
    for part in (found["server"], found["database"], found["serverVersion"], f"version {NEWEST}", *TABLES):
        assert part in shown
    assert schema.describe(Flavour(flavour)) in shown


def test_status_of_a_schema_of_a_newer_release_is_shown(run: Run, database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "INSERT INTO schema_version SELECT 99, 'future', 'x', flavour FROM schema_version LIMIT 1"
        )
    found = document(run, database_url)
    assert (found["databaseSchemaVersion"], found["databaseSchemaLatest"]) == (99, NEWEST)


@pytest.mark.parametrize("output", FORMATS)
def test_the_password_is_never_shown(run: Run, database_url: str, output: str) -> None:
    address = make_conninfo(database_url, password=SECRET)
    done = run("db", "status", "--debug", "--format", output, env={"DATABASE_URL": address})
    assert done.returncode == 0
    assert "quietly" not in done.stdout + done.stderr
    assert "note: server: " in done.stderr
    assert "(from DATABASE_URL)" in done.stderr


def test_a_password_on_the_command_line_is_warned_about_and_not_shown(run: Run, database_url: str) -> None:
    address = make_conninfo(database_url, password=SECRET)
    done = run("db", "status", "--database-url", address, env={"DATABASE_URL": None})
    assert done.returncode == 0
    assert "warning: a password on the command line is shown to every user of this machine" in done.stderr
    assert "hint: put the address into DATABASE_URL" in done.stderr
    assert "quietly" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["db status", "ingest dump.csv"])
def test_a_refused_connection_shows_no_password_not_even_when_debugging(
    run: Run, database_url: str, tmp_path: Path, command: str
) -> None:
    (tmp_path / "dump.csv").write_text(DUMP)
    address = make_conninfo(database_url, dbname="nowhere", password=SECRET)
    done = run(*command.split(), "--debug", env={"DATABASE_URL": address})
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert 'database "nowhere" does not exist' in done.stderr
    assert "create the database" in done.stderr
    assert "quietly" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["url", "stop"])
@pytest.mark.parametrize(
    ("origin", "args", "env"),
    [
        ("DATABASE_URL", (), {"DATABASE_URL": "postgresql://ana@127.0.0.1/energy"}),
        ("--database-url", ("--database-url", "postgresql://ana@127.0.0.1/energy"), {}),
        ("PGHOST", (), {"PGHOST": "127.0.0.1"}),
    ],
)
def test_what_is_about_the_embedded_server_is_refused_for_another(
    run_without_server: Run, home: Path, command: str, origin: str, args: tuple[str, ...], env: dict[str, str]
) -> None:
    done = run_without_server("db", command, *args, env={"ENERGY_ETL_HOME": str(home), **env})
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"`db {command}` is about the embedded server, but {origin} names another one" in done.stderr
    assert f"hint: run it without {origin}" in done.stderr
    assert not home.exists()


def test_url_starts_the_embedded_server_and_stop_stops_it(run_without_server: Run, home: Path) -> None:
    run, env = run_without_server, {"ENERGY_ETL_HOME": str(home)}
    stopped = run("db", "stop", env=env)
    assert (stopped.returncode, stopped.stdout) == (0, "")
    assert stopped.stderr == "note: the embedded server was not running\n"
    first = run("db", "url", env=env)
    assert first.returncode == 0
    assert f"note: creating the embedded database (PostgreSQL 18) in {home}" in first.stderr
    address = first.stdout.removesuffix("\n")
    assert embedded.running(home) == address
    with psycopg.connect(address) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("energy_etl",)
    again = run("db", "url", env=env)
    assert (again.stdout, again.stderr) == (first.stdout, "")
    status = run("db", "status", env=env)
    assert f"postgres@{home / 'postgres'}:5432/energy_etl (embedded)" in status.stdout
    stopped = run("db", "stop", env=env)
    assert stopped.stderr == "note: the embedded server is stopped\n"
    assert embedded.running(home) is None
    assert run("db", "status", env=env).returncode == 0
    assert embedded.running(home) == address


@pytest.mark.parametrize(
    "command",
    ["live meters", "live vehicles", "link list", "loads", "loads show 1", "rejects list", "analytics V-1"],
)
def test_there_is_nothing_to_read_from_an_empty_database(
    run_without_server: Run, bare_database_url: str, command: str
) -> None:
    done = run_without_server(*command.split(), env={"DATABASE_URL": bare_database_url})
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: the database is empty: nothing was ever loaded into it",
        "  hint: `energy-etl ingest FILE...` loads dumps, `energy-etl db init` only makes the tables",
    ]
    with psycopg.connect(bare_database_url) as conn:
        assert schema.current(conn) is None
