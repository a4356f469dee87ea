"""Work ahead: the next item is made in a thread while the caller works on the current one.

Reading and arranging a batch (Polars, Arrow) and sending one (libpq) both release the interpreter's lock, so
one thread is enough to keep the server busy.
"""

from __future__ import annotations

import threading
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""How soon a full or empty queue notices that the other side has gone."""


class _End:
    """Nothing more comes; with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: Queue[T | _End] = Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)

    def __iter__(self) -> Generator[T]:
        self._thread.start()
        try:
            while not isinstance(item := self._take(), _End):
                yield item
            if item.error is not None:
                raise item.error
        finally:
            self._stop.set()
            self._thread.join()

    def _take(self) -> T | _End:
        while True:
            try:
                # Waiting in short turns lets the main thread see a signal at once.
                return self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:  # noqa: BLE001 - handed over, and raised where the caller is
            self._put(_End(error))
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def _put(self, item: T | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False


def prefetch(items: Iterator[T], depth: int = 1) -> Generator[T]:
    """Yield ``items`` in order, made up to ``depth`` + 1 ahead in a thread.

    An error in ``items`` is raised here, after what came before it. When the caller stops early, the thread
    stops after the item it is making, and ``items`` is closed.
    """
    yield from _Ahead(items, depth)
