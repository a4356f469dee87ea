"""A stream's rows → valid readings and rejects, by the rules of :mod:`energy_etl.streams`.

A row breaks at most one rule here, the first that explains it: a value that could not be read before a range,
NaN before a limit it also fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.frames.faults import told
from energy_etl.streams import EARLIEST

if TYPE_CHECKING:
    from datetime import datetime

    import dataframely as dy

    from energy_etl.streams import Stream

_RULES = {
    "nullability": ("missing", "{column} is missing"),
    "nan": ("not_finite", "{column} is {value}, which is not a finite number"),
    "inf": ("not_finite", "{column} is {value}, which is not a finite number"),
    "min_length": ("empty", "{column} is empty"),
    "max_length": ("too_long", "{column} has more than {max_length} characters"),
    "regex": ("control_character", "{column} contains a control character: {value}"),
    "min": ("below_range", "{column} is {value}, the least possible is {min}"),
    "max": ("above_range", "{column} is {value}, the most possible is {max}"),
}
"""dataframely's rule → our name for it and what to tell. The order says which of several is told."""


@dataclass(frozen=True, slots=True)
class Validated:
    """A stream's rows, parted."""

    valid: pl.DataFrame
    """row_number and the stream's columns."""
    rejects: pl.DataFrame
    """row_number, stream, rule, detail."""


def validate(
    stream: Stream,
    rows: pl.DataFrame,
    faults: pl.DataFrame,
    latest: datetime,
    earliest: datetime | None = None,
) -> Validated:
    """Part valid readings from rejects.

    Args:
        stream: Whose rules apply.
        rows: row_number and the stream's columns, normalised.
        faults: Values that could not be read (row_number, column, rule, detail), of this batch.
        latest: A reading from after this moment is from a clock that runs ahead.
        earliest: A reading from before this moment is from a clock that was never set, or a year was
            mistyped; None: as for any telemetry.
    """
    rejects = [_unread(stream, rows, faults)] if not faults.is_empty() else []
    if rejects:
        rows = rows.join(rejects[0], on="row_number", how="anti", maintain_order="left")
    ahead = rows["ts"] > latest
    if ahead.any():
        rejects.append(_ahead(stream, rows.filter(ahead), latest))
        rows = rows.filter(~ahead.fill_null(value=False))
    old = rows["ts"] < (earliest or EARLIEST)
    if old.any():
        rejects.append(_old(stream, rows.filter(old), earliest or EARLIEST))
        rows = rows.filter(~old.fill_null(value=False))
    valid, failure = stream.schema.filter(rows)
    if len(failure):
        rejects.append(_broken(stream, failure))
    return Validated(valid, pl.concat(rejects) if rejects else _shape(stream, rows.clear(), "", ""))


def _unread(stream: Stream, rows: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    """The first unreadable value of each row."""
    order = {name: at for at, name in enumerate(stream.columns)}
    return (
        faults.filter(pl.col("column").is_in(stream.columns))
        .join(rows.select("row_number"), on="row_number", how="semi")
        .sort("row_number", pl.col("column").replace_strict(order, default=len(order)))
        .unique("row_number", keep="first", maintain_order=True)
        .select("row_number", pl.lit(stream.name).alias("stream"), "rule", "detail")
    )


def _ahead(stream: Stream, rows: pl.DataFrame, latest: datetime) -> pl.DataFrame:
    limit = latest.isoformat(sep=" ", timespec="seconds")
    detail = told("timestamp is {}, after {}: a clock that runs ahead", pl.col("ts"), pl.lit(limit))
    return _shape(stream, rows, "ts:in_the_future", detail)


def _old(stream: Stream, rows: pl.DataFrame, earliest: datetime) -> pl.DataFrame:
    detail = told("ts is {}, the least possible is {}", pl.col("ts"), pl.lit(str(earliest)))
    return _shape(stream, rows, "ts:below_range", detail)


def _broken(stream: Stream, failure: dy.FailureInfo) -> pl.DataFrame:
    """Rejects of the rows that break a rule of the schema."""
    details = failure.details()
    order = list(_RULES)
    broken = sorted(
        (name for name in details.columns if "|" in name),
        key=lambda name: (order.index(name.split("|")[1]), name),
    )
    first = pl.coalesce(pl.when(pl.col(name) == "invalid").then(pl.lit(name)) for name in broken)
    explained = details.with_columns(first.alias("broken"))
    return pl.concat(
        _shape(stream, group, *_wording(stream, name))
        for (name,), group in explained.group_by("broken", maintain_order=True)
        if isinstance(name, str)
    )


def _wording(stream: Stream, broken: str) -> tuple[str, pl.Expr]:
    """Our name of a rule and the sentence about the value that broke it."""
    column, rule = broken.split("|")
    name, sentence = _RULES[rule]
    bound = getattr(stream.schema.columns()[column], rule, None)
    sentence = sentence.replace("{column}", column).replace(f"{{{rule}}}", str(bound))
    text, value, rest = sentence.partition("{value}")
    shown = pl.col(column).cast(pl.String).str.slice(0, 100)
    return f"{column}:{name}", told("{}{}{}", pl.lit(text), shown, pl.lit(rest)) if value else pl.lit(text)


def _shape(stream: Stream, rows: pl.DataFrame, rule: str, detail: pl.Expr | str) -> pl.DataFrame:
    return rows.select(
        "row_number",
        stream=pl.lit(stream.name),
        rule=pl.lit(rule),
        detail=pl.lit(detail) if isinstance(detail, str) else detail,
    )
