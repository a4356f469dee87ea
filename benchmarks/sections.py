"""The parts of the bench: each measures something and adds a table to the report."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.contenders import Contenders, Timed, energy_etl, ingest, rows_in
from benchmarks.report import Report, Table, median
from energy_etl.db.schema import Flavour

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.contenders import Contender
    from benchmarks.dumps import Dumps
    from benchmarks.servers import Database, Server

SHORT_ROWS = 10_000_000
"""A load up to this size is run more than once for its peak memory."""

ENOUGH_SECONDS = 240.0
"""A contender that took so long in all is not run again."""


@dataclass
class Bench:
    """What the sections share."""

    server: Server
    dumps: Dumps
    contenders: Contenders
    report: Report
    runs: int
    speeds: dict[str, float] = field(default_factory=dict)
    """Contender → rows/s."""
    lost: dict[str, int] = field(default_factory=dict)
    """Contender → rows of the dump that are not in the table afterwards."""

    def loading(self, *, with_peers: bool) -> None:
        """The same dump by every way there is."""
        table = Table(
            f"{self.contenders.rows:,} meter readings into the same server",
            ("way", "rows/s", "seconds", "runs", "÷ raw limit", "peak MB", "keeps rows unique", "leaves out"),
            remark="Seconds of whole commands, the interpreter's start included; the raw limit has none.",
        )
        chosen = self.contenders.ours() + (self.contenders.peers() if with_peers else [])
        for contender in chosen:
            with self.server.database() as probe:
                if probe.flavour not in contender.flavours:
                    continue
            try:
                tries = self._tries(contender)
            except RuntimeError as error:
                table.rows.append((contender.name, None, None, 0, None, None, "failed", str(error)[-200:]))
                continue
            seconds = median([one.seconds for one in tries])
            speed = (contender.rows or self.contenders.rows) / seconds
            self.speeds[contender.name] = speed
            lost = self.lost.get(contender.name, 0)
            peaks = [one.peak_mb for one in tries if one.peak_mb is not None]
            table.rows.append(
                (
                    contender.name,
                    round(speed),
                    seconds,
                    len(tries),
                    speed / self.speeds["raw limit"],
                    round(max(peaks)) if peaks else None,
                    "yes" if contender.unique else "no",
                    contender.leaves_out + (f"; loses {lost:,} rows" if lost else ""),
                )
            )
        self.report.add(table)

    def again(self, rows: int) -> None:
        """What is loaded meets what is there."""
        table = Table(f"Loads of {rows:,} rows that meet others", ("load", "rows/s", "seconds", "÷ fresh"))
        fresh = self._time_second((), (self.dumps.meters(rows),))
        half_new, late = self.dumps.half_new(rows), self.dumps.late(rows)
        cases: list[tuple[str, tuple[Path, ...], tuple[Path, ...]]] = [
            ("the same file again", (self.dumps.meters(rows),), (self.dumps.meters(rows),)),
            ("the same readings in another file", (self.dumps.meters(rows),), (self.dumps.recut(rows),)),
            ("half new, half repeated", half_new[:1], half_new[1:]),
            ("1 % late", late[:1], late[1:]),
            ("1 % bad", (), (self.dumps.bad(rows),)),
            ("both streams", (), (self.dumps.meters(rows), self.dumps.vehicles(rows))),
            ("registers", (), (self.dumps.registers(rows),)),
        ]
        table.rows.append(("fresh", round(rows / fresh), fresh, 1.0))
        for name, before, measured in cases:
            told = ("--meter-energy", "register") if name == "registers" else ()
            seconds = self._time_second(before, measured, *told)
            height = sum(_height(path) for path in measured)
            table.rows.append((name, round(height / seconds), seconds, height / seconds / (rows / fresh)))
            self.speeds[name] = height / seconds
            self.speeds[f"seconds: {name}"] = seconds
        self.speeds["fresh"] = rows / fresh
        self.report.add(table)

    def small_files(self) -> None:
        """A hundred small files against one large one."""
        count, each = 100, 10_000
        folder, whole = self.dumps.small_files(count, each), self.dumps.one_file(count, each)
        one, many = self._time_second((), (whole,)), self._time_second((), (folder,))
        table = Table(f"{count} CSV files of {each:,} rows", ("load", "rows/s", "seconds", "÷ one file"))
        table.rows.append(("one file", round(count * each / one), one, 1.0))
        table.rows.append((f"{count} files", round(count * each / many), many, one / many))
        self.speeds["small files ÷ one"] = one / many
        self.report.add(table)

    def memory(self, sizes: Iterable[int]) -> None:
        """Peak memory by size of the dump."""
        table = Table(
            "Peak memory of one load",
            ("rows", "peak MB, median", "seconds, median", "rows/s", "runs"),
            remark="The peak of a short load is a small sample of that of a long one: it varies by a tenth.",
        )
        for rows in sizes:
            tries = []
            for _ in range(self.runs if rows <= SHORT_ROWS else 1):
                with self.server.database() as database:
                    tries.append(energy_etl(database, "ingest", self.dumps.meters(rows)))
            peak, seconds = median([one.peak_mb for one in tries]), median([one.seconds for one in tries])
            table.rows.append((rows, round(peak), seconds, round(rows / seconds), len(tries)))
        self.speeds["memory"] = table.rows[-1][1] / table.rows[0][1]
        self.report.add(table)

    def analytics(self, devices: int, days: int) -> None:
        """One vehicle among a fleet's month."""
        table = Table(
            f"analytics of one vehicle of {devices:,}, the last 24 h",
            ("stored", "readings per stream", "first run s", "warm, median s"),
        )
        for stored in (1, days):
            with self.server.database() as database:
                _fill(database, devices, stored)
                first = energy_etl(database, "analytics", f"EV-{devices // 2:05d}").seconds
                warm = [
                    energy_etl(database, "analytics", f"EV-{number:05d}").seconds
                    for number in range(1, devices, devices // 15)
                ]
            table.rows.append((f"{stored} d", devices * 1_440 * stored, first, median(warm)))
        self.speeds["analytics"] = table.rows[-1][3] / table.rows[0][3]
        self.report.add(table)

    def startup(self) -> None:
        """How soon a command answers."""
        table = Table("Start-up", ("command", "seconds, median of 9"))
        with self.server.database() as database:
            _fill(database, 10, 1)
            for arguments in (("--help",), ("analytics", "EV-00005")):
                times = [energy_etl(database, *arguments).seconds for _ in range(10)][1:]
                table.rows.append((f"energy-etl {' '.join(arguments)}", median(times)))
        self.report.add(table)

    def interruption(self, rows: int) -> None:
        """How long Ctrl-C takes in the middle of a load."""
        table = Table(
            "Ctrl-C in the middle of a load", ("after s", "seconds until it ended", "rows left behind")
        )
        for after in (1.0, 1.7, 2.4):
            with self.server.database() as database:
                command = [sys.executable, "-m", "energy_etl", "ingest", str(self.dumps.meters(rows))]
                process = subprocess.Popen(
                    command, env={"DATABASE_URL": database.address}, stderr=subprocess.DEVNULL
                )
                time.sleep(after)
                sent = time.perf_counter()
                process.send_signal(signal.SIGINT)
                process.wait()
                seconds = time.perf_counter() - sent
                table.rows.append((after, seconds, rows_in(database, "meter_history")))
        self.report.add(table)

    def targets(self) -> None:
        """What is asked for, and whether it is met."""
        speeds = self.speeds
        plain = speeds.get("flavour") == 0.0
        parquet, csv = speeds["energy-etl ingest Parquet"], speeds["energy-etl ingest CSV"]
        idempotent = speeds.get("psql \\copy, INSERT ON CONFLICT, live upsert")
        rivals = [
            speeds[one.name]
            for one in self.contenders.peers()
            if one.unique and one.name in speeds and "psql" not in one.name
        ]
        wanted: list[tuple[str, float | None, float]] = [
            ("ingest Parquet ÷ raw limit", parquet / speeds["raw limit"], 0.85 if plain else 0.65),
            ("ingest ÷ idempotent psql", parquet / idempotent if idempotent else None, 3 if plain else 6),
            ("ingest ÷ best other that keeps rows unique", parquet / max(rivals) if rivals else None, 2),
            ("CSV ÷ Parquet", csv / parquet, 0.8),
            (
                "all duplicates ÷ fresh",
                speeds["the same readings in another file"] / speeds["fresh"],
                0.8,
            ),
            ("registers ÷ interval energy", speeds["registers"] / speeds["fresh"], 0.5),
            ("100 small files ÷ one", speeds["small files ÷ one"], 0.7),
        ]
        table = Table("Targets", ("ratio", "measured", "at least", "met"))
        for name, found, least in wanted:
            met = None if found is None else "yes" if found >= least else "no"
            table.rows.append((name, found, float(least), met))
        same = speeds["seconds: the same file again"]
        table.rows.append(("same file again, s (at most 0.3 plus hashing)", same, None, None))
        if "memory" in speeds:
            met = "yes" if speeds["memory"] <= 1.1 else "no"
            table.rows.append(("peak memory, largest ÷ smallest (at most)", speeds["memory"], 1.1, met))
        if "analytics" in speeds:
            met = "yes" if speeds["analytics"] <= 1.5 else "no"
            table.rows.append(("analytics, month ÷ day (at most)", speeds["analytics"], 1.5, met))
        self.report.add(table)

    def _tries(self, contender: Contender) -> list[Timed]:
        """A warm-up that is not counted, then the runs."""
        tries: list[Timed] = []
        for number in range(self.runs + 1):
            with self.server.database() as database:
                self.speeds["flavour"] = 0.0 if database.flavour is Flavour.POSTGRES else 1.0
                if not contender.name.startswith("energy-etl"):
                    self.contenders.prepare(database)
                tries.append(contender.load(database))
                table = contender.table
                if "psql" in contender.name and contender.unique and database.flavour is Flavour.TIMESCALE:
                    table = "meter_history_keyed"
                there, expected = rows_in(database, table), contender.rows or self.contenders.rows
                self.lost[contender.name] = expected - there
            if number and sum(one.seconds for one in tries) > ENOUGH_SECONDS:
                break
        return tries[1:] if len(tries) > 1 else tries

    def _time_second(self, before: Iterable[Path], measured: Iterable[Path], *told: str) -> float:
        seconds = []
        for _ in range(self.runs):
            with self.server.database() as database:
                if before:
                    ingest(*before)(database)
                seconds.append(ingest(*measured, *told)(database).seconds)
        return median(seconds)


def _height(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _fill(database: Database, devices: int, days: int) -> None:
    """A fleet of the generator, loaded day by day, and the links between its vehicles and meters."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        fleet = Path(folder)
        for day in range(days):
            start = f"2026-01-{day + 1:02d}T00:00:00Z"
            make = ("generate", "--meters", str(devices), "--vehicles", str(devices), "--hours", "24")
            energy_etl(database, *make, "--seed", str(day), "--start", start, "--force", fleet)
            energy_etl(database, "ingest", fleet / "meters.parquet", fleet / "vehicles.parquet")
        energy_etl(database, "link", "import", fleet / "links.csv")
    database.run("ANALYZE meter_history", "ANALYZE vehicle_history")
