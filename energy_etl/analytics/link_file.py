"""Reads a file of links: CSV with a header ``vehicle_id,meter_id,valid_from,valid_to``.

The two times may be empty or their columns missing: the link is then open at that end.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energy_etl.analytics.timespan import parse_instant
from energy_etl.db.links import Link
from energy_etl.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

_COLUMNS = ("vehicle_id", "meter_id", "valid_from", "valid_to")
_REQUIRED = _COLUMNS[:2]
_HINT = f"the first line must be a header: {','.join(_COLUMNS)}"


@dataclass(frozen=True, slots=True)
class LinkFile:
    """The links of a file, in its order."""

    links: tuple[Link, ...]
    rows: tuple[int, ...]
    """The data row each link stands in, from 1."""
    naive: int
    """Times without an offset, taken as UTC."""


def read_links(path: Path) -> LinkFile:
    """Read all links of a file.

    Raises:
        InputError: The file cannot be read, lacks a column, or has a row that is no link; the row is named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        rows = list(csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count), strict=True))
    except OSError as error:
        raise InputError(str(path), (error.strerror or str(error)).lower(), hint="check the path") from None
    except UnicodeDecodeError:
        raise InputError(str(path), "is not UTF-8 text", hint="save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(str(path), f"is no CSV: {error}", hint=_HINT) from None
    if not rows:
        raise InputError(str(path), "is empty", hint=_HINT)
    return _links(str(path), _positions(str(path), rows[0]), rows[1:])


def _positions(name: str, header: Sequence[str]) -> dict[str, int]:
    """Column name → its place in a row."""
    columns = [cell.strip().lower() for cell in header]
    for column in _COLUMNS:
        if columns.count(column) > 1:
            raise InputError(name, f"has the column {column} twice", hint=_HINT)
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        raise InputError(name, f"has no column {' and no column '.join(missing)}", hint=_HINT)
    return {column: columns.index(column) for column in _COLUMNS if column in columns}


def _links(name: str, positions: dict[str, int], rows: Sequence[Sequence[str]]) -> LinkFile:
    links, numbers, naive = [], [], 0
    width = max(positions.values()) + 1
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        if len(row) < width:
            raise InputError(
                name, f"row {number} has {len(row)} fields, at least {width} are needed", hint=_HINT
            )
        cells = {column: row[place].strip() for column, place in positions.items()}
        ends: list[datetime | None] = []
        for column in _COLUMNS[2:]:
            text = cells.get(column)
            try:
                instant = parse_instant(text, column) if text else None
            except UsageError as error:
                raise InputError(name, f"row {number}: {error.message}", hint=error.hint) from None
            naive += bool(instant and instant.naive)
            ends.append(instant.moment if instant else None)
        links.append(Link(cells["vehicle_id"], cells["meter_id"], *ends))
        numbers.append(number)
    return LinkFile(tuple(links), tuple(numbers), naive)
