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
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from energy_etl.present import cells
from energy_etl.present.tables import list_table, record_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from energy_etl.present.tables import Column


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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
            out.write(list_table(columns, rows, out, title=title, width=width))


def write_record(fields: Sequence[tuple[str, str]], *, width: int | None = None) -> None:
    """Write one thing as a table of two columns, name and value."""
    with _stdout() as out:
        out.write(record_table(fields, out, width=width))


def write_line(text: str) -> None:
    """Write one value for a shell to take."""
    with _stdout() as out:
        out.write(f"{text}\n")


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
