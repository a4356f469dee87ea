"""A profile on the columns of one file: which of them are read, and as what."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from energy_etl.energy import DEFAULT_MAX_GAP_S, DEFAULT_MAX_KW, EnergyKind, EnergyRule
from energy_etl.profiles.model import squash
from energy_etl.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from energy_etl.profiles.model import IdSpec, LongSpec, MeasureSpec, Profile, StreamSpec

ROW_NUMBER = "row_number"


class UnfitError(Exception):
    """The profile does not fit the columns: which are missing, or which of two is meant is not clear."""


@dataclass(frozen=True, slots=True)
class BoundMeasure:
    """One of our columns, and where it comes from."""

    name: str
    """Ours."""
    column: str | None
    """The file's; in a long layout, the channel. None: a constant."""
    unit: str
    constant: float | None = None
    power: bool = False
    """Whether it is an energy column that carries power."""


@dataclass(frozen=True, slots=True)
class BoundId:
    """A device column, and where it comes from."""

    name: str
    """Ours."""
    columns: tuple[str, ...]
    """The file's, joined if there are several; none: a constant."""
    separator: str = "/"
    constant: str | None = None


@dataclass(frozen=True, slots=True)
class BoundLong:
    """A long layout on a file's columns."""

    channel: str
    value: str
    unit: str | None
    default_channel: str | None
    channels: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Channel that is read → column → what it must hold."""
    energy: frozenset[str]
    """The channels that make a reading, one per device and time."""
    key: tuple[str, ...]
    """Columns that tell one reading from another."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What is read of a file, and as what."""

    columns: tuple[str, ...]
    """The file's columns that are read, in the file's order."""
    ids: tuple[BoundId, ...]
    time: tuple[str, ...]
    """One column, or date and time."""
    measures: tuple[BoundMeasure, ...]
    energy: dict[str, EnergyRule | None]
    """Stream → what its energy column carries; None: not known."""
    long: BoundLong | None = None
    absent: tuple[str, ...] = ()
    """Of our columns, those that the profile maps and this file lacks."""
    constants: tuple[str, ...] = field(default=())
    """What every reading carries alike, for people."""


def unit_column(channel: str) -> str:
    """The column of a reading that holds the unit of a channel's value."""
    return f"{channel} unit"


def bind(
    profile: Profile,
    header: Sequence[str],
    file: str,
    channels: frozenset[str] | None = None,
    *,
    matched: bool = False,
) -> Binding:
    """Fit a profile to a file's columns.

    Args:
        profile: Any but the canonical one, which needs no mapping.
        header: The file's columns.
        file: Its name, of which an id may be part.
        channels: Of a long layout, those that were met; None where nothing was read yet.
        matched: The profile was not named: the columns it is known by have to be there as well.

    Raises:
        UnfitError: A column the profile needs is missing, or two mean the same.
    """
    binder = _Binder(profile, header, file, channels)
    if matched:
        binder.require(profile.match)
    return binder.bound()


