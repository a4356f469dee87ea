"""How a dump is read: by which profile and why, and what its values mean. Decided once, before its rows.

What only the values can tell, such as whether the day or the month comes first, is found out over the whole
dump at the moment it makes a difference: a dump without such values is not read twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from energy_etl.energy import EnergyRule
from energy_etl.errors import AmbiguousInputError, InputError
from energy_etl.frames.clock import LocalClock
from energy_etl.frames.mapping import Mapper, conversions
from energy_etl.frames.normalise import Notation
from energy_etl.frames.numbers import NumberNotation
from energy_etl.frames.split import streams_of
from energy_etl.frames.timestamps import TimeNotation
from energy_etl.profiles import load as profile_files
from energy_etl.profiles.binding import UnfitError, bind
from energy_etl.profiles.model import CANONICAL, DateOrder, DecimalMark
from energy_etl.sources.bytestream import UTF8
from energy_etl.sources.headers import UnknownColumnsError
from energy_etl.sources.reader import headers_of, open_source
from energy_etl.sources.source import Format, Layout
from energy_etl.streams import STREAMS
from energy_etl.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from energy_etl.frames.units import Conversion
    from energy_etl.options import LoadOptions
    from energy_etl.profiles.binding import Binding
    from energy_etl.profiles.model import Fold, Profile
    from energy_etl.sources.source import Reader, SourceFile
    from energy_etl.streams import Stream

CHANNEL_ROWS = 100_000
"""So many rows of a long layout are looked at to learn which channels it has."""


@dataclass(eq=False)
class Interpretation:
    """One dump, and everything that is decided about how it is read."""

    source: SourceFile
    reader: Reader
    profile: Profile = CANONICAL
    why: str = "its columns are the documented ones"
    binding: Binding | None = None
    """None: the columns are ours already."""
    layout: Layout | None = None
    zone: str = "UTC"
    fold: Fold | None = None
    given_order: DateOrder | None = None
    given_decimal: DecimalMark | None = None
    """What the profile or the user says; None: to be found out."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams it can carry; JSON has no header that announces them."""
        if self.binding is not None:
            return tuple(stream for stream in STREAMS if stream.name in self.binding.energy)
        return streams_of(self.reader.columns) if self.source.format.has_header else STREAMS

    @property
    def energy(self) -> Mapping[str, EnergyRule | None]:
        """Stream name → what its energy column is declared to carry; None: it is not."""
        if self.binding is not None:
            return self.binding.energy
        return {stream.name: EnergyRule() for stream in self.streams}

    @property
    def notation(self) -> Notation:
        """How its values are written."""
        form, time = self.profile.format, self.profile.time
        order, decimal = self.given_order, self.given_decimal
        # A comma cannot be both: between fields, and in numbers.
        open_decimal = decimal is None and self.reader.delimiter not in (None, ",")
        return Notation(
            numbers=NumberNotation(
                null=form.null,
                decimal=decimal,
                thousands=form.thousands,
                find_decimal=(lambda: self.survey.decimal) if open_decimal else None,
            ),
            times=TimeNotation(
                formats=time.formats,
                date_order=(lambda: order) if order is not None else (lambda: self.survey.date_order),
                origin=time.origin,
            ),
            null_ids=self.binding is not None,
        )

    @cached_property
    def survey(self) -> Survey:
        """What the values of the whole dump tell."""
        return Survey(self.source.name, lambda: open_source(self.source, self.layout), self.mapper)

    def mapper(self) -> Mapper | None:
        """For one pass over the rows; None where the columns are ours already."""
        return Mapper(self.binding) if self.binding is not None else None

    def clock(self) -> LocalClock:
        """For one pass over the rows."""
        return LocalClock(self.zone, self.fold)

    @property
    def conversions(self) -> tuple[Conversion, ...]:
        """Of its measures into our units."""
        return conversions(self.binding) if self.binding is not None else ()

    @property
    def date_order(self) -> DateOrder | None:
        """Whether the day comes first, as far as that made a difference."""
        return self.given_order or self.survey.found_order

    @property
    def decimal(self) -> DecimalMark | None:
        """The decimal mark, as far as that made a difference."""
        return self.given_decimal or self.survey.found_decimal

    def recorded(self) -> dict[str, str]:
        """What of it decides the outcome, for the ledger and for programs."""
        found = {
            "profile": self.profile.name,
            "timezone": self.zone,
            "fold": self.fold,
            "date_order": self.date_order,
            "decimal": self.decimal,
            "encoding": self.reader.encoding if self.reader.encoding != UTF8 else None,
        }
        return {name: str(value) for name, value in found.items() if value is not None}

    def notes(self) -> list[str]:
        """What people should know of it."""
        notes = []
        if self.profile is not CANONICAL:
            notes.append(f"read by the profile {self.profile.name}: {self.why}")
        if self.reader.encoding not in (None, UTF8, self.profile.format.encoding):
            notes.append(f"is not UTF-8, taken as {self.reader.encoding}")
        if self.survey.found_order is not None:
            first = "day" if self.survey.found_order is DateOrder.DMY else "month"
            notes.append(f"dates are {first} first, as all of them together show")
        if self.survey.found_decimal is DecimalMark.COMMA:
            notes.append("numbers have a decimal comma, as they show")
        if self.binding is not None:
            notes += [
                f"{constant} in every reading, as the profile says" for constant in self.binding.constants
            ]
            notes += [f"{name} is not in the file" for name in self.binding.absent]
        return notes


