"""Rejects judged again: as they are stored, or as somebody has repaired them.

A retry is a load like any other, of rows that the database keeps instead of a dump's: it has its place in
the ledger, and counts of its own. Choosing the rows, loading what passes and closing the rejects it came from
is one transaction. Where nothing passes there is nothing to keep, so that trying twice is as good as once.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from energy_etl.db import open_rejects, schema
from energy_etl.db.retry import LeftOut, Retry
from energy_etl.db.session import wrap_errors
from energy_etl.dump import Dump
from energy_etl.ingest import persistently
from energy_etl.load import load
from energy_etl.options import LoadOptions, OnConflict
from energy_etl.outcome import Entry, LoadResult, RejectLimit, Status
from energy_etl.profiles.model import CANONICAL
from energy_etl.rejudge import RejectsOf, StoredInterpretation, as_before, interpret_stored
from energy_etl.sources.fingerprint import fingerprint
from energy_etl.sources.source import Compression, Format, SourceFile
from energy_etl.streams import SOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from energy_etl.db.session import Sessions
    from energy_etl.ingest import Observer
    from energy_etl.selection import Selection
    from energy_etl.sources.repaired import RepairedRow

FORMAT = "rejects"
"""What the ledger says that a retry's rows are."""

_LISTED_LOADS = 5


@dataclass(frozen=True, slots=True)
class Repaired:
    """A file of repaired rejects."""

    name: str
    rows: Callable[[], Iterable[RepairedRow]]
    """Reads it."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What came of it."""

    result: LoadResult | None
    """None where there was nothing to judge."""
    left_out: LeftOut


class _NothingPassedError(Exception):
    """Takes everything back."""

    def __init__(self, result: LoadResult) -> None:
        super().__init__()
        self.result = replace(result, status=Status.STILL_REJECTED, load_id=None)


@dataclass(eq=False)
class _Rejects(Dump):
    """Rejects in the place of a dump's rows."""

    fields: Sequence[str] = ()
    file: str = ""
    """The name of the dump they are of."""

    @cached_property
    def interpretation(self) -> StoredInterpretation:
        return interpret_stored(self.source, self.fields, self.options, self.file)


def retry(
    selection: Selection,
    sessions: Sessions,
    options: LoadOptions,
    observer: Observer,
    *,
    repaired: Repaired | None = None,
) -> Retried:
    """Judge rejects again, and load those that pass.

    Args:
        selection: Which.
        sessions: On the database, whose schema is brought up to date first, but for a dry run.
        options: How to load; rows may be rejected again, however many. What is not said of how values are
            meant is as it was when their dumps were loaded.
        observer: Told about progress.
        repaired: Rows to judge instead of what is stored of them; only these are judged.

    Raises:
        UsageError: There is no such load, or how the rows are read is not plain.
        InputError: The file of repaired rows is unusable.
        EnergyEtlError: What else stopped it; nothing is loaded.
    """
    with wrap_errors():
        if not options.dry_run:
            schema.migrate(sessions.kept(), observer.note)
        open_rejects.check(sessions.kept(), selection)

    def attempt() -> Retried:
        with tempfile.TemporaryDirectory(prefix="energy-etl-") as folder:
            return _Attempt(selection, sessions, options, observer, repaired).run(Path(folder))

    return persistently(attempt, "rejects", options, observer)


@dataclass
class _Attempt:
    """One transaction."""

    selection: Selection
    sessions: Sessions
    options: LoadOptions
    observer: Observer
    repaired: Repaired | None

    def run(self, folder: Path) -> Retried:
        conn = self.sessions.kept()
        left_out = LeftOut()
        try:
            with conn.transaction(force_rollback=self.options.dry_run):
                rejects = Retry(conn)
                if self.repaired:
                    rejects.repair(self.repaired.name, self.repaired.rows())
                picked = rejects.pick(
                    self.selection,
                    repaired=self.repaired is not None,
                    replace=self.options.on_conflict is OnConflict.REPLACE,
                    wait_seconds=self.options.lock_wait,
                )
                left_out = rejects.left_out(self.selection, repaired=self.repaired is not None)
                if not picked:
                    return Retried(None, left_out)
                return Retried(self._load(rejects, folder / "rejects"), left_out)
        except _NothingPassedError as none:
            return Retried(none.result, left_out)

    def _load(self, rejects: Retry, spooled: Path) -> LoadResult:
        loads = [RejectsOf(*columns) for columns in rejects.loads()]
        # Whatever does not pass stays what it is: rejected.
        options = replace(as_before(self.options, loads), max_rejects=RejectLimit(percent=100.0))
        fields = list(SOURCE_COLUMNS) if options.profile is CANONICAL else rejects.fields()
        rejects.spool(spooled, fields)
        name = _name([one.load_id for one in loads], self.repaired)
        source = SourceFile(name, spooled, Format.CSV, Compression.NONE, spooled.stat().st_size)
        taken = fingerprint(source)

        def settle(result: LoadResult) -> None:
            if not rejects.settle(dump.load_id):
                raise _NothingPassedError(result)

        entry = Entry(name, taken.sha256, taken.bytes, FORMAT)
        dump = _Rejects(source, taken, entry, options, on_loaded=settle, fields=fields, file=loads[0].source)
        return load([dump], self.sessions, options, self.observer).results[dump]


def _name(load_ids: list[int], repaired: Repaired | None) -> str:
    if len(load_ids) > _LISTED_LOADS:
        name = f"rejects of {len(load_ids)} loads"
    else:
        name = f"rejects of load{'s' * (len(load_ids) > 1)} {', '.join(map(str, load_ids))}"
    return f"{name}, repaired in {repaired.name}" if repaired else name
