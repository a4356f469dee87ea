"""A dump read the way `ingest` reads it, up to the database: what is valid, what is rejected and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from energy_etl.energy import EnergyKind
from energy_etl.interpret import interpret
from energy_etl.options import LoadOptions
from energy_etl.plan import check
from energy_etl.profiles.load import load
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from energy_etl.interpret import Interpretation

LATEST = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class Looked:
    """What came out of a dump."""

    how: Interpretation
    read: int = 0
    rows: int = 0
    naive: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    valid: list[dict[str, Any]] = field(default_factory=list)
    """Valid readings of all streams, as they came."""
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    """row_number, rule, detail."""

    @property
    def counts(self) -> tuple[int, int, dict[str, int]]:
        """Readings, how many of them are valid, and the others by rule."""
        assert self.read == len(self.valid) + sum(self.rules.values())
        return self.read, len(self.valid), dict(self.rules)

    def column(self, name: str) -> list[Any]:
        """One column of the valid readings."""
        return [reading[name] for reading in self.valid]

    @property
    def times(self) -> list[str]:
        """Of the valid readings, UTC."""
        return [ts.strftime("%Y-%m-%d %H:%M:%S") for ts in self.column("ts")]


def look(
    folder: Path,
    content: str | bytes,
    name: str = "dump.csv",
    *,
    profile: str | None = None,
    rows: int = 1000,
    **options: Any,
) -> Looked:
    """Read a dump.

    Args:
        folder: Where it is written.
        content: Of the dump.
        name: Of the dump.
        profile: Name of a built-in profile, or what stands in the file of another one.
        rows: Per batch.
        options: As of :class:`LoadOptions`.
    """
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if profile is not None and "\n" in profile:
        (folder / "own.toml").write_text(profile, encoding="utf-8")
        profile = str(folder / "own.toml")
    given = LoadOptions(profile=load(profile) if profile else None, **options)
    found = Looked(interpret(recognise(path, name), given))
    kinds = {name: rule.kind if rule else EnergyKind.REGISTER for name, rule in found.how.energy.items()}
    for checked in check(found.how, latest=LATEST, rows=rows, kinds=kinds):
        found.read += checked.read
        found.rows += checked.rows
        found.naive += checked.naive_timestamps
        found.rules.update(checked.rejects["rule"])
        found.passed_over.update(checked.passed_over)
        found.rejects += checked.rejects.select("row_number", "rule", "detail").rows()
        for valid in checked.valid.values():
            found.valid += valid.to_dicts()
    return found
