from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from energy_etl.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
"""Seconds until something that has to happen counts as never happening; no test waits for it to pass."""


class Source:
    """Items in order, and who made how many of them."""

    def __init__(self, length: int = 1_000_000) -> None:
        self.length = length
        self.made = 0
        self.closed = threading.Event()
        self.makers: set[threading.Thread] = set()
        self._changed = threading.Condition()

    def items(self) -> Iterator[int]:
        try:
            for number in range(self.length):
                with self._changed:
                    self.made += 1
                    self._changed.notify_all()
                self.makers.add(threading.current_thread())
                yield number
        finally:
            self.closed.set()

    def wait_until_made(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.made >= count, PATIENCE)


@pytest.mark.parametrize("length", [0, 1, 2, 100])
def test_items_come_in_order_and_none_is_lost(length: int) -> None:
    source = Source(length)
    assert list(prefetch(source.items())) == list(range(length))
    assert source.made == length
    assert source.closed.is_set()


def test_none_is_an_item_like_any_other() -> None:
    assert list(prefetch(iter([None, 0, None]))) == [None, 0, None]


def test_the_next_item_is_made_while_the_caller_works_on_this_one() -> None:
    source = Source()
    with closing(prefetch(source.items())) as ahead:
        assert next(ahead) == 0
        assert source.wait_until_made(2)
    assert threading.current_thread() not in source.makers
    assert len(source.makers) == 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_more_than_the_next_items_are_made(count: int) -> None:
    source = Source()
    with closing(prefetch(source.items(), ahead=count)) as ahead:
        for taken in range(1, 20):
            assert next(ahead) == taken - 1
            assert source.wait_until_made(taken + count)
            assert source.made == taken + count
    assert source.made == 19 + count


def test_what_is_under_way_is_told_when_nothing_more_is_wanted() -> None:
    told = threading.Event()

    def endless() -> Iterator[int]:
        yield 0
        assert told.wait(PATIENCE)
        yield 1

    with closing(prefetch(endless(), told.set)) as ahead:
        assert next(ahead) == 0
    assert told.is_set()


def test_nothing_is_made_before_it_is_asked_for() -> None:
    source = Source()
    ahead = prefetch(source.items())
    ahead.close()
    assert source.made == 0


def failing(error: BaseException, after: int) -> Iterator[int]:
    yield from range(after)
    raise error


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_error_comes_after_the_items_before_it(error: BaseException, after: int) -> None:
    got = []
    with pytest.raises(type(error)) as caught:  # noqa: PT012 - what came before the error is the point
        for item in prefetch(failing(error, after)):
            got.append(item)
    assert caught.value is error
    assert got == list(range(after))


def test_an_error_that_nobody_waits_for_is_dropped_with_the_rest() -> None:
    with closing(prefetch(failing(ValueError("broken"), 2))) as ahead:
        assert next(ahead) == 0


def test_the_source_is_closed_when_the_caller_stops_early() -> None:
    source = Source()
    items = source.items()
    with closing(prefetch(items)) as ahead:
        assert next(ahead) == 0
        assert source.wait_until_made(2)
        assert not source.closed.is_set()
    assert source.closed.is_set()
    assert list(items) == []


def test_the_source_is_closed_when_the_caller_fails() -> None:
    source = Source()
    items = source.items()

    def load() -> None:
        with closing(prefetch(items)) as ahead:
            for item in ahead:
                raise LookupError(item)

    with pytest.raises(LookupError):
        load()
    assert source.closed.is_set()
    assert list(items) == []


@pytest.mark.parametrize("length", [1, 1_000_000])
def test_the_thread_ends_with_the_work(length: int) -> None:
    source = Source(length)
    with closing(prefetch(source.items())) as ahead:
        next(ahead)
    assert [maker.is_alive() for maker in source.makers] == [False]


def test_an_iterator_that_cannot_be_closed_is_fine() -> None:
    with closing(prefetch(iter(range(1000)))) as ahead:
        assert next(ahead) == 0
