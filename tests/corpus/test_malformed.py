"""Malformed dumps, each with what must come of it: exit code, readings loaded, and rejects by rule.

What each refusal says is shown where the formats are tested; here it has to name the file and the cause.
"""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy_etl.cli.loading import exit_code
from energy_etl.db.session import Sessions
from energy_etl.errors import ExitCode
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions, OnConflict
from energy_etl.outcome import RejectLimit
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import LoadProgress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run
    from tests.servers import Server

HEAD = b"meterId,kwhConsumedAc,voltage,timestamp\n"
T = b"2026-03-01T10:00:00Z"
GOOD = b"M-1,0.5,230,2026-03-01T10:00:00Z\nM-1,0.25,231,2026-03-01T10:01:00Z\n"
"""Two readings that must be loaded, whatever stands beside them."""
DONE, PROBLEMS, INPUT, USAGE = ExitCode.DONE, ExitCode.PROBLEMS, ExitCode.INPUT, ExitCode.USAGE

OPTIONS = LoadOptions(max_rejects=RejectLimit(percent=100), on_conflict=OnConflict.REPLACE)

ENERGY, VOLTAGE = "kwh_consumed_ac", "voltage"


@dataclass(frozen=True)
class Case:
    """A file and what must come of it."""

    what: str
    name: str
    content: bytes
    exit_code: ExitCode
    loaded: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    """Rule → rows rejected by it."""
    cause: str = ""
    """Part of the message where it is refused."""


def csv_rows(what: str, rows: bytes, rules: dict[str, int] | None = None, loaded: int = 2) -> Case:
    """Rows beside two good ones."""
    exit_code = PROBLEMS if rules else DONE
    return Case(what, "dump.csv", HEAD + GOOD + rows, exit_code, loaded, rules or {})


def csv_file(what: str, content: bytes, *, loaded: int = 2, **rules: int) -> Case:
    return Case(what, "dump.csv", content, PROBLEMS if rules else DONE, loaded, rules)


def refused(what: str, name: str, content: bytes, cause: str, exit_code: ExitCode = INPUT) -> Case:
    return Case(what, name, content, exit_code, cause=cause)


def energy(text: bytes) -> bytes:
    return b"M-2,%s,230,%s\n" % (text, T)


def moment(text: bytes) -> bytes:
    return b"M-2,0.5,230,%s\n" % text


def device(text: bytes) -> bytes:
    return b"%s,0.5,230,%s\n" % (text, T)


NO_NUMBER, NOT_FINITE = {f"{ENERGY}:not_a_number": 1}, {f"{ENERGY}:not_finite": 1}
MISSING, NO_TIME = {f"{ENERGY}:missing": 1}, {"ts:not_a_timestamp": 1}
OLD, AHEAD = {"ts:below_range": 1}, {"ts:in_the_future": 1}

