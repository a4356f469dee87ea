"""Tables for people, as text for a stream: numbers rounded, values as text whatever they contain."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from energy_etl.present import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.table import Table
    from rich.text import Text

PIPE_WIDTH = 1_000
"""Columns for a table that goes to a file or another program: as good as unlimited, nothing is folded."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list."""

    key: str
    """snake_case: the CSV header, and in camelCase the JSON key."""
    title: str
    """Heading in the table."""
    show: Callable[[Any], str] = cells.text
    """Value → table cell."""
    right: bool = False
    """Numbers line up on the right."""


def list_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Any]],
    stream: TextIO,
    *,
    title: str | None = None,
    width: int | None = None,
) -> str:
    """A table with a heading per column.

    Args:
        columns: What each row holds, in order.
        rows: Values in column order.
        stream: Where the text will go: a terminal's width is kept.
        title: Stands above, after an empty line.
        width: Characters per line; by default the stream's.
    """
    table = _table(header=True)
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(column.show(value)) for column, value in zip(columns, row, strict=True)))
    heading = f"\n{cells.visible(title)}\n" if title else ""
    return heading + _rendered(table, stream, width)


def record_table(fields: Sequence[tuple[str, str]], stream: TextIO, *, width: int | None = None) -> str:
    """One thing as a table of two columns, name and value; arguments as for :func:`list_table`."""
    table = _table(header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(_text(name), _text(value))
    return _rendered(table, stream, width)


def _table(*, header: bool) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        show_header=header,
        header_style="bold",
        box=box.SIMPLE_HEAD if header else None,
        pad_edge=False,
        show_edge=False,
    )


def _text(value: str) -> Text:
    from rich.text import Text

    # Never a plain str: rich would take "V[/]" for markup.
    return Text(value)


def _rendered(table: Table, stream: TextIO, width: int | None) -> str:
    from rich.console import Console

    wide = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    console = Console(file=stream, width=width or wide, markup=False, highlight=False, emoji=False)
    # Captured, not printed: rich ends the process by itself when it meets a closed pipe.
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
