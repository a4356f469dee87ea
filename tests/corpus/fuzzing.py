"""Damaged dumps through ``ingest``, in processes of their own: one that dies or hangs is seen and named.

By hand, a single one: ``python -m tests.corpus.fuzzing write 1234 FOLDER``.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import resource
import subprocess
import sys
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from energy_etl.energy import EnergyKind
from energy_etl.errors import EnergyEtlError, ExitCode
from energy_etl.options import LoadOptions, OnConflict
from energy_etl.outcome import LoadResult, RejectLimit, Status
from energy_etl.profiles.load import load as profile
from energy_etl.profiles.model import DateOrder, DecimalMark, Fold
from tests.corpus.accounting import unaccounted
from tests.corpus.mutations import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

ROOT = Path(__file__).parents[2]
SECONDS = 30
"""That one damaged dump of a few kilobytes may take, on a busy machine."""
PEAK_MB = 1_500
REFUSALS = (ExitCode.INPUT, ExitCode.USAGE)
TOGETHER = 8
"""Files of a call with several of them."""


@dataclass
class Report:
    """What became of many damaged dumps."""

    files: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    """Status → how many, over dry runs and real ones."""
    faults: list[str] = field(default_factory=list)
    """What broke a promise."""
    peak_mb: int = 0

    def count(self, outcome: str, number: int = 1) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number


def write(number: int, folder: Path) -> Path:
    """The damaged dump of a number."""
    seed = damaged(Random(number))
    stem, dot, suffix = seed.name.partition(".")
    path = folder / f"{number}-{stem}{dot}{suffix}"
    path.write_bytes(seed.content)
    return path


def in_process(numbers: Sequence[int], address: str, folder: Path) -> Report:
    """Send each dump through ``ingest`` in a process that goes on with the next.

    Args:
        numbers: Of the dumps.
        address: Of a database of their own.
        folder: Where they are written; those that broke no promise are removed.
    """
    report = Report(files=len(numbers))
    left = list(numbers)
    while left:
        done = _process([sys.executable, "-m", "tests.corpus.fuzzing", "load", address, str(folder)], left)
        finished: list[int] = []
        for line in done.stdout.splitlines():
            told = json.loads(line)
            finished += told["numbers"]
            report.faults += told["faults"]
            report.peak_mb = max(report.peak_mb, told["peak_mb"])
            for outcome in told["outcomes"]:
                report.count(outcome)
        if done.stderr.strip():
            # Rust tells of a panic there, whoever catches it; Arrow of an abort, the watchdog of a hang.
            at = left[len(finished) : len(finished) + TOGETHER]
            report.faults.append(
                f"exit {done.returncode} after {finished[-1:]}, at {at}: {done.stderr[-3000:]}"
            )
        left = left[len(finished) :]
        if left and done.returncode != 0:
            report.count("process died")
            left = left[1:]
    return report


def by_command(numbers: Sequence[int], address: str, folder: Path) -> Report:
    """Send all dumps through one call of the command line."""
    report = Report(files=len(numbers))
    paths = [write(number, folder) for number in numbers]
    arguments = ["ingest", *map(str, paths), "--format", "json", "--max-rejects", "50%"]
    command = [sys.executable, "-m", "energy_etl", *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS * TOGETHER,
        check=False,
        cwd=ROOT,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "DATABASE_URL": address},
    )
    where = f"command line on {list(numbers)}"
    if done.returncode not in (ExitCode.DONE, ExitCode.PROBLEMS, *REFUSALS):
        report.faults.append(f"{where}: exit {done.returncode}: {done.stderr[-3000:]}")
    elif any(word in done.stderr for word in ("Traceback", "panicked", "Warning", "Error:")):
        report.faults.append(f"{where}: {done.stderr[-3000:]}")
    elif len(files := json.loads(done.stdout)["files"]) != len(paths):
        report.faults.append(f"{where}: {len(files)} results")
    else:
        for file, path in zip(files, paths, strict=True):
            report.count(file["status"])
            if file["status"] == "failed" and not file["error"].startswith(f"{path}: "):
                report.faults.append(f"{where}: the file is not named: {file['error']}")
            path.unlink()
    return report


def _process(command: list[str], numbers: list[int]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=json.dumps(numbers), capture_output=True, text=True, check=False, cwd=ROOT
    )


class _Quiet:
    """Watches nothing."""

    def file_started(self, name: str, bytes_total: int) -> None: ...

    def advanced(self, rows: int, bytes_read: int) -> None: ...

    def file_finished(self) -> None: ...

    def note(self, text: str) -> None: ...


def _options(rng: Random) -> LoadOptions:
    dry_run = rng.random() < 0.7
    # What is told in a real load is remembered, and most that follow would be refused for it.
    told = rng.choice([None, None, *EnergyKind]) if dry_run else None
    named = rng.choice([None] * 60 + ["canonical", "ocpp", "han", "teslafi", "uci-household"])
    return LoadOptions(
        timezone=rng.choice([None, None, "Europe/Berlin"]),
        fold=rng.choice([None, *Fold]),
        on_conflict=rng.choice([*OnConflict]),
        max_rejects=rng.choice([RejectLimit(), RejectLimit(count=3), *[RejectLimit(percent=100)] * 4]),
        dry_run=dry_run,
        date_order=rng.choice([None, None, *DateOrder]),
        decimal=rng.choice([None, None, *DecimalMark]),
        meter_energy=told,
        vehicle_energy=told,
        profile=profile(named) if named else None,
        retry_for=0,
    )


def _groups(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Most files alone, some together: those share transactions."""
    at = 0
    while at < len(numbers):
        size = TOGETHER if numbers[at] % 20 == 0 else 1
        yield list(numbers[at : at + size])
        at += size


