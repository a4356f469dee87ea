"""The servers that are loaded into: the embedded one, in a home of the bench's own, or any that is given."""

from __future__ import annotations

import socket
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from energy_etl.db import embedded, schema, session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from energy_etl.db.schema import Flavour


@dataclass(frozen=True)
class Server:
    """A server, by the address of one of its databases; its user may create others."""

    address: str

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A database of its own with the schema, dropped afterwards."""
        name = f"energy_etl_bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(self.address, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            extension = admin.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
            address = make_conninfo(self.address, dbname=name)
            try:
                with session.connect(address, autocommit=True) as conn:
                    if extension is not None:
                        conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
                    flavour = schema.migrate(conn).flavour
                yield Database(address, flavour)
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
                # The next contender must not pay for this one's dirty pages.
                admin.execute("CHECKPOINT")


@dataclass(frozen=True)
class Database:
    """A database to load into."""

    address: str
    flavour: Flavour

    @property
    def url(self) -> str:
        """As the peers want it."""
        parts = conninfo_to_dict(self.address)
        user, password = parts.get("user", "postgres"), parts.get("password", "none")
        return f"postgresql://{user}:{password}@{parts['host']}:{parts.get('port', 5432)}/{parts['dbname']}"

    def run(self, *statements: str) -> None:
        """Execute statements one by one."""
        with session.connect(self.address, autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())


@contextmanager
def embedded_server(home: Path) -> Iterator[Server]:
    """The embedded server with its own settings, but listening on TCP: not every peer knows Unix sockets."""
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    address = embedded.ensure_running(home)
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET listen_addresses = '127.0.0.1'")
        conn.execute(sql.SQL("ALTER SYSTEM SET port = {}").format(sql.Literal(port)))
    embedded.stop(home)
    try:
        embedded.ensure_running(home)
        yield Server(f"postgresql://postgres@127.0.0.1:{port}/{embedded.DATABASE}")
    finally:
        embedded.stop(home)
