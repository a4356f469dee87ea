"""Which profiles a file's columns come close to: for whoever has to say what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from energy_etl.profiles.model import CANONICAL, squash
from energy_etl.streams import SOURCE_COLUMNS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from energy_etl.profiles.model import Profile


@dataclass(frozen=True, slots=True)
class Nearness:
    """What a file has of the columns that a profile needs."""

    profile: str
    found: tuple[str, ...]
    """As the file has them."""
    missing: tuple[str, ...]
    """As the profile names them, alternatives joined by ``or``."""


def nearest(profiles: Iterable[Profile], header: Sequence[str]) -> list[Nearness]:
    """The profiles that share a column with a file, those that lack the least of it first."""
    squashed = {squash(name): name for name in header}
    judged = []
    for profile in profiles:
        # Of the canonical one, the stream of which most is there.
        variants = [_nearness(profile.name, needs, squashed) for needs in _needs(profile)]
        judged.append(min(variants, key=_order))
    return sorted((one for one in judged if one.found), key=_order)


def _order(one: Nearness) -> tuple[int, int]:
    return len(one.missing), -len(one.found)


def _nearness(profile: str, needs: list[tuple[str, ...]], header: dict[str, str]) -> Nearness:
    found, missing = [], []
    for names in needs:
        column = next((header[squash(name)] for name in names if squash(name) in header), None)
        if column is None:
            missing.append(" or ".join(names))
        else:
            found.append(column)
    return Nearness(profile, tuple(dict.fromkeys(found)), tuple(dict.fromkeys(missing)))


def _needs(profile: Profile) -> Iterator[list[tuple[str, ...]]]:
    """The columns that have to be there, each with the names it may have."""
    if profile is CANONICAL:
        for stream in STREAMS:
            yield [(SOURCE_COLUMNS[name],) for name in stream.columns]
        return
    needs: list[tuple[str, ...]] = [(name,) for name in profile.match]
    needs += profile.time.columns
    for spec in profile.streams.values():
        needs += [names for names in (spec.id.columns, *spec.id.joined[:1]) if names]
        if profile.long is None and all(one.constant is None for one in spec.energy):
            needs.append(tuple(name for one in spec.energy for name in one.columns))
    if profile.long is not None:
        needs += [profile.long.channel, profile.long.value]
    yield list(dict.fromkeys(needs))
