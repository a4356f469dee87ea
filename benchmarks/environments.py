"""What people use instead, each in an environment of its own below ``bench-results/peers``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent / "peers"

REQUIREMENTS = {
    "arrow": (
        "duckdb==1.5.5",
        "duckdb-extensions",
        "duckdb-extension-postgres-scanner==1.5.5",
        "adbc-driver-postgresql==1.13.0",
        "adbc-driver-manager",
        "polars==2.1.0",
        "pyarrow",
        "psycopg[binary]",
    ),
    "dlt": ("dlt[postgres,parquet]==1.31.0", "adbc-driver-postgresql==1.13.0", "adbc-driver-manager"),
    "ingestr": ("ingestr==0.14.104",),
    "sling": ("sling-linux-amd64==1.4.11",),
}

QUIET = {
    "DISABLE_TELEMETRY": "true",
    "INGESTR_DISABLE_TELEMETRY": "true",
    "SLING_DISABLE_TELEMETRY": "TRUE",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
}
"""Peers that report home must not: it is nobody's business, and waiting for it would be measured."""


class Environments:
    """Virtual environments, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python(self, name: str) -> Path:
        """The interpreter of an environment.

        Raises:
            RuntimeError: Its packages cannot be installed.
        """
        place = self._folder / name
        python = place / "bin" / "python"
        done = place / "installed"
        if not done.exists() or done.read_text() != "\n".join(REQUIREMENTS[name]):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            result = subprocess.run(
                [*install, *REQUIREMENTS[name]], capture_output=True, text=True, check=False
            )
            if result.returncode:
                raise RuntimeError(f"the packages of {name} cannot be installed: {result.stderr[-500:]}")
            done.write_text("\n".join(REQUIREMENTS[name]))
        return python

    def program(self, name: str, program: str) -> Path:
        """A program of an environment."""
        return self.python(name).parent / program

    def sling(self) -> Path:
        """The binary that the wheel carries; its Python wrapper would download another one."""
        (found,) = (self.python("sling").parent.parent).glob("lib/*/site-packages/*/bin/sling-linux-*")
        found.chmod(0o755)
        return found
