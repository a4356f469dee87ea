"""Schema versions: numbered migrations, applied under a lock, each recorded with its checksum.

A migration is a file ``NNNN_what.sql`` in ``sql/migrations`` (every server) or ``sql/<flavour>/migrations``
(one flavour of server). The flavour is found out once, when the schema is made, and remembered with it, so
that a database keeps its layout when an extension is added to the server later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from psycopg import sql

from energy_etl.db.sql import query, sql_root
from energy_etl.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg import Connection

LOCK_KEY = 0x656E6572_6779_0000
"""First of this project's advisory locks ("energy" in ASCII); the streams' locks follow it."""

MIN_TIMESCALE = (2, 20)
"""Before 2.20 an INSERT ... ON CONFLICT into compressed chunks could miss conflicts (timescaledb#7672)."""


class Flavour(StrEnum):
    """What kind of server history lives on; found out, never asked for."""

    POSTGRES = "postgres"
    """Plain PostgreSQL: partitions by day, primary key."""
    TIMESCALE = "timescale"
    """TimescaleDB community: hypertables, columnstore, no unique constraint."""
    TIMESCALE_APACHE = "timescale_apache"
    """TimescaleDB Apache edition: hypertables, primary key."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    number: int
    name: str
    path: Path
    checksum: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema a database has."""

    flavour: Flavour
    version: int


def latest_version(flavour: Flavour) -> int:
    """The number of the newest migration this release knows."""
    return migrations(flavour)[-1].number


def migrations(flavour: Flavour) -> list[Migration]:
    """The migrations of a flavour in order: the common ones and its own, numbered without gaps."""
    folders = (sql_root() / "migrations", sql_root() / flavour / "migrations")
    found = sorted((path for folder in folders for path in folder.glob("*.sql")), key=lambda path: path.name)
    return [
        Migration(int(path.name[:4]), path.stem[5:], path, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in found
    ]


def current(conn: Connection[Any]) -> Schema | None:
    """The schema of this database, or None where there is none yet."""
    row = conn.execute(query("schema.current")).fetchone() if _has_versions(conn) else None
    return Schema(Flavour(row[0]), row[1]) if row else None


def check(conn: Connection[Any]) -> Schema | None:
    """The schema, after making sure that this release can work with it.

    Raises:
        DatabaseError: The schema is newer than this release, or a migration was changed after it was applied.
    """
    schema = current(conn)
    if schema is None:
        return None
    known = {migration.number: migration for migration in migrations(schema.flavour)}
    for number, name, checksum in conn.execute(query("schema.applied")).fetchall():
        if number not in known:
            raise DatabaseError(
                f"the database has schema version {number} ({name}), this release knows {max(known)}",
                hint="install the release of energy-etl that made this schema, or a newer one",
            )
        if known[number].checksum != checksum:
            raise DatabaseError(
                f"migration {number:04d} ({name}) was applied with other contents than this release has",
                hint="the database was set up by a modified copy; compare its sql/ with this release's",
            )
    return schema


def is_current(conn: Connection[Any]) -> bool:
    """Whether there is a schema and it is this release's.

    Raises:
        DatabaseError: As :func:`check`.
    """
    schema = check(conn)
    return schema is not None and schema.version == latest_version(schema.flavour)


def migrate(conn: Connection[Any], announce: Callable[[str], None] | None = None) -> Schema:
    """Bring the schema up to date: nothing to do, some migrations, or all of them.

    All missing migrations are one transaction, behind an advisory lock, so that two processes starting at
    once do the work once.

    Raises:
        DatabaseError: As :func:`check`; or the TimescaleDB extension is too old.
    """
    found = check(conn)
    if found is not None and found.version == latest_version(found.flavour):
        return found
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        schema = check(conn)
        if schema is None:
            conn.execute(query("schema.create_versions"))
            schema = Schema(detect(conn), 0)
        pending = [step for step in migrations(schema.flavour) if step.number > schema.version]
        for step in pending:
            # A file with several statements and no parameters goes as one simple query.
            conn.execute(sql.SQL(step.path.read_text(encoding="utf-8")))
            conn.execute(query("schema.record"), [step.number, step.name, step.checksum, schema.flavour])
        done = Schema(schema.flavour, pending[-1].number if pending else schema.version)
    if pending and announce:
        announce(f"schema version {done.version} set up ({describe(done.flavour)})")
    return done


def detect(conn: Connection[Any]) -> Flavour:
    """Which flavour of server this is, by what is there.

    Raises:
        DatabaseError: TimescaleDB is there but older than this project can work with.
    """
    row = conn.execute(query("schema.timescale")).fetchone()
    if row is None or row[0] is None:
        return Flavour.POSTGRES
    version, licence = row
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_TIMESCALE:
        wanted = ".".join(map(str, MIN_TIMESCALE))
        raise DatabaseError(
            f"TimescaleDB {version} is older than {wanted}",
            hint="update the extension (ALTER EXTENSION timescaledb UPDATE) or use a database without it",
        )
    return Flavour.TIMESCALE if licence == "timescale" else Flavour.TIMESCALE_APACHE


def describe(flavour: Flavour) -> str:
    """The flavour in words."""
    return {
        Flavour.POSTGRES: "PostgreSQL, a partition per day",
        Flavour.TIMESCALE: "TimescaleDB community, hypertables with columnstore",
        Flavour.TIMESCALE_APACHE: "TimescaleDB Apache edition, hypertables",
    }[flavour]


def _has_versions(conn: Connection[Any]) -> bool:
    # Not to_regclass: its cache may miss what others committed while this transaction waited for the lock.
    row = conn.execute(query("schema.has_versions")).fetchone()
    return bool(row and row[0])
