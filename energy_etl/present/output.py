"""Results. The only module that writes standard output; nothing else ever appears there.

Three formats. A table is for reading: numbers rounded, ages in words, values as text whatever they contain.
JSON and CSV are for machines: full precision, ISO-8601 in UTC, JSON keys in camelCase and CSV headers in
snake_case. A reader that leaves early (``| head``) is no failure: the rest is dropped in silence and the
command's exit code still says how the job went.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from energy_etl.present import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.table import Table
    from rich.text import Text

PIPE_WIDTH = 1_000
"""Columns for a table that goes to a file or another program: as good as unlimited, nothing is folded."""


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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


def camel(key: str) -> str:
    """``avg_battery_temp`` → ``avgBatteryTemp``."""
    first, *rest = key.split("_")
    return first + "".join(word.title() for word in rest)


def write_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Any]],
    *,
    output: Format,
    title: str | None = None,
    width: int | None = None,
) -> None:
    """Write a list: a table, a JSON array of objects, or CSV with a header.

    Args:
        columns: What each row holds, in order.
        rows: Values in column order; consumed once, JSON and CSV are written as they come.
        output: The format.
        title: Heading of the table, after an empty line; JSON and CSV have none.
        width: Characters per line of the table; by default the terminal's.
    """
    with _stdout() as out:
        if output is Format.CSV:
            _write_csv(out, columns, rows)
        elif output is Format.JSON:
            keys = [camel(column.key) for column in columns]
            _write_array(out, (dict(zip(keys, row, strict=True)) for row in rows))
        else:
            if title:
                out.write(f"\n{cells.visible(title)}\n")
            _print(out, _list(columns, rows), width)


def write_record(fields: Sequence[tuple[str, str]], *, width: int | None = None) -> None:
    """Write one thing as a table of two columns, name and value."""
    with _stdout() as out:
        _print(out, _record(fields), width)


def write_json(document: Mapping[str, Any]) -> None:
    """Write one JSON object, indented, keys in the given order."""
    with _stdout() as out:
        out.write(_json(document, indent=2) + "\n")


def write_json_list(documents: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON array, an object per line; consumed once, written as it comes."""
    with _stdout() as out:
        _write_array(out, documents)


def _write_csv(out: TextIO, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    # A program gets the text as it is; a terminal must not obey it.
    guard: Callable[[str], str] = cells.visible if out.isatty() else str
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in columns])
    for row in rows:
        writer.writerow([_csv_cell(value, guard) for value in row])


def _csv_cell(value: object, guard: Callable[[str], str]) -> object:
    shown = cells.plain(value)
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, dict | list):
        shown = _json(shown)
    return guard(cells.csv_text(shown)) if isinstance(shown, str) else shown


def _write_array(out: TextIO, documents: Iterable[Mapping[str, Any]]) -> None:
    separator = "[\n"
    for document in documents:
        out.write(separator + "  " + _json(document))
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _json(value: object, indent: int | None = None) -> str:
    document = json.dumps(cells.plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return cells.json_escaped(document)


def _list(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Table:
    table = _table(header=True)
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(column.show(value)) for column, value in zip(columns, row, strict=True)))
    return table


def _record(fields: Sequence[tuple[str, str]]) -> Table:
    table = _table(header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(_text(name), _text(value))
    return table


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


def _print(out: TextIO, table: Table, width: int | None) -> None:
    from rich.console import Console

    wide = None if out.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    console = Console(file=out, width=width or wide, markup=False, highlight=False, emoji=False)
    # Rendered first: rich ends the process by itself when it meets a closed pipe.
    with console.capture() as rendered:
        console.print(table)
    out.write("".join(f"{line.rstrip()}\n" for line in rendered.get().splitlines()))


@contextmanager
def _stdout() -> Iterator[TextIO]:
    out = sys.stdout
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure:
        # A terminal that is not UTF-8 shows an escape instead of ending the program.
        reconfigure(errors="backslashreplace")
    try:
        yield out
        out.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
