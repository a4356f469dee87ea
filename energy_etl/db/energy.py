"""What devices report as energy, as far as history knows: kinds, rules, and where to count on from.

Expects the transaction of a load, holding the stream's lock.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from energy_etl.db.sql import query
from energy_etl.db.tables import names
from energy_etl.energy import HELD, EnergyKind, EnergyRule
from energy_etl.frames.energy import Baseline, baseline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from psycopg import Connection

    from energy_etl.streams import Stream


def remembered(conn: Connection[Any], stream: Stream) -> dict[str, EnergyRule]:
    """The rules of the devices whose energy is derived; any other device reports interval energy."""
    rows = conn.execute(query("energy.remembered"), {"stream": stream.name}).fetchall()
    return {device: EnergyRule(EnergyKind(kind), *rest) for device, kind, *rest in rows}


def remember(conn: Connection[Any], stream: Stream, rules: Mapping[str, EnergyRule], load_id: int) -> None:
    """Keep the rules of devices for the loads to come; interval energy needs none."""
    plain = [device for device, rule in rules.items() if rule.kind is EnergyKind.INTERVAL]
    if plain:
        conn.execute(query("energy.forget"), {"stream": stream.name, "devices": plain})
    rows = [
        {
            "stream": stream.name,
            "device": device,
            "kind": rule.kind,
            "max_kw": rule.max_kw,
            "dial_kwh": rule.dial_kwh,
            "max_gap_s": rule.max_gap_s,
            "load_id": load_id,
        }
        for device, rule in sorted(rules.items())
        if rule.kind is not EnergyKind.INTERVAL
    ]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(query("energy.remember"), rows)


def baselines(conn: Connection[Any], stream: Stream, rules: Mapping[str, EnergyRule]) -> dict[str, Baseline]:
    """Where each device's energy is counted on from: its last believed reading, and what came since.

    Args:
        conn: In the load's transaction.
        stream: Of a derived kind.
        rules: Of the devices known by now.
    """
    fill = names(stream)
    found: dict[str, Baseline] = {}
    held = []
    for device, value, ts, quality in conn.execute(query("energy.newest").format(**fill)):
        if quality & HELD:
            held.append(device)
        else:
            found[device] = Baseline(value, _us(ts))
    if held:
        wanted = {"devices": held, "held": int(HELD)}
        rows = conn.execute(query("energy.tails").format(**fill), wanted).fetchall()
        for device, tail in groupby(rows, key=lambda row: row[0]):
            state = baseline(rules.get(device, EnergyRule(EnergyKind.REGISTER)), _values(tail))
            if state is not None:
                found[device] = state
    return found


def _values(tail: Iterable[tuple[str, float, datetime]]) -> list[tuple[float, int]]:
    return [(value, _us(ts)) for _, value, ts in tail]


def _us(ts: datetime) -> int:
    whole = int(ts.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + ts.microsecond
