from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pytest

from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from energy_etl.sources.source import RawBatch


@dataclass(frozen=True)
class Dumps:
    """Real files in a folder of their own, read the way the product reads them."""

    folder: Path

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def batches(self, name: str, content: bytes | str, rows: int = 1000) -> list[RawBatch]:
        return list(open_source(recognise(self.write(name, content), name)).batches(rows))

    def read(
        self, name: str, content: bytes | str, rows: int = 1000
    ) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        """Good rows (row_number first) and malformed rows of a whole file."""
        batches = self.batches(name, content, rows)
        good = [row for batch in batches for row in batch.frame.rows()]
        bad = [row for batch in batches for row in batch.malformed.rows()]
        return good, bad

    def frame(self, name: str, content: bytes | str, rows: int = 1000) -> pl.DataFrame:
        return pl.concat([batch.frame for batch in self.batches(name, content, rows)])


@pytest.fixture(scope="session")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Dumps:
    return Dumps(tmp_path_factory.mktemp("dumps"))
