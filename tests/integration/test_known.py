"""History asked by checksum, on every kind of server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from energy_etl.db.known import Known, reading_hash
from energy_etl.frames.checksum import by_device, reading_hashes, total
from energy_etl.streams import METER, SOURCE_COLUMNS, STREAMS, VEHICLE, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.telemetry import Telemetry

START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(hours=13)
"""So that a few readings lie in several partitions."""
Row = tuple[Any, ...]
"""Device, step and measures."""


def frame(rows: Sequence[Row], stream: Stream) -> pl.DataFrame:
    """Readings as a load has them: sorted by (device, ts)."""
    schema: dict[str, Any] = {stream.device: pl.String, "ts": pl.Datetime("us", "UTC")}
    placed = [(device, START + step * STEP, *values) for device, step, *values in rows]
    columns = schema | dict.fromkeys(stream.measures, pl.Float64)
    return pl.DataFrame(placed, schema=columns, orient="row").sort(stream.device, "ts")


def store(telemetry: Telemetry, rows: Sequence[Row], stream: Stream) -> int:
    """Load them as a dump; its load_id."""
    readings = frame(rows, stream)
    telemetry.load(readings.rename({name: SOURCE_COLUMNS[name] for name in stream.columns}))
    row = telemetry.conn.execute("SELECT max(load_id) FROM load").fetchone()
    assert row is not None
    return int(row[0])


def known(telemetry: Telemetry, *asked: Sequence[Row], stream: Stream) -> list[set[str]]:
    """What one load is told, asking one after the other."""
    with telemetry.conn.transaction():
        history = Known(telemetry.conn, stream)
        return [set(history.devices(by_device(stream, frame(rows, stream)))) for rows in asked]


BASE = [(0, 0.5, 230.0), (1, 0.0, None), (2, 0.1, 0.0), (3, 0.25, 231.5), (4, 0.125, 0.0)]
"""Step, energy and voltage."""


def edited(at: int, *reading: Any) -> list[Row]:
    return [*BASE[:at], reading, *BASE[at + 1 :]]


SAME: dict[str, list[Row]] = {
    "the very readings": BASE,
    "a part of them, with none between": BASE[1:4],
    "one of them": BASE[3:4],
    "minus zero for zero": edited(2, 2, 0.1, -0.0),
}
OTHER: dict[str, list[Row]] = {
    "one value changed": edited(3, 3, 0.25, 231.0),
    "one value changed in its last bit": edited(2, 2, 0.1 + 2**-56, 0.0),
    "no value for zero": edited(2, 2, 0.1, None),
    "zero for no value": edited(1, 1, 0.0, 0.0),
    "one reading missing": [*BASE[:2], *BASE[3:]],
    "one reading more in between": [*BASE[:3], (2.5, 0.1, 230.0), *BASE[3:]],
    "one reading more at the end": [*BASE, (5, 0.1, 230.0)],
    "one reading at another moment": edited(3, 3.5, 0.25, 231.5),
    "all of them later": [(step + 1, *values) for step, *values in BASE],
    "one value in the other column": edited(4, 4, 0.0, 0.125),
    "two readings' values exchanged": [*BASE[:2], (2, 0.25, 231.5), (3, 0.1, 0.0), BASE[4]],
}


def test_a_device_is_known_by_exactly_its_readings(telemetry: Telemetry) -> None:
    store(telemetry, [(device, *row) for device in [*SAME, *OTHER] for row in BASE], METER)
    given = [(device, *row) for device, rows in (SAME | OTHER).items() for row in rows]
    strangers = [("of nobody", *row) for row in BASE]
    assert known(telemetry, given + strangers, stream=METER) == [SAME.keys()]


def test_what_lies_beside_the_span_does_not_matter(telemetry: Telemetry) -> None:
    store(telemetry, [("beside", *row) for row in BASE], METER)
    store(telemetry, [("beside", 9, 0.5, 230.0), ("beside", -1, 0.5, 230.0)], METER)
    within: list[Row] = [("beside", *row) for row in BASE]
    around: list[Row] = [("beside", -1, 0.5, 230.0), ("beside", 9, 0.5, 230.0)]
    assert known(telemetry, within, around, stream=METER) == [{"beside"}, set()]


def test_each_question_is_answered_for_itself(telemetry: Telemetry) -> None:
    first: list[Row] = [("asked first", *row) for row in BASE]
    second: list[Row] = [("asked second", *row) for row in BASE]
    store(telemetry, first + second, METER)
    asked = [first, second, [("asked first", 0, 9.0, 230.0)], first + second]
    assert known(telemetry, *asked, stream=METER) == [
        {"asked first"},
        {"asked second"},
        set(),
        {"asked first", "asked second"},
    ]


def test_the_number_of_readings_counts_as_well_as_their_checksum(telemetry: Telemetry) -> None:
    store(telemetry, [("counted", *row) for row in BASE], METER)
    right = by_device(METER, frame([("counted", *row) for row in BASE], METER))
    wrong = right.with_columns(pl.col("readings") + 2)
    with telemetry.conn.transaction():
        history = Known(telemetry.conn, METER)
        assert [history.devices(sums).to_list() for sums in (right, wrong)] == [["counted"], []]


def test_what_loads_have_stored_is_told_in_total(telemetry: Telemetry) -> None:
    one = [
        ("a load's", 0, 50.0, 0.5, None),
        ("a load's", 2, 0.0, 0.0, 21.0),
        ("another's", 1, 50.0, 0.25, -0.0),
    ]
    two = [("a load's", 5, 50.0, 0.5, 20.0), ("a load's", 7, 50.0, 0.5, 20.0)]
    first, second = (store(telemetry, rows, VEHICLE) for rows in (one, two))

    def told(load_ids: list[int], start: int, end: int) -> tuple[int, int]:
        history = Known(telemetry.conn, VEHICLE)
        return history.of_loads(load_ids, START + start * STEP, START + end * STEP)

    def expected(rows: Sequence[Row]) -> tuple[int, int]:
        come_to = total(VEHICLE, frame(rows, VEHICLE))
        return come_to.readings, come_to.checksum

    assert told([first], 0, 9) == expected(one)
    assert told([second], 5, 7) == expected(two)
    assert told([first, second], 0, 9) == expected(one + two)
    assert told([second], 5, 6) == expected(two[:1])
    assert told([second + 1], 0, 9) == told([first], 6, 9) == (0, 0)


VALUES = st.sampled_from([0.0, -0.0, 0.5, 21.0])
MAYBE = st.one_of(st.none(), VALUES)
READING = st.tuples(MAYBE, VALUES, MAYBE)
HISTORY = st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), READING, min_size=1)
CHANGES = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.integers(0, 5)), st.one_of(st.none(), READING), max_size=3
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HISTORY, CHANGES)
def test_any_change_within_the_span_is_noticed(
    telemetry: Telemetry,
    history: dict[tuple[str, int], tuple[float | None, ...]],
    changes: dict[tuple[str, int], tuple[float | None, ...] | None],
) -> None:
    """None takes a reading away; Python's own equality says which devices have the same readings."""
    own = uuid.uuid4().hex
    store(telemetry, [(own + device, step, *values) for (device, step), values in history.items()], VEHICLE)
    asked = {key: values for key, values in {**history, **changes}.items() if values is not None}
    rows = [(own + device, step, *values) for (device, step), values in asked.items()]
    if not rows:
        return
    same = set()
    for device in {device for device, _ in asked}:
        mine = {step: values for (name, step), values in asked.items() if name == device}
        theirs = {step: values for (name, step), values in history.items() if name == device}
        if mine == {step: theirs[step] for step in theirs if min(mine) <= step <= max(mine)}:
            same.add(own + device)
    assert known(telemetry, rows, stream=VEHICLE) == [same]


