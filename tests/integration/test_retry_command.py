"""``rejects retry`` as a user runs it: rows that pass come in, the others stay what they are."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
import pytest

from energy_etl.errors import ExitCode

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

HEADER = "meterId,kwhConsumedAc,voltage,timestamp\n"
COUNTS = ("read", "loaded", "duplicate", "conflicting", "rejected")

Fields = dict[str, Any]


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(statement.encode()).fetchall()


def is_open(database_url: str) -> list[tuple[Any, ...]]:
    return rows(database_url, "SELECT load_id, row_number, rule FROM reject WHERE is_open ORDER BY 1, 2")


def history(database_url: str) -> list[tuple[Any, ...]]:
    return rows(
        database_url,
        "SELECT meter_id, to_char(ts, 'HH24:MI'), kwh_consumed_ac, load_id FROM meter_history ORDER BY 1, 2",
    )


def ingested(run: Run, folder: Path, name: str, content: str, *arguments: str) -> None:
    (folder / name).write_text(content)
    assert run("ingest", name, "--max-rejects", "100%", *arguments).returncode == ExitCode.PROBLEMS


def retried(run: Run, *arguments: str, code: ExitCode = ExitCode.DONE) -> dict[str, Any]:
    """The result of the only load."""
    done = run("rejects", "retry", *arguments, "--format", "json")
    assert done.returncode == code, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    return {**file, "stderr": done.stderr}


def counts(result: dict[str, Any], stream: str = "meter") -> tuple[int, ...]:
    return tuple(result["streams"][stream][name] for name in COUNTS)


def repaired(path: Path, repair: Callable[[Fields], Fields | None]) -> None:
    """Change the rows of an exported file; those that become None are taken out."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            found = list(csv.DictReader(file))
        kept = [row for row in map(repair, found) if row]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, found[0])
            writer.writeheader()
            writer.writerows(kept)
    elif path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        kept = [row for row in map(repair, frame.to_dicts()) if row]
        pl.DataFrame(kept, schema=frame.schema).write_parquet(path)
    else:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in map(repair, lines) if row))


BAD_ZONE = (
    f"{HEADER}M-1,0.5,230,2026-03-29T02:30:00\nM-1,0.5,230,2026-03-29T10:30:00\n"
    "M-1,x,230,2026-03-29T11:30:00\n"
)
"""In Berlin, the first one's time is skipped."""


def test_rows_that_pass_under_other_options_come_in(run: Run, database_url: str, tmp_path: Path) -> None:
    ingested(run, tmp_path, "a.csv", BAD_ZONE, "--timezone", "Europe/Berlin")
    assert [row[1] for row in is_open(database_url)] == [1, 3]
    again = retried(run, "--timezone", "UTC", code=ExitCode.PROBLEMS)
    assert (again["source"], again["status"], again["loadId"]) == ("rejects of load 1", "loaded", 2)
    assert counts(again) == (2, 1, 0, 0, 1)
    assert again["naiveTimestamps"] == 2
    assert history(database_url) == [("M-1", "02:30", 0.5, 2), ("M-1", "08:30", 0.5, 1)]
    assert is_open(database_url) == [(1, 3, "kwh_consumed_ac:not_a_number")]
    assert rows(database_url, "SELECT row_number, resolved_by FROM reject WHERE load_id = 1 ORDER BY 1") == [
        (1, 2),
        (3, None),
    ]


def test_the_zone_of_the_dump_is_the_default(run: Run, database_url: str, tmp_path: Path) -> None:
    ingested(run, tmp_path, "a.csv", f"{HEADER}M-1,x,230,2026-03-01T10:00:00\n", "--timezone", "Asia/Tokyo")
    ingested(run, tmp_path, "b.csv", f"{HEADER}M-1,x,230,2026-03-01T11:00:00\n")
    run("rejects", "export", "--to", "fix.csv")
    repaired(tmp_path / "fix.csv", lambda row: row | {"kwh_consumed_ac": "0.5"})
    done = run("rejects", "retry", "--from", "fix.csv")
    assert done.returncode == ExitCode.USAGE
    assert "read with different --timezone: Asia/Tokyo, UTC" in done.stderr
    assert rows(database_url, "SELECT count(*) FROM load") == [(2,)]
    assert retried(run, "--from", "fix.csv", "--load", "1")["timezone"] == "Asia/Tokyo"
    assert history(database_url) == [("M-1", "01:00", 0.5, 3)]


