from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_etl.analytics.link_file import read_links
from energy_etl.db.links import Link
from energy_etl.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "vehicle_id,meter_id,valid_from,valid_to\n"
MARCH, JUNE = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 6, 1, 12, 30, tzinfo=UTC)

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text == text.strip()
)
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "links.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("links")


@given(
    links=st.lists(st.builds(Link, IDS, IDS, MOMENTS, MOMENTS)),
    order=st.permutations(["vehicle_id", "meter_id", "valid_from", "valid_to"]),
    delimiter=st.sampled_from(",;\t"),
)
def test_links_written_as_csv_are_read_back(
    folder: Path, links: list[Link], order: list[str], delimiter: str
) -> None:
    path = folder / "links.csv"
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, delimiter=delimiter)
        writer.writerow(order)
        for link in links:
            cells = [getattr(link, column) or "" for column in order]
            writer.writerow([cell if isinstance(cell, str) else cell.isoformat() for cell in cells])
    found = read_links(path)
    assert found.links == tuple(links)
    assert found.rows == tuple(range(1, len(links) + 1))
    assert found.naive == 0


@pytest.mark.parametrize(
    "text",
    [
        "vehicle_id,meter_id\nV,M\n",
        "\ufeffvehicle_id,meter_id\r\nV,M\r\n",
        "Meter_ID;VEHICLE_ID\nM;V",
        "vehicle_id\tmeter_id\tvalid_from\nV\tM\t\n",
        ' vehicle_id , meter_id \n V ," M "\n',
        "note,vehicle_id,meter_id,valid_to\nhome,V,M,\n",
        HEADER + "V,M,,,one field more\n",
    ],
)
def test_columns_go_by_name_and_the_times_may_be_missing(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    assert read_links(file).links == (Link("V", "M"),)


def test_times_are_read_and_those_without_an_offset_counted(file: Path) -> None:
    file.write_text(
        HEADER + "V,M,2025-03-01,2025-06-01T14:30:00+02:00\nV,N,2025-06-01T12:30Z,\nV,O,,2025-03-01\n"
    )
    found = read_links(file)
    assert found.links == (Link("V", "M", MARCH, JUNE), Link("V", "N", JUNE), Link("V", "O", None, MARCH))
    assert found.naive == 2


def test_empty_lines_are_passed_over_and_counted(file: Path) -> None:
    file.write_text(f"{HEADER}\nV,M,,\n\n\nW,N,,\n")
    found = read_links(file)
    assert [link.vehicle_id for link in found.links] == ["V", "W"]
    assert found.rows == (2, 5)


def test_a_header_alone_is_no_links(file: Path) -> None:
    file.write_text(HEADER)
    assert read_links(file).links == ()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "is empty"),
        ("V,M\n", "has no column vehicle_id and no column meter_id"),
        ("vehicle_id,meter\nV,M\n", "has no column meter_id"),
        ("vehicle_id,meter_id,Vehicle_ID\nV,M,W\n", "has the column vehicle_id twice"),
        (HEADER + "V,M,,\nW,N\n", "row 2 has 2 fields, at least 4 are needed"),
        (HEADER + "V,M,,\nW,N,soon,\n", "row 2: valid_from: 'soon' is no date or time"),
        (HEADER + "V,M,,\n\nW,N,,30.02.2025\n", "row 3: valid_to: '30.02.2025' is no date or time"),
        (HEADER + '"V,M,,\n', "is no CSV"),
        (HEADER + '"V"1,M,,\n', "is no CSV"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(file: Path, content: str, cause: str) -> None:
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        read_links(file)
    assert caught.value.message.startswith(f"{file}: {cause}")
    assert caught.value.hint


def test_text_in_another_encoding_is_refused(file: Path) -> None:
    file.write_bytes(HEADER.encode() + "Vögel,M,,\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_links(file)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file or directory"):
        read_links(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is a directory"):
        read_links(tmp_path)
