"""Which server is meant, and the only place that sees a password.

An address comes from ``--database-url``, else ``DATABASE_URL``, else libpq's own ``PG*`` variables, else the
configuration file; with none of them the embedded database is meant. Everything that leaves this module for a
reader's eyes went through :func:`describe` or :func:`redact`. libpq and psycopg repeat a malformed address,
password included, in their error messages: none of those messages is ever chained or quoted here.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBPQ_VARIABLES = (
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
)
"""Any of these set means: the user has a server in mind, and libpq knows which."""

_FORM = (
    "write postgresql://user:password@host:5432/database with special characters percent-encoded (@ is %40)"
)
_DRIVER = re.compile(r"^(?:postgres|postgresql)(?:\+\w+)?://", re.IGNORECASE)
_USERINFO = re.compile(r"(://[^:\n]*):[^\n]*@")
_NOT_A_PORT = re.compile(r"(://[^:/\s\[]*):(?!\*\*\*@|\d*(?:[/?,\s\"']|$))[^\n]*")
_QUERY_SECRET = re.compile(r"([?&]\w*(?:password|passwd|pwd)=)[^&\n]*", re.IGNORECASE)
# What is not properly quoted ends only where the next keyword begins: to hide too much is the safe side.
_KEYWORD_SECRET = re.compile(
    r"(?<![?&\w])(\w*(?:password|passwd|pwd)\s*=\s*)"
    r"(?:'(?:\\.|[^'\\])*'(?=\s|$)|(?:(?!(?<!\\)\s+\w+\s*=)[^\n])*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Target:
    """The server a command works with."""

    kind: Literal["embedded", "given"]
    origin: str
    """Where the choice came from: ``--database-url``, ``DATABASE_URL``, ``PGHOST``…, or ``default``."""
    conninfo: str = field(default="", repr=False)
    """libpq's form, password included; empty for ``embedded``, and where libpq's variables say it all."""


def resolve(url: str | None, env: Mapping[str, str], configured: str | None = None) -> Target:
    """Decide which server is meant.

    Args:
        url: The value of ``--database-url``.
        env: The process environment.
        configured: What the configuration file says.

    Raises:
        UsageError: The address cannot be read, or can be read in more than one way; it is not repeated.
    """
    for origin, value in (("--database-url", url), ("DATABASE_URL", env.get("DATABASE_URL"))):
        if value and value.strip():
            return Target(kind="given", origin=origin, conninfo=_checked(value.strip(), origin))
    for variable in LIBPQ_VARIABLES:
        if env.get(variable):
            return Target(kind="given", origin=variable)
    if configured and configured.strip():
        origin = "database.url"
        return Target(kind="given", origin=origin, conninfo=_checked(configured.strip(), origin))
    return Target(kind="embedded", origin="default")


def describe(conninfo: str) -> str:
    """Name a server as ``user@host:port/dbname``, libpq's defaults filled in, never with a password.

    Raises:
        UsageError: The address cannot be read.
    """
    parts = _effective(conninfo)
    host = parts.get("host") or parts.get("hostaddr") or "local socket"
    database = parts.get("dbname") or parts.get("user", "")
    return f"{parts.get('user', '')}@{host}:{parts.get('port', '')}/{database}"


def redact(text: str) -> str:
    """Replace every password in a text by ``***``: in addresses and ``password=`` pairs, also malformed."""
    text = _USERINFO.sub(r"\1:***@", text)
    text = _NOT_A_PORT.sub(r"\1:***", text)
    text = _QUERY_SECRET.sub(r"\1***", text)
    return _KEYWORD_SECRET.sub(r"\1***", text)


def tls_warning(conninfo: str) -> str | None:
    """Say so when a remote server's identity is not verified (``sslmode`` below ``verify-full``)."""
    parts = _effective(conninfo)
    mode = parts.get("sslmode", "prefer")
    hosts = (parts.get("host") or parts.get("hostaddr") or "").split(",")
    remote = [host for host in hosts if not _is_local(host)]
    if not remote or mode == "verify-full":
        return None
    return f"the identity of {remote[0]} is not verified (sslmode={mode}); sslmode=verify-full does"


def parse(conninfo: str, origin: str = "the database address") -> dict[str, str]:
    """Split an address into libpq's keywords, without defaults; the result may hold a password.

    Raises:
        UsageError: The address cannot be read; it is not repeated.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    parts: dict[str, str] | None = None
    # Ours is raised outside a handler: the original error carries the address and must not be chained.
    with suppress(ProgrammingError, UnicodeError):
        parts = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    if parts is None:
        raise UsageError(f"{origin} is not a PostgreSQL address", hint=_FORM)
    return parts


def _checked(value: str, origin: str) -> str:
    """Refuse what libpq would read differently from what was meant: parts of a password as host or port."""
    conninfo = _DRIVER.sub("postgresql://", value)
    is_url = conninfo.startswith("postgresql://")
    if not is_url and "://" in conninfo.partition("=")[0]:
        raise UsageError(f"{origin} is not a PostgreSQL address", hint=_FORM)
    if is_url:
        authority, _, path = conninfo.removeprefix("postgresql://").partition("/")
        if authority.count("@") > 1 or "@" in path.partition("?")[0]:
            raise UsageError(f"{origin} has an unencoded @ or / in its user or password", hint=_FORM)
    parts = parse(conninfo, origin)
    ports = parts.get("port", "").split(",")
    if not all(port.isascii() and (port.isdigit() or not port) for port in ports):
        raise UsageError(f"{origin} has a port that is not a number", hint=_FORM)
    return conninfo


def _effective(conninfo: str) -> dict[str, str]:
    """The parts with libpq's defaults (environment, service file) filled in, without any secret."""
    from psycopg.pq import Conninfo

    defaults = {
        option.keyword.decode(): option.val.decode(errors="replace")
        for option in Conninfo.get_defaults()
        if option.val is not None
    }
    return {key: value for key, value in (defaults | parse(conninfo)).items() if "password" not in key}


def _is_local(host: str) -> bool:
    return host in {"", "localhost", "::1"} or host.startswith(("/", "@", "127."))
