"""Any readings, cut into any files, loaded in any order: a plain model says what the database holds."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from energy_etl import feed, plan
from energy_etl.db import storage
from energy_etl.db.session import Sessions
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions, OnConflict
from energy_etl.outcome import RejectLimit, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from energy_etl.outcome import LoadResult
    from tests.servers import Server

BEGIN = datetime(2026, 3, 1, 23, 55, tzinfo=UTC)
"""So that readings fall on two days."""
HEADER = (
    *("meterId", "kwhConsumedAc", "voltage"),
    *("vehicleId", "soc", "kwhDeliveredDc", "batteryTemp", "timestamp"),
)
TABLES = ("meter_history", "vehicle_history", "meter_live", "vehicle_live", "reject", "load")

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Row:
    """A row of a mixed dump; what is None is not there, what is text is wrong."""

    minute: int
    meter: str | None
    meter_values: tuple[float | str, float | None] = (0.0, None)
    vehicle: str | None = None
    vehicle_values: tuple[float | None, float | str, float | None] = (None, 0.0, None)

    def cells(self) -> list[object]:
        ts = BEGIN + timedelta(minutes=self.minute)
        meter = self.meter_values if self.meter else (None, None)
        vehicle = self.vehicle_values if self.vehicle else (None, None, None)
        return [self.meter, *meter, self.vehicle, *vehicle, f"{ts:%Y-%m-%dT%H:%M:%SZ}"]

    def readings(self) -> Iterator[tuple[str, str, Values | None]]:
        """Stream, device and values; None where they are wrong."""
        for stream, device, values in (
            ("meter", self.meter, self.meter_values),
            ("vehicle", self.vehicle, self.vehicle_values),
        ):
            if device is not None:
                wrong = any(isinstance(value, str) for value in values)
                yield stream, device, None if wrong else values  # type: ignore[misc]


GAP = [Row(0, "M-1", (0.5, None)), Row(5, "M-1", (0.5, None))]
FILLED_TWICE = [Row(3, "M-1", (0.125, None)), Row(3, "M-1", (0.5, None)), Row(5, "M-1", (0.125, None))]
ONE = [Row(0, "M-1", (0.5, None))]
CHANGED_AND_BACK = [Row(0, "M-1", (0.125, None)), *ONE]

# Few of everything, so that repetitions, conflicts and late readings are the rule.
energies = st.sampled_from([0.0, 0.125, 0.5, 0.5, 0.125, "much", "-1", "NaN"])
rows = st.builds(
    Row,
    minute=st.integers(0, 7),
    meter=st.sampled_from([None, "M-1", "M-2"]),
    meter_values=st.tuples(energies, st.sampled_from([None, 230.5])),
    vehicle=st.sampled_from([None, None, "V-1"]),
    vehicle_values=st.tuples(st.just(55.5), energies, st.sampled_from([None, 21.0])),
)
files = st.lists(rows, min_size=1, max_size=14)


@dataclass
class Model:
    """What must be in the database."""

    history: dict[str, dict[tuple[str, datetime], Values]] = field(
        default_factory=lambda: {"meter": {}, "vehicle": {}}
    )

    def load(self, file: list[Row], on_conflict: OnConflict) -> dict[str, dict[str, int]]:
        """Take a file's rows in order; the counts by stream."""
        names = ("read", "loaded", "duplicate", "conflicting", "rejected")
        counts = {name: dict.fromkeys(names, 0) for name in ("meter", "vehicle", "unassigned")}
        for row in file:
            ts = BEGIN + timedelta(minutes=row.minute)
            readings = list(row.readings())
            if not readings:
                counts["unassigned"]["read"] += 1
                counts["unassigned"]["rejected"] += 1
            for stream, device, values in readings:
                counts[stream]["read"] += 1
                counts[stream][self._take(stream, (device, ts), values, on_conflict)] += 1
        return {name: found for name, found in counts.items() if found["read"] or name != "unassigned"}

    def _take(
        self, stream: str, key: tuple[str, datetime], values: Values | None, on_conflict: OnConflict
    ) -> str:
        if values is None:
            return "rejected"
        stored = self.history[stream].setdefault(key, values)
        if stored is values:
            return "loaded"
        if stored == values:
            return "duplicate"
        if on_conflict is OnConflict.REPLACE:
            self.history[stream][key] = values
        return "conflicting"

    def live(self, stream: str) -> dict[str, tuple[datetime, datetime, Values]]:
        """Device → newest ts, oldest ts, newest values."""
        newest: dict[str, tuple[datetime, datetime, Values]] = {}
        for (device, ts), values in sorted(self.history[stream].items()):
            newest[device] = (ts, newest[device][1] if device in newest else ts, values)
        return newest


class Quiet:
    """Nobody watches."""

    def file_started(self, name: str, bytes_total: int) -> None: ...
    def advanced(self, rows: int, bytes_read: int) -> None: ...
    def file_finished(self) -> None: ...
    def note(self, text: str) -> None: ...


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[str]:
    with server.migrated() as found:
        yield found


