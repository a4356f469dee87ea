"""What the values of one column are like, gathered batch by batch: type, gaps, range, and a doubtful unit.

Nothing is decided by it: a unit that looks wrong is told, never corrected.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.frames import numbers as numeric
from energy_etl.frames.clock import LocalClock
from energy_etl.frames.numbers import NumberNotation
from energy_etl.frames.timestamps import as_text, parse
from energy_etl.profiles.model import DecimalMark
from energy_etl.streams import MAX_VOLTAGE_V

if TYPE_CHECKING:
    from datetime import datetime

EXAMPLE_CHARACTERS = 40

ENOUGH_VALUES = 3
"""Before a unit is doubted."""

_DOUBTS_ABOVE = {
    "voltage": {
        100_000.0: 'mostly above 100,000 V: millivolts? (unit = "mV")',
        MAX_VOLTAGE_V: 'mostly above 1,000 V: decivolts? (unit = "dV")',
    },
    # No battery is so warm most of the time; the first is cold in kelvin, the second mild in Fahrenheit.
    "battery_temp": {
        200.0: 'mostly above 200 °C: kelvin? (unit = "K")',
        55.0: 'mostly above 55 °C: Fahrenheit? (unit = "F")',
    },
}
"""Column → bound that most of its values exceed → what that may mean."""
_DOUBTS_SMALL = {
    "voltage": "never above 1 V: not the voltage of a line",
    "soc": 'never above 1 %: a fraction? (unit = "fraction")',
}
"""Column → what it may mean that no value is above 1."""


@dataclass
class ColumnFacts:
    """What is known of one column so far."""

    type: str = ""
    """The file's own."""
    values: int = 0
    """That are there, unreadable ones among them."""
    missing: int = 0
    words: Counter[str] = field(default_factory=Counter)
    """What stands for a missing value, as written; empty fields are not counted here."""
    unread: int = 0
    """There, and not what the column should hold."""
    low: float | datetime | None = None
    high: float | datetime | None = None
    """As read, before units are converted."""
    example: str | None = None
    _counted: int = 0
    _top: float = 0.0
    _above: Counter[float] = field(default_factory=Counter)

    def add(
        self,
        raw: pl.Series,
        notation: NumberNotation | None,
        read: pl.Series | None = None,
    ) -> None:
        """Take a batch's values in.

        Args:
            raw: As in the file.
            notation: With the words for a missing value; None: every word is a value.
            read: The same typed, null where there is no value; None for ids.
        """
        self.type = self.type or ("text" if raw.dtype == pl.String else str(raw.dtype))
        text = as_text(raw).str.strip_chars()
        gone = text.fill_null("") == ""
        if notation is not None:
            word = text.to_frame("x").select(notation.is_null("x").fill_null(value=False)).to_series() & ~gone
            if raw.dtype.is_numeric() and notation.null_numbers:
                numbers = raw.cast(pl.Float64, strict=False)
                word |= numbers.is_in(notation.null_numbers).fill_null(value=False)
            if word.any():
                self.words.update(dict(text.filter(word).value_counts().iter_rows()))
                gone |= word
        there = int((~gone).sum())
        self.values += there
        self.missing += raw.len() - there
        if self.example is None and there:
            self.example = text.filter(~gone)[0][:EXAMPLE_CHARACTERS]
        if read is not None:
            self.unread += int((read.is_null() & ~gone).sum())
            self._widen(read)

    def weigh(self, column: str, values: pl.Series) -> None:
        """Take a batch's values of a measure of ours in, in our unit."""
        finite = values.filter(values.is_finite())
        self._counted += finite.len()
        top = finite.max()
        if isinstance(top, float):
            self._top = max(self._top, top)
        for bound in _DOUBTS_ABOVE.get(column, {}):
            self._above[bound] += int((finite > bound).sum())

    def doubt(self, column: str) -> str | None:
        """Why the unit of a measure looks wrong, if it does; energy is doubted by its readings."""
        if self._counted < ENOUGH_VALUES:
            return None
        for bound, doubt in _DOUBTS_ABOVE.get(column, {}).items():
            if self._above[bound] * 2 > self._counted:
                return doubt
        return _DOUBTS_SMALL.get(column) if 0 < self._top <= 1 else None

    def _widen(self, read: pl.Series) -> None:
        if read.dtype.is_float():
            read = read.filter(read.is_finite())
        else:
            # Python's calendar is shorter than a file's.
            read = read.filter(read.dt.year().is_between(1, 9999))
        low, high = read.min(), read.max()
        if low is None:
            return
        self.low = low if self.low is None else min(self.low, low)  # type: ignore[assignment]
        self.high = high if self.high is None else max(self.high, high)  # type: ignore[assignment, type-var]


class UnknownFacts:
    """The same of a column that nobody has said the meaning of: numbers, times, or text."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._as = {name: ColumnFacts() for name in ("number", "number with a comma", "time", "text")}

    def add(self, raw: pl.Series) -> None:
        """Take a batch's values in."""
        words = NumberNotation()
        stripped = raw.str.strip_chars() if raw.dtype == pl.String else raw
        readings = {
            "number": numeric.read(stripped, words),
            "number with a comma": numeric.read(stripped, NumberNotation(decimal=DecimalMark.COMMA)),
            "time": parse(stripped, LocalClock()).values,
            "text": None,
        }
        for name, read in readings.items():
            self._as[name].add(raw, words, read)

    def judged(self) -> ColumnFacts:
        """As what all of its values can be read."""
        for name, facts in self._as.items():
            if not facts.unread and facts.values:
                return _typed(facts, name)
        return self._as["text"]


def _typed(facts: ColumnFacts, name: str) -> ColumnFacts:
    if facts.type == "text":
        facts.type = name
    return facts
