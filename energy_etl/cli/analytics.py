"""``energy-etl analytics``: how well a vehicle charges."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.cli.context import Output, connection, diagnostics, shared_options
from energy_etl.errors import ExitCode, UsageError
from energy_etl.present.output import Format

if TYPE_CHECKING:
    from energy_etl.analytics.window import WindowRequest
    from energy_etl.present.diagnostics import Diagnostics


class Until(StrEnum):
    """Ends of a window that have a name."""

    NOW = "now"


@shared_options
def analytics(
    ctx: typer.Context,
    vehicle_id: Annotated[str, typer.Argument(metavar="VEHICLE_ID", help="As in the dumps.")],
    *,
    last: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Length of the window: 90m, 24h, 7d, 2w. [default: 24h]"),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Begin of the window, excluded; UTC unless it says otherwise."
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="End, included. [default: the vehicle's newest reading]"),
    ] = None,
    until: Annotated[
        Until | None, typer.Option(help="End the window at the wall clock.", case_sensitive=False)
    ] = None,
    alert_threshold: Annotated[
        float,
        typer.Option(envvar="ALERT_THRESHOLD", min=0, max=100, help="Efficiency in % below which is LOW."),
    ] = 85.0,
    fail_on_alert: Annotated[
        bool, typer.Option("--fail-on-alert", help="End with exit code 6 on LOW or IMPLAUSIBLE.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show AC consumed, DC delivered, efficiency, loss and battery temperature of a vehicle.

    Examples:

        energy-etl analytics V-0001

        energy-etl analytics V-0001 --last 7d --until now --fail-on-alert

        energy-etl analytics V-0001 --from 2025-06-01 --to 2025-07-01 --format json

    AC is what the meters linked to the vehicle measured (see `energy-etl link`), or without any link the
    meter of the same id. Status: NO_VEHICLE, NO_METER, INSUFFICIENT (AC below 1 kWh, or a side's readings
    cover less than 80 % of the time: then nothing is alerted), IMPLAUSIBLE (above 100 %), LOW (below the
    threshold), OK; the first that applies. Temperatures are averaged over the readings, not over time.
    """
    from energy_etl.analytics.performance import Status, performance
    from energy_etl.present.performance import write_performance

    request = _request(diagnostics(ctx), last, begin, end, until)
    with connection(ctx) as conn:
        figures = performance(conn, vehicle_id, request, alert_threshold)
    write_performance(figures, output)
    if figures.status is Status.NO_VEHICLE:
        diagnostics(ctx).warn(
            f"vehicle {vehicle_id}: {figures.reason}", hint="`energy-etl live vehicles` lists those there are"
        )
    if fail_on_alert and figures.alert:
        raise typer.Exit(ExitCode.ALERT)


def _request(
    said: Diagnostics, last: str | None, begin: str | None, end: str | None, until: Until | None
) -> WindowRequest:
    from energy_etl.analytics.timespan import parse_duration, parse_instant
    from energy_etl.analytics.window import WindowRequest

    if end is not None and until is not None:
        raise UsageError("--to and --until both say where the window ends", hint="leave one of them out")
    given = {
        name: parse_instant(text, name)
        for name, text in (("--from", begin), ("--to", end))
        if text is not None
    }
    for name, instant in given.items():
        if instant.naive:
            said.note(f"{name} names no offset: taken as UTC")
    moments = {name: instant.moment for name, instant in given.items()}
    return WindowRequest(
        after=moments.get("--from"),
        until=datetime.now(UTC) if until is Until.NOW else moments.get("--to"),
        last=parse_duration(last, "--last") if last is not None else None,
        until_is_now=until is Until.NOW,
    )