LAYOUT = [
    csv_rows("a row with too few fields", b"M-2,0.5\n", {"field_count": 1}),
    csv_rows("a row with too many fields", b"M-2,0.5,230,%s,x\n" % T, {"field_count": 1}),
    csv_rows("a row with a decimal comma not quoted", b"M-2,0,5,230,%s\n" % T, {"field_count": 1}),
    csv_rows("the last row cut between fields", b"M-2,0.5", {"field_count": 1}),
    csv_rows("the last row cut in a field", b"M-2,0.5,230,2026-03-01T1", NO_TIME),
    csv_rows("the last row without its end", moment(T)[:-1], loaded=3),
    csv_rows("blank lines", b"\n\r\n\n"),
    csv_rows("a line of blanks", b"   \n", {"field_count": 1}),
    csv_rows("a line of delimiters", b",,,\n", {f"{ENERGY}:missing": 1}),
    csv_rows("a line of quotes", b'""\n', {"field_count": 1}),
    csv_rows("a comment", b"# exported by hand\n", {"field_count": 1}),
    csv_rows("a sum at the end", b"Total,0.75,,\n", {"ts:missing": 1}),
    csv_rows("Ctrl-Z at the end", b"\x1a", {"field_count": 1}),
    csv_rows("zeros at the end, from a crash", bytes(9), {"field_count": 1}),
    csv_rows("the header again, from joined files", HEAD + moment(T), NO_TIME, loaded=3),
    csv_rows("a quote inside a field", b'M"2,0.5,230,%s\n' % T, loaded=3),
    csv_rows("text behind a quote", b'"M-2"x,0.5,230,%s\n' % T, loaded=3),
    csv_rows("a quoted line end in an id", b'"M\n2",0.5,230,%s\n' % T, {"meter_id:control_character": 1}),
    csv_rows("spaces around values", b" M-2 , 0.5 ,\t230 , %s \n" % T, loaded=3),
    csv_file("CR as the line end", (HEAD + GOOD).replace(b"\n", b"\r")),
    csv_file("several kinds of line end", HEAD.replace(b"\n", b"\r\n") + GOOD.replace(b"\n", b"\r", 1)),
    csv_file("semicolons", (HEAD + GOOD).replace(b",", b";")),
    csv_file(
        "columns in another order", b"voltage,timestamp,meterId,kwhConsumedAc\n230,%s,M-1,0.5\n" % T, loaded=1
    ),
    csv_file("a column more", HEAD[:-1] + b",note\n" + GOOD.replace(b"Z\n", b"Z,x\n")),
    csv_file("blank lines before the header", b"\n\r\n" + HEAD + GOOD),
    csv_file("a header alone", HEAD, loaded=0),
    csv_file(
        "rows delimited otherwise than the header", HEAD + GOOD.replace(b",", b";"), loaded=0, field_count=2
    ),
    csv_file("a byte order mark", b"\xef\xbb\xbf" + HEAD + GOOD),
    csv_file("UTF-16", (HEAD + GOOD).decode().encode("utf-16")),
    csv_file("UTF-16 without a mark", (HEAD + GOOD).decode().encode("utf-16-be")),
    csv_file("Latin-1", HEAD + GOOD.replace(b"M-1", b"Z\xe4hler")),
    refused("an unclosed quote", "dump.csv", HEAD + GOOD + b'"M-2,0.5,230\n', "never closed"),
    refused("a quote opened in the header", "dump.csv", b'"' + HEAD + GOOD, "header"),
    refused(
        "a line of two megabytes", "dump.csv", HEAD + b"x" * (2 << 20) + b"\n" + GOOD, "longer than 1 MB"
    ),
    refused("a column twice", "dump.csv", HEAD[:-1] + b",voltage\n" + GOOD, "appears twice"),
    refused("two columns of one meaning", "dump.csv", HEAD[:-1] + b",Meter ID\n" + GOOD, "both mean meterId"),
    refused("a column missing", "dump.csv", HEAD.replace(b",voltage", b"") + GOOD, "no column voltage"),
    refused("no header", "dump.csv", GOOD, "no column meterId or vehicleId"),
    refused(
        "a NUL in the header", "dump.csv", HEAD.replace(b"meterId", b"meter\0Id") + GOOD, "no column meterId"
    ),
    refused("nothing", "dump.csv", b"", "is empty"),
    refused("nothing but blanks", "dump.csv", b"\xef\xbb\xbf\n \n", "is empty"),
    refused("nothing but zeros", "dump.csv", bytes(5000), "only zeros"),
    refused("UTF-16 cut in a character", "dump.csv", (HEAD + GOOD).decode().encode("utf-16")[:-1], "text"),
    refused(
        "UTF-8 with a broken byte", "dump.csv", HEAD + "ä".encode() + GOOD + b"\xe4" + GOOD, "0xe4 in line 4"
    ),
    refused(
        "a web page", "dump.csv", b"<!DOCTYPE html>\n<html><body>503</body></html>\n", "no column meterId"
    ),
    refused(
        "a pointer of Git LFS",
        "dump.csv",
        b"version https://git-lfs.github.com/spec/v1\noid x\n",
        "no column",
    ),
    refused("a spreadsheet", "dump.csv", b"PK\x03\x04" + bytes(range(256)), "zip archive or a spreadsheet"),
    refused("a cut archive", "dump.csv.gz", gzip.compress(HEAD + GOOD)[:-4], "truncated"),
    refused("an archive with junk behind it", "dump.csv.gz", gzip.compress(HEAD + GOOD) + b"junk", "corrupt"),
]

