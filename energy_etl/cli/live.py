"""``energy-etl live``: the current state of meters and vehicles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.cli.context import Limit, Output, connection, diagnostics, group, rows_at_most, shared_options
from energy_etl.present.output import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from energy_etl.present.diagnostics import Diagnostics

app = group("Show the current state of meters and vehicles, newest first.")


@app.command()
@shared_options
def meters(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[METER_ID]...", help="Only these.")] = None,
    *,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the newest reading of each meter, and how old it is.

    Examples:

        energy-etl live meters

        energy-etl live meters M-0001 M-0002 --format json
    """
    from energy_etl.db import live_view
    from energy_etl.present.live import write_meters

    with connection(ctx) as conn:
        page = live_view.meters(conn, ids or (), rows_at_most(limit, output))
    write_meters(page.rows, datetime.now(UTC), output)
    _remark(diagnostics(ctx), "meter", page.total, [row.meter_id for row in page.rows], ids or ())


@app.command()
@shared_options
def vehicles(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[VEHICLE_ID]...", help="Only these.")] = None,
    *,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the newest reading of each vehicle, and how old it is.

    Examples:

        energy-etl live vehicles

        energy-etl live vehicles V-0001 --format csv
    """
    from energy_etl.db import live_view
    from energy_etl.present.live import write_vehicles

    with connection(ctx) as conn:
        page = live_view.vehicles(conn, ids or (), rows_at_most(limit, output))
    write_vehicles(page.rows, datetime.now(UTC), output)
    _remark(diagnostics(ctx), "vehicle", page.total, [row.vehicle_id for row in page.rows], ids or ())


def _remark(said: Diagnostics, kind: str, total: int, shown: Sequence[str], asked: Iterable[str]) -> None:
    """Say what is not shown: devices beyond the limit, and ids that do not exist."""
    from energy_etl.present.cells import things

    if total > len(shown):
        more = things(total - len(shown), f"more {kind}")
        said.note(f"{more} not shown; --limit {total} shows all")
        return
    missing = [device for device in dict.fromkeys(asked) if device not in set(shown)]
    if missing:
        said.warn(f"no reading was ever loaded of {kind} {', '.join(missing)}")
