"""Real small files through the feed: what is gathered, what is refused by itself, and what streams."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_etl import feed as feeding
from energy_etl.dump import Dump, RejectLimitError
from energy_etl.energy import EnergyRule
from energy_etl.errors import InputError
from energy_etl.feed import Fed, Feed
from energy_etl.frames.arrange import Watermarks
from energy_etl.kinds import Energy, Kind, Origin, Reported
from energy_etl.options import LoadOptions
from energy_etl.outcome import RejectLimit, Status
from energy_etl.streams import STREAMS
from tests.small_dumps import BAD, HEAD, NOON, line, prepared, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

LATEST = NOON + timedelta(days=365)
UNCLOSED = '"M-1,0.5,230'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dumps")


def marks() -> dict[str, Watermarks]:
    """Of an empty database."""
    moment = pl.Datetime("us", "UTC")
    found = {}
    for stream in STREAMS:
        schema: dict[str, Any] = {stream.device: pl.String, "first_ts": moment, "last_ts": moment}
        found[stream.name] = Watermarks(stream, pl.DataFrame(schema=schema))
    return found


def intervals() -> dict[str, Energy]:
    """Dumps of interval energy, from devices never met."""
    kind, nothing = Kind(EnergyRule(), Origin.DECLARED), Reported(pl.Series(dtype=pl.String), {})
    return {stream.name: Energy(stream, kind, nothing, {}) for stream in STREAMS}


def feed(
    dumps: Sequence[Dump], *, batch_rows: int = 1000, max_rejects: str = "10%", summed: bool = False
) -> Feed:
    options = LoadOptions(max_rejects=RejectLimit.parse(max_rejects))
    return Feed(dumps, marks(), intervals(), options, latest=LATEST, batch_rows=batch_rows, summed=summed)


def several(folder: Path, **files: Sequence[str]) -> list[Dump]:
    """Each file's lines, with load_ids from 1."""
    return [
        prepared(folder / write(folder, f"{name}.csv", *lines), load_id)
        for load_id, (name, lines) in enumerate(files.items(), 1)
    ]


def lines(count: int, start: int = 0) -> list[str]:
    return [line("M-1", start + at, 0.5) for at in range(count)]


def heights(fed: Iterable[Fed]) -> list[int]:
    return [one.rows for one in fed]


def passed(fed: Iterable[Fed]) -> list[str]:
    """Names of the dumps that go on to the database, with each piece."""
    return [dump.source.name for one in fed for dump, _ in one.checked]


def test_small_files_are_gathered_into_batches(folder: Path) -> None:
    dumps = several(folder, **{f"f{at}": lines(3, 10 * at) for at in range(10)})
    fed = list(feed(dumps, batch_rows=7))
    assert heights(fed) == [9, 9, 9, 3]
    assert [dump for one in fed for dump, _ in one.checked] == dumps
    assert [one.streams["meter"].new for one in fed] == [
        {1: 3, 2: 3, 3: 3},
        {4: 3, 5: 3, 6: 3},
        {7: 3, 8: 3, 9: 3},
        {10: 3},
    ]


