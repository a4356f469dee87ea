from __future__ import annotations

import socket

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from energy_etl.db import session
from energy_etl.errors import DatabaseError, EnergyEtlError, TemporaryError, UsageError


def failure(conn: psycopg.Connection, statement: bytes) -> EnergyEtlError:
    with pytest.raises(EnergyEtlError) as caught, session.wrap_errors():
        conn.execute(statement)
    return caught.value


def test_a_session_has_its_own_settings_whatever_the_server_prefers(bare_database_url: str) -> None:
    name = conninfo_to_dict(bare_database_url)["dbname"]
    with psycopg.connect(bare_database_url, autocommit=True) as conn:
        for setting in ("TimeZone = 'Asia/Tokyo'", "statement_timeout = 60000", "client_encoding = 'LATIN1'"):
            conn.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())
    with session.connect(bare_database_url, application_name="probe") as conn:
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert not conn.autocommit
        shown = {
            setting: conn.execute(f"SHOW {setting}".encode()).fetchone()
            for setting in ("TimeZone", "statement_timeout", "client_encoding", "application_name")
        }
        conn.rollback()
        assert conn.execute("SHOW TimeZone").fetchone() == ("UTC",)
    assert shown == {
        "TimeZone": ("UTC",),
        "statement_timeout": ("0",),
        "client_encoding": ("UTF8",),
        "application_name": ("probe",),
    }


def test_what_the_address_says_wins(bare_database_url: str) -> None:
    address = make_conninfo(bare_database_url, application_name="nightly")
    with session.connect(address, autocommit=True) as conn:
        assert conn.autocommit
        assert conn.execute("SHOW application_name").fetchone() == ("nightly",)


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with socket.socket() as reserved:  # bound but not listening: nobody else can take the port meanwhile
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(
            DatabaseError, match=rf"ana@127\.0\.0\.1:{port}/energy: Connection refused"
        ) as caught:
            session.connect(f"postgresql://ana:quietly@127.0.0.1:{port}/energy")
    assert "quietly" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert caught.value.hint


def test_a_missing_database_is_told_apart_from_a_missing_server(bare_database_url: str) -> None:
    with pytest.raises(DatabaseError, match='database "nowhere" does not exist') as caught:
        session.connect(make_conninfo(bare_database_url, dbname="nowhere"))
    assert "create the database" in str(caught.value.hint)


def test_a_mistyped_address_is_wrong_use() -> None:
    with pytest.raises(UsageError):
        session.connect("postgresql://ana:quietly@host/db?nonsense=1")


def test_a_lost_connection_may_be_tried_again(bare_database_url: str) -> None:
    conn = session.connect(bare_database_url)
    with psycopg.connect(bare_database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])
    first, then = failure(conn, b"SELECT 1"), failure(conn, b"SELECT 1")
    assert isinstance(first, TemporaryError)
    assert isinstance(then, TemporaryError)
    conn.close()


def test_a_lock_that_is_held_may_be_tried_again(bare_database_url: str) -> None:
    with session.connect(bare_database_url) as holder, session.connect(bare_database_url) as waiter:
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        waiter.execute("SET LOCAL lock_timeout = '10ms'")
        error = failure(waiter, b"SELECT pg_advisory_xact_lock(1)")
        waiter.rollback()
    assert isinstance(error, TemporaryError)
    assert "55P03" in error.message


def test_errors_carry_the_servers_message_and_code_but_no_row(bare_database_url: str) -> None:
    with session.connect(bare_database_url) as conn:
        conn.execute("CREATE TEMP TABLE t (meter_id text PRIMARY KEY)")
        conn.execute("INSERT INTO t VALUES ('private-7')")
        error = failure(conn, b"INSERT INTO t VALUES ('private-7')")
        conn.rollback()
        missing = failure(conn, b"SELECT * FROM nowhere")
        conn.rollback()
    assert isinstance(error, DatabaseError)
    assert "23505" in error.message
    assert "private-7" not in f"{error.message} {error.hint}"
    assert 'relation "nowhere" does not exist' in missing.message
    assert "db init" in str(missing.hint)