def test_a_retry_in_which_nothing_passes_leaves_nothing(run: Run, database_url: str, tmp_path: Path) -> None:
    ingested(
        run, tmp_path, "a.csv", f"{HEADER}M-1,x,230,2026-03-01T10:00:00Z\nM-1,1,-2,2026-03-01T10:00:00Z\n"
    )
    before = rows(database_url, "SELECT * FROM load"), rows(database_url, "SELECT * FROM reject")
    for _ in range(2):
        again = retried(run, code=ExitCode.PROBLEMS)
        assert (again["status"], again["loadId"]) == ("still rejected", None)
        assert counts(again) == (2, 0, 0, 0, 2)
        assert "`energy-etl rejects list` shows the rows" in again["stderr"]
    assert (rows(database_url, "SELECT * FROM load"), rows(database_url, "SELECT * FROM reject")) == before


DIRTY = (
    f"{HEADER}M-1,0.5,230.1,2026-03-01T10:00:00Z\nM-1,much,230.4,2026-03-01T10:01:00Z\n"
    "M-1,=9,230.4,2026-03-01T10:02:00Z\n,5,230.4,2026-03-01T10:03:00Z\nM-2,0.125\n"
    "M-1,0.75,230.1,2026-03-01T10:00:00Z\nM-1,1,230.1,yesterday\n"
)


def mend(row: Fields) -> Fields | None:
    """Row 3 stays as it is, row 7 is taken out."""
    number = int(row["row_number"])
    mended = {
        2: {"kwh_consumed_ac": "1.5"},
        4: {"meter_id": "M-4"},
        5: {"meter_id": "M-2", "kwh_consumed_ac": "0.125", "ts": "2026-03-01T10:04:00Z"},
    }
    return None if number == 7 else row | mended.get(number, {})


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_repaired_rows_come_in_and_the_others_stay(
    run: Run, database_url: str, tmp_path: Path, suffix: str
) -> None:
    ingested(run, tmp_path, "a.csv", DIRTY)
    name = f"fix.{suffix}"
    run("rejects", "export", "--to", name)
    repaired(tmp_path / name, mend)
    again = retried(run, "--from", name, code=ExitCode.PROBLEMS)
    assert again["source"] == f"rejects of load 1, repaired in {name}"
    assert counts(again) == (4, 3, 0, 0, 1)
    assert "1 conflicting reading left alone" in again["stderr"]
    assert history(database_url) == [
        ("M-1", "10:00", 0.5, 1),
        ("M-1", "10:01", 1.5, 2),
        ("M-2", "10:04", 0.125, 2),
        ("M-4", "10:03", 5.0, 2),
    ]
    still_open = [
        (1, 3, "kwh_consumed_ac:not_a_number"),
        (1, 6, "reading:conflicting"),
        (1, 7, "ts:not_a_timestamp"),
    ]
    assert is_open(database_url) == still_open
    once_more = retried(run, "--from", name, code=ExitCode.PROBLEMS)
    assert (once_more["status"], counts(once_more)) == ("still rejected", (1, 0, 0, 0, 1))
    assert "3 rows of the file came in before" in once_more["stderr"]
    assert is_open(database_url) == still_open


def test_rows_that_were_no_rows_wait_for_their_repair(run: Run, database_url: str, tmp_path: Path) -> None:
    ingested(run, tmp_path, "a.csv", f"{HEADER}M-2,0.125\n")
    done = run("rejects", "retry")
    assert done.returncode == ExitCode.DONE
    assert "there is no open reject to judge again" in done.stderr
    assert "1 reject could not be read as rows" in done.stderr
    run("rejects", "export", "--to", "fix.csv")
    assert run("rejects", "retry", "--from", "fix.csv").returncode == ExitCode.DONE
    assert is_open(database_url) == [(1, 1, "field_count")]
    line = (tmp_path / "fix.csv").read_text()
    header, row = line.splitlines()
    # Whoever repairs it may add the columns.
    (tmp_path / "fix.csv").write_text(
        f"{header},meter_id,kwh_consumed_ac,voltage,ts\n{row},M-2,0.125,,2026-03-01T10:04:00Z\n"
    )
    assert counts(retried(run, "--from", "fix.csv")) == (1, 1, 0, 0, 0)
    assert is_open(database_url) == []


