"""A profile: what the columns of a kind of dump mean, in which units, and how its values are written.

Only says; reading profile files is ``load``'s, fitting one to a file's columns is ``binding``'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from energy_etl.energy import EnergyKind

_SEPARATORS = re.compile(r"[\s_\-.\ufeff]+")


def squash(name: str) -> str:
    """A column's name as it is compared: ``Meter ID``, ``meter_id`` and ``meterId`` are one."""
    return _SEPARATORS.sub("", name).casefold()


def is_zone(name: str) -> bool:
    """Whether this names a time zone."""
    # "localtime", "right/UTC" and "Factory" are files of the system's, but no zones.
    if name[:1].islower() or name in ("", "Factory"):
        return False
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


class Fold(StrEnum):
    """Which one a local time is that occurs twice, when clocks are put back."""

    EARLIER = "earlier"
    LATER = "later"
    ORDER = "order"
    """The second one from where a device's readings step back within the hour."""


class DateOrder(StrEnum):
    """Which comes first in dates like 11/01/2017."""

    DMY = "dmy"
    MDY = "mdy"


class DecimalMark(StrEnum):
    """What stands before the fraction of a number."""

    POINT = "."
    COMMA = ","


NULL_TOKENS = ("", "?", "NA", "N/A", "None", "null", "<invalid>", "-")
"""What stands where a value is missing, in any case of letters."""


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """How a file's text is laid out; None where it is to be found out."""

    delimiter: str | None = None
    encoding: str | None = None
    decimal: DecimalMark | None = None
    thousands: str | None = None
    null: tuple[str, ...] = NULL_TOKENS
    columns: tuple[str, ...] | None = None
    """Of a file without a header."""
    skip_rows: int = 0
    """Lines before the header."""


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """Where a reading's time is, and how it is written."""

    columns: tuple[tuple[str, ...], ...] = ()
    """One column, or date and time; each with the names it may have."""
    formats: tuple[str, ...] = ()
    """As strptime has them, or ``iso``, ``epoch_s``, ``epoch_ms``, ``epoch_us``; none: to be found out."""
    zone: str | None = None
    fold: Fold | None = None
    date_order: DateOrder | None = None
    origin: datetime | None = None
    """The moment from which the column counts seconds."""
    earliest: datetime | None = None
    """Where older readings are believed than elsewhere."""


@dataclass(frozen=True, slots=True)
class IdSpec:
    """Where a device's id is."""

    columns: tuple[str, ...] = ()
    """Names the column may have."""
    joined: tuple[tuple[str, ...], ...] = ()
    """Columns that make up the id together, each with the names it may have; but for the first, those that a
    file lacks are left out."""
    separator: str = "/"
    constant: str | None = None
    file_name: str | None = None
    """A regular expression whose first group is the id."""


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    """Where one of our measures is."""

    columns: tuple[str, ...] = ()
    """Names the column may have; in a long layout, the channels that carry it."""
    unit: str = ""
    """Empty: ours."""
    constant: float | None = None
    kind: EnergyKind | None = None
    """Of energy; None: not known."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """In a long layout, what other columns must hold."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """How a dump carries one of the streams."""

    name: str
    id: IdSpec
    energy: tuple[MeasureSpec, ...]
    """The first that a file has."""
    measures: Mapping[str, MeasureSpec]
    """The stream's other columns → where they are."""
    max_kw: float | None = None
    dial_kwh: float | None = None
    max_gap_s: float | None = None
    """See :class:`energy_etl.streams.EnergyRule`."""


@dataclass(frozen=True, slots=True)
class LongSpec:
    """A layout with one value per row, and a column that says of what."""

    channel: tuple[str, ...]
    value: tuple[str, ...]
    unit: tuple[str, ...] = ()
    default_channel: str | None = None
    """What a row without a channel carries."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What other columns must hold, where a measure does not say otherwise."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of dump means."""

    name: str
    description: str = ""
    match: tuple[str, ...] = ()
    """Columns that also have to be there when it is not named."""
    format: FormatSpec = field(default_factory=FormatSpec)
    time: TimeSpec = field(default_factory=TimeSpec)
    long: LongSpec | None = None
    streams: Mapping[str, StreamSpec] = field(default_factory=dict)


CANONICAL = Profile("canonical", "the columns that energy-etl documents, in its units")
"""Needs no mapping."""
