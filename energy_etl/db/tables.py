"""The tables of a stream, as the braces in history.sql, known.sql and live.sql name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from energy_etl.streams import Stream

DERIVED = ("register_kwh", "power_kw", "quality")
"""Columns that only derived readings fill."""


def names(stream: Stream, *, dry_run: bool = False) -> dict[str, sql.Composable]:
    """What the braces stand for; in a dry run, everything written to is temporary."""
    permanent = sql.Identifier(stream.history)
    history = sql.Identifier(f"dry_{stream.history}") if dry_run else permanent
    fresh = sql.Identifier(f"fresh_{stream.name}")
    device = sql.Identifier(stream.device)

    def each(pattern: str, separator: str = ", ", of: Iterable[str] = stream.reported) -> sql.Composed:
        parts = [sql.SQL(pattern).format(m=sql.Identifier(name), name=sql.Literal(name)) for name in of]
        return sql.SQL(separator).join(parts)

    # Live shows all there is: a device that changes its kind of energy leaves nothing behind.
    shown = (*stream.measures, *DERIVED)

    return {
        "permanent": permanent,
        "history": history,
        "stored": sql.Identifier(f"dry_{stream.name}_stored") if dry_run else permanent,
        "reject": reject_table(dry_run=dry_run),
        "live": sql.Identifier(stream.live),
        "newest": sql.Identifier(f"newest_{stream.name}"),
        "late": sql.Identifier(f"late_{stream.name}"),
        "ranges": sql.Identifier(f"ranges_{stream.name}"),
        "device": device,
        "raw": sql.Identifier(stream.raw or stream.energy),
        "energy": sql.Identifier(stream.energy),
        "columns": each("{m}", of=stream.stored),
        "reported": each("{m}", of=(stream.device, "ts", *stream.reported)),
        "late_columns": each("l.{m}", of=(stream.device, "ts", *stream.reported)),
        "fresh": fresh,
        # Where energy is derived, new late readings have none yet.
        "arrived": fresh if stream.raw else history,
        "fresh_columns": each("f.{m}", of=(stream.device, "ts", *stream.reported)),
        "derived": sql.Identifier(f"derived_{stream.name}"),
        "same": each("l.{m} IS NOT DISTINCT FROM h.{m}", " AND "),
        "same_as_previous": each("l.{m} IS NOT DISTINCT FROM lag(l.{m}) OVER reading", " AND "),
        "assignments": each("{m} = l.{m}"),
        "excluded_assignments": each("{m} = EXCLUDED.{m}", of=shown),
        "restated_assignments": each("{m} = h.{m}", of=shown),
        "same_as_shown": each("l.{m} IS NOT DISTINCT FROM h.{m}", " AND ", of=shown),
        # Loads of a dry run have no number that anybody could look up.
        "stored_by": sql.SQL("CASE WHEN h.load_id > 0 THEN 'load ' || h.load_id ELSE 'this dry run' END"),
        "stored_values": each("{name} || ' ' || coalesce(h.{m}::text, 'null')"),
    }


def reject_table(*, dry_run: bool = False) -> sql.Identifier:
    """The table of rejects."""
    return sql.Identifier("dry_reject" if dry_run else "reject")