CONFLICT = f"{HEADER}M-1,0.75,230,2026-03-01T10:00:00Z\nM-1,9,230,2026-03-01T10:00:00Z\n"


def test_conflicting_readings_replace_only_when_told_to(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}M-1,0.5,230,2026-03-01T10:00:00Z\n")
    assert run("ingest", "a.csv").returncode == ExitCode.DONE
    ingested(run, tmp_path, "b.csv", CONFLICT)
    kept = run("rejects", "retry")
    assert kept.returncode == ExitCode.DONE
    assert "2 conflicting readings left alone" in kept.stderr
    assert history(database_url) == [("M-1", "10:00", 0.5, 1)]
    assert counts(retried(run, "--on-conflict", "replace")) == (2, 0, 0, 2, 0)
    # As in a dump, the last one stays.
    assert history(database_url) == [("M-1", "10:00", 9.0, 3)]
    assert rows(database_url, "SELECT kwh_consumed_ac, load_id FROM meter_live") == [(9.0, 3)]
    assert is_open(database_url) == []
    assert run("rejects", "retry", "--on-conflict", "replace").returncode == ExitCode.DONE
    assert rows(database_url, "SELECT count(*) FROM load") == [(3,)]


def test_a_conflicting_reading_may_be_repaired_so_that_it_is_none(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}M-1,0.5,230,2026-03-01T10:00:00Z\n")
    assert run("ingest", "a.csv").returncode == ExitCode.DONE
    ingested(run, tmp_path, "b.csv", CONFLICT)
    run("rejects", "export", "--to", "fix.csv")
    repaired(
        tmp_path / "fix.csv",
        lambda row: (
            row | ({"ts": "2026-03-01T10:05:00Z"} if row["row_number"] == "1" else {"voltage": "231"})
        ),
    )
    again = retried(run, "--from", "fix.csv", code=ExitCode.PROBLEMS)
    assert counts(again) == (2, 1, 0, 1, 0)
    assert is_open(database_url) == [(2, 2, "reading:conflicting")]


def test_what_was_restated_asks_for_nothing(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}M-1,0.5,230,2026-03-01T10:00:00Z\n")
    (tmp_path / "b.csv").write_text(CONFLICT)
    run("ingest", "a.csv")
    done = run("ingest", "b.csv", "--on-conflict", "replace")
    assert "`energy-etl loads show 2` shows the rows" in done.stderr
    assert is_open(database_url) == []


