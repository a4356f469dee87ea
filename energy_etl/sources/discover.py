"""Paths, directories, globs and standard input → the files to read, each once.

Only finds: what a file is, and whether it can be used, is told per file by ``recognise``, so that one
unusable file does not stop the others.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from energy_etl.errors import InputError, UsageError
from energy_etl.sources.recognise import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STDIN = "-"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read, not yet looked into."""

    name: str
    """As the user named it; below a directory, the directory as named and the way from there."""
    path: Path
    """Where to read it; for standard input and pipes a spooled copy."""


@contextmanager
def discover(paths: Sequence[str], *, spool_dir: Path | None = None) -> Iterator[list[FoundFile]]:
    """Find the files that the arguments of a command mean.

    A directory means every file below it with a known suffix (hidden ones and symbolic links to directories
    are passed over), sorted; a glob that the shell did not expand is expanded; ``-`` and pipes are copied to
    temporary files (readable by the user only), which are removed when the context ends.

    Args:
        paths: The arguments.
        spool_dir: Where temporary files go; the system's place if None.

    Raises:
        InputError: A path does not exist, is no file, or a glob or all directories have nothing for us.
        UsageError: Standard input is asked for and is a terminal; no path is given.
    """
    if not paths:
        raise UsageError("no file is named", hint="name files, directories or globs, or - for standard input")
    with ExitStack() as spool:
        found: dict[object, FoundFile] = {}
        for argument in dict.fromkeys(paths):
            for file in _expand(argument, spool, spool_dir):
                found.setdefault(_identity(file.path), replace(file, name=_printable(file.name)))
        if not found:
            raise InputError(
                ", ".join(paths),
                "holds no dump",
                hint="files with the suffixes .csv, .tsv, .txt, .parquet, .pq, .ndjson, .jsonl and .json"
                " are taken from directories, also with .gz or .zst",
            )
        yield list(found.values())


def _expand(argument: str, spool: ExitStack, spool_dir: Path | None) -> Iterator[FoundFile]:
    if argument == STDIN:
        yield FoundFile(STDIN, _spool_stdin(spool, spool_dir))
        return
    matches = [argument]
    if glob.has_magic(argument) and not os.path.lexists(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute one
        if not matches:
            raise InputError(argument, "matches no file")
    for name in matches:
        path = Path(name)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise InputError(name, f"cannot be opened: {error.strerror}") from error
        if stat.S_ISDIR(mode):
            yield from _below(name)
        elif stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and _is_stdin(path)):
            yield FoundFile(name, _spool_pipe(name, spool, spool_dir))
        elif stat.S_ISREG(mode):
            yield FoundFile(name, path)
        else:
            raise InputError(name, "is not a regular file, a directory or a pipe")


def _below(directory: str) -> Iterator[FoundFile]:
    def refuse(error: OSError) -> None:
        raise InputError(error.filename or directory, f"cannot be opened: {error.strerror}") from error

    for place, folders, files in os.walk(directory, onerror=refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for file in sorted(files):
            if not file.startswith(".") and named(file)[0] is not None:
                path = Path(place, file)
                yield FoundFile(str(path), path)


def _printable(name: str) -> str:
    """A name as text: bytes of it that are not UTF-8, which no database stores, as escapes."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return path.absolute()
    return status.st_dev, status.st_ino


def _is_stdin(path: Path) -> bool:
    return str(path) in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}


def _spool_stdin(spool: ExitStack, spool_dir: Path | None) -> Path:
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("standard input is closed")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal", hint="pipe a dump into it, or name a file")
    return _spool(STDIN, sys.stdin.buffer, spool, spool_dir)


def _spool_pipe(name: str, spool: ExitStack, spool_dir: Path | None) -> Path:
    try:
        with Path(name).open("rb") as pipe:
            return _spool(name, pipe, spool, spool_dir)
    except OSError as error:
        raise InputError(name, f"cannot be opened: {error.strerror}") from error


def _spool(name: str, stream: BinaryIO, spool: ExitStack, spool_dir: Path | None) -> Path:
    """Copy a stream to a temporary file: its content is hashed before it is read, so it is read twice."""
    try:
        handle, place = tempfile.mkstemp(prefix="energy-etl-", dir=spool_dir)
        path = Path(place)
        spool.callback(path.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
    except OSError as error:
        raise InputError(name, f"cannot be copied to a temporary file: {error.strerror}") from error
    return path
