"""The account of one dump, kept over the batches of a real file."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from energy_etl.dump import Dump, RejectLimitError
from energy_etl.energy import EnergyKind
from energy_etl.errors import ConservationError, InputError
from energy_etl.outcome import Counts, RejectLimit, Status
from energy_etl.plan import check
from energy_etl.streams import METER, STREAMS, VEHICLE
from tests.small_dumps import BAD, HEAD, NOON, line, prepared, write

if TYPE_CHECKING:
    from pathlib import Path

    from energy_etl.outcome import Rules

MIXED = f"{HEAD},vehicleId,soc,kwhDeliveredDc,batteryTemp,colour\n"
MIXED_ROWS = [
    "M-1,0.5,230,2026-03-01T12:05:00,V-1,50,0.4,20,red",
    "M-1,0.5,230,2026-03-01T12:01:00Z,,,,,red",
    ",,,2026-03-01T12:09:00Z,V-1,50,0.4,20,red",
    ",,,2026-03-01T12:09:00Z,,,,,red",
    "M-1,much,230,2026-03-01T13:00:00Z,V-2,500,0.4,20,red",
    "M-1",
]
TEN = RejectLimit.parse("10%")


@pytest.fixture
def mixed(tmp_path: Path) -> Dump:
    (tmp_path / "mixed.csv").write_text(MIXED + "\n".join(MIXED_ROWS) + "\n")
    return prepared(tmp_path / "mixed.csv", load_id=7)


def read(dump: Dump, *, rows: int = 1000) -> None:
    kinds = dict.fromkeys(("meter", "vehicle"), EnergyKind.INTERVAL)
    latest = NOON + timedelta(days=1)
    for checked in check(dump.interpretation, latest=latest, rows=rows, kinds=kinds):
        dump.add(checked)


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_batches_add_up(mixed: Dump, rows: int) -> None:
    read(mixed, rows=rows)
    assert (mixed.rows, mixed.naive_timestamps) == (6, 1)
    meter = Counts(read=3, rejected=1, min_ts=NOON + timedelta(minutes=1), max_ts=NOON + timedelta(minutes=5))
    vehicle = Counts(
        read=3, rejected=1, min_ts=NOON + timedelta(minutes=5), max_ts=NOON + timedelta(minutes=9)
    )
    assert mixed.counts == {
        "meter": meter,
        "vehicle": vehicle,
        "unassigned": Counts(read=2, rejected=2),
    }
    assert mixed.has_rejects


def test_what_the_server_says_is_counted_until_nothing_is_missing(mixed: Dump) -> None:
    read(mixed)
    with pytest.raises(ConservationError, match=r"^meter readings do not add up"):
        mixed.check()
    mixed.count(METER, loaded=1)
    mixed.count(METER, duplicate=1)
    with pytest.raises(ConservationError, match=r"^vehicle readings do not add up"):
        mixed.check()
    mixed.count(VEHICLE, conflicting=2, replaced=1)
    mixed.check()
    recorded = json.loads(json.dumps(mixed.recorded()))
    assert recorded["meter"] == {
        "read": 3,
        "loaded": 1,
        "duplicate": 1,
        "conflicting": 0,
        "rejected": 1,
        "replaced": 0,
        "min_ts": "2026-03-01T12:01:00+00:00",
        "max_ts": "2026-03-01T12:05:00+00:00",
    }
    assert recorded["vehicle"]["conflicting"] == 2
    assert recorded["unassigned"]["rejected"] == 2
    mixed.count(METER, loaded=1)
    with pytest.raises(ConservationError):
        mixed.check()


def test_only_a_loaded_dump_tells_its_load(mixed: Dump) -> None:
    read(mixed)
    told = mixed.result(Status.LOADED, {(None, "row:no_device"): 1})
    assert (told.source, told.status, told.load_id, told.rows) == ("mixed.csv", Status.LOADED, 7, 6)
    assert told.sha256 == hashlib.sha256(mixed.source.path.read_bytes()).hexdigest()
    assert told.bytes == mixed.source.path.stat().st_size
    assert (told.naive_timestamps, told.timezone) == (1, "UTC")
    assert told.ignored_columns == ("colour",)
    assert told.rules == {(None, "row:no_device"): 1}
    assert (told.total("read"), told.total("rejected")) == (8, 4)
    assert mixed.result(Status.DRY_RUN, {}).load_id is None
    assert mixed.result(Status.FAILED, {}).load_id is None


@pytest.mark.parametrize(
    ("good", "bad", "limit", "over"),
    [
        (5, 0, "0", False),
        (9, 1, "10%", False),
        (8, 1, "10%", True),
        (0, 2, "2", False),
        (99, 3, "2", True),
        (0, 0, "0", False),
    ],
)
def test_rejects_are_held_against_all_readings(
    tmp_path: Path, good: int, bad: int, limit: str, *, over: bool
) -> None:
    rows = [line("M-1", at, 0.5) for at in range(good)] + [BAD] * bad
    dump = prepared(tmp_path / write(tmp_path, "a.csv", *rows))
    read(dump, rows=3)
    assert dump.over(RejectLimit.parse(limit)) is over
    assert dump.has_rejects is (bad > 0)
    # Conflicting readings are no rejected ones, but they are told among the rejects.
    dump.count(METER, conflicting=good)
    assert dump.over(RejectLimit.parse(limit)) is over
    assert dump.has_rejects is (good + bad > 0)


def test_a_refused_dump_tells_what_was_read_and_nothing_that_was_taken_back(mixed: Dump) -> None:
    read(mixed)
    mixed.count(METER, loaded=1, conflicting=1)
    rules: Rules = {("meter", "kwh_consumed_ac:not_a_number"): 1}
    error = RejectLimitError(mixed.result(Status.LOADED, rules), TEN)
    said = "mixed.csv: 4 of 8 readings are rejected, more than --max-rejects allows (10 %)"
    assert error.message == said
    told = error.result
    assert (told.status, told.load_id, told.error, told.hint) == (Status.FAILED, None, said, error.hint)
    assert told.streams == {
        "meter": Counts(read=3, rejected=1),
        "vehicle": Counts(read=3, rejected=1),
        "unassigned": Counts(read=2, rejected=2),
    }
    assert (told.rules, told.rows) == (rules, 6)
    assert mixed.counts["meter"].loaded == 1


def test_another_try_starts_from_nothing(mixed: Dump) -> None:
    read(mixed)
    first = mixed.recorded()
    mixed.count(METER, loaded=2)
    mixed.forget()
    assert (mixed.load_id, mixed.rows, mixed.naive_timestamps, mixed.counts) == (0, 0, 0, {})
    assert not mixed.has_rejects
    read(mixed)
    assert mixed.recorded() == first


def test_another_try_reads_what_is_there_now(tmp_path: Path) -> None:
    dump = prepared(tmp_path / write(tmp_path, "a.csv", line("M-1", 0, 0.5)))
    assert dump.interpretation is dump.interpretation
    dump.source.path.write_text("a,b\n1,2\n")
    dump.forget()
    with pytest.raises(InputError, match=r"a\.csv: no column meterId or vehicleId"):
        assert dump.interpretation


def test_the_header_tells_the_streams_where_there_is_one(mixed: Dump, tmp_path: Path) -> None:
    assert prepared(tmp_path / write(tmp_path, "a.csv", line("M-1", 0, 0.5))).streams == (METER,)
    assert mixed.streams == STREAMS
    record = '{"meterId": "M-1", "kwhConsumedAc": 1, "voltage": 230, "timestamp": 1772359200}\n'
    (tmp_path / "a.ndjson").write_text(record)
    assert prepared(tmp_path / "a.ndjson").streams == STREAMS