VALUES = [
    *(
        csv_rows(f"energy {text!r}", energy(text), NO_NUMBER)
        for text in (b"much", b"0x1F", b"1_000", b"1 000")
    ),
    csv_rows("energy in other digits", energy("٣".encode()), NO_NUMBER),
    csv_rows("energy with a decimal comma", energy(b'"0,5"'), NO_NUMBER),
    csv_rows("energy with a NUL", energy(b"0\x00.5"), NO_NUMBER),
    *(
        csv_rows(f"energy {text!r}", energy(text), NOT_FINITE)
        for text in (b"NaN", b"inf", b"-Infinity", b"1e400")
    ),
    *(
        csv_rows(f"energy {text!r}", energy(text), MISSING)
        for text in (b"", b" ", b"NULL", b"N/A", b"?", b"-", b"None")
    ),
    csv_rows("negative energy", energy(b"-0.001"), {f"{ENERGY}:below_range": 1}),
    csv_rows("energy beyond any device", energy(b"1e308"), {f"{ENERGY}:above_range": 1}),
    csv_rows("energy of minus zero", energy(b"-0"), loaded=3),
    csv_rows("energy too small for a float", energy(b"1e-400"), loaded=3),
    csv_rows("text for a voltage", b"M-2,0.5,high,%s\n" % T, {f"{VOLTAGE}:not_a_number": 1}),
    csv_rows("no voltage", b"M-2,0.5,,%s\n" % T, loaded=3),
    csv_rows("no id", device(b""), {"meter_id:missing": 1}),
    csv_rows("an id of blanks", device(b"   "), {"meter_id:missing": 1}),
    csv_rows("an id of 129 characters", device(b"m" * 129), {"meter_id:too_long": 1}),
    csv_rows("an id with a NUL", device(b"M\x00"), {"meter_id:control_character": 1}),
    csv_rows("an id that colours terminals", device(b"\x1b[31mM"), {"meter_id:control_character": 1}),
    csv_rows("an id that is markup", device(b"[/red]"), loaded=3),
    csv_rows("an id that is a formula", device(b"=1+1"), loaded=3),
    csv_rows("an id beyond 64 bits", device(b"18446744073709551616"), loaded=3),
    *(
        csv_rows(f"time {text!r}", moment(text), NO_TIME)
        for text in (
            *(b"yesterday", b"2026-03-01", b"2026-02-30T10:00:00Z", b"2026-03-01T25:00:00Z", b"10:00", b"-1"),
            *(b"294277-01-01T00:00:00Z", b"10000-01-01T00:00:00Z", b"2026-03-01T10:00:00+99:99", b"1e18"),
            *(b"9223372036854775808", b"2026-03-01T10:00:00Z\x00", b"0000-00-00 00:00:00"),
        )
    ),
    *(
        csv_rows(f"time {text!r}", moment(text), OLD)
        for text in (b"0014-01-01T00:00:00Z", b"1970-01-01T00:00:05Z")
    ),
    *(
        csv_rows(f"time {text!r}", moment(text), AHEAD)
        for text in (b"2099-01-01T00:00:00Z", b"9999-12-31T23:59:59Z")
    ),
    csv_rows("no time", moment(b""), {"ts:missing": 1}),
]


def record(**values: Any) -> bytes:
    whole = {"meterId": "M-2", "kwhConsumedAc": 0.5, "voltage": 230, "timestamp": T.decode()} | values
    return json.dumps(whole).encode()


def json_lines(what: str, line: bytes, rules: dict[str, int] | None = None, loaded: int = 1) -> Case:
    content = record(meterId="M-1") + b"\n" + line + b"\n"
    return Case(what, "dump.ndjson", content, PROBLEMS if rules else DONE, loaded, rules or {})


