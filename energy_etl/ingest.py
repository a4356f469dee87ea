"""Dumps into the database, one after the other: found, recognised, loaded, and tried again where that helps.

One unusable dump does not stop the others. What would stop every one of them, such as a server that is gone,
ends the run; what was loaded by then stays.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import stamina

from energy_etl.db import schema
from energy_etl.db.session import LockHeldError, UnreachableError, wrap_errors
from energy_etl.errors import EnergyEtlError, InputError, TemporaryError
from energy_etl.load import LoadObserver, LoadOptions, RejectLimitError, load
from energy_etl.outcome import LoadResult, Status
from energy_etl.sources.discover import discover
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from energy_etl.db.session import Sessions
    from energy_etl.sources.discover import FoundFile

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 10.0
"""Between two tries; the wait doubles each time."""


class Observer(LoadObserver, Protocol):
    """Who is told how a run goes."""

    def note(self, text: str) -> None: ...


def ingest(
    paths: Sequence[str],
    sessions: Sessions,
    options: LoadOptions,
    observer: Observer,
    rejects_part: Callable[[str], Path] | None = None,
) -> Iterator[LoadResult]:
    """Load dumps, each in a transaction of its own.

    Args:
        paths: Files, directories, globs, ``-`` for standard input.
        sessions: On the database, whose schema is made or brought up to date first.
        options: How to load.
        observer: Told about progress.
        rejects_part: A dump's name → where its rejects are written to as well, as CSV rows.

    Yields:
        What became of each dump, the failed ones included.

    Raises:
        InputError: Nothing is found where a path points.
        UsageError: No path, or standard input is a terminal.
        EnergyEtlError: What stopped the run, after the dump it happened to was yielded as failed.
    """
    with discover(paths) as found, _schema(sessions, options, observer):
        for file in found:
            try:
                yield _load_one(file, sessions, options, observer, rejects_part)
            except RejectLimitError as error:
                yield error.result
            except EnergyEtlError as error:
                yield LoadResult(file.name, Status.FAILED, error=error.message, hint=error.hint)
                if not isinstance(error, InputError):
                    raise


@contextmanager
def _schema(sessions: Sessions, options: LoadOptions, observer: Observer) -> Iterator[None]:
    """Set the schema up; for a dry run only until the run ends, and only where it is not up to date."""
    with wrap_errors():
        conn = sessions.kept()
        if not options.dry_run:
            schema.migrate(conn, observer.note)
        elif not schema.is_current(conn):
            with conn.transaction(force_rollback=True):
                schema.migrate(conn)
                yield
                return
    yield


def _load_one(
    file: FoundFile,
    sessions: Sessions,
    options: LoadOptions,
    observer: Observer,
    rejects_part: Callable[[str], Path] | None,
) -> LoadResult:
    source = recognise(file.path, file.name)
    part = rejects_part(file.name) if rejects_part else None

    def told(details: stamina.instrumentation.RetryDetails) -> None:
        observer.note(f"{file.name}: {details.caused_by}; trying again in {details.wait_for:.1f} s")

    stamina.instrumentation.set_on_retry_hooks([told])
    tries = stamina.retry_context(
        on=_worth_trying_again,
        attempts=None if options.retry_for else 1,
        timeout=options.retry_for or None,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_max=LONGEST_WAIT_SECONDS,
    )
    for attempt in tries:
        with attempt, wrap_errors():
            return load(source, sessions, options, observer, part)
    raise AssertionError("stamina raises when its attempts are used up")


def _worth_trying_again(error: Exception) -> bool:
    """A lost connection or a deadlock is; a lock was waited for as long as the user wants.

    So is a server that does not answer: it did when the run began, and is perhaps restarting.
    """
    temporary = isinstance(error, TemporaryError | UnreachableError)
    return temporary and not isinstance(error, LockHeldError)