def test_the_first_batches_are_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "READ_ROWS", 2)
    dumps = several(folder, **{f"f{at}": lines(1, at) for at in range(11)})
    assert heights(feed(dumps, batch_rows=6)) == [2, 4, 5]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6), min_size=2, max_size=8),
    read_rows=st.integers(1, 7),
    batch_rows=st.integers(1, 12),
)
def test_no_row_is_lost_between_files_and_batches(
    folder: Path, sizes: list[int], read_rows: int, batch_rows: int
) -> None:
    dumps = several(folder, **{f"f{at}": lines(size, 10 * at) for at, size in enumerate(sizes)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "READ_ROWS", read_rows)
        fed = list(feed(dumps, batch_rows=batch_rows))

    at_once = min(read_rows, batch_rows)
    fitting = [dump for dump, size in zip(dumps, sizes, strict=True) if 0 < size <= at_once]
    assert [dump for one in fed for dump, _ in one.checked] == fitting
    large = [dump for dump, size in zip(dumps, sizes, strict=True) if size > at_once]
    assert [dump for one in fed for dump in one.too_large] == large
    new: Counter[int] = Counter()
    for one in fed:
        assert one.refused == []
        if "meter" in one.streams:
            new.update(one.streams["meter"].new)
    assert new == {dump.load_id: sizes[dump.load_id - 1] for dump in fitting}
    # Each batch but the last is full, and was not before its last file.
    targets = [min(at_once * number, batch_rows) for number in range(1, len(fed) + 1)]
    for one, target in zip(fed[:-1], targets[:-1], strict=True):
        assert one.rows - one.checked[-1][1].rows < target <= one.rows
    assert fed[-1].rows < targets[-1]


def test_readings_of_earlier_files_are_known(folder: Path) -> None:
    dumps = several(folder, a=lines(3), b=[*lines(2), line("M-1", 9, 0.5)], c=lines(1, 9))
    fed = list(feed(dumps, batch_rows=4))
    assert [one.streams["meter"].new for one in fed] == [{1: 3, 2: 1}, {}]
    late = [one.streams["meter"].late.select("load_id", "row_number").rows() for one in fed]
    assert late == [[(2, 1), (2, 2)], [(3, 1)]]


def test_files_of_all_formats_and_streams_share_a_batch(folder: Path) -> None:
    vehicle = {"vehicleId": "V-1", "soc": 50, "kwhDeliveredDc": 0.5, "batteryTemp": 20}
    records = [vehicle | {"timestamp": f"2026-03-01T12:0{at}:00Z"} for at in range(3)]
    (folder / "v.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))
    frame = pl.read_csv("\n".join([HEAD, *lines(4)]).encode(), schema_overrides={"voltage": pl.Int64})
    frame.write_parquet(folder / "m.parquet")
    dumps = [
        *several(folder, a=lines(2, 5)),
        prepared(folder / "v.ndjson", 2),
        prepared(folder / "m.parquet", 3),
    ]
    (fed,) = feed(dumps, summed=True)
    assert (fed.streams["meter"].new, fed.streams["vehicle"].new) == ({1: 2, 3: 4}, {2: 3})
    sums = {name: batch.new_total.readings for name, batch in fed.streams.items() if batch.new_total}
    assert sums == {"meter": 6, "vehicle": 3}


def test_an_unusable_file_is_refused_by_itself(folder: Path) -> None:
    dumps = several(folder, a=lines(2), broken=[*lines(2, 10), UNCLOSED], b=lines(2, 20))
    (fed,) = feed(dumps)
    assert passed([fed]) == ["a.csv", "b.csv"]
    (refused,) = fed.refused
    assert refused.dump is dumps[1]
    assert refused.error.message.startswith("broken.csv: row 3 opens a quote that is never closed")
    assert refused.rejects is None
    # Nothing of it is taken for new, nor known from then on.
    assert fed.streams["meter"].new == {1: 2, 3: 2}


def test_a_file_that_has_changed_is_refused_by_itself(folder: Path) -> None:
    dumps = several(folder, a=lines(2), changed=lines(2, 10), b=lines(2, 20))
    os.utime(dumps[1].source.path, ns=(0, 0))
    (fed,) = feed(dumps)
    assert passed([fed]) == ["a.csv", "b.csv"]
    assert [refused.error.message for refused in fed.refused] == ["changed.csv: changed while it was read"]


def test_a_file_with_too_many_rejects_is_refused_with_them(folder: Path) -> None:
    dumps = several(folder, a=lines(2), over=[*lines(8, 10), BAD, "M-1,1"], b=[*lines(9, 20), BAD])
    (fed,) = feed(dumps)
    assert passed([fed]) == ["a.csv", "b.csv"]
    (refused,) = fed.refused
    assert refused.dump is dumps[1]
    assert refused.rejects is not None
    assert refused.rejects.select("row_number", "rule").sort("row_number").rows() == [
        (9, "kwh_consumed_ac:not_a_number"),
        (10, "field_count"),
    ]
    assert isinstance(refused.error, RejectLimitError)
    told = refused.error.result
    assert (told.source, told.status, told.load_id, told.rows) == ("over.csv", Status.FAILED, None, 10)
    assert (told.total("read"), told.total("rejected"), told.total("loaded")) == (10, 2, 0)
    assert told.rules == {("meter", "field_count"): 1, ("meter", "kwh_consumed_ac:not_a_number"): 1}
    assert fed.streams["meter"].new == {1: 2, 3: 9}


@pytest.mark.parametrize(("limit", "refused"), [("0", True), ("1", False), ("50%", False), ("49%", True)])
def test_the_limit_is_that_of_the_options(folder: Path, limit: str, *, refused: bool) -> None:
    dumps = several(folder, a=lines(1), bad=[line("M-2", 0, 0.5), BAD])
    (fed,) = feed(dumps, max_rejects=limit)
    assert [one.dump for one in fed.refused] == (dumps[1:] if refused else [])
    assert passed([fed]) == ["a.csv"] + (["bad.csv"] if not refused else [])


def test_a_file_that_only_looks_small_is_put_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "READ_ROWS", 5)
    dumps = several(folder, a=lines(5), large=lines(6, 10), bad=[*lines(1, 20), *[BAD] * 5], b=lines(1, 30))
    fed = list(feed(dumps))
    assert [dump for one in fed for dump in one.too_large] == [dumps[1], dumps[2]]
    assert passed(fed) == ["a.csv", "b.csv"]
    assert [one.refused for one in fed] == [[], []]


def test_files_without_rows_pass_without_a_batch_of_their_own(folder: Path) -> None:
    dumps = several(folder, a=[], b=[])
    (fed,) = feed(dumps)
    assert (fed.checked, fed.refused, fed.too_large, fed.streams) == ([], [], [], {})


def test_a_single_dump_streams(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "READ_ROWS", 2)
    (dump,) = several(folder, only=[*lines(6), BAD, BAD, BAD])
    fed = list(feed([dump], batch_rows=4))
    assert heights(fed) == [2, 4, 3]
    assert [len(one.checked) for one in fed] == [1, 2, 2]
    # Whether they are too many is for the load to say.
    assert [one.refused for one in fed] == [[], [], []]
    assert sum(checked.rejected for one in fed for _, checked in one.checked) == 3
    assert [one.streams.get("meter") is not None for one in fed] == [True, True, False]


def test_a_single_unusable_dump_raises_after_what_could_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "READ_ROWS", 2)
    fed = iter(feed(several(folder, only=[*lines(5), UNCLOSED])))
    assert next(fed).rows == 2
    with pytest.raises(InputError, match=r"only\.csv: row 6 opens a quote"):
        list(fed)


@pytest.mark.parametrize("change", ["touched", "gone"])
def test_a_single_dump_that_changes_while_it_is_read_raises(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(feeding, "READ_ROWS", 2)
    (dump,) = several(folder, only=lines(5))
    fed = iter(feed([dump], batch_rows=2))
    assert next(fed).rows == 2
    if change == "touched":
        os.utime(dump.source.path, ns=(0, 0))
    else:
        dump.source.path.unlink()
    with pytest.raises(InputError, match="while it was read"):
        list(fed)


def test_nothing_comes_after_it_was_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "READ_ROWS", 2)
    one = feed(several(folder, only=lines(9)), batch_rows=2)
    fed = iter(one)
    assert next(fed).rows == 2
    one.stop()
    assert list(fed) == []
    many = feed(several(folder, **{f"f{at}": lines(2, 10 * at) for at in range(5)}), batch_rows=2)
    fed = iter(many)
    assert passed([next(fed), next(fed)]) == ["f0.csv", "f1.csv"]
    many.stop()
    assert list(fed) == []