BROKEN = {"broken_json": 1}
JSON = [
    json_lines("a cut record", record()[:-9], BROKEN),
    json_lines("no record", b"[1, 2]", BROKEN),
    json_lines("half of a surrogate pair", b'{"meterId": "\\ud800"}', BROKEN),
    json_lines("a key twice", record()[:-1] + b', "voltage": 1}', {"duplicate_key": 1}),
    json_lines("a NUL in an id", record(meterId="M\0"), {"meter_id:control_character": 1}),
    json_lines("a list for an id", record(meterId=["M"]), loaded=2),
    json_lines("an object for energy", record(kwhConsumedAc={"a": 1}), NO_NUMBER),
    json_lines("a truth for energy", record(kwhConsumedAc=True), NO_NUMBER),
    json_lines("energy NaN", record(kwhConsumedAc=float("nan")), NOT_FINITE),
    json_lines("energy 1e400", record().replace(b"0.5", b"1e400"), NOT_FINITE),
    json_lines("no device", b'{"soc": 1}', MISSING),
    json_lines("an empty record", b"{}", MISSING),
    json_lines(
        "no device where there are two streams",
        record(meterId="M-1", vehicleId="V-1", soc=50, kwhDeliveredDc=0.5, batteryTemp=20) + b'\n{"soc": 1}',
        {"row:no_device": 1},
        loaded=3,
    ),
    json_lines("another record without its energy", b'{"meterId": "M-2", "timestamp": "%s"}' % T, MISSING),
    json_lines("too deep", b"[" * 100_000, BROKEN),
    refused("an array not closed", "dump.json", b"[" + record(), "not closed"),
    refused("an array with text behind it", "dump.json", b"[" + record() + b"] x", "after the end"),
    refused("an element cut", "dump.json", b"[" + record() + b", {", "broken JSON"),
    refused("a NUL in a key", "dump.json", b'[{"meter\\u0000Id": "M"}]', "no column meterId"),
]


def table(**columns: Any) -> pa.Table:
    moments = [datetime(2026, 3, 1, 10, minute, tzinfo=UTC) for minute in range(3)]
    whole = {
        "meterId": ["M-1", "M-1", "M-1"],
        "kwhConsumedAc": [0.5, 0.25, 0.5],
        "voltage": [230.0, 231.0, None],
        "timestamp": pa.array(moments, pa.timestamp("us", "UTC")),
    }
    return pa.table({**whole, **columns})


