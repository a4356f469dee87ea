"""Connections, and the one border where the driver's errors become ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.conninfo import make_conninfo

from energy_etl import dsn
from energy_etl.errors import DatabaseError, EnergyEtlError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINIMUM_VERSION = 15

_TEMPORARY = ("08", "40001", "40P01", "53", "55P03", "57P01", "57P02", "57P03")
"""SQLSTATE classes and codes of failures that running the same command again may not meet."""

_HINTS = {
    "25006": "this server is read-only (a standby); use the address of the primary",
    "28": "check the user and the password; DATABASE_URL, PGPASSWORD or ~/.pgpass can carry it",
    "3D000": "create the database, or correct its name in the address",
    "40001": "run the same command again",
    "40P01": "run the same command again",
    "42501": "the database user lacks a right; its owner can GRANT it",
    "42703": "run `energy-etl db init`",
    "42P01": "run `energy-etl db init`",
    "53100": "the server's disk is full; make room, then run the same command again",
    "53200": "the server is out of memory or locks; raise max_locks_per_transaction",
    "53300": "the server has no connection to spare; try again later",
    "55P03": "another load holds the lock; run the same command again later",
    "57P03": "the server is starting or stopping; try again in a moment",
}
_REFUSALS = (
    # libpq reports no SQLSTATE for a connection that failed, only text: the text stands for the code.
    ("authentication failed", "28"),
    ("no password supplied", "28"),
    ("no pg_hba.conf entry", "28"),
    ("the database system is", "57P03"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
)
_UNREACHABLE = "check the address, and that the server runs and accepts connections from here"


class UnreachableError(DatabaseError):
    """No connection came about, and it is not known whether trying again helps."""


class LockHeldError(TemporaryError):
    """Another load works on the same content or stream, and did not finish in the time given."""


def connect(
    target: dsn.Target | str,
    *,
    application_name: str = "energy-etl",
    connect_timeout: int = 10,
    autocommit: bool = False,
    announce: Callable[[str], None] | None = None,
) -> psycopg.Connection:
    """Open a connection that speaks UTC and UTF-8 and notices within about a minute that its server is gone.

    Args:
        target: What :func:`energy_etl.dsn.resolve` chose (the embedded server is started if need be), or an
            address. Settings in an address win over the ones given here.
        application_name: How the server's own lists show the session.
        connect_timeout: Seconds, per host.
        autocommit: As in psycopg.
        announce: Told what starting the embedded server takes.

    Raises:
        UsageError: The address cannot be read.
        UnreachableError: Nothing answers at the address.
        DatabaseError: The server refuses, or is older than PostgreSQL 15.
        TemporaryError: The server is starting, stopping or has no connection to spare.
    """
    conninfo = _conninfo(target, announce)
    defaults: dict[str, str | int] = {
        "application_name": application_name,
        "connect_timeout": connect_timeout,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    settings = {**defaults, **dsn.parse(conninfo), "client_encoding": "utf8"}
    with _wrap_refusal(conninfo):
        connection = psycopg.connect(make_conninfo("", **settings), autocommit=True)
    try:
        with wrap_errors():
            _prepare(connection)
            connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


class Sessions:
    """Connections to one server, in autocommit mode: one kept for a row of loads, others for a moment.

    Use as a context manager; leaving it closes the one that is kept.
    """

    def __init__(self, target: dsn.Target | str, announce: Callable[[str], None] | None = None) -> None:
        """Nothing is opened yet; the arguments are those of :func:`connect`."""
        self._target = target
        self._announce = announce
        self._kept: psycopg.Connection | None = None

    def kept(self) -> psycopg.Connection:
        """The connection that is kept; opened when first asked for, and again after it was lost."""
        if self._kept is None or self._kept.closed:
            self._kept = self.open()
        return self._kept

    def open(self) -> psycopg.Connection:
        """A connection of the caller's own."""
        return connect(self._target, autocommit=True, announce=self._announce)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept is not None:
            self._kept.close()


def limit_lock_wait(conn: psycopg.Connection[Any], seconds: float) -> None:
    """Let no lock be waited for longer than this until the transaction ends; 0 means not at all."""
    # To the server, 0 would mean for ever.
    conn.execute("SELECT set_config('lock_timeout', %s, true)", [f"{max(1, round(seconds * 1000))}ms"])


@contextmanager
def wrap_errors() -> Iterator[None]:
    """Turn every error of the driver into one of ours, without the row data a server's detail may carry.

    Raises:
        TemporaryError: Lost connections, deadlocks, locks and resources that were not to be had.
        DatabaseError: Everything else.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _ours(error) from error


def _conninfo(target: dsn.Target | str, announce: Callable[[str], None] | None) -> str:
    if isinstance(target, str):
        return target
    if target.kind == "given":
        return target.conninfo
    from energy_etl.db import embedded

    return embedded.ensure_running(announce=announce)


def _prepare(connection: psycopg.Connection) -> None:
    version = connection.info.server_version
    if version < MINIMUM_VERSION * 10_000:
        raise DatabaseError(
            f"the server is PostgreSQL {version // 10_000}; energy-etl needs {MINIMUM_VERSION} or newer",
            hint="use a newer server, or none: the embedded one is used without DATABASE_URL",
        )
    # Not as startup options: connection poolers refuse those.
    connection.execute(
        "SELECT set_config('TimeZone', 'UTC', false), set_config('statement_timeout', '0', false)"
    )


@contextmanager
def _wrap_refusal(conninfo: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        text = dsn.redact(str(error)).strip()
        # One line per address tried; the last part of the last says why.
        reason = text.splitlines()[0].rpartition("failed: ")[2].removeprefix("FATAL:").strip()
        message = f"cannot connect to {dsn.describe(conninfo)}: {reason}"
        state = error.sqlstate or next((code for part, code in _REFUSALS if part in text), None)
        if state is None and "does not exist" in text:
            state = "3D000" if "database" in reason else "28"
        if state is None:
            raise UnreachableError(message, hint=_UNREACHABLE) from None
        kind = TemporaryError if state.startswith(_TEMPORARY) else DatabaseError
        raise kind(message, hint=_hint(state) or _UNREACHABLE) from None


def _ours(error: psycopg.Error) -> EnergyEtlError:
    state = error.sqlstate
    if state is None:
        reason = dsn.redact(str(error)).strip().partition("\n")[0] or type(error).__name__
        if isinstance(error, psycopg.OperationalError):
            return TemporaryError(f"the connection to the server was lost: {reason}", hint=_HINTS["40001"])
        return DatabaseError(f"the database driver failed: {reason}")
    message = f"{dsn.redact(error.diag.message_primary or str(error))} (SQLSTATE {state})"
    kind = TemporaryError if state.startswith(_TEMPORARY) else DatabaseError
    return kind(message, hint=_hint(state) or (_HINTS["40001"] if kind is TemporaryError else None))


def _hint(state: str | None) -> str | None:
    return (_HINTS.get(state) or _HINTS.get(state[:2])) if state else None
