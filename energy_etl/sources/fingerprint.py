"""What identifies a dump's content, and whether it stayed the same while it was read.

The hash is of the bytes on disk, so that a dump loaded once is known again in milliseconds under any name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energy_etl.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from energy_etl.sources.discover import FoundFile
    from energy_etl.sources.source import SourceFile

BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's content and state."""

    sha256: str
    """Hexadecimal."""
    bytes: int
    mtime_ns: int
    inode: int


def fingerprint(source: SourceFile | FoundFile, progress: Callable[[int], None] | None = None) -> Fingerprint:
    """Hash a dump.

    Args:
        source: The file.
        progress: Called with the bytes hashed so far, about once per megabyte.

    Raises:
        InputError: The file cannot be read, or changes meanwhile.
    """
    try:
        with source.path.open("rb", buffering=0) as file:
            before = _state(source.path.stat())
            digest = hashlib.sha256()
            buffer = memoryview(bytearray(BUFFER_BYTES))
            done = 0
            while size := file.readinto(buffer):
                digest.update(buffer[:size])
                done += size
                if progress is not None:
                    progress(done)
            after = _state(source.path.stat())
    except OSError as error:
        raise InputError(source.name, f"cannot be read: {error.strerror}") from error
    if before != after or done != before[0]:
        raise _changed(source)
    return Fingerprint(digest.hexdigest(), *before)


def verify_unchanged(source: SourceFile, taken: Fingerprint) -> None:
    """Make sure that the file is still the one that was hashed, by its size, time and identity.

    Raises:
        InputError: It was changed, replaced or removed.
    """
    try:
        now = _state(source.path.stat())
    except OSError as error:
        raise InputError(source.name, f"disappeared while it was read: {error.strerror}") from error
    if now != (taken.bytes, taken.mtime_ns, taken.inode):
        raise _changed(source)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _changed(source: SourceFile | FoundFile) -> InputError:
    return InputError(
        source.name, "changed while it was read", hint="load it again when its writer has finished"
    )
