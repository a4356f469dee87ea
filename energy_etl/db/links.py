"""Which vehicle charges at which meter, over time.

A link holds from ``valid_from`` (included) to ``valid_to`` (excluded); None is an open end. A vehicle may
charge at several meters at once. A meter serves one vehicle at a time: otherwise its energy would be counted
for both.
"""

from __future__ import annotations

import shlex
import unicodedata
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from energy_etl.db.sql import query
from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Link:
    """A vehicle charges at a meter for a while."""

    vehicle_id: str
    meter_id: str
    valid_from: datetime | None = None
    """Included; None since ever."""
    valid_to: datetime | None = None
    """Excluded; None until further notice."""

    def overlaps(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether the link holds at any time from start (included) to end (excluded); None is an open end."""
        begins_before_end = (self.valid_from or _BEGINNING) < (end or _END)
        return begins_before_end and (start or _BEGINNING) < (self.valid_to or _END)

    def __str__(self) -> str:
        span = f"{_shown(self.valid_from, 'ever')} to {_shown(self.valid_to, 'further notice')}"
        return f"{self.vehicle_id} at {self.meter_id} from {span}"


class RefusedLinkError(UsageError):
    """A link that cannot be added.

    Args:
        position: Which of the links to add it was, from 0.
        message: What was wrong.
        hint: What to do.
    """

    def __init__(self, position: int, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.position = position


@dataclass(frozen=True, slots=True)
class LinksAdded:
    """What became of links to add."""

    added: int
    unchanged: int
    """Were there already."""


def add_links(conn: Connection[Any], links: Sequence[Link]) -> LinksAdded:
    """Add all the links or, if one is refused, none; those that are there already are counted and kept.

    Raises:
        RefusedLinkError: An id or a span is none, the meter serves another vehicle in that time, or another
            span of the same vehicle and meter overlaps.
    """
    checked = [_checked(position, link) for position, link in enumerate(links)]
    with conn.transaction():
        conn.execute(query("links.lock"))
        missing = _missing(links_of_meters(conn, sorted({link.meter_id for link in checked})), checked)
        with conn.cursor() as cursor:
            cursor.executemany(query("links.add"), [asdict(link) for link in missing])
    return LinksAdded(len(missing), len(checked) - len(missing))


def all_links(conn: Connection[Any]) -> list[Link]:
    """Every link, by vehicle and time."""
    return [Link(*row) for row in conn.execute(query("links.all")).fetchall()]


def links_of_vehicle(conn: Connection[Any], vehicle_id: str) -> list[Link]:
    """The links of one vehicle by time."""
    rows = conn.execute(query("links.of_vehicle"), {"vehicle_id": vehicle_id}).fetchall()
    return [Link(*row) for row in rows]


def links_of_meters(conn: Connection[Any], meter_ids: Sequence[str]) -> list[Link]:
    """The links of these meters, by meter and time."""
    rows = conn.execute(query("links.of_meters"), {"meter_ids": list(meter_ids)}).fetchall()
    return [Link(*row) for row in rows]


def remove_links(conn: Connection[Any], vehicle_id: str, meter_id: str) -> list[Link]:
    """Remove every link between a vehicle and a meter, and return them."""
    pair = {"vehicle_id": vehicle_id, "meter_id": meter_id}
    with conn.transaction():
        return [Link(*row) for row in conn.execute(query("links.remove_all"), pair).fetchall()]


def remove_link(
    conn: Connection[Any], vehicle_id: str, meter_id: str, valid_from: datetime | None
) -> list[Link]:
    """Remove the link that begins then (None: the one without a beginning), and return it."""
    key = {"vehicle_id": vehicle_id, "meter_id": meter_id, "valid_from": valid_from}
    with conn.transaction():
        return [Link(*row) for row in conn.execute(query("links.remove_one"), key).fetchall()]


def _missing(existing: Sequence[Link], links: Sequence[Link]) -> list[Link]:
    """Those of the links that are not there yet, each checked against those there and those before it."""
    by_meter: dict[str, list[Link]] = defaultdict(list)
    for link in existing:
        by_meter[link.meter_id].append(link)
    missing = []
    for position, link in enumerate(links):
        others = by_meter[link.meter_id]
        if link in others:
            continue
        overlapping = next(
            (other for other in others if other.overlaps(link.valid_from, link.valid_to)), None
        )
        if overlapping:
            raise _overlap(position, link, overlapping)
        others.append(link)
        missing.append(link)
    return missing


def _overlap(position: int, link: Link, other: Link) -> RefusedLinkError:
    if link.vehicle_id == other.vehicle_id:
        message, remedy = f"{link} overlaps a link that is there: {other}", "remove that link first"
    else:
        message = f"{link}: the meter serves another vehicle in that time: {other}"
        remedy = (
            "a meter serves one vehicle at a time; remove that link first, or let the spans follow each other"
        )
    return RefusedLinkError(position, message, hint=f"{remedy} ({_removal(other)})")


def _removal(link: Link) -> str:
    """The command that removes this link and no other, for a shell."""
    ids = [link.vehicle_id, link.meter_id]
    dashes = ["--"] if any(text.startswith("-") for text in ids) else []
    begin = _shown(link.valid_from, "")
    return shlex.join(["energy-etl", "link", "remove", "--from", begin, *dashes, *ids])


def _checked(position: int, link: Link) -> Link:
    vehicle_id, meter_id = (
        _checked_id(position, name, value)
        for name, value in (("vehicle", link.vehicle_id), ("meter", link.meter_id))
    )
    if link.valid_from and link.valid_to and link.valid_from >= link.valid_to:
        raise RefusedLinkError(position, f"{link}: ends before it begins", hint="exchange the two ends")
    return Link(vehicle_id, meter_id, link.valid_from, link.valid_to)


def _checked_id(position: int, name: str, value: str) -> str:
    # Not at the top: the streams bring the data frame libraries, which reading links has no need of.
    from energy_etl.streams import ID_MAX_CHARACTERS

    trimmed = value.strip()
    if not trimmed:
        raise RefusedLinkError(position, f"the {name} id is empty", hint=f"name the {name}")
    if len(trimmed) > ID_MAX_CHARACTERS:
        problem = f"the {name} id {trimmed[:20]}… has more than {ID_MAX_CHARACTERS} characters"
        raise RefusedLinkError(position, problem, hint="no reading can have such an id")
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in trimmed):
        problem = f"the {name} id {trimmed!r} has control characters"
        raise RefusedLinkError(position, problem, hint="no reading can have such an id")
    return trimmed


def _shown(moment: datetime | None, open_end: str) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else open_end
