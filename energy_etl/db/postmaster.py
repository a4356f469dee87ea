"""A PostgreSQL server as its ``postmaster.pid`` and the operating system show it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from energy_etl.errors import DatabaseError


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The main process of a server, which may be long gone: the file survives a crash."""

    pid: int
    cluster: Path
    """The data directory."""
    socket: Path
    status: str
    """``starting``, ``ready`` or ``stopping``."""

    @classmethod
    def of(cls, cluster: Path) -> Postmaster | None:
        """Read a cluster's ``postmaster.pid``; None when it is absent or still being written.

        Raises:
            DatabaseError: The cluster belongs to another user.
        """
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise DatabaseError(
                f"{cluster} belongs to another user", hint="set ENERGY_ETL_HOME to a folder of your own"
            ) from error
        if len(lines) < 8 or not lines[4]:
            return None
        address = Path(lines[4]) / f".s.PGSQL.{lines[3]}"
        return cls(pid=int(lines[0]), cluster=cluster, socket=address, status=lines[7].strip())

    def accepts(self) -> bool:
        """Whether it is ready; a listener proves it, as the pid alone may be another program's by now."""
        if self.status != "ready":
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True

    def alive(self) -> bool:
        """Whether the process exists and serves this cluster; zombies, common in containers, do not count."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        process = Path("/proc") / str(self.pid)
        try:
            name, _, state = (process / "stat").read_text().partition("(")[2].rpartition(")")
            if name != "postgres" or state.split()[0] == "Z":
                return False
            return (process / "cwd").readlink() == self.cluster.resolve()  # where every postmaster is
        except PermissionError:
            return True
        except OSError:
            return not Path("/proc/self").exists()  # a platform without /proc: the pid must do
