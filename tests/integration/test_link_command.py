from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from energy_etl.db import links, schema, session
from energy_etl.db.links import Link
from energy_etl.db.schema import Flavour
from energy_etl.present import cells

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

HEADER = "vehicle_id,meter_id,valid_from,valid_to\n"
JUNE, SEPTEMBER = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC)
ODD_IDS = ["V[/]", "=cmd|'/c calc'!A1", "'=cmd", "''+1", "-x", "@x", "V\u202ex", 'a"b;c,d', "'plain'", "ü 1"]


def given(address: str, *there: Link) -> None:
    with session.connect(address, autocommit=True) as conn:
        links.add_links(conn, there)


def stored(address: str) -> list[str]:
    """The links by vehicle and time, in words."""
    with session.connect(address, autocommit=True) as conn:
        return [str(link) for link in links.all_links(conn)]


def test_the_first_link_makes_the_tables(run_without_server: Run, bare_database_url: str) -> None:
    done = run_without_server("link", "add", "V-1", "M-1", env={"DATABASE_URL": bare_database_url})
    assert (done.returncode, done.stdout) == (0, "")
    assert f"note: schema version {schema.latest_version(Flavour.POSTGRES)} set up" in done.stderr
    assert done.stderr.endswith("note: added V-1 at M-1 from ever to further notice\n")
    assert stored(bare_database_url) == ["V-1 at M-1 from ever to further notice"]


