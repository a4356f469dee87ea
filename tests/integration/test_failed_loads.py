"""Dumps that could not be loaded, in the ledger: each attempt once, whatever happens to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from energy_etl.db import ledger
from energy_etl.db.session import Sessions
from energy_etl.errors import ExitCode
from energy_etl.ingest import ingest
from energy_etl.options import LoadOptions
from energy_etl.present.diagnostics import Diagnostics
from energy_etl.present.progress import LoadProgress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from tests.conftest import Run

GOOD = "meterId,kwhConsumedAc,voltage,timestamp\nM-1,0.5,230.1,2026-03-01T10:00:00Z\n"
STRANGE = "a,b\n1,2\n"


def recorded(database_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute("SELECT source, status, format FROM load ORDER BY source, load_id").fetchall()


def test_a_failure_is_noted_once_though_the_others_are_tried_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"a.csv": GOOD, "strange.csv": STRANGE}.items():
        (tmp_path / name).write_text(content)
    finish = ledger.finish
    lost: list[int] = []

    def lose_the_server_once(conn: psycopg.Connection[Any], load_id: int, *what: Mapping[str, Any]) -> None:
        if not lost:
            lost.append(load_id)
            conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        finish(conn, load_id, *what)

    monkeypatch.setattr(ledger, "finish", lose_the_server_once)
    with Sessions(database_url) as sessions:
        paths = [str(tmp_path / name) for name in ("a.csv", "strange.csv")]
        results = list(ingest(paths, sessions, LoadOptions(), LoadProgress(Diagnostics(quiet=True))))
    assert lost
    assert [result.status for result in results] == ["loaded", "failed"]
    assert [status for _, status, _ in recorded(database_url)] == ["loaded", "failed"]


def test_another_attempt_at_the_same_file_is_another_failure(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "strange.csv").write_text(STRANGE)
    for _ in range(2):
        assert run("ingest", "strange.csv").returncode == ExitCode.INPUT
    assert recorded(database_url) == [("strange.csv", "failed", "csv")] * 2


def test_files_of_no_known_kind_are_noted_where_there_is_anything_to_know_them_by(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "print.pdf.csv").write_bytes(b"%PDF-1.7 and so on")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "good.csv").write_text(GOOD)
    assert run("ingest", ".").returncode == ExitCode.PROBLEMS
    assert recorded(database_url) == [
        ("empty.csv", "failed", "unknown"),
        ("good.csv", "loaded", "csv"),
        ("print.pdf.csv", "failed", "unknown"),
    ]
    with psycopg.connect(database_url) as conn:
        told = conn.execute("SELECT error, bytes FROM load WHERE source = 'print.pdf.csv'").fetchone()
    assert told == ("print.pdf.csv: is a PDF document", 18)


def test_a_dry_run_notes_no_failure(run: Run, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "strange.csv").write_text(STRANGE)
    assert run("ingest", ".", "--dry-run").returncode == ExitCode.INPUT
    assert recorded(database_url) == []