calls = st.lists(st.integers(0, 3), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dumps=st.lists(files, min_size=1, max_size=4),
    order=st.lists(st.tuples(calls, st.sampled_from(OnConflict)), min_size=1, max_size=6),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 40)),
    worth_a_checksum=st.sampled_from([1, 3, 1_000]),
)
@example([GAP, FILLED_TWICE], [([0], OnConflict.KEEP), ([1], OnConflict.KEEP)], (20, 20), 1_000)
@example([GAP, FILLED_TWICE], [([0], OnConflict.KEEP), ([1], OnConflict.REPLACE)], (20, 20), 1_000)
@example([FILLED_TWICE, GAP], [([0], OnConflict.KEEP), ([1], OnConflict.REPLACE)], (1, 1), 1)
@example([GAP, FILLED_TWICE], [([0, 1, 0], OnConflict.KEEP)], (20, 20), 1)
@example([ONE, CHANGED_AND_BACK], [([0], OnConflict.KEEP), ([1], OnConflict.REPLACE)], (1, 1), 1)
def test_the_database_holds_what_the_model_says(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dumps: list[list[Row]],
    order: list[tuple[list[int], OnConflict]],
    sizes: tuple[int, int],
    worth_a_checksum: int,
) -> None:
    monkeypatch.setattr(feed, "READ_ROWS", sizes[0])
    monkeypatch.setattr(storage, "ROWS", sizes[1])
    monkeypatch.setattr(storage, "ROWS_COMPRESSED", sizes[1])
    monkeypatch.setattr(plan, "WORTH_A_CHECKSUM", worth_a_checksum)
    for number, file in enumerate(dumps):
        (tmp_path / f"{number}.csv").write_bytes(written(file))
    model = Model()
    loaded: set[bytes] = set()
    with psycopg.connect(address, autocommit=True) as conn, Sessions(address) as sessions:
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        for numbers, on_conflict in order:
            # The same file twice in a call is one file.
            called = list(dict.fromkeys(number % len(dumps) for number in numbers))
            results = run([tmp_path / f"{number}.csv" for number in called], sessions, on_conflict)
            for number, result in zip(called, results, strict=True):
                content = written(dumps[number])
                if content in loaded:
                    assert result.status is Status.ALREADY_LOADED
                    continue
                loaded.add(content)
                assert result.status is Status.LOADED
            check_counts(model, results, [dumps[number] for number in called], on_conflict)
        check_database(conn, model)


def check_counts(
    model: Model, results: list[LoadResult], called: list[list[Row]], on_conflict: OnConflict
) -> None:
    """Dumps are taken in the order of their load ids."""
    fresh = [pair for pair in zip(results, called, strict=True) if pair[0].status is Status.LOADED]
    for result, file in sorted(fresh, key=lambda pair: pair[0].load_id or 0):
        assert counted(result) == model.load(file, on_conflict)


def check_database(conn: psycopg.Connection, model: Model) -> None:
    for stream, values in (
        ("meter", "kwh_consumed_ac, voltage"),
        ("vehicle", "soc, kwh_delivered_dc, battery_temp"),
    ):
        columns = f"{stream}_id, ts, {values}"
        stored = conn.execute(f"SELECT {columns} FROM {stream}_history ORDER BY 1, 2".encode()).fetchall()
        expected = [(device, ts, *found) for (device, ts), found in sorted(model.history[stream].items())]
        assert stored == expected
        live = conn.execute(
            f"SELECT {stream}_id, ts, first_ts, {values} FROM {stream}_live ORDER BY 1".encode()
        ).fetchall()
        assert live == [
            (device, ts, first, *found) for device, (ts, first, found) in sorted(model.live(stream).items())
        ]
    check_ledger(conn)


def check_ledger(conn: psycopg.Connection) -> None:
    """Each load's counts add up, and the reject table holds as many rows as they say."""
    for load_id, counts in conn.execute("SELECT load_id, counts FROM load").fetchall():
        for found in counts.values():
            assert found["read"] == sum(
                found[name] for name in ("loaded", "duplicate", "conflicting", "rejected")
            )
        told = sum(found["rejected"] + found["conflicting"] for found in counts.values())
        row = conn.execute("SELECT count(*) FROM reject WHERE load_id = %s", [load_id]).fetchone()
        assert row == (told,)


def written(file: list[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    writer.writerows(row.cells() for row in file)
    return out.getvalue().encode()


def run(paths: list[Path], sessions: Sessions, on_conflict: OnConflict) -> list[LoadResult]:
    options = LoadOptions(on_conflict=on_conflict, max_rejects=RejectLimit.parse("100%"))
    return list(ingest([str(path) for path in paths], sessions, options, Quiet()))


def counted(result: LoadResult) -> dict[str, dict[str, Any]]:
    names = ("read", "loaded", "duplicate", "conflicting", "rejected")
    return {
        stream: {name: getattr(counts, name) for name in names} for stream, counts in result.streams.items()
    }
