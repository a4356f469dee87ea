"""Spans of time with open ends, as links have them; None is unbounded.

Of a meter that is handed over at noon, the reading at noon belongs to the vehicle before: its energy was
consumed in the interval that ends then.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from energy_etl.analytics.window import Window

Span = tuple[datetime | None, datetime | None]

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


def touches(span: Span, window: Window) -> bool:
    """Whether a reading of the window may fall into the span."""
    return (span[0] or BEGINNING) < window.until and (span[1] or END) > window.after


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times as spans that neither overlap nor meet, in order."""
    ordered = sorted((start or BEGINNING, end or END) for start, end in spans)
    result: list[tuple[datetime, datetime]] = []
    for start, end in ordered:
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return [(None if start == BEGINNING else start, None if end == END else end) for start, end in result]


def seconds_within(span: Span, window: Window) -> float:
    """How much of the window the span covers."""
    start, end = max(span[0] or BEGINNING, window.after), min(span[1] or END, window.until)
    return max(0.0, (end - start).total_seconds())
