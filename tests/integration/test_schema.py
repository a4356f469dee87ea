from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest

from energy_etl.db import schema, session
from energy_etl.db.schema import Flavour
from energy_etl.db.sql import sql_root
from energy_etl.db.status import status
from energy_etl.errors import DatabaseError
from tests.locks import wait_for_waiters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run
    from tests.servers import Server

NEWEST = schema.latest_version(Flavour.POSTGRES)
HISTORY = ("meter_history", "vehicle_history")
METER = "meter_id text, ts timestamptz, kwh_consumed_ac float8, voltage float8?, register_kwh float8?"
VEHICLE = (
    "vehicle_id text, ts timestamptz, soc float8?, kwh_delivered_dc float8, battery_temp float8?,"
    " register_kwh float8?"
)
DERIVED = "power_kw float8?, quality int4?"
# A question mark: may be null.
TABLES = {
    "device_energy": (
        "stream text, device_id text, kind text, max_kw float8, dial_kwh float8?, max_gap_s float8,"
        " load_id int4"
    ),
    "load": (
        "load_id int4, source text, sha256 text, bytes int8, format text, status text,"
        " started_at timestamptz, finished_at timestamptz?, counts jsonb,"
        " options jsonb, error text?, version text"
    ),
    "meter_history": f"{METER}, load_id int4, {DERIVED}",
    "meter_live": f"{METER}, first_ts timestamptz, load_id int4, {DERIVED}",
    "reject": (
        "load_id int4, stream text?, row_number int8, rule text, detail text, raw jsonb,"
        " reject_id int8, resolved_by int4?, retry_of int8?, is_open bool"
    ),
    "schema_version": "number int4, name text, checksum text, flavour text, applied_at timestamptz",
    "vehicle_history": f"{VEHICLE}, load_id int4, {DERIVED}",
    "vehicle_live": f"{VEHICLE}, first_ts timestamptz, load_id int4, {DERIVED}",
    "vehicle_meter_link": "vehicle_id text, meter_id text, valid_from timestamptz, valid_to timestamptz",
}
DUMP = "meterId,kwhConsumedAc,voltage,timestamp\nM-1,0.5,230.1,2026-03-01T10:00:00Z\n"


