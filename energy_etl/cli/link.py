"""``energy-etl link``: which vehicle charges at which meter, over time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.cli.context import Output, connection, diagnostics, group, shared_options
from energy_etl.errors import InputError, UsageError
from energy_etl.present.output import Format

if TYPE_CHECKING:
    from datetime import datetime

    from energy_etl.present.diagnostics import Diagnostics

app = group("Say which vehicle charges at which meter, over time. Without a link: the meter of the same id.")

Vehicle = Annotated[str, typer.Argument(metavar="VEHICLE_ID")]
Meter = Annotated[str, typer.Argument(metavar="METER_ID")]


@app.command()
@shared_options
def add(
    ctx: typer.Context,
    vehicle_id: Vehicle,
    meter_id: Meter,
    *,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First moment; UTC unless it says otherwise.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End, excluded.")] = None,
) -> None:
    """Add a link; leave out an end that is open.

    Examples:

        energy-etl link add V-0001 M-0007

        energy-etl link add V-0001 M-0008 --from 2025-06-01 --to 2025-09-01

    A meter serves one vehicle at a time; a vehicle may have several meters. A link that is there already is
    left as it is.
    """
    from energy_etl.db.links import Link, add_links

    said = diagnostics(ctx)
    span = (_moment(said, "--from", begin), _moment(said, "--to", end))
    link = Link(vehicle_id.strip(), meter_id.strip(), *span)
    with connection(ctx, write=True) as conn:
        done = add_links(conn, [link])
    said.note(f"added {link}" if done.added else f"was there already: {link}")


@app.command("list")
@shared_options
def list_(
    ctx: typer.Context,
    vehicle_id: Annotated[str | None, typer.Argument(metavar="[VEHICLE_ID]", help="Only this one's.")] = None,
    *,
    output: Output = Format.TABLE,
) -> None:
    """List links by vehicle and time.

    Examples:

        energy-etl link list V-0001

        energy-etl link list --format csv > links.csv
    """
    from energy_etl.db.links import all_links, links_of_vehicle
    from energy_etl.present.links import write_links

    with connection(ctx) as conn:
        links = links_of_vehicle(conn, vehicle_id) if vehicle_id is not None else all_links(conn)
    write_links(links, output)


@app.command()
@shared_options
def remove(
    ctx: typer.Context,
    vehicle_id: Vehicle,
    meter_id: Meter,
    *,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Only the link that begins then; '' for an open begin."),
    ] = None,
) -> None:
    """Remove the links between a vehicle and a meter; readings stay.

    Examples:

        energy-etl link remove V-0001 M-0007

        energy-etl link remove V-0001 M-0008 --from 2025-06-01
    """
    from energy_etl.db.links import remove_link, remove_links

    said = diagnostics(ctx)
    moment = _moment(said, "--from", begin)
    vehicle_id, meter_id = vehicle_id.strip(), meter_id.strip()
    with connection(ctx, write=True) as conn:
        if begin is None:
            removed = remove_links(conn, vehicle_id, meter_id)
        else:
            removed = remove_link(conn, vehicle_id, meter_id, moment)
    if not removed:
        raise UsageError(
            f"there is no such link between {vehicle_id} and {meter_id}",
            hint="`energy-etl link list` shows those there are",
        )
    for link in removed:
        said.note(f"removed {link}")


@app.command("import")
@shared_options
def import_(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header.")]
) -> None:
    """Add the links of a CSV file: all of them, or none if one is refused.

    Examples:

        energy-etl link import links.csv

    The header is vehicle_id,meter_id,valid_from,valid_to; an empty time is an open end. Links that are there
    already are left as they are, so the same file can be imported again.
    """
    from energy_etl.analytics.link_file import read_links
    from energy_etl.db.links import RefusedLinkError, add_links
    from energy_etl.present.cells import from_csv_text, things

    said = diagnostics(ctx)
    found = read_links(file)
    if found.naive:
        said.note(f"{file}: {things(found.naive, 'time')} without an offset taken as UTC")
    # As `link list --format csv` writes it.
    links = [
        replace(link, vehicle_id=from_csv_text(link.vehicle_id), meter_id=from_csv_text(link.meter_id))
        for link in found.links
    ]
    with connection(ctx, write=True) as conn:
        try:
            done = add_links(conn, links)
        except RefusedLinkError as error:
            row = found.rows[error.position]
            raise InputError(str(file), f"row {row}: {error.message}", hint=error.hint) from None
    said.note(f"{file}: {things(done.added, 'link')} added, {done.unchanged:,} there already")


def _moment(said: Diagnostics, name: str, text: str | None) -> datetime | None:
    from energy_etl.analytics.timespan import parse_instant

    if not text:
        return None
    instant = parse_instant(text, name)
    if instant.naive:
        said.note(f"{name} names no offset: taken as UTC")
    return instant.moment
