"""Open rejects as table, JSON and CSV: the rows, or how many there are of which kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from energy_etl.present import cells
from energy_etl.present.output import Format, write_table
from energy_etl.present.tables import Column
from energy_etl.selection import Grouping

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from energy_etl.db.open_rejects import OpenReject


def raw_values(value: object) -> str:
    """A row as read, for a table."""
    return cells.visible(json.dumps(value, ensure_ascii=False))


_ROWS = (
    Column("reject_id", "Reject", right=True),
    Column("load_id", "Load", right=True),
    Column("source", "File"),
    Column("row_number", "Row", right=True),
    Column("stream", "Stream"),
    Column("rule", "Rule"),
    Column("detail", "Detail"),
    Column("raw", "As read", raw_values),
)
_NOT_IN_TABLE = "reject_id"

_REJECTS = Column("rejects", "Rejects", cells.count, right=True)
_RULES = Column("rules", "Rules", cells.count, right=True)
_LOADS = Column("loads", "Loads", cells.count, right=True)

_COUNTS = {
    Grouping.LOAD: (Column("load_id", "Load", right=True), Column("source", "File"), _REJECTS, _RULES),
    Grouping.RULE: (
        Column("stream", "Stream"),
        Column("rule", "Rule"),
        _REJECTS,
        _LOADS,
        Column("example", "For example"),
    ),
    Grouping.FILE: (Column("source", "File"), _REJECTS, _RULES, _LOADS),
}


def write_rejects(rejects: Iterable[OpenReject], output: Format, *, width: int | None = None) -> None:
    """Write the rows; consumed once, JSON and CSV are written as they come."""
    columns = [column for column in _ROWS if output is not Format.TABLE or column.key != _NOT_IN_TABLE]
    rows = ([getattr(reject, column.key) for column in columns] for reject in rejects)
    write_table(columns, rows, output=output, width=width)


def write_counts(
    counts: Iterable[Sequence[Any]], by: Grouping, output: Format, *, width: int | None = None
) -> None:
    """Write how many there are, as ``db.open_rejects.counts`` has them."""
    write_table(_COUNTS[by], counts, output=output, width=width)
