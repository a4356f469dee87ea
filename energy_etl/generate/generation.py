"""From a plan to the files of a fleet: the dumps, the links between vehicles and meters, the truth.

Streamed: a block of minutes is simulated, written and forgotten, so memory follows the number of devices and
never the length of the span.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from energy_etl.errors import UsageError
from energy_etl.generate.dump import Dump, DumpFile
from energy_etl.generate.simulation import Simulation
from energy_etl.generate.truth import Truth
from energy_etl.streams import METER, VEHICLE

if TYPE_CHECKING:
    from pathlib import Path

    from energy_etl.generate.plan import DumpFormat, FleetPlan

BLOCK_ROWS = 500_000
"""Readings of one stream that are in memory at a time (at least one minute's)."""

FLEET_FILE = re.compile(r"(meters|vehicles)(-\d+)?\.(parquet|csv)|links\.csv|truth\.json")


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written."""

    meters: tuple[DumpFile, ...]
    vehicles: tuple[DumpFile, ...]
    links: Path
    truth: Path


def generate_fleet(
    plan: FleetPlan, out: Path, dump_format: DumpFormat, *, files_per_stream: int = 1, replace: bool = False
) -> Generated:
    """Write the fleet of ``plan`` into the folder ``out``, made if missing.

    The same arguments give the same bytes.

    Args:
        plan: The fleet.
        out: Where ``meters.*``, ``vehicles.*`` (``meters-1.*`` … when there are several),
            ``links.csv`` and ``truth.json`` go.
        dump_format: Of the dumps.
        files_per_stream: Into how many files, one after the other in time, each stream is cut.
        replace: Remove the files of a fleet that is already there; without it they are an error.

    Raises:
        UsageError: ``out`` is not a folder, cannot be written or holds a fleet; more files than minutes.
    """
    if not 1 <= files_per_stream <= plan.minutes:
        raise UsageError(
            f"{plan.minutes} minutes cannot be cut into {files_per_stream} files",
            hint="--files-per-stream is at least 1 and at most the minutes of the span.",
        )
    try:
        _prepare(out, replace=replace)
        return _write(plan, out, dump_format, files_per_stream)
    except OSError as error:
        raise UsageError(
            f"{error.filename or out}: cannot be written: {error.strerror or error}",
            hint="Name a folder that can be written and has room.",
        ) from error


def _prepare(out: Path, *, replace: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: not a folder", hint="Name a folder for the dumps; it is made if missing.")
    out.mkdir(parents=True, exist_ok=True)
    present = sorted(path for path in out.iterdir() if FLEET_FILE.fullmatch(path.name))
    if present and not replace:
        raise UsageError(
            f"{out}: already holds a fleet ({', '.join(path.name for path in present)})",
            hint="Name another folder, or replace the fleet with --force.",
        )
    for path in present:
        path.unlink()


def _write(plan: FleetPlan, out: Path, dump_format: DumpFormat, files_per_stream: int) -> Generated:
    fleet = Simulation(plan)
    truth = Truth(plan)
    names = _numbered(files_per_stream)
    with ExitStack() as stack:
        dumps = [
            stack.enter_context(
                Dump(
                    stream,
                    devices,
                    [out / f"{stem}{number}.{dump_format.value}" for number in names],
                    dump_format,
                    plan.start,
                )
            )
            for stream, stem, devices in (
                (METER, "meters", plan.meter_ids()),
                (VEHICLE, "vehicles", plan.vehicle_ids()),
            )
        ]
        for minutes in _cut(plan.minutes, files_per_stream):
            for dump in dumps:
                dump.begin()
            for size in _blocks(minutes, max(plan.meters, plan.vehicles)):
                block = fleet.block(size)
                truth.add(block)
                for dump in dumps:
                    dump.write(block)
            for dump in dumps:
                dump.finish()
    links = _write_links(plan, out / "links.csv")
    truth.write(out / "truth.json", fleet.faulty)
    return Generated(tuple(dumps[0].files), tuple(dumps[1].files), links, out / "truth.json")


def _numbered(files: int) -> list[str]:
    width = len(str(files))
    return [""] if files == 1 else [f"-{number:0{width}d}" for number in range(1, files + 1)]


def _cut(minutes: int, files: int) -> list[int]:
    edges = [minutes * number // files for number in range(files + 1)]
    return [after - before for before, after in pairwise(edges)]


def _blocks(minutes: int, devices: int) -> list[int]:
    size = max(1, BLOCK_ROWS // devices)
    whole, rest = divmod(minutes, size)
    return [size] * whole + ([rest] if rest else [])


def _write_links(plan: FleetPlan, path: Path) -> Path:
    pairs = zip(plan.vehicle_ids(), plan.meter_ids(), strict=False)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("vehicle_id,meter_id,valid_from,valid_to\n")
        file.writelines(f"{vehicle},{meter},,\n" for vehicle, meter in pairs)
    return path
