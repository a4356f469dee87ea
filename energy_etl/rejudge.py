"""Rejected rows read again: by the profile and with the meanings that their dumps were read with, or others.

Readings that conflicted are kept as they would have been stored, and need no profile. All other rows are kept
as their dump had them, under its own names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from energy_etl.energy import EnergyKind
from energy_etl.errors import InputError, UsageError
from energy_etl.frames.mapping import Mapped, Mapper
from energy_etl.interpret import Interpretation
from energy_etl.profiles import load as profile_files
from energy_etl.profiles.binding import UnfitError, bind
from energy_etl.profiles.model import CANONICAL, DateOrder, DecimalMark, Fold
from energy_etl.sources.stored import STREAM, StoredRows
from energy_etl.streams import STREAMS
from energy_etl.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from energy_etl.options import LoadOptions
    from energy_etl.profiles.binding import Binding
    from energy_etl.profiles.model import Profile
    from energy_etl.sources.source import SourceFile

_ENERGIES: dict[str, Callable[[str], Any]] = {"meter_energy": EnergyKind, "vehicle_energy": EnergyKind}

_OPTIONS: dict[str, Callable[[str], Any]] = {
    **_ENERGIES,
    "timezone": str,
    "fold": Fold,
    "date_order": DateOrder,
    "decimal": DecimalMark,
}
"""What decides how a value is read → the type of what the ledger has of it."""

_FOUND = ("date_order", "decimal")
"""Are in the ledger where they made a difference only."""


@dataclass(frozen=True, slots=True)
class RejectsOf:
    """The rejects of one load that are to be judged again."""

    load_id: int
    source: str
    recorded: Mapping[str, Any]
    """What the ledger has of how it was read."""
    conflicting: bool
    """Whether readings that conflicted are among them."""
    others: bool


def as_before(options: LoadOptions, loads: Sequence[RejectsOf]) -> LoadOptions:
    """The options for rows of these loads: what the user does not say is as it was.

    Raises:
        UsageError: It was not the same in all of them, or is not known any more.
    """
    conflicting, others = any(one.conflicting for one in loads), any(one.others for one in loads)
    names = _OPTIONS
    if not others:
        options = replace(options, profile=CANONICAL, decimal=DecimalMark.POINT)
        names = _ENERGIES
    elif options.profile is None:
        options = replace(options, profile=_profile(loads))
    said = {name: _common(name, loads) for name in names if getattr(options, name) is None}
    options = replace(options, **{name: names[name](text) for name, text in said.items() if text is not None})
    if conflicting and (options.profile is not CANONICAL or options.decimal is DecimalMark.COMMA):
        raise UsageError(
            "conflicting readings are kept under our names and in our units, the other rejects are not",
            hint="retry them apart: first with --rule reading:conflicting",
        )
    return options


class StoredInterpretation(Interpretation):
    """How rejected rows are read."""

    @cached_property
    def survey(self) -> Survey:
        """What their values tell."""
        return Survey(self.source.name, lambda: self.reader, self.mapper)

    def mapper(self) -> Mapper:
        """See :meth:`energy_etl.interpret.Interpretation.mapper`."""
        return _StoredMapper(self.binding)


def interpret_stored(
    source: SourceFile, fields: Sequence[str], options: LoadOptions, file: str
) -> StoredInterpretation:
    """Decide how spooled rows are read.

    Args:
        source: The spooled file.
        fields: Names of their fields.
        options: As :func:`as_before` has them.
        file: The name of the dump they are of.

    Raises:
        InputError: They have not the fields that the profile needs.
    """
    profile = options.profile or CANONICAL
    binding = None if profile is CANONICAL else _bound(source, profile, fields, file)
    fold = options.fold or profile.time.fold
    return StoredInterpretation(
        source,
        StoredRows(source.path, tuple(fields)),
        profile,
        "named, or that of their dump",
        binding,
        zone=options.timezone or profile.time.zone or "UTC",
        # Without the rows between them, their order tells nothing: in doubt they stay rejected.
        fold=None if fold is Fold.ORDER else fold,
        given_order=options.date_order or profile.time.date_order,
        given_decimal=options.decimal or profile.format.decimal,
    )


class _StoredMapper(Mapper):
    """Maps rejected rows. What a long layout had in several rows was made one before it was rejected."""

    def __init__(self, binding: Binding | None) -> None:
        self._bound = binding
        self._unfolder = None
        if binding is not None:
            self._binding = binding

    def map(self, raw: pl.DataFrame) -> Mapped:
        """Of a row with two readings, only the one that was rejected is left."""
        stream, raw = raw[STREAM][0], raw.drop(STREAM)
        others = [one for one in STREAMS if stream not in ("", one.name)]
        if self._bound is None:
            strange = {column for one in others for column in one.columns if column != "ts"}
            return Mapped(raw.drop(strange & set(raw.columns)), raw)
        frame = self._renamed(raw)
        gone = [pl.lit(None, pl.String).alias(one.device) for one in others if one.device in frame.columns]
        return Mapped(frame.with_columns(gone) if len(gone) < len(self._bound.ids) else frame, raw)


def _bound(source: SourceFile, profile: Profile, fields: Sequence[str], file: str) -> Binding:
    header, channels = list(fields), None
    if profile.long is not None:
        long = profile.long
        header += [long.channel[0], long.value[0], *long.unit[:1]]
        channels = frozenset(fields)
    try:
        return bind(profile, header, file, channels)
    except UnfitError as unfit:
        raise InputError(
            source.name,
            f"{unfit}, which the profile {profile.name} needs; there are {', '.join(fields)}",
            hint="name the profile that their dumps were loaded with",
        ) from None


def _profile(loads: Sequence[RejectsOf]) -> Profile:
    """The profile that the rows were read with."""
    names = sorted({one.recorded.get("profile", CANONICAL.name) for one in loads if one.others})
    if len(names) > 1:
        raise UsageError(
            f"the rejects were read by different profiles: {', '.join(names)}",
            hint="retry load by load with --load",
        )
    known = profile_files.builtin().get(names[0])
    if known is None:
        raise UsageError(
            f"the rejects were read by the profile {names[0]}, which is not built in",
            hint="name its file with --profile",
        )
    return known


def _common(name: str, loads: Sequence[RejectsOf]) -> str | None:
    recorded = [one.recorded.get(name) for one in loads]
    found = sorted({str(one) for one in recorded if one is not None})
    if len(found) > 1 or (found and None in recorded and name not in _FOUND):
        option = f"--{name.replace('_', '-')}"
        raise UsageError(
            f"the rejects are of loads that were read with different {option}: {', '.join(found)}",
            hint=f"say {option}, or retry load by load with --load",
        )
    return found[0] if found else None
