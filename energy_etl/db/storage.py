"""How this server stores readings best, and the settings of a load's transaction that go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from energy_etl.db import schema
from energy_etl.db.schema import Flavour
from energy_etl.db.sql import query
from energy_etl.errors import DatabaseError
from energy_etl.options import DirectCompress

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection
    from psycopg.errors import Diagnostic

ROWS = 500_000
ROWS_COMPRESSED = 1_000_000
"""Readings of a COPY. With more of a device at once, the columnstore compresses better and a fifth faster."""


class Storage:
    """What a load's transaction makes of the server.

    Args:
        conn: In the load's transaction.
        direct_compress: What the user wants.
        announce: Told when the server does not do what was asked of it.

    Raises:
        DatabaseError: The database has no schema.
    """

    def __init__(
        self, conn: Connection[Any], direct_compress: DirectCompress, announce: Callable[[str], None]
    ) -> None:
        found = schema.current(conn)
        if found is None:
            raise DatabaseError("the database has no schema", hint="run `energy-etl db init`")
        self._conn = conn
        self._announce = announce
        self.flavour = found.flavour
        self.compressing = (
            direct_compress is DirectCompress.AUTO
            and self.flavour is Flavour.TIMESCALE
            and conn.execute(query("storage.can_compress")).fetchone() == (True,)
        )
        """Readings go into the columnstore compressed."""

    @property
    def path(self) -> str:
        """How readings are stored, for the ledger."""
        if self.flavour is Flavour.POSTGRES:
            return "day partitions"
        return "direct compress" if self.compressing else "rows"

    @property
    def batch_rows(self) -> int:
        """Readings to send at a time."""
        return ROWS_COMPRESSED if self.compressing else ROWS

    def prepare(self) -> None:
        """Set the transaction up; nothing of it touches durability."""
        settings = {"work_mem": "128MB", "maintenance_work_mem": "256MB"}
        if self.flavour is Flavour.TIMESCALE:
            settings["timescaledb.max_tuples_decompressed_per_dml_transaction"] = "0"
        if self.compressing:
            settings["timescaledb.enable_direct_compress_copy"] = "on"
            # Every COPY is sorted by (device, ts), and overlaps no earlier one of a device.
            settings["timescaledb.enable_direct_compress_copy_client_sorted"] = "on"
        for name, value in settings.items():
            self._conn.execute(query("storage.set"), [name, value])
        if self.compressing:
            self._conn.execute(query("storage.roomy_allocator"))

    def __enter__(self) -> Storage:
        self._conn.add_notice_handler(self._noticed)
        return self

    def __exit__(self, *_: object) -> None:
        self._conn.remove_notice_handler(self._noticed)

    def _noticed(self, message: Diagnostic) -> None:
        """A trigger or a unique constraint, which somebody added, makes the server store rows instead."""
        text = message.message_primary or ""
        if self.compressing and "disabling direct compress" in text:
            self.compressing = False
            self._announce(f"stored as rows, not compressed: {text}")
