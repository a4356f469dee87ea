"""Rejects on their way through another load: which, and what became of them. Expects its transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql
from psycopg.types.json import Jsonb

from energy_etl.db.open_rejects import matching
from energy_etl.db.session import LockHeldError, limit_lock_wait
from energy_etl.db.sql import query
from energy_etl.errors import InputError
from energy_etl.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from psycopg import Connection

    from energy_etl.selection import Selection

_ENERGIES = {stream.energy for stream in STREAMS}

_REPORTED = ("register_kwh", "power_kw")
"""What a conflicting reading has in the place of its energy, where that is derived."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rejects that were meant, but not judged again."""

    unread: int = 0
    """Could not be read as rows, and nobody has repaired them."""
    conflicting: int = 0
    """Would have to replace what is stored."""
    closed: int = 0
    """Of a repaired file: those that came in since."""


class Retry:
    """The rejects that one load judges again.

    Args:
        conn: In the load's transaction.
    """

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn
        conn.execute(_query("create"))

    def repair(self, file: str, rows: Iterable[tuple[int, int, int, int, dict[str, str]]]) -> None:
        """Take the repaired rows of a file: only these are judged, with the values they have there.

        Args:
            file: As the user named it.
            rows: Number of the row in the file, reject_id, load_id, row_number, and its fields as text.

        Raises:
            InputError: A row of it stands for no reject, or for one that an earlier row stands for.
        """
        with self._conn.cursor() as cursor, cursor.copy(_query("copy_repaired")) as copy:
            for *key, raw in rows:
                copy.write_row((*key, Jsonb(raw)))
        unknown = self._conn.execute(_query("unknown")).fetchone()
        if unknown:
            raise InputError(
                file,
                "row {}: there is no reject of load {}, row {}".format(*unknown),
                hint="reject_id, load_id and row_number must stay as `energy-etl rejects export` wrote them",
            )
        repeated = self._conn.execute(_query("repeated")).fetchone()
        if repeated:
            raise InputError(
                file, "rows {} and {} are the same reject".format(*repeated), hint="leave one of them"
            )

    def pick(self, selection: Selection, *, repaired: bool, replace: bool, wait_seconds: float) -> int:
        """Choose and lock what is to be judged again; how many.

        Raises:
            LockHeldError: Another retry has been at the same rejects for longer than ``wait_seconds``.
        """
        values = selection.values() | {"from_file": repaired, "replace": replace}
        try:
            with self._conn.transaction():
                limit_lock_wait(self._conn, wait_seconds)
                return self._conn.execute(_query("pick").format(matching=matching()), values).rowcount
        except errors.LockNotAvailable:
            raise LockHeldError(
                "another process is retrying the same rejects",
                hint="run the same command again later, or wait longer with --lock-wait SECONDS",
            ) from None

    def left_out(self, selection: Selection, *, repaired: bool) -> LeftOut:
        """What was meant and not chosen."""
        values = selection.values() | {"from_file": repaired}
        row = self._conn.execute(_query("left_out").format(matching=matching()), values).fetchone()
        closed = self._conn.execute(_query("closed")).fetchone()
        return LeftOut(*(row or ()), *(closed or ()))

    def loads(self) -> list[tuple[int, str, dict[str, Any], bool, bool]]:
        """The loads that the chosen rejects are of.

        Returns:
            load_id, source, options, whether conflicting readings are among them, whether others are.
        """
        return self._conn.execute(_query("loads")).fetchall()

    def fields(self) -> list[str]:
        """The names of all fields that the chosen rows have."""
        return sorted(name for (name,) in self._conn.execute(_query("fields")))

    def spool(self, path: Path, fields: Sequence[str]) -> None:
        """Write these fields of what is to be judged to a file, as ``sources.stored`` reads it."""
        columns = sql.SQL(", ").join(_field(name) for name in fields)
        statement = _query("spool").format(fields=columns)
        with path.open("wb") as file, self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in copy:
                file.write(piece)

    def settle(self, load_id: int) -> int:
        """Close the rejects whose rows have passed in a load, and tie the others to it; how many have."""
        resolved = self._conn.execute(_query("resolve"), {"load_id": load_id}).rowcount
        self._conn.execute(_query("link"), {"load_id": load_id})
        return resolved


def _field(name: str) -> sql.Composable:
    names = (name, *_REPORTED) if name in _ENERGIES else (name,)
    values = sql.SQL(", ").join(sql.SQL("raw ->> {}").format(sql.Literal(one)) for one in names)
    return sql.SQL("coalesce({})").format(values)


def _query(name: str) -> sql.SQL:
    return query(f"retry.{name}")