def interpret(source: SourceFile, options: LoadOptions) -> Interpretation:
    """Decide how a dump is read.

    Args:
        source: The dump.
        options: With the profile and the meanings that the user names.

    Raises:
        InputError: It cannot be read at all, or not by the profile named.
        AmbiguousInputError: Several profiles fit.
    """
    if options.profile is None:
        found = _by_columns(source)
    elif options.profile is CANONICAL:
        found = Interpretation(source, open_source(source), why="it was named")
    else:
        found = _by_profile(source, options.profile, "it was named", _Headers())
    profile = found.profile
    found.zone = options.timezone or profile.time.zone or "UTC"
    found.fold = options.fold or profile.time.fold
    found.given_order = options.date_order or profile.time.date_order
    found.given_decimal = options.decimal or profile.format.decimal
    return found


def _by_columns(source: SourceFile) -> Interpretation:
    try:
        return Interpretation(source, open_source(source))
    except UnknownColumnsError as unknown:
        headers = _Headers()
        fitting = [one for one in profile_files.builtin().values() if _fits(source, one, headers)]
        if not fitting:
            raise
        if len(fitting) > 1:
            names = " and ".join(profile.name for profile in fitting)
            raise AmbiguousInputError(
                source.name,
                f"its columns fit the profiles {names}",
                hint=f"name the one that is meant, for example --profile {fitting[0].name}",
                choices=tuple(f"--profile {profile.name}" for profile in fitting),
            ) from unknown
        return _by_profile(source, fitting[0], "its columns are those of the profile", headers)


class _Headers:
    """The headers that a file may have, each looked for once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str | None, ...], dict[str, tuple[str, ...]]] = {}

    def of(self, source: SourceFile, profile: Profile) -> dict[str, tuple[str, ...]]:
        """Delimiter → header, as far as the profile leaves it open."""
        form = profile.format
        if form.columns is not None and source.format is Format.CSV:
            return {form.delimiter or ",": form.columns}
        key = (source.encoding, form.delimiter, str(form.skip_rows))
        if key not in self._found:
            self._found[key] = headers_of(source, delimiter=form.delimiter, skip_rows=form.skip_rows)
        return self._found[key]


def _fits(source: SourceFile, profile: Profile, headers: _Headers) -> bool:
    """Whether a file has the columns of a profile."""
    if profile is CANONICAL or profile.format.columns is not None:
        return False
    try:
        for header in headers.of(source, profile).values():
            if _bound(source, profile, header, matched=True) is not None:
                return True
    except InputError:
        pass
    return False


def _bound(source: SourceFile, profile: Profile, header: tuple[str, ...], *, matched: bool) -> Binding | None:
    """The profile on a header; None where it does not fit."""
    try:
        return bind(profile, header, source.name, matched=matched)
    except UnfitError:
        return None


def _by_profile(source: SourceFile, profile: Profile, why: str, known: _Headers) -> Interpretation:
    source = replace(source, encoding=source.encoding or profile.format.encoding)
    headers = known.of(source, profile)
    fitting = {
        delimiter: binding
        for delimiter, header in headers.items()
        if (binding := _bound(source, profile, header, matched=False)) is not None
    }
    if not fitting:
        delimiter, header = max(headers.items(), key=lambda one: len(one[1]))
        try:
            bind(profile, header, source.name)
        except UnfitError as unfit:
            shown = ", ".join(f'"{name[:40]}"' for name in header[:20]) or "none"
            raise InputError(
                source.name,
                f"{unfit}, which the profile {profile.name} needs; found: {shown}",
                hint="name another profile, or write one for this kind of file",
            ) from None
    delimiter = max(fitting, key=lambda one: len(headers[one]))
    binding, form = fitting[delimiter], profile.format
    layout = Layout(
        columns=binding.columns,
        ids=tuple(column for one in binding.ids for column in one.columns),
        delimiter=delimiter or None,
        header=form.columns if source.format is Format.CSV else None,
        skip_rows=form.skip_rows,
    )
    reader = open_source(source, layout)
    if binding.long is not None:
        channels = _channels(reader, binding)
        binding = bind(profile, headers[delimiter], source.name, channels)
    return Interpretation(source, reader, profile, why, binding, layout)


def _channels(reader: Reader, binding: Binding) -> frozenset[str]:
    """The channels in the first rows of a long layout."""
    assert binding.long is not None
    found: set[str] = set()
    rows = 0
    for batch in reader.batches(CHANNEL_ROWS):
        values = batch.frame[binding.long.channel].cast(str).str.strip_chars().fill_null("").unique()
        found.update(values)
        rows += batch.rows
        if rows >= CHANNEL_ROWS:
            break
    if "" in found and binding.long.default_channel is not None:
        found.add(binding.long.default_channel)
    return frozenset(found)