def test_of_a_row_with_two_readings_only_the_rejected_one_is_judged_again(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    ingested(
        run,
        tmp_path,
        "mixed.csv",
        "meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp\n"
        "M-5,0.5,230,V-5,50,oops,20,2026-03-01T10:00:00Z\n,,,,,,,2026-03-01T10:01:00Z\n",
    )
    run("rejects", "export", "--to", "fix.ndjson")
    both = {"meter_id": "M-6", "kwh_consumed_ac": "1", "vehicle_id": "V-6", "kwh_delivered_dc": "1"}
    repaired(
        tmp_path / "fix.ndjson",
        lambda row: row | ({"kwh_delivered_dc": 0.4} if row["row_number"] == 1 else both),
    )
    again = retried(run, "--from", "fix.ndjson")
    assert counts(again, "vehicle") == (2, 2, 0, 0, 0)
    assert counts(again, "meter") == (1, 1, 0, 0, 0)
    assert is_open(database_url) == []


def test_a_dry_run_of_a_retry_writes_nothing(run: Run, database_url: str, tmp_path: Path) -> None:
    ingested(run, tmp_path, "a.csv", BAD_ZONE, "--timezone", "Europe/Berlin")
    again = retried(run, "--timezone", "UTC", "--dry-run", code=ExitCode.PROBLEMS)
    assert (again["status"], again["loadId"], counts(again)) == ("dry run", None, (2, 1, 0, 0, 1))
    assert len(is_open(database_url)) == 2
    assert rows(database_url, "SELECT count(*) FROM load") == [(1,)]


def test_values_that_no_server_stores_do_not_become_valid(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "nul.ndjson").write_text(
        '{"meterId":"M\\u00001","kwhConsumedAc":1,"voltage":1,"timestamp":"2026-03-01T10:00:00Z"}\n'
    )
    assert run("ingest", "nul.ndjson", "--max-rejects", "100%").returncode == ExitCode.PROBLEMS
    again = retried(run, code=ExitCode.PROBLEMS)
    assert again["rejectsByRule"][0]["rule"] == "meter_id:control_character"
    assert history(database_url) == []


def test_a_load_shows_what_is_open_and_what_came_in_with_which_retry(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    ingested(run, tmp_path, "a.csv", BAD_ZONE, "--timezone", "Europe/Berlin")
    retried(run, "--timezone", "UTC", code=ExitCode.PROBLEMS)
    shown = json.loads(run("loads", "show", "1", "--format", "json").stdout)
    assert (shown["rejectsTotal"], shown["rejectsOpen"]) == (2, 1)
    assert [row["resolvedBy"] for row in shown["rejects"]] == [2, None]
    table = run("loads", "show", "1").stdout
    assert re.search(r"Open rejects +1; `energy-etl rejects list --load 1`", table)
    # The retry has its own account, and nothing in it to act on.
    shown = json.loads(run("loads", "show", "2", "--format", "json").stdout)
    assert (shown["rejectsTotal"], shown["rejectsOpen"]) == (1, 0)
    assert [row["rowNumber"] for row in shown["rejects"]] == [3]
    assert "Open rejects" not in run("loads", "show", "2").stdout


def failing(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = run("rejects", "retry", *arguments)
    assert done.returncode == ExitCode.INPUT, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("\n1,1,2,", "\n999,1,2,"), "row 1: there is no reject of load 1, row 2"),
        (lambda text: text.replace("\n1,1,2,", "\n1,7,2,"), "row 1: there is no reject of load 7, row 2"),
        (
            lambda text: text.replace("\n1,1,2,", "\n,1,2,"),
            "row 1 does not say which reject it is: reject_id",
        ),
        (lambda text: text.replace("\n1,1,2,", f"\n{2**70},1,2,"), "row 1 does not say which reject it is"),
        (
            lambda text: text.replace("reject_id", "number"),
            "row 1 does not say which reject it is: reject_id",
        ),
        (lambda text: text + text.splitlines()[1] + "\n", "rows 1 and 2 are the same reject"),
        (lambda text: text.replace("\n1,1,2,", "\n1,1,"), "row 1 has 10 fields, the header has 11"),
    ],
)
def test_a_file_that_is_no_repaired_one_is_refused_as_a_whole(
    run: Run, database_url: str, tmp_path: Path, change: Callable[[str], str], told: str
) -> None:
    ingested(
        run, tmp_path, "a.csv", f"{HEADER}M-1,1,230,2026-03-01T10:00:00Z\nM-1,x,230,2026-03-01T10:01:00Z\n"
    )
    run("rejects", "export", "--to", "fix.csv")
    text = (tmp_path / "fix.csv").read_text().replace("M-1,x,", "M-1,1.5,")
    (tmp_path / "fix.csv").write_text(change(text))
    assert f"error: fix.csv: {told}" in failing(run, "--from", "fix.csv").stderr
    assert len(is_open(database_url)) == 1
    assert rows(database_url, "SELECT count(*) FROM load") == [(1,)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("fix.csv", None, "cannot be read"),
        ("fix.xlsx", b"PK", "is not named like a file of rejects"),
        ("fix.csv", b"reject_id,load_id,row_number,ts\n1,1,1,\xff\n", "is not UTF-8 text"),
        ("fix.ndjson", b"not json\n", "line 1 is no JSON object"),
        ("fix.parquet", b"PAR1 and no more", "is no readable Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    run: Run, tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert told in failing(run, "--from", name).stderr


def test_a_spreadsheet_may_have_written_the_file(run: Run, database_url: str, tmp_path: Path) -> None:
    ingested(
        run, tmp_path, "a.csv", f"{HEADER}M-1,x,230,2026-03-01T10:01:00Z\n=M,-4,230,2026-03-01T10:01:00Z\n"
    )
    run("rejects", "export", "--to", "fix.csv")
    text = (tmp_path / "fix.csv").read_text()
    assert "'=M,-4," in text
    text = text.replace("M-1,x,", "M-1,1.5,").replace("'=M,-4,", "'=M,4,")
    changed = "".join(";".join(f'"{cell}"' for cell in row) + "\r\n" for row in csv.reader(text.splitlines()))
    (tmp_path / "fix.csv").write_text(changed, encoding="utf-8-sig")
    assert counts(retried(run, "--from", "fix.csv")) == (2, 2, 0, 0, 0)
    assert [row[0] for row in history(database_url)] == ["=M", "M-1"]
