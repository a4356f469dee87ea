"""The embedded PostgreSQL: the default server when no address is given.

A server that outlives the process, that only its owner can reach (a Unix socket of mode 0700, which is why
``trust`` authentication is enough), and that is found again by its ``postmaster.pid``: nothing is locked or
started when it runs already.

Layout of the data directory: ``postgres/`` (the cluster, with ``log/`` and ``start.log``) and ``lock``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from energy_etl.db import programs
from energy_etl.db.postmaster import Postmaster
from energy_etl.errors import DatabaseError, TemporaryError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    Announce = Callable[[str], None]

DATABASE = "energy_etl"
HOME_VARIABLE = "ENERGY_ETL_HOME"

_SUPERUSER = "postgres"
_PATIENCE_S = 300
"""Recovery after a crash replays up to ``max_wal_size``: minutes on a slow disk."""
_POLL_S = 0.02
_SOCKET_PATH_MAX = 103 if sys.platform == "darwin" else 107
_PLAIN_PATH = re.compile(r"[\w./@:+=~ -]+")
"""What needs no quoting in PostgreSQL's settings nor in libpq's host list."""
_SETTINGS_FILE = "energy-etl.conf"
_SETTINGS = """\
# Written by energy-etl at every start; changes here are lost. ALTER SYSTEM wins over this file.
listen_addresses = ''
port = 5432
unix_socket_directories = '{folder}'
unix_socket_permissions = 0700
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
# The default, said because it matters: pglz takes longer than all the rest of building an index.
wal_compression = off
# Day partitions: one statement over years of history locks thousands of tables and indexes.
max_locks_per_transaction = 512
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
cluster_name = 'energy-etl'
# A week of logs: each weekday's file is replaced a week later.
logging_collector = on
log_directory = 'log'
log_filename = 'server-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
"""
_ELSEWHERE = f"set {HOME_VARIABLE} to another folder, or DATABASE_URL to a server of your own"


def data_dir() -> Path:
    """The folder of the embedded database: ``ENERGY_ETL_HOME``, else the platform's place for user data."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("energy-etl", appauthor=False)


def running(home: Path | None = None) -> str | None:
    """The address of the server if it accepts connections now; nothing is started.

    Args:
        home: The data directory; :func:`data_dir` by default.

    Returns:
        A ``postgresql://`` URL without a password, or None.
    """
    postmaster = Postmaster.of(_cluster(home))
    if postmaster is None or not postmaster.accepts():
        return None
    folder = quote(str(postmaster.socket.parent), safe="/")
    port = postmaster.socket.suffix.removeprefix(".")
    return f"postgresql://{_SUPERUSER}@/{DATABASE}?host={folder}&port={port}"


def ensure_running(home: Path | None = None, *, announce: Announce | None = None) -> str:
    """Start the server unless it runs, creating it on first use, and return its address.

    Safe to call from several processes at once. The server keeps running after the caller ends.

    Args:
        home: The data directory; :func:`data_dir` by default.
        announce: Told, in one line each, what takes time or changes something.

    Returns:
        A ``postgresql://`` URL without a password.

    Raises:
        DatabaseError: The server cannot be created or started; the message ends with the tail of its log.
    """
    if address := running(home):
        return address
    if sys.platform == "win32":
        raise DatabaseError("the embedded database needs Linux or macOS", hint="set DATABASE_URL to a server")
    tell = announce or _keep_quiet
    cluster = _cluster(home)
    try:
        with _lock(cluster.parent, tell):
            _settle(cluster, tell)
            if address := running(home):
                return address
            owner = programs.runner(cluster.parent, tell)
            if not (cluster / "PG_VERSION").exists():
                _create(cluster, owner, tell)
            _check_version(cluster)
            return _start(cluster, owner, tell)
    except OSError as error:
        raise DatabaseError(f"cannot run the embedded database: {error}", hint=_ELSEWHERE) from error


def stop(home: Path | None = None) -> bool:
    """Stop the server: open transactions are rolled back, nothing that was committed is lost.

    Returns:
        False when it was not running.

    Raises:
        TemporaryError: It did not stop within five minutes.
    """
    cluster = _cluster(home)
    postmaster = Postmaster.of(cluster)
    if postmaster is None or not postmaster.alive():
        return False
    with suppress(ProcessLookupError):
        os.kill(postmaster.pid, signal.SIGINT)  # PostgreSQL's "fast" shutdown
    deadline = time.monotonic() + _PATIENCE_S
    while postmaster.alive():
        if time.monotonic() > deadline:
            raise TemporaryError(f"the embedded database in {cluster} is still stopping", hint="run it again")
        time.sleep(_POLL_S)
        with suppress(ChildProcessError):  # where it is our own child, nobody else reaps it
            os.waitpid(postmaster.pid, os.WNOHANG)
    if postmaster.socket.parent != cluster:
        with suppress(OSError):
            postmaster.socket.parent.rmdir()
    return True


def _cluster(home: Path | None) -> Path:
    return (home.absolute() if home else data_dir()) / "postgres"


def _keep_quiet(_message: str) -> None:
    pass