def test_links_are_listed_by_vehicle_and_time_with_open_ends(run: Run, database_url: str) -> None:
    given(
        database_url,
        Link("V-2", "M-9", JUNE, None),
        Link("V-1", "M-1", JUNE, SEPTEMBER),
        Link("V-1", "M-2", None, JUNE),
    )
    done = run("link", "list", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    june, september = "2025-06-01T00:00:00Z", "2025-09-01T00:00:00Z"
    assert json.loads(done.stdout) == [
        {"vehicleId": "V-1", "meterId": "M-2", "validFrom": None, "validTo": june},
        {"vehicleId": "V-1", "meterId": "M-1", "validFrom": june, "validTo": september},
        {"vehicleId": "V-2", "meterId": "M-9", "validFrom": june, "validTo": None},
    ]
    table = run("link", "list", "V-2").stdout.splitlines()
    assert table[0].split() == ["Vehicle", "Meter", "From", "To", "(excluded)"]
    assert [line.split() for line in table[2:]] == [["V-2", "M-9", june, "open"]]
    assert run("link", "list", "V-2", "--format", "csv").stdout == f"{HEADER}V-2,M-9,{june},\n"
    assert run("link", "list", "nobody", "--format", "csv").stdout == HEADER


def test_a_link_that_is_there_is_left_as_it_is(run: Run, database_url: str) -> None:
    given(database_url, Link("V-1", "M-1", JUNE))
    done = run("link", "add", " V-1 ", "M-1", "--from", "2025-06-01T02:00+02:00")
    assert done.returncode == 0
    assert done.stderr == "note: was there already: V-1 at M-1 from 2025-06-01T00:00:00Z to further notice\n"
    assert len(stored(database_url)) == 1


def test_times_without_an_offset_are_utc_and_noted(run: Run, database_url: str) -> None:
    done = run("link", "add", "V-1", "M-1", "--from", "2025-06-01", "--to", "2025-07-01T12:00Z")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "note: --from names no offset: taken as UTC",
        "note: added V-1 at M-1 from 2025-06-01T00:00:00Z to 2025-07-01T12:00:00Z",
    ]
    done = run("link", "remove", "V-1", "M-1", "--from", "2025-06-01", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stored(database_url) == []


def test_a_meter_serves_one_vehicle_at_a_time(run: Run, database_url: str) -> None:
    given(database_url, Link("V 1", "M-1", JUNE, SEPTEMBER))
    done = run("link", "add", "V-2", "M-1", "--from", "2025-08-31T23:59Z")
    assert done.returncode == 2
    message, hint = done.stderr.splitlines()
    assert message == (
        "error: V-2 at M-1 from 2025-08-31T23:59:00Z to further notice: the meter serves another vehicle in"
        " that time: V 1 at M-1 from 2025-06-01T00:00:00Z to 2025-09-01T00:00:00Z"
    )
    assert "a meter serves one vehicle at a time; remove that link first" in hint
    assert hint.endswith("(energy-etl link remove --from 2025-06-01T00:00:00Z 'V 1' M-1)")
    assert run("link", "add", "V-2", "M-1", "--from", "2025-09-01T00:00Z").returncode == 0
    assert len(stored(database_url)) == 2


def test_spans_of_the_same_pair_must_not_overlap(run: Run, database_url: str) -> None:
    given(database_url, Link("-1", "M-1", None, JUNE))
    done = run("link", "add", "--", "-1", "M-1")
    assert done.returncode == 2
    there, hint = done.stderr.partition("that is there: ")[2].splitlines()
    assert there == "-1 at M-1 from ever to 2025-06-01T00:00:00Z"
    assert hint == "  hint: remove that link first (energy-etl link remove --from '' -- -1 M-1)"
    assert run("link", "remove", "--from", "", "--", "-1", "M-1").returncode == 0
    assert stored(database_url) == []


def test_a_vehicle_may_charge_at_several_meters_at_once(run: Run, database_url: str) -> None:
    given(database_url, Link("V-1", "M-1"))
    assert run("link", "add", "V-1", "M-2").returncode == 0
    assert len(stored(database_url)) == 2


def test_one_link_or_all_of_a_pair_are_removed(run: Run, database_url: str) -> None:
    spans = [(None, JUNE), (JUNE, SEPTEMBER), (SEPTEMBER, None)]
    given(database_url, *(Link("V-1", "M-1", *span) for span in spans), Link("V-1", "M-2"))
    done = run("link", "remove", "V-1", "M-1", "--from", "")
    assert done.stderr == "note: removed V-1 at M-1 from ever to 2025-06-01T00:00:00Z\n"
    done = run("link", "remove", "V-1", "M-1", "--from", "2025-06-15T00:00Z")
    assert done.returncode == 2
    assert len(stored(database_url)) == 3
    done = run("link", "remove", "V-1", " M-1")
    assert done.returncode == 0
    assert done.stderr.count("note: removed V-1 at M-1 from ") == 2
    assert stored(database_url) == ["V-1 at M-2 from ever to further notice"]
    done = run("link", "remove", "V-1", "M-1")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: there is no such link between V-1 and M-1",
        "  hint: `energy-etl link list` shows those there are",
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("\x1b[31m", "M-1"), r"the vehicle id '\x1b[31m' has control characters"),
        (("V-1", "M\u2028-1"), r"the meter id 'M\u2028-1' has control characters"),
        (("V-1", "M\n-1"), r"the meter id 'M\n-1' has control characters"),
        ((" ", "M-1"), "the vehicle id is empty"),
        (("V" * 129, "M-1"), f"the vehicle id {'V' * 20}… has more than 128 characters"),
        (("V-1", "M-1", "--from", "soon"), "--from: 'soon' is no date or time"),
        (("V-1", "M-1", "--to", "2025-02-30"), "--to: '2025-02-30' is no date or time"),
        (
            ("V-1", "M-1", "--from", "2025-02-01T00Z", "--to", "2025-02-01T01+01:00"),
            "V-1 at M-1 from 2025-02-01T00:00:00Z to 2025-02-01T00:00:00Z: ends before it begins",
        ),
        (("V\udcff", "M-1"), r"'V\udcff' is not UTF-8 text"),
    ],
)
def test_what_is_no_link_is_refused(run: Run, database_url: str, args: tuple[str, ...], message: str) -> None:
    done = run("link", "add", *args)
    assert done.returncode == 2
    assert f"error: {message}\n  hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert stored(database_url) == []


