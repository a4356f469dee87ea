"""The project's SQL: files below ``sql/``, cut into named blocks.

A block starts with a line ``-- name: block``. Comments before the statement stay in it, so a slow query in
the server's log explains itself. Identifiers that depend on the stream are written as ``{history}`` and
filled in with :mod:`psycopg.sql`, never by pasting strings.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from psycopg import sql

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def sql_root() -> Path:
    """The folder with the SQL files: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


@cache
def _blocks(namespace: str) -> dict[str, str]:
    text = (sql_root() / "queries" / f"{namespace}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def query(name: str) -> sql.SQL:
    """The block ``name``, written ``file.block``: ``query("ledger.claim")`` is in ``queries/ledger.sql``.

    Raises:
        KeyError: No such block.
    """
    namespace, block = name.split(".")
    # These files are ours, not input: as trustworthy as a literal in the code.
    return sql.SQL(_blocks(namespace)[block])
