"""Ways to get the same dump into the same server, and what each of them leaves out of the job."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import psycopg

from benchmarks.environments import QUIET, SCRIPTS, Environments
from benchmarks.process import Done, run
from energy_etl.db import programs, session
from energy_etl.db.schema import Flavour
from energy_etl.db.sql import query
from energy_etl.frames.copy_binary import Encoded, encode
from energy_etl.generate.plan import DumpFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.dumps import Dumps
    from benchmarks.servers import Database

NAMES = {"meterId": "meter_id", "kwhConsumedAc": "kwh_consumed_ac", "timestamp": "ts"}
KEYED = "meter_history_keyed"
"""On TimescaleDB, a hypertable with a primary key: what keeps rows unique there without energy-etl."""


@dataclass(frozen=True)
class Timed:
    """One try."""

    seconds: float
    peak_mb: float | None = None


@dataclass(frozen=True)
class Contender:
    """One way."""

    name: str
    leaves_out: str
    """Of the job: hash, validate, split, deduplicate, live, ledger, rejects."""
    unique: bool
    """Whether a reading that is loaded again is there once."""
    load: Callable[[Database], Timed]
    table: str = "meter_history"
    """Where the rows are afterwards."""
    rows: int | None = None
    """Of the dump it loads, where that is another one."""
    flavours: Sequence[Flavour] = tuple(Flavour)


class Contenders:
    """All of them, for one size of dump."""

    def __init__(self, dumps: Dumps, environments: Environments, rows: int) -> None:
        self._environments = environments
        self.rows = rows
        self.parquet = dumps.meters(rows).resolve()
        self.csv = dumps.meters(rows, DumpFormat.CSV).resolve()
        self.small = dumps.meters(600_000).resolve()
        self._encoded: Encoded | None = None

    def ours(self) -> list[Contender]:
        """The raw limit and energy-etl."""
        compressing = (Flavour.TIMESCALE,)
        return [
            Contender("raw limit", "everything but COPY", unique=False, load=self._raw()),
            Contender(
                "raw limit, after energy-etl's word to the allocator",
                "everything but COPY",
                unique=False,
                load=self._raw(roomy=True),
                flavours=compressing,
            ),
            Contender("energy-etl ingest Parquet", "nothing", unique=True, load=ingest(self.parquet)),
            Contender("energy-etl ingest CSV", "nothing", unique=True, load=ingest(self.csv)),
            Contender(
                "energy-etl ingest Parquet, --direct-compress off",
                "compression, which the server's policy does later",
                unique=True,
                load=ingest(self.parquet, "--direct-compress", "off"),
                flavours=compressing,
            ),
        ]

    def peers(self) -> list[Contender]:
        """What people use instead."""
        arrow, out = self._arrow, "hash, validate, split, deduplicate, live, ledger, rejects"
        plain = (Flavour.POSTGRES,)
        return [
            Contender("psql \\copy", out, unique=False, load=self._psql("copy.sql")),
            Contender(
                "psql \\copy, INSERT ON CONFLICT, live upsert",
                "hash, validate, split, ledger, rejects",
                unique=True,
                load=self._psql("copy_idempotent.sql", keyed=True),
            ),
            Contender("ADBC adbc_ingest", out, unique=False, load=arrow("adbc_load.py")),
            Contender(
                "Polars write_database (adbc)",
                out,
                unique=False,
                load=arrow("polars_load.py"),
                flavours=plain,
            ),
            Contender("DuckDB 1.5.5 postgres extension", out, unique=False, load=arrow("duckdb_load.py")),
            Contender(
                "dlt 1.31, Parquet, append",
                out,
                unique=False,
                load=self._dlt("append"),
                table="dlt.meter_history",
                flavours=plain,
            ),
            Contender(
                "dlt 1.31, Parquet, merge",
                "validate, split, live, rejects",
                unique=True,
                load=self._dlt("merge"),
                table="dlt.meter_history",
                flavours=plain,
            ),
            Contender(
                "dlt 1.31, its default (INSERT)",
                out,
                unique=False,
                load=self._dlt("default"),
                table="dlt.meter_history",
                rows=600_000,
                flavours=plain,
            ),
            Contender(
                "ingestr 0.14.104, merge",
                "validate, split, live, rejects",
                unique=True,
                load=self._ingestr,
                table="public.ingestr_history",
                flavours=plain,
            ),
            Contender(
                "sling 1.4.11, incremental with a key",
                "validate, split, live, ledger, rejects",
                unique=True,
                load=self._sling,
                table="public.sling_history",
                flavours=plain,
            ),
            Contender(
                "multi-row INSERTs, as the origin did",
                "hash, validate, split, ledger, rejects",
                unique=True,
                load=lambda database: self._script("arrow", "insert_rows.py", database, self.small),
                rows=600_000,
                flavours=plain,
            ),
        ]

    def prepare(self, database: Database) -> None:
        """Let everybody but energy-etl find the table it needs, empty."""
        if database.flavour is Flavour.POSTGRES:
            days = pl.read_parquet(self.parquet, columns=["timestamp"])["timestamp"].dt.date().unique().sort()
            end = days[-1] + timedelta(days=1)
            bounds = f"FOR VALUES FROM ('{days[0]}') TO ('{end}')"
            database.run(f"CREATE TABLE bench_days PARTITION OF meter_history {bounds}")
        database.run("ALTER TABLE meter_history ALTER load_id SET DEFAULT 0")
        if database.flavour is Flavour.TIMESCALE:
            database.run(
                f"CREATE TABLE {KEYED} (LIKE meter_history INCLUDING DEFAULTS, PRIMARY KEY (meter_id, ts))",
                f"SELECT create_hypertable('{KEYED}', by_range('ts', INTERVAL '1 day'))",
            )

    def _raw(self, *, roomy: bool = False) -> Callable[[Database], Timed]:
        """Binary COPY of what was sorted and encoded beforehand, on a connection of its own."""

        def load(database: Database) -> Timed:
            if self._encoded is None:
                frame = pl.read_parquet(self.parquet).rename(NAMES)
                frame = frame.select(
                    "meter_id", "ts", "kwh_consumed_ac", "voltage", load_id=pl.lit(0, pl.Int32)
                )
                self._encoded = encode(frame.sort("meter_id", "ts"))
            started = time.perf_counter()
            with session.connect(database.address) as conn:
                if database.flavour is Flavour.TIMESCALE:
                    conn.execute("SET timescaledb.enable_direct_compress_copy = on")
                    conn.execute("SET timescaledb.enable_direct_compress_copy_client_sorted = on")
                if roomy:
                    conn.execute(query("storage.roomy_allocator"))
                with (
                    conn.cursor() as cursor,
                    cursor.copy(
                        "COPY meter_history (meter_id, ts, kwh_consumed_ac, voltage, load_id)"
                        " FROM STDIN (FORMAT binary)"
                    ) as copy,
                ):
                    for piece in self._encoded.pieces:
                        copy.write(piece)
            return Timed(time.perf_counter() - started)

        return load

    def _psql(self, script: str, *, keyed: bool = False) -> Callable[[Database], Timed]:
        def load(database: Database) -> Timed:
            psql = programs.folder() / "psql"
            history = KEYED if keyed and database.flavour is Flavour.TIMESCALE else "meter_history"
            command = [str(psql), "-q", "-v", "ON_ERROR_STOP=1", "-v", f"history={history}"]
            with self.csv.open("rb") as dump:
                done = run([*command, "-f", SCRIPTS / script, database.url], stdin=dump)
            return Timed(done.seconds, done.peak_mb)

        return load

    def _arrow(self, script: str) -> Callable[[Database], Timed]:
        return lambda database: self._script("arrow", script, database, self.parquet, "meter_history")

    def _dlt(self, how: str) -> Callable[[Database], Timed]:
        def load(database: Database) -> Timed:
            folder = tempfile.mkdtemp(prefix="dlt-")
            dump = self.small if how == "default" else self.parquet
            try:
                return self._script("dlt", "dlt_load.py", database, dump, "meter_history", how, folder)
            finally:
                shutil.rmtree(folder)

        return load

    def _script(self, environment: str, script: str, database: Database, dump: Path, *more: str) -> Timed:
        python = self._environments.python(environment)
        done = run([python, SCRIPTS / script, database.url, dump, *more], env=QUIET)
        return Timed(done.seconds, done.peak_mb)

    def _ingestr(self, database: Database) -> Timed:
        command = self._environments.program("ingestr", "ingestr")
        folder = tempfile.mkdtemp(prefix="ingestr-")
        try:
            done = run(
                [
                    *(command, "ingest", "--yes", "--progress", "log", "--pipelines-dir", folder),
                    *("--source-uri", f"csv://{self.csv}", "--source-table", "sample"),
                    *("--dest-uri", database.url, "--dest-table", "public.ingestr_history"),
                    *("--incremental-strategy", "merge", "--loader-file-format", "csv"),
                    *("--primary-key", "meterId", "--primary-key", "timestamp"),
                ],
                env=QUIET,
            )
        finally:
            shutil.rmtree(folder)
        return Timed(done.seconds, done.peak_mb)

    def _sling(self, database: Database) -> Timed:
        plain = self.csv.with_name("plain-names.csv")
        if not plain.exists():
            # It quotes names in one place and not in another: mixed case would fail.
            with self.csv.open("rb") as source, plain.open("wb") as copy:
                copy.write(b"meter_id,kwh_consumed_ac,voltage,ts\n")
                source.readline()
                shutil.copyfileobj(source, copy, 1 << 20)
        done = run(
            [
                *(self._environments.sling(), "run", "--src-stream", f"file://{plain}"),
                *("--tgt-conn", "BENCH", "--tgt-object", "public.sling_history"),
                *("--mode", "incremental", "--primary-key", "meter_id,ts", "--update-key", "ts"),
            ],
            env={**QUIET, "BENCH": f"{database.url}?sslmode=disable"},
        )
        return Timed(done.seconds, done.peak_mb)


def ingest(*arguments: str | Path) -> Callable[[Database], Timed]:
    """``energy-etl ingest`` as a user starts it."""

    def load(database: Database) -> Timed:
        done = energy_etl(database, "ingest", *arguments, check=(0, 5))
        return Timed(done.seconds, done.peak_mb)

    return load


def energy_etl(database: Database, *arguments: str | Path, check: Sequence[int] = (0,)) -> Done:
    """The command line as its own process."""
    command = [sys.executable, "-m", "energy_etl", *arguments]
    return run(command, env={"DATABASE_URL": database.address}, cwd=Path(__file__).parent.parent, check=check)


def rows_in(database: Database, table: str) -> int:
    """How many rows a contender left."""
    with psycopg.connect(database.address) as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        return int(row[0]) if row else 0
