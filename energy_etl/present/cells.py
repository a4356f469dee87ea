"""How single values look in tables, CSV and JSON.

Ids, file names and raw values come from other people's files: whatever they contain, a terminal obeys
nothing in them and a spreadsheet calculates nothing from them. A value that is not there is an en dash in a
table, empty in CSV, null in JSON; NaN and infinities count as not there, so they are never printed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ABSENT = "–"

_UNSAFE = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,  # Arabic letter mark, and the marks, embeddings, overrides and isolates that reorder a line
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
]
_VISIBLE = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _UNSAFE}
# json.dumps escapes the first 32 itself, and these occur only inside strings.
_JSON = {code: f"\\u{code:04x}" for code in _UNSAFE if code >= 0x7F}

_SPANS = (("s", 1, 60), ("min", 60, 3_600), ("h", 3_600, 48 * 3_600))
"""Unit, its length and the first span too long for it, in seconds; days are for the rest."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def visible(text: str) -> str:
    """The text with control characters and direction overrides spelt out as escapes."""
    return text.translate(_VISIBLE)


def csv_text(text: str) -> str:
    """The text as a CSV cell no spreadsheet takes for a formula: a leading ``'`` where one would.

    A text that reads like the result gets one too, so that :func:`from_csv_text` can tell them apart.
    """
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def from_csv_text(cell: str) -> str:
    """The text that :func:`csv_text` made the cell of; a cell written without it mostly stays as it is."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def json_escaped(document: str) -> str:
    """A JSON document with the characters a terminal would obey written as escapes; the values stay."""
    return document.translate(_JSON)


def timestamp(value: datetime) -> str:
    """ISO-8601 in UTC with ``Z``; fractions of a second only where there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: object) -> object:
    """The value with what JSON has no form for replaced: timestamps by text, NaN and infinities by null."""
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def text(value: object) -> str:
    """Any value as one line of a table."""
    shown = plain(value)
    if shown is None:
        return ABSENT
    if isinstance(shown, bool):
        return "yes" if shown else "no"
    return visible(str(shown))


def second(value: datetime | None) -> str:
    """A moment for a table, to the second."""
    return ABSENT if value is None else timestamp(value.replace(microsecond=0))


def things(number: int, one: str) -> str:
    """A number of things in words: ``1 load``, ``2,000 loads``."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def count(value: int | None) -> str:
    """A number of things, thousands separated."""
    return ABSENT if value is None else f"{value:,}"


def decimals(places: int) -> Callable[[float | None], str]:
    """A show function for numbers with so many places."""

    def show(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return ABSENT
        # Adding zero turns the -0.0 that rounding leaves into 0.0.
        return f"{round(value, places) + 0.0:,.{places}f}"

    return show


kwh = decimals(3)
one_place = decimals(1)


def age(seconds: float | None) -> str:
    """A time span in whole seconds, minutes, hours, days: ``45 s``, ``3 min``; ``in 2 h`` ahead of now."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    whole = int(abs(seconds))
    unit, length = next(((unit, length) for unit, length, limit in _SPANS if whole < limit), ("d", 86_400))
    return f"{'in ' if seconds <= -1 else ''}{whole // length} {unit}"


def size(value: int | None) -> str:
    """Bytes in decimal units."""
    if value is None:
        return ABSENT
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1_000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1_000
    return f"{amount:.1f} TB"
