"""``python -m benchmarks``: measure everything on the embedded server, or on one that is given."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from pathlib import Path

from benchmarks.contenders import Contenders
from benchmarks.dumps import Dumps
from benchmarks.environments import Environments
from benchmarks.report import Report
from benchmarks.sections import Bench
from benchmarks.servers import Server, embedded_server
from energy_etl.db import schema, session

SECTIONS = ("loading", "again", "small", "memory", "analytics", "startup", "interruption")


def main() -> None:
    """Parse the arguments and run the sections."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000, help="meter readings of the dump")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after a warm-up")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=SECTIONS, help="sections to run")
    parser.add_argument("--no-peers", action="store_true", help="leave out what people use instead")
    parser.add_argument("--memory", type=float, nargs="*", default=[3, 30, 100], help="sizes in million rows")
    parser.add_argument("--devices", type=int, default=2_000, help="vehicles of the analytics section")
    parser.add_argument("--days", type=int, default=30, help="days of the analytics section")
    parser.add_argument("--database-url", help="a server whose user may create databases")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="folder of the results")
    arguments = parser.parse_args()
    os.environ.pop("DATABASE_URL", None)
    out: Path = arguments.out.resolve()
    given = nullcontext(Server(arguments.database_url)) if arguments.database_url else None
    with given or embedded_server(out / "home") as server:
        dumps = Dumps(out / "dumps")
        contenders = Contenders(dumps, Environments(out / "peers"), arguments.rows)
        with server.database() as database, session.connect(database.address) as conn:
            version = conn.info.server_version // 10_000
            heading = f"PostgreSQL {version}, {schema.describe(database.flavour)}"
        report = Report(out / ("given" if arguments.database_url else "embedded"), heading)
        bench = Bench(server, dumps, contenders, report, arguments.runs)
        if "startup" in arguments.only:
            bench.startup()
        if "loading" in arguments.only:
            bench.loading(with_peers=not arguments.no_peers)
        if "again" in arguments.only:
            bench.again(arguments.rows)
        if "small" in arguments.only:
            bench.small_files()
        if "memory" in arguments.only:
            bench.memory(int(size * 1_000_000) for size in arguments.memory)
        if "interruption" in arguments.only:
            bench.interruption(arguments.rows)
        if "analytics" in arguments.only:
            bench.analytics(arguments.devices, arguments.days)
        if {"loading", "again", "small"} <= set(arguments.only):
            bench.targets()


if __name__ == "__main__":
    main()