def _load(address: str, folder: Path, numbers: Sequence[int]) -> None:
    from energy_etl import feed
    from energy_etl.db import session

    warnings.simplefilter("error")
    whole = feed.READ_ROWS
    with session.Sessions(address) as sessions:
        for group in _groups(numbers):
            rng = Random(group[0])
            # A few rows at a time: what is found out of a batch may not hold for the next.
            feed.READ_ROWS = rng.choice([whole, 7])
            faulthandler.dump_traceback_later(SECONDS * len(group), exit=True)
            paths = [write(number, folder) for number in group]
            outcomes, faults = _ingested(paths, sessions, _options(rng))
            faulthandler.cancel_dump_traceback_later()
            if not faults:
                for path in paths:
                    path.unlink()
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            told = {"numbers": group, "outcomes": outcomes, "faults": faults, "peak_mb": peak_mb}
            sys.stdout.write(f"{json.dumps(told)}\n")
            sys.stdout.flush()


def _ingested(paths: list[Path], sessions: Any, options: LoadOptions) -> tuple[list[str], list[str]]:
    from energy_etl.ingest import ingest

    results: list[LoadResult] = []
    faults: list[str] = []
    try:
        for result in ingest([str(path) for path in paths], sessions, options, _Quiet()):
            results.append(result)
        if len(results) != len(paths):
            faults.append(f"{len(results)} results of {len(paths)} files")
        for path, result in zip(paths, results, strict=False):
            if fault := _broken_promise(path, result, options, sessions.kept()):
                faults.append(fault)
    except BaseException as error:  # whatever comes out is what is looked for
        if isinstance(error, KeyboardInterrupt):
            raise
        shown = io.StringIO()
        traceback.print_exc(limit=-8, file=shown)
        kind = "is raised" if isinstance(error, EnergyEtlError) else "is no error of the family"
        faults.append(f"{type(error).__name__} {kind}\n{shown.getvalue()[-3000:]}")
    where = f"{options.dry_run=} {[path.name for path in paths]}"
    return [result.status for result in results], [f"{where}: {fault}" for fault in faults]


def _broken_promise(
    path: Path, result: LoadResult, options: LoadOptions, conn: psycopg.Connection[Any]
) -> str | None:
    if result.status is Status.FAILED:
        if not (result.error or "").startswith(f"{path}: "):
            return f"the file is not named: {result.error}"
        return None if result.exit_code in REFUSALS else f"{result.exit_code!r}: {result.error}"
    if fault := unaccounted(result, path):
        return fault
    if result.status is not Status.LOADED:
        return None
    stored = conn.execute(
        "SELECT (SELECT count(*) FROM meter_history WHERE load_id = %(id)s)"
        " + (SELECT count(*) FROM vehicle_history WHERE load_id = %(id)s),"
        " (SELECT count(*) FROM reject WHERE load_id = %(id)s)",
        {"id": result.load_id},
    ).fetchone()
    assert stored is not None
    told = (result.total("loaded"), result.total("rejected") + result.total("conflicting"))
    # With --on-conflict replace, a reading is that of the file that stated it last.
    compared = slice(1, None) if options.on_conflict is OnConflict.REPLACE else slice(None)
    return None if stored[compared] == told[compared] else f"told of {told}, stored are {stored}"


def main() -> None:
    what, *arguments = sys.argv[1:]
    if what == "write":
        sys.stdout.write(f"{write(int(arguments[0]), Path(arguments[1]))}\n")
    else:
        _load(arguments[0], Path(arguments[1]), json.load(sys.stdin))


if __name__ == "__main__":
    main()
