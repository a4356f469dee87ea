"""Small dumps of meter readings around noon, and what a database holds after they were loaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from energy_etl.dump import Dump
from energy_etl.outcome import Entry
from energy_etl.sources.fingerprint import fingerprint
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

HEAD = "meterId,kwhConsumedAc,voltage,timestamp"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAD = "M-1,much,230,2026-03-01T12:00:00Z"
NAMES = ("read", "loaded", "duplicate", "conflicting", "rejected")
Counts = tuple[int, int, int, int, int]


def line(device: str, minute: int, energy: float) -> str:
    return f"{device},{energy},230,{NOON + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"


def write(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("\n".join([HEAD, *lines]) + "\n")
    return name


def prepared(path: Path, load_id: int = 1) -> Dump:
    """A dump as the feed gets it: recognised, hashed and claimed."""
    source = recognise(path, path.name)
    taken = fingerprint(source)
    entry = Entry(source.name, taken.sha256, source.bytes, source.format)
    return Dump(source, taken, entry, load_id=load_id)


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(statement.encode()).fetchall()


def files(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)["files"]
    return found


def counts(streams: dict[str, Any]) -> Counts:
    """Of the only stream."""
    (found,) = streams.values()
    read, loaded, duplicate, conflicting, rejected = (found[name] for name in NAMES)
    return read, loaded, duplicate, conflicting, rejected


def ledger(database_url: str) -> dict[str, tuple[int, str, Counts | None]]:
    """Source → load_id, status and counts."""
    found = rows(database_url, "SELECT source, load_id, status, counts FROM load ORDER BY load_id")
    assert len({source for source, *_ in found}) == len(found)
    return {
        source: (load_id, status, counts(told) if told else None) for source, load_id, status, told in found
    }


def transactions(database_url: str) -> int:
    """How many transactions wrote the ledger."""
    ((number,),) = rows(database_url, "SELECT count(DISTINCT xmin::text) FROM load")
    return int(number)


def stored(database_url: str) -> list[tuple[str, int, float, int]]:
    """Device, minutes since noon, energy and load."""
    found = rows(
        database_url, "SELECT meter_id, ts, kwh_consumed_ac, load_id FROM meter_history ORDER BY 1, 2"
    )
    return [(device, (ts - NOON) // timedelta(minutes=1), energy, load) for device, ts, energy, load in found]
