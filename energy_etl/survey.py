"""What the values of a whole dump tell about how it is written, where one alone could be read in two ways."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.errors import AmbiguousInputError
from energy_etl.frames.normalise import NUMBERS
from energy_etl.frames.timestamps import DAY_OR_MONTH_FIRST
from energy_etl.profiles.model import DateOrder, DecimalMark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from energy_etl.frames.mapping import Mapper
    from energy_etl.sources.source import Reader

SURVEY_ROWS = 250_000

_NUMBERS_IN_DATE = r"^(\d{1,2})[/-](\d{1,2})[/-]\d{4}"
_DECIMAL_COMMA = r"^[+-]?(?:\d*,(?:\d{0,2}|\d{4,})|0*,\d+|0\d*,\d+|\d{4,},\d+)$"
"""A comma with other than three digits behind it, or more than three before it, parts no thousands."""
_ANY_COMMA = r"^[+-]?\d*,\d*$"
_POINT = r"^[+-]?[\d,]*\.\d"


class Survey:
    """Reads a dump from its beginning to its end for each question that is asked, once.

    Args:
        file: The dump as the user named it.
        opened: Opens it.
        mapper: Brings its rows under our columns; makes None where they are.
    """

    def __init__(self, file: str, opened: Callable[[], Reader], mapper: Callable[[], Mapper | None]) -> None:
        self._file = file
        self._opened = opened
        self._mapper = mapper

    @property
    def found_order(self) -> DateOrder | None:
        """The order of dates, if it was asked for."""
        return self.__dict__.get("date_order")

    @property
    def found_decimal(self) -> DecimalMark | None:
        """The decimal mark, if it was asked for."""
        return self.__dict__.get("decimal")

    @cached_property
    def date_order(self) -> DateOrder:
        """Whether the day or the month comes first in all dates such as 11/01/2017.

        Raises:
            AmbiguousInputError: They do not show it.
        """
        first = second = 0
        example = ""
        for frame in self._frames():
            dates = frame["ts"].cast(pl.String).str.strip_chars()
            dates = dates.filter(dates.str.contains(DAY_OR_MONTH_FIRST))
            if dates.is_empty():
                continue
            example = example or dates[0]
            numbers = dates.str.extract_groups(_NUMBERS_IN_DATE).struct.unnest().cast(pl.Int64)
            first, second = map(max, (first, second), numbers.max().row(0))
        if (first > 12) == (second > 12):
            what = "both orders occur" if first > 12 else "no date in the file shows it"
            raise AmbiguousInputError(
                self._file,
                f"whether the day or the month comes first in dates like {example} is not plain: {what}",
                hint="say which: --date-order dmy, or --date-order mdy",
                choices=("--date-order dmy", "--date-order mdy"),
            )
        return DateOrder.DMY if first > 12 else DateOrder.MDY

    @cached_property
    def decimal(self) -> DecimalMark:
        """What the comma in numbers is: a decimal mark, or nothing we read.

        Raises:
            AmbiguousInputError: It could be a thousands mark as well.
        """
        shown = seen = points = 0
        example = ""
        for frame in self._frames():
            for name in NUMBERS:
                if frame.schema.get(name) != pl.String:
                    continue
                values = frame[name].str.strip_chars()
                points += int(values.str.contains(_POINT).sum())
                commas = values.filter(values.str.contains(_ANY_COMMA))
                if not commas.is_empty():
                    example = example or commas[0]
                    seen += commas.len()
                    shown += int(commas.str.contains(_DECIMAL_COMMA).sum())
        if points > seen or not example:
            # Numbers have a point: one with a comma is a fault of its own.
            return DecimalMark.POINT
        if not shown or points:
            why = "others have a point" if points else "each could part thousands as well"
            raise AmbiguousInputError(
                self._file,
                f"whether the comma in numbers like {example} is a decimal mark is not plain: {why}",
                hint="say which: --decimal , or --decimal .; a profile declares marks between thousands",
                choices=("--decimal ,", "--decimal ."),
            )
        return DecimalMark.COMMA

    def _frames(self) -> Iterator[pl.DataFrame]:
        mapper = self._mapper()
        batches = self._opened().batches(SURVEY_ROWS)
        try:
            for raw in batches:
                yield raw.frame if mapper is None else mapper.map(raw.frame).frame
            if mapper is not None and (rest := mapper.finish()) is not None:
                yield rest.frame
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()
