"""Headers → canonical column names: what a file's columns mean, told by name and never by position.

``Meter ID``, ``meter_id``, ``meterId`` and ``METERID`` are one name; nothing else is an alias. A column
whose meaning would have to be guessed is ignored and listed, so that it can be reported.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from energy_etl.errors import InputError
from energy_etl.profiles.model import squash

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from energy_etl.streams import Stream


class UnknownColumnsError(InputError):
    """The columns are not those that energy-etl documents; a profile may know them."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a header means."""

    names: tuple[str, ...]
    """Canonical names of the recognised columns, in the file's order."""
    positions: tuple[int, ...]
    """Their positions in the file, from 0."""
    ignored: tuple[str, ...]
    """The other columns' names, as the file has them."""


def canonical(header: str) -> str | None:
    """The canonical name (a key of ``streams.SOURCE_COLUMNS``) that a header means, if any."""
    return _known().get(squash(header))


def documented(column: str) -> str:
    """The name a canonical column has in the documentation (``meter_id`` → ``meterId``)."""
    from energy_etl.streams import SOURCE_COLUMNS

    return SOURCE_COLUMNS[column]


def present_streams(known: Collection[str]) -> tuple[Stream, ...]:
    """The streams whose id column is among ``known`` canonical names."""
    from energy_etl.streams import STREAMS

    return tuple(stream for stream in STREAMS if stream.device in known)


def resolve(file: str, header: Sequence[str]) -> Columns:
    """Find out what the columns of a file with one header mean.

    Args:
        file: The file as the user named it.
        header: The column names, in order.

    Raises:
        InputError: Two columns mean the same, no column is an id, or a stream's column is missing.
    """
    meanings = [canonical(name) for name in header]
    first: dict[str, int] = {}
    for position, meaning in enumerate(meanings):
        if meaning is None:
            continue
        if meaning in first:
            raise InputError(
                file,
                f"{same_meaning(header[first[meaning]], header[position], meaning)}"
                f" (columns {first[meaning] + 1} and {position + 1})",
                hint="remove or rename one of them",
            )
        first[meaning] = position
    require_columns(file, header, first)
    # A stray column of the other stream (soc in a meter dump) says nothing about any device.
    wanted = {column for stream in present_streams(first) for column in stream.columns}
    kept = [(name, at) for name, at in first.items() if name in wanted]
    positions = tuple(at for _, at in kept)
    return Columns(
        names=tuple(name for name, _ in kept),
        positions=positions,
        ignored=tuple(name for at, name in enumerate(header) if at not in positions),
    )


def require_columns(file: str, header: Sequence[str], known: Collection[str]) -> None:
    """Refuse a file without an id column, or with an id but not all columns of its stream.

    Args:
        file: The file as the user named it.
        header: The names found, as the file has them.
        known: The canonical names among them.

    Raises:
        InputError: Names what is missing and what was found.
    """
    from energy_etl.streams import STREAMS

    streams = present_streams(known)
    if not streams:
        shapes = " or ".join(", ".join(map(documented, stream.columns)) for stream in STREAMS)
        raise UnknownColumnsError(
            file,
            f"no column meterId or vehicleId; found: {_listed(header)}",
            hint=_nearest([stream.device for stream in STREAMS], header, known)
            or f"a dump has the columns {shapes}, named in a header; --profile says what"
            " other columns mean, `energy-etl inspect` shows what they hold",
        )
    for stream in streams:
        missing = [column for column in stream.columns if column not in known]
        if missing:
            names = " and ".join(map(documented, missing))
            raise UnknownColumnsError(
                file,
                f"no column {names}, which {stream.name} readings need; found: {_listed(header)}",
                hint=_nearest(missing, header, known),
            )


def pick(file: str, header: Sequence[str], wanted: Sequence[str]) -> Columns:
    """The columns that a layout asks for, under the file's own names.

    Raises:
        InputError: One is not there.
    """
    for name in wanted:
        if name not in header:
            raise InputError(file, f'no column "{name}"; found: {_listed(header)}')
    positions = tuple(header.index(name) for name in wanted)
    return Columns(
        names=tuple(wanted),
        positions=positions,
        ignored=tuple(name for at, name in enumerate(header) if at not in positions),
    )


def same_meaning(one: str, other: str, meaning: str) -> str:
    """Say that two columns or keys mean the same."""
    if one == other:
        return f'"{one}" appears twice'
    return f'"{one}" and "{other}" both mean {documented(meaning)}'


@cache
def _known() -> dict[str, str]:
    from energy_etl.streams import SOURCE_COLUMNS

    names = {squash(name): name for name in SOURCE_COLUMNS}
    return names | {squash(shown): name for name, shown in SOURCE_COLUMNS.items()}


def _nearest(missing: Sequence[str], header: Sequence[str], known: Collection[str]) -> str | None:
    """A hint with the most similar unrecognised header, if one is similar at all."""
    spare = {squash(name): name for name in header if canonical(name) not in known}
    for column in missing:
        for target in (squash(documented(column)), squash(column)):
            near = difflib.get_close_matches(target, spare, n=1, cutoff=0.75)
            if near:
                return f'is "{spare[near[0]]}" meant? Rename it to {documented(column)}'
    return None


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(f'"{name[:40]}"' for name in header[:20])
    return f"{shown} and {len(header) - 20} more" if len(header) > 20 else shown or "none"
