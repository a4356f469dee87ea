"""Commands, timed as whole processes by the operating system's own account."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LAUNCH = Path(__file__).parent / "launch.py"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    seconds: float
    """From its start to its end, the interpreter's start included."""
    cpu_seconds: float
    peak_mb: float
    """Resident memory at its highest."""
    stdout: str


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: IO[bytes] | None = None,
    check: Sequence[int] = (0,),
) -> Done:
    """Run a command to its end.

    Raises:
        RuntimeError: It ended with a code that is not among ``check``.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with tempfile.NamedTemporaryFile() as account:
        done = subprocess.run(
            [sys.executable, "-S", str(_LAUNCH), account.name, *map(str, command)],
            env={**kept, **(env or {})},
            cwd=cwd,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        figures = Path(account.name).read_text(encoding="utf-8").split()
    if done.returncode not in check:
        said = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")
    seconds, cpu_seconds, peak_mb = map(float, figures)
    return Done(seconds, cpu_seconds, peak_mb, done.stdout)