@pytest.fixture
def empty(bare_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database without anything."""
    with session.connect(bare_database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def migrated(database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database with the schema."""
    with session.connect(database_url, autocommit=True) as conn:
        yield conn


def rows(conn: psycopg.Connection, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    return conn.execute(query, values).fetchall()


@pytest.mark.parametrize("kind", Flavour)
def test_migrations_are_well_named_and_numbered_without_gaps(kind: Flavour) -> None:
    steps = schema.migrations(kind)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert schema.latest_version(kind) == len(steps)
    for step in steps:
        assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*\.sql", step.path.name)
        assert step.path.name == f"{step.number:04d}_{step.name}.sql"


def test_every_migration_file_belongs_to_some_flavour() -> None:
    known = {step.path for kind in Flavour for step in schema.migrations(kind)}
    assert known == set(sql_root().glob("**/migrations/*"))


def test_the_flavour_is_found_out(empty: psycopg.Connection, flavour: str) -> None:
    assert schema.detect(empty) == flavour


def test_an_empty_database_gets_every_migration_and_records_it(
    empty: psycopg.Connection, flavour: str
) -> None:
    told: list[str] = []
    assert schema.current(empty) is None
    assert not schema.is_current(empty)
    done = schema.migrate(empty, told.append)
    steps = schema.migrations(Flavour(flavour))
    assert done == schema.Schema(Flavour(flavour), len(steps)) == schema.current(empty)
    assert schema.is_current(empty)
    assert told == [f"schema version {len(steps)} set up ({schema.describe(done.flavour)})"]
    assert rows(empty, "SELECT number, name, checksum, flavour FROM schema_version ORDER BY number") == [
        (step.number, step.name, hashlib.sha256(step.path.read_bytes()).hexdigest(), flavour)
        for step in steps
    ]


def test_migrating_again_does_nothing(empty: psycopg.Connection) -> None:
    done = schema.migrate(empty)
    before = rows(empty, "SELECT *, xmin::text FROM schema_version ORDER BY number")
    told: list[str] = []
    assert schema.migrate(empty, told.append) == done
    assert told == []
    assert rows(empty, "SELECT *, xmin::text FROM schema_version ORDER BY number") == before


def test_a_schema_of_an_older_release_is_brought_up_to_date(
    empty: psycopg.Connection, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = schema.migrations(Flavour(flavour))
    with monkeypatch.context() as older:
        older.setattr(schema, "migrations", lambda _: steps[:2])
        assert schema.migrate(empty).version == 2
    first = rows(empty, "SELECT * FROM schema_version WHERE number <= 2 ORDER BY number")
    assert not schema.is_current(empty)
    schema.migrate(empty)
    assert schema.is_current(empty)
    assert rows(empty, "SELECT * FROM schema_version WHERE number <= 2 ORDER BY number") == first


def test_sessions_that_migrate_at_once_do_the_work_once(bare_database_url: str) -> None:
    told: list[str] = []

    def migrate() -> schema.Schema:
        with session.connect(bare_database_url, autocommit=True) as conn:
            return schema.migrate(conn, told.append)

    with ThreadPoolExecutor(3) as pool, psycopg.connect(bare_database_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [schema.LOCK_KEY])
        migrating = [pool.submit(migrate) for _ in range(3)]
        wait_for_waiters(bare_database_url, 3)
        holder.rollback()
        assert len({future.result(60) for future in migrating}) == 1
    assert len(told) == 1


def test_a_migration_that_fails_leaves_nothing_behind(empty: psycopg.Connection) -> None:
    empty.execute("CREATE TABLE vehicle_history (somebody text)")
    with pytest.raises(DatabaseError, match="already exists"), session.wrap_errors():
        schema.migrate(empty)
    assert rows(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        ("vehicle_history",)
    ]


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (
            b"UPDATE schema_version SET checksum = 'other' WHERE number = 2",
            "migration 0002 (history) was applied with other contents than this release has",
            "compare its sql/ with this release's",
        ),
        (
            b"INSERT INTO schema_version SELECT 99, 'future', 'x', flavour FROM schema_version LIMIT 1",
            f"the database has schema version 99 (future), this release knows {NEWEST}",
            "install the release of energy-etl that made this schema",
        ),
    ],
    ids=["tampered", "newer"],
)
@pytest.mark.parametrize(
    "command", ["db init", "live meters", "ingest dump.csv", "ingest --dry-run dump.csv"]
)
def test_a_schema_of_another_release_is_refused(
    run: Run,
    migrated: psycopg.Connection,
    tmp_path: Path,
    command: str,
    change: bytes,
    message: str,
    hint: str,
) -> None:
    (tmp_path / "dump.csv").write_text(DUMP)
    migrated.execute(change)
    done = run(*command.split())
    assert done.returncode == 3
    assert done.stdout == ""
    assert f"error: {message}\n  hint: " in done.stderr
    assert hint in done.stderr
    assert rows(migrated, "SELECT count(*) FROM load") == [(0,)]


def test_a_too_old_extension_is_refused(server: Server, run: Run) -> None:
    if server.flavour != "postgres":
        pytest.skip("where the extension runs, its catalogue entry is guarded")
    with server.bare() as address:
        with psycopg.connect(address) as conn:
            # What a database with TimescaleDB 2.19.3 has in its catalogue.
            conn.execute(
                "INSERT INTO pg_extension VALUES"
                " (99999, 'timescaledb', 10, 'public'::regnamespace, false, '2.19.3')"
            )
        done = run("db", "init", env={"DATABASE_URL": address})
        assert done.returncode == 3
        assert "TimescaleDB 2.19.3 is older than 2.20" in done.stderr
        assert "ALTER EXTENSION timescaledb UPDATE" in done.stderr
        with psycopg.connect(address) as conn:
            assert schema.current(conn) is None


def test_a_database_keeps_its_layout_when_the_extension_comes_later(
    server: Server, run: Run, tmp_path: Path
) -> None:
    if server.flavour == "postgres":
        pytest.skip("the embedded server has no extension to add")
    (tmp_path / "dump.csv").write_text(DUMP)
    with server.bare() as address:
        with psycopg.connect(address, autocommit=True) as conn:
            conn.execute("DROP EXTENSION timescaledb")
            assert schema.migrate(conn).flavour is Flavour.POSTGRES
        with psycopg.connect(address, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION timescaledb")
        done = run("ingest", "dump.csv", env={"DATABASE_URL": address})
        assert done.returncode == 0, done.stderr
        with session.connect(address, autocommit=True) as conn:
            found = status(conn)
            assert schema.detect(conn) == server.flavour
        assert found.flavour is Flavour.POSTGRES
        assert found.extension_version is not None
        assert [table.parts for table in found.tables if table.name in HISTORY] == [1, 0]


def test_every_flavour_has_the_same_tables(migrated: psycopg.Connection) -> None:
    found = rows(
        migrated,
        "SELECT table_name, string_agg(column_name || ' ' || udt_name ||"
        " CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END, ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_schema = 'public' GROUP BY table_name",
    )
    assert dict(found) == TABLES


def test_ids_are_compared_and_sorted_by_code_point(migrated: psycopg.Connection) -> None:
    found = rows(
        migrated,
        "SELECT collation_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND column_name IN ('meter_id', 'vehicle_id')",
    )
    assert found == [("C",)] * 6


def test_a_reading_is_unique_by_key_or_by_the_load_protocol(
    migrated: psycopg.Connection, flavour: str
) -> None:
    found = rows(
        migrated,
        "SELECT conrelid::regclass::text, contype, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = ANY(%s::regclass[]) AND contype <> 'n' ORDER BY 1",
        list(HISTORY),
    )
    unique = rows(
        migrated,
        "SELECT count(*) FROM pg_index WHERE indisunique AND indrelid = ANY(%s::regclass[])",
        list(HISTORY),
    )
    if flavour == "timescale":  # a unique constraint would switch direct compress off
        assert found == []
        assert unique == [(0,)]
    else:
        assert found == [
            ("meter_history", "p", "PRIMARY KEY (meter_id, ts)"),
            ("vehicle_history", "p", "PRIMARY KEY (vehicle_id, ts)"),
        ]
        assert unique == [(2,)]


def test_history_is_cut_by_day(migrated: psycopg.Connection, flavour: str) -> None:
    if flavour == "postgres":
        cut = "SELECT relname, pg_get_partkeydef(oid) FROM pg_class WHERE relkind = 'p' ORDER BY 1"
        assert rows(migrated, cut) == [(table, "RANGE (ts)") for table in HISTORY]
        return
    found = rows(
        migrated,
        "SELECT hypertable_name, column_name, time_interval FROM timescaledb_information.dimensions"
        " ORDER BY 1",
    )
    assert found == [(table, "ts", timedelta(days=1)) for table in HISTORY]


def test_the_columnstore_is_cut_by_device_and_sorted_by_time(
    migrated: psycopg.Connection, flavour: str
) -> None:
    if flavour != "timescale":
        pytest.skip("only TimescaleDB community has the columnstore")
    settings = rows(
        migrated,
        "SELECT hypertable::text, segmentby, orderby"
        " FROM timescaledb_information.hypertable_columnstore_settings ORDER BY 1",
    )
    assert settings == [("meter_history", "meter_id", "ts"), ("vehicle_history", "vehicle_id", "ts")]
    policies = rows(
        migrated,
        "SELECT hypertable_name, config ->> 'compress_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_compression' ORDER BY 1",
    )
    assert policies == [(table, "7 days") for table in HISTORY]