MEASURES = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 5e-324]), st.floats(allow_nan=False))
DEVICES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
MOMENTS = st.datetimes(timezones=st.just(UTC))
ANY = st.lists(st.tuples(DEVICES, MOMENTS, *[MEASURES] * 3), min_size=1, max_size=20)


@pytest.mark.parametrize("version", [17_00_00, 18_00_00])
@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
@settings(max_examples=60, deadline=None)
@given(rows=ANY)
def test_the_server_hashes_as_we_do(
    telemetry: Telemetry,
    stream: Stream,
    version: int,
    rows: list[tuple[str, datetime, *tuple[float | None, ...]]],
) -> None:
    columns = {stream.device: pl.String(), "ts": pl.Datetime("us", "UTC")}
    columns |= dict.fromkeys(stream.measures, pl.Float64())
    readings = pl.DataFrame([row[: len(columns)] for row in rows], schema=columns, orient="row")
    given = [readings[name].to_list() for name in columns]
    statement = sql.SQL(
        "SELECT {hash} FROM unnest(%s::text[], %s::timestamptz[], {types})"
        " WITH ORDINALITY AS h({columns}, place) ORDER BY place"
    ).format(
        hash=reading_hash(stream, min(version, telemetry.conn.info.server_version)),
        types=sql.SQL(", ").join([sql.SQL("%s::float8[]")] * len(stream.measures)),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    told = [number % 2**64 for (number,) in telemetry.conn.execute(statement, given).fetchall()]
    assert told == reading_hashes(stream, readings).tolist()
