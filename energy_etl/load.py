"""The load protocol, top to bottom: dumps into history, live, rejects and ledger, each wholly or not at all.

The only module that knows the order. In one transaction:

1. claim a ledger row per dump, lock the streams, read the watermarks;
2. for each batch, made ready in a thread: new readings straight into history, rejects into their table,
   readings that may exist already aside;
3. make new partitions part of history, compare what was set aside with history, move live forward;
4. hold our counts against the server's, complete the ledger rows, commit.

Whatever dies when: the transaction is the file. A large dump has one of its own, small ones share one.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from energy_etl.db import ledger
from energy_etl.db.storage import Storage
from energy_etl.dump import Dump, RejectLimitError
from energy_etl.errors import InputError
from energy_etl.kinds import surely_intervals
from energy_etl.outcome import LoadResult, Status, already_loaded
from energy_etl.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from energy_etl.db.session import Sessions
    from energy_etl.feed import Fed, Refused
    from energy_etl.options import LoadOptions


BEFORE_DRY_IDS = -(2**31)
"""Loads of a dry run are numbered from here, in their order: no load of the ledger has such a number."""


class LoadObserver(Protocol):
    """Who is told how a load goes."""

    def file_started(self, name: str, bytes_total: int) -> None: ...

    def advanced(self, rows: int, bytes_read: int) -> None: ...

    def file_finished(self) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass(slots=True)
class Loaded:
    """What became of the dumps of one transaction."""

    results: dict[Dump, LoadResult] = field(default_factory=dict)
    alone: list[Dump] = field(default_factory=list)
    """Need a transaction of their own; nothing of them is loaded yet."""


def load(dumps: Sequence[Dump], sessions: Sessions, options: LoadOptions, observer: LoadObserver) -> Loaded:
    """Load dumps of different content in one transaction.

    Args:
        dumps: One of any size, or several small ones.
        sessions: On a database whose schema is up to date.
        options: How.
        observer: Told about progress.

    Returns:
        A result per dump; an unusable dump's is that it failed.

    Raises:
        LockHeldError: Another load works on the same; nothing is loaded, try again later.
        DatabaseError: The database is not in the state the job needs.
        ConservationError: Counts do not add up; nothing is loaded.
        psycopg.Error: What else the server says; nothing is loaded.
    """
    started = time.monotonic()
    name = dumps[0].source.name if len(dumps) == 1 else f"{len(dumps)} small files"
    observer.file_started(name, sum(dump.source.bytes for dump in dumps))
    try:
        loaded = _Job(sessions.kept(), options, observer).run(dumps)
    finally:
        observer.file_finished()
    seconds, rows = time.monotonic() - started, sum(result.rows for result in loaded.results.values())
    for dump, result in loaded.results.items():
        share = result.rows / rows if rows else 1 / len(loaded.results)
        loaded.results[dump] = replace(result, seconds=seconds * share)
    return loaded


class _Job:
    """Dumps on their way through the ledger."""

    def __init__(self, conn: Connection[Any], options: LoadOptions, observer: LoadObserver) -> None:
        self._conn = conn
        self._options = options
        self._observer = observer
        self._loaded = Loaded()

    def run(self, dumps: Sequence[Dump]) -> Loaded:
        readable = [dump for dump in dumps if self._readable(dump)]
        if len(dumps) > 1:
            # Counters and power are derived from what is in history already: one dump at a time.
            shared = [dump for dump in readable if surely_intervals(dump, self._options)]
            self._loaded.alone += [dump for dump in readable if dump not in shared]
            readable = shared
        claimed: list[Dump] = []
        try:
            with self._conn.transaction(force_rollback=self._options.dry_run):
                claimed = [dump for number, dump in enumerate(readable, start=1) if self._claim(dump, number)]
                if claimed:
                    self._load(claimed)
        except InputError as error:
            # It is raised where there is only one to load; others may have been loaded by someone else.
            self._fail(claimed[0], error)
        for dump in readable:
            if self._is_open(dump):
                # Someone else had the same bytes under way when they were claimed, and has committed them.
                load_id, loaded_at = ledger.find_loaded(self._conn, dump.entry.sha256) or (None, None)
                self._loaded.results[dump] = already_loaded(dump.entry, load_id, loaded_at)
        return self._loaded

    def _readable(self, dump: Dump) -> bool:
        dump.forget()
        try:
            return bool(dump.interpretation)
        except InputError as error:
            self._fail(dump, error)
            return False

    def _claim(self, dump: Dump, number: int) -> bool:
        if self._options.dry_run:
            dump.load_id = BEFORE_DRY_IDS + number
            return True
        load_id = ledger.claim(self._conn, dump.entry, dump.decided(), self._options.lock_wait)
        dump.load_id = load_id or 0
        return load_id is not None

    def _load(self, claimed: Sequence[Dump]) -> None:
        with Storage(self._conn, self._options.direct_compress, self._observer.note) as storage:
            work = Store(self._conn, storage, claimed, self._options)
            rows = 0
            with closing(work.feed()) as feed:
                for fed in feed:
                    work.store(fed)
                    self._set_aside(fed)
                    rows += fed.rows
                    if fed.checked:
                        self._observer.advanced(rows, fed.checked[-1][1].bytes_read)
            left = [dump for dump in claimed if self._is_open(dump)]
            self._loaded.results.update(work.close(left))
            if not self._options.dry_run:
                for dump in left:
                    decided = {**dump.decided(), "storage": storage.path}
                    ledger.finish(self._conn, dump.load_id, dump.recorded(), decided)
                    if dump.on_loaded:
                        dump.on_loaded(self._loaded.results[dump])
            work.publish()

    def _set_aside(self, fed: Fed) -> None:
        for dump in fed.too_large:
            self._release(dump)
            self._loaded.alone.append(dump)
        for refused in fed.refused:
            self._release(refused.dump)
            _export(refused)
            self._fail(refused.dump, refused.error)

    def _is_open(self, dump: Dump) -> bool:
        return dump not in self._loaded.results and dump not in self._loaded.alone

    def _release(self, dump: Dump) -> None:
        if not self._options.dry_run:
            ledger.release(self._conn, dump.load_id)

    def _fail(self, dump: Dump, error: InputError) -> None:
        if isinstance(error, RejectLimitError):
            result = error.result
        else:
            result = LoadResult(
                dump.source.name,
                Status.FAILED,
                error=error.message,
                hint=error.hint,
                exit_code=error.exit_code,
            )
        self._loaded.results[dump] = result
        if not self._options.dry_run:
            counts = {name: one.recorded() for name, one in result.streams.items()}
            ledger.record_failure(self._conn, dump.entry, dump.met_at, dump.decided(), counts, error.message)


def _export(refused: Refused) -> None:
    """The rejects of a dump that never reached the database, as ``Rejects.export`` writes them."""
    part = refused.dump.rejects_part
    if part is not None and refused.rejects is not None:
        refused.rejects.sort("row_number", "stream").write_csv(part, include_header=False)
