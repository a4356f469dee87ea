"""Work ahead: the next item is made in a thread while the caller works on the current one.

Reading rows, arranging a batch (Polars, Arrow) and sending one (libpq) all release the interpreter's lock, so
that threads keep the server busy.
"""

from __future__ import annotations

import threading
from queue import Empty, Queue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""How soon either side notices that the other has gone."""


class _End:
    """Nothing more comes; with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], ahead: int, on_stop: Callable[[], object] | None) -> None:
        self._items = items
        self._on_stop = on_stop
        self._made: Queue[T | _End] = Queue(ahead)
        self._room = threading.Semaphore(ahead - 1)
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
            if self._on_stop is not None:
                self._on_stop()
            self._thread.join()

    def _take(self) -> T | _End:
        while True:
            try:
                # Waiting in short turns lets the main thread see a signal at once.
                item = self._made.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            self._room.release()
            return item

    def _work(self) -> None:
        try:
            for item in self._items:
                self._made.put(item)
                if not self._wait_for_room():
                    return
            self._made.put(_End())
        except BaseException as error:  # noqa: BLE001 - handed over, and raised where the caller is
            self._made.put(_End(error))
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def _wait_for_room(self) -> bool:
        while not self._stop.is_set():
            if self._room.acquire(timeout=_POLL_SECONDS):
                return True
        return False


def prefetch(
    items: Iterator[T], on_stop: Callable[[], object] | None = None, *, ahead: int = 1
) -> Generator[T]:
    """Yield ``items`` in order; while the caller works on one, the next are made in a thread.

    An error in ``items`` is raised here, after what came before it. When the caller stops early, the thread
    stops after the item it is making, and ``items`` is closed.

    Args:
        items: What to make.
        on_stop: Called when no more items are wanted, while one may be under way: tells it to end early.
        ahead: How many may be there before they are wanted.
    """
    yield from _Ahead(items, ahead, on_stop)
