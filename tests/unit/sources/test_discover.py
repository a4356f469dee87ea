from __future__ import annotations

import io
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from energy_etl.errors import InputError, UsageError
from energy_etl.sources.discover import discover

if TYPE_CHECKING:
    from pathlib import Path

TREE = (
    *("in/b.csv", "in/a.CSV.gz", "in/2026/07.parquet", "in/2026/06.ndjson.zst", "in/.hidden.csv"),
    *("in/.git/x.csv", "in/README.md", "in/b.csv.bak", "single.dat", "a[1].csv", "empty/readme.md"),
)


class Stdin(io.TextIOWrapper):
    """Standard input as a pipe gives it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(*paths: str) -> list[str]:
    with discover(paths) as found:
        return [file.name for file in found]


def test_a_directory_means_the_dumps_below_it_in_order(tree: Path) -> None:
    assert names("in") == ["in/a.CSV.gz", "in/b.csv", "in/2026/06.ndjson.zst", "in/2026/07.parquet"]
    assert names("in/") == ["in/a.CSV.gz", "in/b.csv", "in/2026/06.ndjson.zst", "in/2026/07.parquet"]


def test_a_named_file_is_taken_whatever_its_name(tree: Path) -> None:
    assert names("single.dat", "in/.hidden.csv") == ["single.dat", "in/.hidden.csv"]


def test_globs_the_shell_left_are_expanded(tree: Path) -> None:
    assert names("in/*.csv") == ["in/b.csv"]
    assert names(str(tree / "**" / "*.parquet")) == [str(tree / "in/2026/07.parquet")]
    assert names("i?") == names("in")


def test_a_file_named_like_a_glob_is_that_file(tree: Path) -> None:
    assert names("a[1].csv") == ["a[1].csv"]


def test_a_file_is_taken_once(tree: Path) -> None:
    (tree / "link.csv").symlink_to("in/b.csv")
    os.link("in/b.csv", "hard.csv")

    assert names("in/b.csv", "./in/b.csv", str(tree / "in/b.csv"), "link.csv", "hard.csv") == ["in/b.csv"]
    assert names("link.csv", "in") == [
        "link.csv",
        "in/a.CSV.gz",
        "in/2026/06.ndjson.zst",
        "in/2026/07.parquet",
    ]


def test_what_cannot_be_used_is_left_for_the_file_to_tell(tree: Path) -> None:
    """A broken link or a pipe below a directory must not stop the files beside it."""
    (tree / "in/gone.csv").symlink_to("nowhere")
    os.mkfifo(tree / "in/pipe.csv")

    assert names("in")[:4] == ["in/a.CSV.gz", "in/b.csv", "in/gone.csv", "in/pipe.csv"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["none.csv"], "none.csv: cannot be opened: No such file"),
        (["in", "none.csv"], "none.csv: cannot be opened: No such file"),
        (["in", "*.xyz"], "*.xyz: matches no file"),
        (["empty"], "empty: holds no dump"),
        (["/dev/null"], "/dev/null: is not a regular file, a directory or a pipe"),
    ],
)
def test_nothing_to_read_is_said(tree: Path, paths: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        names(*paths)

    assert caught.value.message.startswith(message)


def test_an_empty_directory_beside_others_is_no_error(tree: Path) -> None:
    assert names("empty", "single.dat") == ["single.dat"]


def test_no_path_at_all_is_wrong_use() -> None:
    with pytest.raises(UsageError):
        names()


def test_standard_input_is_spooled_once_privately_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(3_000_000)
    with Stdin(content) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with discover(["-", "-"], spool_dir=tmp_path) as (file,):
            assert file.name == "-"
            assert file.path.parent == tmp_path
            assert file.path.read_bytes() == content
            assert stat.S_IMODE(file.path.stat().st_mode) == 0o600

    assert list(tmp_path.iterdir()) == []


def test_the_spooled_copy_is_removed_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    with Stdin(b"x") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(InputError, match=r"none\.csv"), discover(["-", "none.csv"], spool_dir=spool):
            pytest.fail("nothing may be read")
    assert list(spool.iterdir()) == []


def test_a_pipe_is_spooled_too(tmp_path: Path) -> None:
    """Process substitution names a pipe: ``energy-etl ingest <(ssh ...)``."""
    pipe = tmp_path / "pipe"
    spool = tmp_path / "spool"
    spool.mkdir()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"from the pipe",))
    writer.start()

    with discover([str(pipe)], spool_dir=spool) as (file,):
        assert file.name == str(pipe)
        assert file.path.read_bytes() == b"from the pipe"

    writer.join()
    assert list(spool.iterdir()) == []


def test_a_terminal_or_closed_standard_input_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    with open(follower) as terminal, open(leader):  # noqa: PTH123 - descriptors, not paths
        monkeypatch.setattr("sys.stdin", terminal)
        with pytest.raises(UsageError, match="is a terminal"):
            names("-")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="is closed"):
        names("-")


def test_a_spool_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stdin(b"x") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with (
            pytest.raises(InputError, match="cannot be copied to a temporary file: No such file"),
            discover(["-"], spool_dir=tmp_path / "none"),
        ):
            pytest.fail("nothing may be read")
