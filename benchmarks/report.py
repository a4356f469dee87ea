"""Figures → a table for people and JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass
class Table:
    """One table of the report."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    remark: str = ""

    def markdown(self) -> str:
        """As Markdown."""
        lines = [f"### {self.title}", ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + "|".join("---" if at == 0 else "---:" for at in range(len(self.columns))) + "|")
        lines += ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join([*lines, *(["", self.remark] if self.remark else [])]) + "\n"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"title": self.title, "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows]}


class Report:
    """What a run of the bench says, written after every table: a run takes long and may be stopped."""

    def __init__(self, folder: Path, heading: str) -> None:
        self._folder = folder
        self._heading = heading
        self._tables: list[Table] = []

    def add(self, table: Table) -> None:
        """Print a table and keep it."""
        print(f"\n{table.markdown()}", flush=True)
        self._tables.append(table)
        self._folder.mkdir(parents=True, exist_ok=True)
        text = "\n".join([f"## {self._heading}\n", machine(), "", *(one.markdown() for one in self._tables)])
        (self._folder / "results.md").write_text(text, encoding="utf-8")
        document = {
            "heading": self._heading,
            "machine": machine(),
            "tables": [one.document() for one in self._tables],
        }
        (self._folder / "results.json").write_text(json.dumps(document, indent=2), encoding="utf-8")


def machine() -> str:
    """What was measured on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the middle two."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _shown(cell: object) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return str(cell).replace("|", "\\|")
