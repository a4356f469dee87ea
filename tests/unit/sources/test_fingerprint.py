from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from energy_etl.errors import InputError
from energy_etl.sources.fingerprint import fingerprint, verify_unchanged
from energy_etl.sources.source import Compression, Format, SourceFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> SourceFile:
    path = tmp_path / "a.csv"
    path.write_bytes(bytes(range(256)) * 10_000)
    return SourceFile("a.csv", path, Format.CSV, Compression.NONE, path.stat().st_size)


def test_the_bytes_on_disk_are_hashed(source: SourceFile) -> None:
    seen: list[int] = []

    taken = fingerprint(source, seen.append)

    assert taken.sha256 == hashlib.sha256(bytes(range(256)) * 10_000).hexdigest()
    assert taken.bytes == 2_560_000
    assert seen == sorted(seen)
    assert seen[-1] == 2_560_000
    verify_unchanged(source, taken)


def test_the_name_does_not_matter(source: SourceFile, tmp_path: Path) -> None:
    copy = tmp_path / "b.csv"
    copy.write_bytes(source.path.read_bytes())

    other = SourceFile("b.csv", copy, Format.CSV, Compression.NONE, source.bytes)
    assert fingerprint(other).sha256 == fingerprint(source).sha256


def test_a_file_that_grows_is_changed(source: SourceFile) -> None:
    taken = fingerprint(source)
    with source.path.open("ab") as file:
        file.write(b"x")

    with pytest.raises(InputError, match=r"a\.csv: changed while it was read"):
        verify_unchanged(source, taken)


def test_a_file_that_was_replaced_is_changed(source: SourceFile, tmp_path: Path) -> None:
    taken = fingerprint(source)
    status = source.path.stat()
    other = tmp_path / "other"
    other.write_bytes(source.path.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(source.path)

    with pytest.raises(InputError, match="changed while it was read"):
        verify_unchanged(source, taken)


def test_a_file_that_changes_while_it_is_hashed_is_refused(source: SourceFile) -> None:
    def write(_: int) -> None:
        with source.path.open("ab") as file:
            file.write(b"x" * 10)
        progress.clear()

    progress = [write]

    with pytest.raises(InputError, match="changed while it was read"):
        fingerprint(source, lambda done: progress[0](done) if progress else None)


def test_a_file_that_disappears_is_refused(source: SourceFile) -> None:
    taken = fingerprint(source)
    source.path.unlink()

    with pytest.raises(InputError, match="disappeared"):
        verify_unchanged(source, taken)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        fingerprint(source)
