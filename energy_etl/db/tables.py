"""The tables of a stream, as the braces in history.sql, known.sql and live.sql name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from energy_etl.streams import Stream


def names(stream: Stream, *, dry_run: bool = False) -> dict[str, sql.Composable]:
    """What the braces stand for; in a dry run, everything written to is temporary."""
    permanent = sql.Identifier(stream.history)
    device = sql.Identifier(stream.device)
    measures = [sql.Identifier(name) for name in stream.measures]

    def each(pattern: str, separator: str = ", ") -> sql.Composed:
        parts = [
            sql.SQL(pattern).format(m=measure, name=sql.Literal(name))
            for measure, name in zip(measures, stream.measures, strict=True)
        ]
        return sql.SQL(separator).join(parts)

    return {
        "permanent": permanent,
        "history": sql.Identifier(f"dry_{stream.history}") if dry_run else permanent,
        "stored": sql.Identifier(f"dry_{stream.name}_stored") if dry_run else permanent,
        "reject": reject_table(dry_run=dry_run),
        "live": sql.Identifier(stream.live),
        "newest": sql.Identifier(f"newest_{stream.name}"),
        "late": sql.Identifier(f"late_{stream.name}"),
        "ranges": sql.Identifier(f"ranges_{stream.name}"),
        "device": device,
        "columns": sql.SQL(", ").join([device, sql.Identifier("ts"), *measures]),
        "late_columns": sql.SQL("l.{}, l.ts, ").format(device) + each("l.{m}"),
        "same": each("l.{m} IS NOT DISTINCT FROM h.{m}", " AND "),
        "same_as_previous": each("l.{m} IS NOT DISTINCT FROM lag(l.{m}) OVER reading", " AND "),
        "assignments": each("{m} = l.{m}"),
        "excluded_assignments": each("{m} = EXCLUDED.{m}"),
        "restated_assignments": each("{m} = h.{m}"),
        # Loads of a dry run have no number that anybody could look up.
        "stored_by": sql.SQL("CASE WHEN h.load_id > 0 THEN 'load ' || h.load_id ELSE 'this dry run' END"),
        "stored_values": each("{name} || ' ' || coalesce(h.{m}::text, 'null')"),
        "hash": _hash(measures),
    }


def reject_table(*, dry_run: bool = False) -> sql.Identifier:
    """The table of rejects."""
    return sql.Identifier("dry_reject" if dry_run else "reject")


def _hash(measures: list[sql.Identifier]) -> sql.Composable:
    """The hash of a stored reading, as ``frames.checksum`` computes it; the session speaks UTC."""
    chained: sql.Composable = sql.SQL("timestamp_hash_extended(h.ts::timestamp, 0)")
    for number, measure in enumerate(measures, start=1):
        value = sql.SQL("coalesce(h.{}, 'NaN')").format(measure)
        chained = sql.SQL("hashfloat8extended({}, {} # {})").format(value, chained, sql.Literal(number))
    return chained