@contextmanager
def _lock(home: Path, tell: Announce) -> Iterator[None]:
    """One process at a time creates or starts the server."""
    import fcntl

    # Nobody else gets into the cluster itself, but its owner has to reach it.
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another process is starting the embedded database; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _settle(cluster: Path, tell: Announce) -> None:
    """Wait out a server that is starting or stopping; afterwards it accepts connections or is gone."""
    deadline = time.monotonic() + _PATIENCE_S
    told = False
    while (postmaster := Postmaster.of(cluster)) and postmaster.alive():
        if postmaster.accepts():
            return
        if not told:
            told = True
            tell(f"the embedded database is {postmaster.status}; waiting for it (up to five minutes)")
            if postmaster.status == "ready":  # its socket was deleted, as cleaners of /tmp do
                os.kill(postmaster.pid, signal.SIGINT)
        if time.monotonic() > deadline:
            raise DatabaseError(f"the embedded database in {cluster} is still {postmaster.status}")
        time.sleep(_POLL_S)
    if postmaster:
        # After a crash or a reboot the pid may be another program's, and PostgreSQL would refuse to start.
        # Should old backends live on, it still notices, by its shared memory.
        for left in (cluster / "postmaster.pid", Path(f"{postmaster.socket}.lock")):
            with suppress(FileNotFoundError):
                if left.read_text().startswith(f"{postmaster.pid}\n"):
                    left.unlink()


def _check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != str(programs.MAJOR):
        raise DatabaseError(
            f"{cluster} was made by PostgreSQL {found}; the embedded server is PostgreSQL {programs.MAJOR}",
            hint=f"{_ELSEWHERE}, and load the dumps again",
        )


def _create(cluster: Path, owner: programs.Runner, tell: Announce) -> None:
    """Initialise beside the final place and rename at the end: a cluster is there wholly or not at all."""
    tell(f"creating the embedded database (PostgreSQL {programs.MAJOR}) in {cluster.parent}")
    unfinished = cluster.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    owner.own(unfinished)
    # The builtin provider sorts by code point everywhere: no update of the C library breaks an index.
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    programs.run(("initdb", "-A", "trust", "-U", _SUPERUSER, *locale, "-D", str(unfinished)), owner)
    create = f"CREATE DATABASE {DATABASE};\n"
    programs.run(("postgres", "--single", "-D", str(unfinished), "postgres"), owner, stdin=create)
    with (unfinished / "postgresql.conf").open("a") as file:
        file.write(
            f"\n# Settings of energy-etl; your own go below this line.\ninclude = '{_SETTINGS_FILE}'\n"
        )
    unfinished.rename(cluster)


def _start(cluster: Path, owner: programs.Runner, tell: Announce) -> str:
    """Start the server and wait until it accepts connections.

    ``pg_ctl`` is not used: it hands the path to a shell.
    """
    settings = cluster / _SETTINGS_FILE
    settings.write_text(_SETTINGS.format(folder=_socket_folder(cluster, owner)))
    owner.own(settings)
    began = time.monotonic()
    told = False
    process = _spawn(cluster, owner)
    while not (address := running(cluster.parent)):
        waited = time.monotonic() - began
        if process.poll() is not None:
            log = _log_tail(cluster)
            if "still in use" not in log or waited > _PATIENCE_S:
                raise DatabaseError(f"the embedded database did not start:\n{log}", hint=_ELSEWHERE)
            time.sleep(0.2)  # backends of a killed server are about to notice
            process = _spawn(cluster, owner)
        if waited > _PATIENCE_S:
            raise DatabaseError(
                f"the embedded database is still starting:\n{_log_tail(cluster)}", hint="wait"
            )
        if waited > 3 and not told:
            told = True
            tell("the embedded database was not shut down cleanly and recovers (up to five minutes)")
        time.sleep(_POLL_S)
    process.returncode = 0  # it outlives us: Popen must neither warn about it nor wait for it
    return address


def _spawn(cluster: Path, owner: programs.Runner) -> subprocess.Popen[bytes]:
    with (cluster / "start.log").open("w") as log:
        return programs.spawn(("postgres", "-D", str(cluster)), owner, log)


def _socket_folder(cluster: Path, owner: programs.Runner) -> Path:
    """The cluster itself, or a short private folder where its path is too long or needs quoting."""
    length = len(os.fsencode(cluster / ".s.PGSQL.5432"))
    if length <= _SOCKET_PATH_MAX and _PLAIN_PATH.fullmatch(str(cluster)):
        return cluster
    name = hashlib.sha256(os.fsencode(cluster.resolve())).hexdigest()[:12]
    place = Path(tempfile.gettempdir()) / f"energy-etl-{name}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
        owner.own(place)
    found = place.lstat()
    # In a folder all users write to, somebody else may have been first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.uid or found.st_mode & 0o077:
        raise DatabaseError(f"{place} is not a private folder of our own", hint=f"remove it, or {_ELSEWHERE}")
    return place


def _log_tail(cluster: Path, lines: int = 15) -> str:
    """The end of the log of the last start: ``start.log`` until the log collector takes over."""
    text = (cluster / "start.log").read_text(errors="replace")
    if "redirecting log output" in text:
        newest = max(cluster.glob("log/*.log"), key=lambda path: path.stat().st_mtime_ns, default=None)
        text = newest.read_text(errors="replace") if newest else text
    return "\n".join(text.splitlines()[-lines:])
