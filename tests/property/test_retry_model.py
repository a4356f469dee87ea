"""Any dumps, retried in any way: a plain model says what comes in, and no reject is lost or doubled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from energy_etl import feed
from energy_etl.db import open_rejects
from energy_etl.db.session import Sessions
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions, OnConflict
from energy_etl.outcome import RejectLimit
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import LoadProgress
from energy_etl.retry import Repaired, retry
from energy_etl.selection import Selection
from energy_etl.sources.repaired import RepairedRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from energy_etl.outcome import LoadResult
    from tests.servers import Server

BEGIN = datetime(2026, 3, 1, 23, 58, tzinfo=UTC)
"""So that readings fall on two days."""
NAMES = ("read", "loaded", "duplicate", "conflicting", "rejected")
TABLES = ("meter_history", "vehicle_history", "meter_live", "vehicle_live", "reject", "load")
GOOD = ("0.125", "0.25", "0.5")

Key = tuple[str, int]
Place = tuple[int, int]


@dataclass(frozen=True)
class Row:
    """One row of a meter dump; None is a row that is none."""

    device: str
    minute: int
    energy: str | None

    @property
    def ts(self) -> str:
        return f"{BEGIN + timedelta(minutes=self.minute):%Y-%m-%dT%H:%M:%SZ}"

    def written(self) -> str:
        return self.device if self.energy is None else f"{self.device},{self.energy},230,{self.ts}"

    def fields(self, energy: str) -> dict[str, str]:
        return {"meter_id": self.device, "kwh_consumed_ac": energy, "voltage": "230", "ts": self.ts}


@dataclass(frozen=True)
class Reject:
    row: Row
    energy: str | None
    conflicting: bool = False


@dataclass(frozen=True)
class Step:
    """A retry: of what is stored, or of rows with a repaired energy, by their place among the open ones."""

    on_conflict: OnConflict
    repairs: dict[int, str] | None


@dataclass
class Model:
    history: dict[Key, str] = field(default_factory=dict)
    rejects: dict[Place, Reject] = field(default_factory=dict)

    def load(self, load_id: int, file: list[Row]) -> None:
        for number, row in enumerate(file, start=1):
            judged = self._judge(row, row.energy, OnConflict.KEEP)
            if judged in ("rejected", "conflicting"):
                self.rejects[load_id, number] = Reject(row, row.energy, judged == "conflicting")

    def retry(self, step: Step) -> dict[str, int]:
        """The counts of a retry."""
        counts = dict.fromkeys(NAMES, 0)
        for at, place in enumerate(sorted(self.rejects)):
            reject = self.rejects[place]
            energy = reject.energy
            if step.repairs is not None:
                if at not in step.repairs:
                    continue
                energy = step.repairs[at]
            if energy is None:
                continue
            unchanged = energy == reject.energy
            if reject.conflicting and unchanged and step.on_conflict is OnConflict.KEEP:
                continue
            judged = self._judge(reject.row, energy, step.on_conflict)
            counts["read"] += 1
            counts[judged] += 1
            replaced = judged == "conflicting" and step.on_conflict is OnConflict.REPLACE
            if judged in ("loaded", "duplicate") or replaced:
                del self.rejects[place]
        return counts

    def _judge(self, row: Row, energy: str | None, on_conflict: OnConflict) -> str:
        if energy not in GOOD:
            return "rejected"
        key = (row.device, row.minute)
        if key not in self.history:
            self.history[key] = energy
            return "loaded"
        if self.history[key] == energy:
            return "duplicate"
        if on_conflict is OnConflict.REPLACE:
            self.history[key] = energy
        return "conflicting"


energies = st.sampled_from([*GOOD, "much", "-1", None])
rows = st.builds(Row, st.sampled_from(["M-1", "M-2"]), st.integers(0, 3), energies)
files = st.lists(rows, min_size=1, max_size=8)
repairs = st.dictionaries(st.integers(0, 7), st.sampled_from([*GOOD, "much"]), min_size=1, max_size=8)
steps = st.builds(Step, st.sampled_from(OnConflict), st.none() | repairs)

BAD, OTHER = Row("M-1", 0, "much"), Row("M-1", 0, "0.5")


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[str]:
    with server.migrated() as found:
        yield found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dumps=st.lists(files, min_size=1, max_size=3, unique_by=tuple),
    plan=st.lists(steps, min_size=1, max_size=4),
    read_rows=st.integers(1, 20),
)
@example([[BAD, OTHER]], [Step(OnConflict.KEEP, {0: "0.25"}), Step(OnConflict.REPLACE, {0: "0.25"})], 20)
@example([[OTHER, Row("M-1", 0, "0.25"), Row("M-1", 0, "0.125")]], [Step(OnConflict.REPLACE, None)] * 2, 1)
def test_counts_stay_conserved_over_load_and_retries(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dumps: list[list[Row]],
    plan: list[Step],
    read_rows: int,
) -> None:
    monkeypatch.setattr(feed, "READ_ROWS", read_rows)
    model = Model()
    watcher = LoadProgress(Diagnostics(quiet=True))
    with psycopg.connect(address, autocommit=True) as conn, Sessions(address) as sessions:
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        for number, file in enumerate(dumps):
            path = tmp_path / f"{number}.csv"
            lines = ["meterId,kwhConsumedAc,voltage,timestamp", *(row.written() for row in file)]
            path.write_text("\n".join(lines) + "\n")
            options = LoadOptions(max_rejects=RejectLimit.parse("100%"))
            (result,) = ingest([str(path)], sessions, options, watcher)
            assert result.load_id is not None
            model.load(result.load_id, file)
        before = ledger(conn)
        check(conn, model)
        for step in plan:
            options = LoadOptions(on_conflict=step.on_conflict)
            mended = None if step.repairs is None else repaired(conn, model, step.repairs)
            told = model.retry(step)
            for again in range(2):
                done = retry(Selection(), sessions, options, watcher, repaired=mended)
                if not again:
                    assert counted(done.result) == told
                # The second time, everything stays as it was.
                check(conn, model)
        assert {load_id: counts for load_id, counts in ledger(conn).items() if load_id in before} == before


def repaired(conn: psycopg.Connection, model: Model, repairs: dict[int, str]) -> Repaired:
    """A file in which some of the open rejects are repaired, and the others were taken out."""
    found = {(one.load_id, one.row_number): one for one in open_rejects.exported(conn, Selection())}
    mended = [
        RepairedRow(line, found[place].reject_id, *place, fields(found[place].raw, model, place, repairs[at]))
        for line, (at, place) in enumerate(enumerate(sorted(model.rejects)), start=1)
        if at in repairs
    ]
    return Repaired("fix.csv", lambda: mended)


def fields(raw: dict[str, str], model: Model, place: Place, energy: str) -> dict[str, str]:
    if "line" in raw:
        return raw | model.rejects[place].row.fields(energy)
    return raw | {"kwh_consumed_ac": energy}


def counted(result: LoadResult | None) -> dict[str, int]:
    return {name: result.total(name) if result else 0 for name in NAMES}


def ledger(conn: psycopg.Connection) -> dict[int, object]:
    return dict(conn.execute("SELECT load_id, counts FROM load").fetchall())


def check(conn: psycopg.Connection, model: Model) -> None:
    stored = conn.execute("SELECT meter_id, ts, kwh_consumed_ac FROM meter_history ORDER BY 1, 2").fetchall()
    assert stored == [
        (device, BEGIN + timedelta(minutes=minute), float(energy))
        for (device, minute), energy in sorted(model.history.items())
    ]
    is_open = conn.execute("SELECT load_id, row_number FROM reject WHERE is_open ORDER BY 1, 2").fetchall()
    assert is_open == sorted(model.rejects)
    # Of every load, retries among them: read is what became of it, and what did not come in is kept.
    for load_id, (counts,) in conn.execute("SELECT load_id, ARRAY[counts -> 'meter'] FROM load").fetchall():
        assert counts["read"] == sum(counts[name] for name in NAMES[1:])
        kept = conn.execute("SELECT count(*) FROM reject WHERE load_id = %s", [load_id]).fetchone()
        assert kept == (counts["rejected"] + counts["conflicting"],)