def test_a_file_is_imported_and_may_be_imported_again(run: Run, database_url: str, tmp_path: Path) -> None:
    text = "\ufeffMeter_ID;vehicle_id;valid_to;note\nM-1;V-1;2025-06-01;old\n\nM-2;V-2;2025-01-01T00:00Z;\n"
    (tmp_path / "links.csv").write_text(text, encoding="utf-8")
    done = run("link", "import", "links.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "note: links.csv: 1 time without an offset taken as UTC",
        "note: links.csv: 2 links added, 0 there already",
    ]
    assert stored(database_url) == [
        "V-1 at M-1 from ever to 2025-06-01T00:00:00Z",
        "V-2 at M-2 from ever to 2025-01-01T00:00:00Z",
    ]
    (tmp_path / "links.csv").write_text(f"{text}M-3;V-1;;\n", encoding="utf-8")
    again = run("link", "import", "links.csv")
    assert again.returncode == 0
    assert "note: links.csv: 1 link added, 2 there already\n" in again.stderr
    assert len(stored(database_url)) == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "V-2,M-1,,",
            "V-2 at M-1 from ever to further notice: the meter serves another vehicle in that time",
        ),
        ("V-1,M-3,soon,", "valid_from: 'soon' is no date or time"),
        (
            "V-1,M-3,2025-06-01,2025-01-01",
            "V-1 at M-3 from 2025-06-01T00:00:00Z to 2025-01-01T00:00:00Z: ends",
        ),
        ("V-1", "row 2 has 1 fields, at least 4 are needed"),
        ("\x1b[31m,M-3,,", r"the vehicle id '\x1b[31m' has control characters"),
        (",M-3,,", "the vehicle id is empty"),
    ],
)
def test_an_import_is_all_or_nothing_and_names_the_row(
    run: Run, database_url: str, tmp_path: Path, row: str, message: str
) -> None:
    (tmp_path / "links.csv").write_text(f"{HEADER}V-1,M-1,,\n{row}\nV-1,M-2,,\n")
    done = run("link", "import", "links.csv")
    assert done.returncode == 4
    assert "error: links.csv: row 2" in done.stderr
    assert message in done.stderr
    assert "\n  hint: " in done.stderr
    assert stored(database_url) == []


def test_a_file_that_is_no_list_of_links_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text("vehicle,meter_id\nV-1,M-1\n")
    done = run("link", "import", "links.csv")
    assert done.returncode == 4
    assert (
        "error: links.csv: has no column vehicle_id\n  hint: the first line must be a header" in done.stderr
    )
    done = run("link", "import", "missing.csv")
    assert done.returncode == 4
    assert "error: missing.csv: no such file or directory" in done.stderr


def test_a_list_written_as_csv_can_be_imported_elsewhere(
    run: Run, run_without_server: Run, database_url: str, bare_database_url: str, tmp_path: Path
) -> None:
    moment = JUNE.replace(microsecond=250_000)
    given(
        database_url,
        *(Link(odd, f"M-{number}", moment, None) for number, odd in enumerate(ODD_IDS)),
        *(Link(f"V-{number}", odd, None, moment) for number, odd in enumerate(ODD_IDS)),
    )
    written = run("link", "list", "--format", "csv").stdout
    cell_texts = {cell for row in csv.reader(io.StringIO(written)) for cell in row}
    assert not [text for text in cell_texts if text.startswith(("=", "+", "-", "@"))]
    (tmp_path / "links.csv").write_text(written, encoding="utf-8")
    done = run("link", "import", "links.csv")
    assert done.stderr == "note: links.csv: 0 links added, 20 there already\n"
    done = run_without_server("link", "import", "links.csv", env={"DATABASE_URL": bare_database_url})
    assert done.returncode == 0
    assert stored(bare_database_url) == stored(database_url)


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_odd_ids_do_no_harm_in_any_format(run: Run, database_url: str, output: str) -> None:
    given(database_url, *(Link(odd, f"M-{number}") for number, odd in enumerate(ODD_IDS)))
    with psycopg.connect(database_url) as conn:  # past the checks
        conn.execute("INSERT INTO vehicle_meter_link VALUES (E'\\x1b[31m', 'M')")
    shown = run("link", "list", "--format", output).stdout
    if output == "csv":  # a program gets the values as they are
        assert {row[0] for row in csv.reader(io.StringIO(shown))} >= {"\x1b[31m", "V[/]", "''=cmd", "'-x"}
        return
    assert cells.visible(shown.replace("\n", "")) == shown.replace("\n", "")
    if output == "json":
        assert {link["vehicleId"] for link in json.loads(shown)} == {"\x1b[31m", *ODD_IDS}
    else:
        assert not [odd for odd in ("\x1b[31m", *ODD_IDS) if cells.visible(odd) not in shown]
