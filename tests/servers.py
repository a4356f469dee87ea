"""Real servers for the tests: an embedded PostgreSQL always, TimescaleDB where an address is given."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from energy_etl.db import embedded, schema, session

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN = {
    "timescale": "ENERGY_ETL_TEST_TIMESCALE_URL",
    "timescale_apache": "ENERGY_ETL_TEST_TIMESCALE_APACHE_URL",
}
"""Flavour → the variable with the address of a server of that kind, whose user may create databases."""


@dataclass
class Server:
    """One server and the databases the tests make on it."""

    flavour: str
    address: str
    _template: str | None = field(default=None, init=False)

    @contextmanager
    def bare(self) -> Iterator[str]:
        """An empty database; yields its address, and drops it whatever is still connected."""
        name = self._new_name()
        self._create(name)
        try:
            yield self._address_of(name)
        finally:
            self._drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """A database with the current schema and no rows, copied from a template made once."""
        name = self._new_name()
        self._create(name, self._template or self._make_template())
        try:
            yield self._address_of(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        if self._template:
            self._drop(self._template)

    def _make_template(self) -> str:
        name = self._new_name()
        self._create(name)
        with session.connect(self._address_of(name)) as conn:
            found = schema.migrate(conn).flavour
        if found != self.flavour:
            self._drop(name)
            raise RuntimeError(f"the server for {self.flavour} is {found}: check {GIVEN.get(self.flavour)}")
        # A database that somebody is connected to cannot be copied, and TimescaleDB's scheduler always is.
        if self.flavour in GIVEN:
            with self._admin(name) as conn:
                conn.execute("SELECT _timescaledb_functions.stop_background_workers()")
        with self._admin() as conn:
            conn.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        self._template = name
        return name

    def _create(self, name: str, template: str | None = None) -> None:
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            create += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self._admin() as conn:
            deadline = time.monotonic() + 20
            while True:
                try:
                    conn.execute(create)
                    break
                except psycopg.errors.ObjectInUse:  # a backend of the template's last connection is ending
                    if time.monotonic() > deadline:
                        raise
        if self.flavour in GIVEN and not template:
            with self._admin(name) as conn:
                conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")

    def _drop(self, name: str) -> None:
        with self._admin() as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def _admin(self, name: str | None = None) -> Iterator[psycopg.Connection]:
        conn = psycopg.connect(self._address_of(name) if name else self.address, autocommit=True)
        with conn:
            yield conn

    def _address_of(self, name: str) -> str:
        return make_conninfo(self.address, dbname=name)

    def _new_name(self) -> str:
        return f"energy_etl_test_{uuid.uuid4().hex[:12]}"


@contextmanager
def embedded_server() -> Iterator[Server]:
    """A cluster of our own, made and removed by the product's own code."""
    home = Path(tempfile.mkdtemp(prefix="energy-etl-"))
    home.chmod(0o711)
    try:
        server = Server("postgres", embedded.ensure_running(home))
        yield server
        server.close()
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


@contextmanager
def given_server(flavour: str) -> Iterator[Server]:
    server = Server(flavour, os.environ[GIVEN[flavour]])
    try:
        yield server
    finally:
        server.close()
