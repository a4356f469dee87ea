"""The samples are what their script makes and what their README promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from energy_etl.frames.normalise import normalise
from energy_etl.frames.split import split
from energy_etl.frames.validate import validate
from energy_etl.sources.reader import open_source
from energy_etl.sources.recognise import recognise
from energy_etl.streams import STREAMS

if TYPE_CHECKING:
    from energy_etl.sources.source import RawBatch

SAMPLES = Path(__file__).parents[3] / "samples"
DUMPS = ("meters.csv", "vehicles.parquet", "mixed.ndjson", "dirty.csv")
LATEST = datetime(2026, 6, 1, tzinfo=UTC)


def only_batch(name: str) -> RawBatch:
    path = SAMPLES / name
    (batch,) = open_source(recognise(path, str(path))).batches(100_000)
    return batch


def test_the_script_makes_the_committed_files(tmp_path: Path) -> None:
    script = SAMPLES / "make_samples.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path.relative_to(SAMPLES) for path in SAMPLES.rglob("*") if path.is_file()}
    assert set(made) == committed - {Path("README.md"), Path("make_samples.py")}
    for name, path in made.items():
        if name.suffix == ".parquet":  # its bytes depend on the version of the writer, its content must not
            assert pl.read_parquet(path).equals(pl.read_parquet(SAMPLES / name))
        else:
            assert path.read_bytes() == (SAMPLES / name).read_bytes(), f"run {script.name} and commit"


def test_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize(
    ("name", "rows", "valid"),
    [
        ("meters.csv", 6_240, {"meter": 6_240}),
        ("vehicles.parquet", 6_240, {"vehicle": 6_240}),
        ("mixed.ndjson", 4_680, {"meter": 3_120, "vehicle": 3_120}),
    ],
)
def test_the_clean_dumps_are_clean(name: str, rows: int, valid: dict[str, int]) -> None:
    batch = only_batch(name)
    assert (batch.rows, batch.malformed.height) == (rows, 0)
    normalised = normalise(batch.frame)
    parts = split(normalised.frame)
    assert parts.neither.height == 0
    for stream in STREAMS:
        if stream.name in parts.readings:
            checked = validate(stream, parts.readings[stream.name], normalised.faults, LATEST)
            assert checked.rejects.height == 0
            assert checked.valid.n_unique([stream.device, "ts"]) == valid.pop(stream.name)
    assert valid == {}


def test_the_dirty_dump_is_dirty_as_promised() -> None:
    batch = only_batch("dirty.csv")
    normalised = normalise(batch.frame)
    parts = split(normalised.frame)
    assert (batch.rows, normalised.naive_timestamps) == (388, 1)
    assert batch.malformed["rule"].to_list() == ["field_count", "field_count"]
    assert parts.neither.height == 2
    counted = {}
    rules: Counter[str] = Counter()
    for stream in STREAMS:
        checked = validate(stream, parts.readings[stream.name], normalised.faults, LATEST)
        distinct = checked.valid.n_unique([stream.device, *stream.measures, "ts"])
        loaded = checked.valid.n_unique([stream.device, "ts"])
        duplicate, conflicting = checked.valid.height - distinct, distinct - loaded
        counted[stream.name] = (loaded, duplicate, conflicting, checked.rejects.height)
        rules.update(checked.rejects["rule"].to_list())
    assert counted == {"meter": (181, 2, 1, 16), "vehicle": (180, 1, 1, 3)}
    assert rules == {
        "kwh_consumed_ac:not_a_number": 1,
        "kwh_consumed_ac:not_finite": 2,
        "kwh_consumed_ac:below_range": 1,
        "kwh_consumed_ac:above_range": 1,
        "kwh_consumed_ac:missing": 2,
        "voltage:above_range": 1,
        "voltage:below_range": 1,
        "ts:not_a_timestamp": 2,
        "ts:missing": 1,
        "ts:below_range": 1,
        "ts:in_the_future": 1,
        "meter_id:control_character": 1,
        "meter_id:too_long": 1,
        "soc:above_range": 2,
        "battery_temp:above_range": 1,
    }


def test_the_readme_names_every_file_and_the_right_figures() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for path in SAMPLES.rglob("*.*"):
        name = path.relative_to(SAMPLES).as_posix()
        assert name == "README.md" or f"| `{name}` |" in readme
    told = json.loads((SAMPLES / "fleet" / "truth.json").read_text(encoding="utf-8"))
    assert told["faulty"] == ["EV-00002"]
    for vehicle_id, status in (("EV-00001", "OK"), ("EV-00002", "LOW")):
        figures = told["vehicles"][vehicle_id]
        assert figures["status"] == status
        assert re.search(rf"{vehicle_id}\D*{figures['efficiencyPercent']:.1f} %, status {status}", readme)