class _Binder:
    def __init__(
        self, profile: Profile, header: Sequence[str], file: str, channels: frozenset[str] | None
    ) -> None:
        self._profile = profile
        self._header = header
        self._file = PurePath(file).name
        self._channels = channels
        self._read: set[str] = set()
        self._absent: list[str] = []
        self._constants: list[str] = []

    def require(self, names: Iterable[str]) -> None:
        known = {squash(column) for column in self._header}
        for name in names:
            if squash(name) not in known:
                raise UnfitError(f"no column {name}")

    def bound(self) -> Binding:
        profile = self._profile
        ids = tuple(self._id(stream.id, device) for device, stream in self._streams())
        time = tuple(self._column(names) for names in profile.time.columns)
        rules: dict[str, EnergyRule | None] = {}
        measures: list[BoundMeasure] = []
        for stream in STREAMS:
            if (spec := profile.streams.get(stream.name)) is None:
                continue
            energy = self._energy(spec)
            measures.append(self._measure(stream.energy, energy, required=True))
            rules[stream.name] = _rule(spec, energy)
            for name, measure in spec.measures.items():
                if self._has(measure):
                    measures.append(self._measure(name, measure, required=False))
                else:
                    self._absent.append(name)
        if ROW_NUMBER in self._read:
            raise UnfitError(f'the column "{ROW_NUMBER}" has a name that rows of ours have; rename it')
        long = self._long(profile.long, (*time, *(each for one in ids for each in one.columns)))
        return Binding(
            columns=tuple(name for name in self._header if name in self._read),
            ids=ids,
            time=time,
            measures=tuple(measures),
            energy=rules,
            long=long,
            absent=tuple(self._absent),
            constants=tuple(self._constants),
        )

    def _streams(self) -> Iterable[tuple[str, StreamSpec]]:
        for stream in STREAMS:
            if stream.name in self._profile.streams:
                yield stream.device, self._profile.streams[stream.name]

    def _find(self, names: Iterable[str]) -> str | None:
        """The file's column of one of these names; the first that is there counts."""
        for name in names:
            same = [column for column in self._header if column == name] or [
                column for column in self._header if squash(column) == squash(name)
            ]
            if len(same) > 1:
                raise UnfitError(f'{len(same)} columns are "{same[0]}"')
            if same:
                self._read.add(same[0])
                return same[0]
        return None

    def _column(self, names: Sequence[str]) -> str:
        found = self._find(names)
        if found is None:
            raise UnfitError(f"no column {' or '.join(names)}")
        return found

    def _id(self, spec: IdSpec, device: str) -> BoundId:
        if spec.columns:
            return BoundId(device, (self._column(spec.columns),))
        if spec.joined:
            first, *others = spec.joined
            found = [self._column(first), *(column for names in others if (column := self._find(names)))]
            return BoundId(device, tuple(found), spec.separator)
        constant = spec.constant
        if spec.file_name is not None:
            match = re.search(spec.file_name, self._file)
            if match is None or not match[1]:
                raise UnfitError(f"its name has no id in it (file_name = {spec.file_name!r})")
            constant = match[1]
        self._constants.append(f"{device} is {constant!r}")
        return BoundId(device, (), constant=constant)

    def _has(self, measure: MeasureSpec) -> bool:
        """Whether the file has it; in a long layout, as far as is known yet."""
        if measure.constant is not None:
            return True
        if self._profile.long is not None:
            return self._channels is None or any(name in self._channels for name in measure.columns)
        return any(squash(column) == squash(name) for name in measure.columns for column in self._header)

    def _energy(self, spec: StreamSpec) -> MeasureSpec:
        """The first of the alternatives that the file has."""
        return next((measure for measure in spec.energy if self._has(measure)), spec.energy[0])

    def _measure(self, name: str, spec: MeasureSpec, *, required: bool) -> BoundMeasure:
        if spec.constant is not None:
            self._constants.append(f"{name} is {spec.constant:g}")
            return BoundMeasure(name, None, spec.unit, spec.constant)
        if self._profile.long is not None:
            found: str | None = self._channel(spec)
        else:
            found = self._column(spec.columns) if required else self._find(spec.columns)
        return BoundMeasure(name, found, spec.unit, power=spec.kind is EnergyKind.POWER)

    def _channel(self, spec: MeasureSpec) -> str:
        """The first of a measure's channels that was met."""
        met = [name for name in spec.columns if self._channels is None or name in self._channels]
        return met[0] if met else spec.columns[0]

    def _long(self, spec: LongSpec | None, key: tuple[str, ...]) -> BoundLong | None:
        if spec is None:
            return None
        channels: dict[str, Mapping[str, tuple[str, ...]]] = {}
        energy = set()
        for stream in self._profile.streams.values():
            chosen = self._energy(stream)
            others = [one for one in stream.measures.values() if one.columns and self._has(one)]
            for one in (chosen, *others):
                filters = {**spec.where, **one.where}
                found = {name: self._find([name]) for name in filters}
                channels[self._channel(one)] = {
                    column: filters[name] for name, column in found.items() if column is not None
                }
            energy.add(self._channel(chosen))
        if clash := sorted(set(key) & {name for one in channels for name in (one, unit_column(one))}):
            raise UnfitError(f'"{clash[0]}" is a column as well as a channel')
        return BoundLong(
            channel=self._column(spec.channel),
            value=self._column(spec.value),
            unit=self._find(spec.unit),
            default_channel=spec.default_channel,
            channels=channels,
            energy=frozenset(energy),
            key=key,
        )


def _rule(spec: StreamSpec, energy: MeasureSpec) -> EnergyRule | None:
    if energy.kind is None:
        return None
    return EnergyRule(
        kind=energy.kind,
        max_kw=spec.max_kw or DEFAULT_MAX_KW,
        dial_kwh=spec.dial_kwh,
        max_gap_s=spec.max_gap_s or DEFAULT_MAX_GAP_S,
    )