def written(made: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(made, out, **options)
    return out.getvalue()


def columns(what: str, rules: dict[str, int] | None = None, loaded: int = 2, /, **given: Any) -> Case:
    """A Parquet file of three rows."""
    code = PROBLEMS if rules else DONE
    return Case(what, "dump.parquet", written(table(**given)), code, loaded if rules else 3, rules or {})


def wrong_type(
    what: str, values: list[Any], kind: pa.DataType, column: str, cause: str = "has the type"
) -> Case:
    return refused(what, "dump.parquet", written(table(**{column: pa.array(values, kind)})), cause)


def stamps(values: list[int], unit: str, zone: str | None = None) -> pa.Array:
    return pa.array(values, pa.int64()).view(pa.timestamp(unit, zone))


PLAIN = written(table())
FOOTER = int.from_bytes(PLAIN[-8:-4], "little")
SUMMED = written(
    table(), write_page_checksum=True, compression="none", use_dictionary=False, write_statistics=False
)
NOON_S, FAR_S = 1_772_359_200, 9_224_318_016_000
"""A moment of 2026 and one of the year 294277, which is beyond PostgreSQL's."""

PARQUET = [
    columns("a null id", {"meter_id:missing": 1}, meterId=["M-1", None, "M-1"]),
    columns("a NUL in an id", {"meter_id:control_character": 1}, meterId=["M-1", "M\0", "M-1"]),
    columns("ids of 64 bits", meterId=pa.array([2**64 - 1] * 3, pa.uint64())),
    columns("ids in a dictionary", meterId=pa.array(["M-1"] * 3).dictionary_encode()),
    columns(
        "energy NaN and infinite",
        {f"{ENERGY}:not_finite": 2},
        1,
        kwhConsumedAc=[0.5, float("nan"), float("inf")],
    ),
    columns("energy as text, once none", NO_NUMBER, kwhConsumedAc=["0.5", "much", "0.25"]),
    columns("energy as integers", kwhConsumedAc=pa.array([1, 0, 1], pa.int8())),
    columns("energy as narrow floats", kwhConsumedAc=pa.array([1, 0, 1], pa.float16())),
    columns("no energy at all", {f"{ENERGY}:missing": 3}, 0, kwhConsumedAc=pa.nulls(3)),
    columns("energy of -2^63", {f"{ENERGY}:below_range": 1}, kwhConsumedAc=[0, -(2**63), 1]),
    columns("a null time", {"ts:missing": 1}, timestamp=pa.array([NOON_S, None, NOON_S + 60], pa.int64())),
    columns("the year 294277", NO_TIME, timestamp=stamps([NOON_S, FAR_S, NOON_S + 60], "s")),
    columns(
        "times at both ends of 64 bits",
        {"ts:not_a_timestamp": 2},
        1,
        timestamp=stamps([NOON_S * 1000, 2**63 - 1, -(2**63)], "ms", "UTC"),
    ),
    columns(
        "times of nanoseconds at both ends",
        OLD | AHEAD,
        1,
        timestamp=stamps([NOON_S * 10**9, 2**63 - 1, -(2**63) + 1], "ns"),
    ),
    columns("integers for times, one too large", NO_TIME, timestamp=[NOON_S, 2**63 - 1, NOON_S + 60]),
    Case(
        "bad values in some row groups",
        "dump.parquet",
        written(table(voltage=[-1.0, 230, -1.0]), row_group_size=1),
        PROBLEMS,
        1,
        {f"{VOLTAGE}:below_range": 2},
    ),
    columns("a column more, nested", nested=[[{"a": 1}]] * 3),
    Case("no rows", "dump.parquet", written(table().slice(0, 0)), DONE),
    wrong_type("truths for energy", [True] * 3, pa.bool_(), "kwhConsumedAc"),
    wrong_type("floats for ids", [1.5] * 3, pa.float64(), "meterId"),
    wrong_type("lists for ids", [["M"]] * 3, pa.list_(pa.string()), "meterId"),
    wrong_type("bytes for ids", [b"M"] * 3, pa.binary(), "meterId"),
    wrong_type("times of day", [1] * 3, pa.time32("s"), "timestamp"),
    wrong_type("structures for energy", [{"a": 1}] * 3, pa.struct({"a": pa.int64()}), "kwhConsumedAc"),
    refused(
        "no energy column",
        "dump.parquet",
        written(table().drop_columns("kwhConsumedAc")),
        "no column kwhConsumedAc",
    ),
    refused(
        "a column twice",
        "dump.parquet",
        written(table(x=["M"] * 3).rename_columns([*table().schema.names, "meterId"])),
        "twice",
    ),
    refused("the magic alone", "dump.parquet", b"PAR1PAR1", "truncated"),
    refused("the first half", "dump.parquet", PLAIN[: len(PLAIN) // 2], "truncated"),
    refused("no start", "dump.parquet", PLAIN[4:], "binary data of an unknown kind"),
    refused(
        "a footer of zeros", "dump.parquet", PLAIN[: -8 - FOOTER] + bytes(FOOTER) + PLAIN[-8:], "corrupt"
    ),
    refused("a footer of no length", "dump.parquet", PLAIN[:-8] + bytes(4) + b"PAR1", "corrupt"),
    refused(
        "a footer of two gigabytes", "dump.parquet", PLAIN[:-8] + b"\xff\xff\xff\x7f" + b"PAR1", "corrupt"
    ),
    refused(
        "a footer of four gigabytes", "dump.parquet", PLAIN[:-8] + b"\xff\xff\xff\xff" + b"PAR1", "corrupt"
    ),
    refused(
        "a damaged page that has a checksum", "dump.parquet", SUMMED.replace(b"M-1", b"M-9", 1), "corrupt"
    ),
    refused(
        "pages of zeros",
        "dump.parquet",
        b"PAR1" + bytes(len(PLAIN) - 12 - FOOTER) + PLAIN[-8 - FOOTER :],
        "corrupt",
    ),
    refused(
        "rows that the footer has and the pages have not", "dump.parquet", PLAIN[:30] + PLAIN[40:], "corrupt"
    ),
    refused(
        "two files joined", "dump.parquet", PLAIN + written(table(meterId=["M-2"] * 3)), "begins at byte"
    ),
    columns("an id like the joint of two files", meterId=["PAR1PAR1", "PAR1PAR1" * 9, "aaaaPAR1PAR1"]),
    refused("an encrypted file", "dump.parquet", b"PARE" + bytes(100) + b"PARE", "encrypted"),
]


def minutes(device: bytes, energies: list[float]) -> bytes:
    rows = (b"%s,%g,230,2026-04-01T10:%02d:00Z\n" % (device, value, at) for at, value in enumerate(energies))
    return b"".join(rows)


WATT_HOURS = [500.0 + 7 * (at % 5) for at in range(40)]
DRIFT = [
    csv_file("columns in other spellings", b"Meter ID,KWH_CONSUMED_AC,Voltage,TimeStamp\n" + GOOD),
    csv_file("a column of the other stream", HEAD[:-1] + b",soc\n" + GOOD.replace(b"Z\n", b"Z,50\n")),
    csv_rows("energy of a day in Wh", energy(b"24000"), {f"{ENERGY}:above_range": 1}),
    refused(
        "energy of minutes in Wh",
        "dump.csv",
        HEAD + minutes(b"M-3", WATT_HOURS),
        "not interval energy",
        USAGE,
    ),
    refused(
        "a new name for a column",
        "dump.csv",
        HEAD.replace(b"kwhC", b"energyC") + GOOD,
        "no column kwhConsumedAc",
    ),
]

CASES = [*LAYOUT, *VALUES, *JSON, *PARQUET, *DRIFT]


@pytest.fixture(scope="module")
def sessions(server: Server) -> Iterator[Sessions]:
    with server.migrated() as address, Sessions(address) as found:
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_malformed_dump(sessions: Sessions, flavour: str, tmp_path: Path, case: Case) -> None:
    if flavour != "postgres":
        pytest.skip("the dump is what matters, not the server")
    path = tmp_path / case.name
    path.write_bytes(case.content)

    (result,) = ingest([str(path)], sessions, OPTIONS, LoadProgress(Diagnostics(quiet=True)))

    assert exit_code([result], OPTIONS.on_conflict) is case.exit_code, result
    if case.cause:
        assert result.error is not None
        assert result.error.startswith(f"{path}: ")
        assert case.cause in result.error
        return
    # Some of the good readings came in with another case.
    loaded = sum(result.total(name) for name in ("loaded", "duplicate", "conflicting"))
    rules = {rule: count for (_, rule), count in result.rules.items() if rule != "reading:restated"}
    assert (loaded, rules) == (case.loaded, case.rules)
    assert result.total("rejected") == sum(case.rules.values())


def test_two_shapes_in_one_folder_are_read_each_as_it_is(
    sessions: Sessions, flavour: str, tmp_path: Path
) -> None:
    if flavour != "postgres":
        pytest.skip("the dump is what matters, not the server")
    (tmp_path / "1.csv").write_bytes(HEAD + minutes(b"M-4", [0.5, 0.25]))
    (tmp_path / "2.csv").write_bytes(b"timestamp;voltage;kwhConsumedAc;meterId;x\n%s;230;0,75;M-4;1\n" % T)
    (tmp_path / "3.csv").write_bytes(b"meterId,kwh\nM-4,0.5\n")
    (tmp_path / "4.ndjson").write_bytes(record(meterId="M-5"))

    results = list(ingest([str(tmp_path)], sessions, OPTIONS, LoadProgress(Diagnostics(quiet=True))))

    assert [result.total("loaded") for result in results] == [2, 1, 0, 1]
    assert [result.error is None for result in results] == [True, True, False, True]
    assert exit_code(results, OPTIONS.on_conflict) is PROBLEMS


def test_a_header_that_the_server_cannot_store_stops_no_other_dump(
    run: Run, flavour: str, tmp_path: Path
) -> None:
    if flavour != "postgres":
        pytest.skip("the dump is what matters, not the server")
    (tmp_path / "a.csv").write_bytes(HEAD.replace(b"voltage", b"voltage\0") + GOOD)
    (tmp_path / "b.csv").write_bytes(HEAD + GOOD)

    done = run("ingest", "a.csv", "b.csv", "--format", "json")

    assert done.returncode == PROBLEMS
    assert [file["status"] for file in json.loads(done.stdout)["files"]] == ["failed", "loaded"]
    failed = next(load for load in json.loads(run("loads", "--format", "json").stdout) if load["error"])
    assert "voltage␀" in failed["error"]
