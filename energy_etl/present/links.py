"""Vehicle–meter links as table, JSON and CSV; the CSV is what ``link import`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from energy_etl.present import cells
from energy_etl.present.output import Format, write_table
from energy_etl.present.tables import Column

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from energy_etl.db.links import Link


def _end(moment: datetime | None) -> str:
    return cells.text(moment) if moment else "open"


_COLUMNS = (
    Column("vehicle_id", "Vehicle"),
    Column("meter_id", "Meter"),
    Column("valid_from", "From", _end),
    Column("valid_to", "To (excluded)", _end),
)


def write_links(links: Iterable[Link], output: Format, *, width: int | None = None) -> None:
    """Write links; an open end is null in JSON and empty in CSV."""
    rows = ((link.vehicle_id, link.meter_id, link.valid_from, link.valid_to) for link in links)
    write_table(_COLUMNS, rows, output=output, width=width)
