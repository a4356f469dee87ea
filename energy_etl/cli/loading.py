"""The options that say how readings are loaded, and what a load ends with: the same wherever they are."""

from __future__ import annotations

from typing import Annotated

import typer

from energy_etl.errors import ExitCode
from energy_etl.options import DirectCompress, OnConflict
from energy_etl.outcome import LoadResult, Status
from energy_etl.present.output import Format

DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything but write.")]
LockWait = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for another load.")]
RetryFor = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0, help="How long to try again when the server goes away."),
]
DirectCompressChoice = Annotated[
    DirectCompress,
    typer.Option(help="TimescaleDB: store readings compressed at once, or as rows to compress later."),
]
ResultFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="Write the result to standard output. [default: a summary on standard error only]",
        case_sensitive=False,
    ),
]


def exit_code(results: list[LoadResult], on_conflict: OnConflict) -> ExitCode:
    """What the process tells its caller of these."""
    failed = sum(result.status is Status.FAILED for result in results)
    if failed == len(results):
        codes = {result.exit_code for result in results}
        return codes.pop() if len(codes) == 1 else ExitCode.INPUT
    rejected = any(result.total("rejected") for result in results)
    conflicting = on_conflict is OnConflict.KEEP and any(result.total("conflicting") for result in results)
    return ExitCode.PROBLEMS if failed or rejected or conflicting else ExitCode.DONE
