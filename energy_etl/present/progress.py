"""Progress of a load: a bar on a terminal, nothing anywhere else.

Implements the observer the load protocol reports to. ``advanced`` is called once per batch with totals, not
with differences, so a missed call loses nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from energy_etl.present import cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from energy_etl.present.diagnostics import Diagnostics


class LoadProgress:
    """Shows no bar: what cron, CI, a pipe or ``--quiet`` get. Notes go to the diagnostics."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics

    def file_started(self, name: str, bytes_total: int) -> None:
        """A file is being read; ``bytes_total`` is its size on disk."""

    def advanced(self, rows: int, bytes_read: int) -> None:
        """So many rows and bytes of the file are done, counted from its beginning."""

    def file_finished(self) -> None:
        """The file is done, loaded or not."""

    def note(self, text: str) -> None:
        """Say something useful that calls for no action."""
        self._diagnostics.note(text)


class LoadBar(LoadProgress):
    """A bar per file on standard error: name, bytes, rows, rows per second, time left."""

    def __init__(self, diagnostics: Diagnostics, bars: Progress) -> None:
        super().__init__(diagnostics)
        self._bars = bars
        self._task: TaskID | None = None

    def file_started(self, name: str, bytes_total: int) -> None:
        self.file_finished()
        self._task = self._bars.add_task(_shortened(cells.visible(name)), total=bytes_total, rows=0, speed="")

    def advanced(self, rows: int, bytes_read: int) -> None:
        if self._task is None:
            return
        elapsed = self._bars.tasks[-1].elapsed
        speed = f"{rows / elapsed:,.0f} rows/s" if elapsed else ""
        self._bars.update(self._task, completed=bytes_read, rows=rows, speed=speed, refresh=True)

    def file_finished(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def note(self, text: str) -> None:
        if not self._diagnostics.quiet:
            self._bars.console.print(f"note: {cells.visible(text)}", markup=False, highlight=False)


@contextmanager
def load_progress(diagnostics: Diagnostics) -> Iterator[LoadProgress]:
    """What a load reports to while it runs: a bar if standard error is a terminal that somebody watches."""
    if diagnostics.quiet or os.environ.get("CI") or not sys.stderr.isatty():
        yield LoadProgress(diagnostics)
        return
    with _bars() as bars:
        yield LoadBar(diagnostics, bars)


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TextColumn("{task.fields[rows]:,} rows", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 40 else f"…{name[-39:]}"
