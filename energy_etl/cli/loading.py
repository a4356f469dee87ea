"""The options that say how readings are loaded: the same wherever they are."""

from __future__ import annotations

from typing import Annotated

import typer

from energy_etl.options import DirectCompress
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
