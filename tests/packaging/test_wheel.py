"""The package as users get it: a wheel, installed in a clean environment, used outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from energy_etl.db import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parents[2]
DUMP = """meterId,kwhConsumedAc,voltage,vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp
M-1,0.5,230.1,,,,,2026-03-01T10:00:00Z
M-1,0.5,230.4,,,,,2026-03-01T10:01:00Z
,,,V-1,61.5,0.45,21.5,2026-03-01T10:00:00Z
,,,V-1,62.0,0.45,22.5,2026-03-01T10:01:00Z
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a clean environment that holds the wheel; only its dependencies are borrowed."""
    place = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    ours = sysconfig.get_path("purelib", vars={"base": str(place / "venv")})
    # A .pth line comes after the environment's own packages, and the borrowed folder's .pth files (the
    # editable install among them) are not read.
    (Path(ours) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ee-"))
    folder.chmod(0o711)
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder)


def test_the_wheel_carries_every_sql_file_profile_and_its_type_marker(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"energy_etl/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*.sql")}
    assert expected
    assert expected <= names
    profiles = ROOT / "energy_etl" / "profiles" / "builtin"
    assert {f"energy_etl/profiles/builtin/{path.name}" for path in profiles.glob("*.toml")} <= names
    assert "energy_etl/profiles/builtin/ocpp.toml" in names
    assert "energy_etl/py.typed" in names
    assert not [name for name in names if not name.startswith(("energy_etl/", "energy_etl-"))]


def test_the_job_runs_from_the_wheel_in_any_folder(installed: Path, home: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "LANG": "C.UTF-8", "ENERGY_ETL_HOME": str(home)}

    def run(command: str, *args: str) -> str:
        done = subprocess.run(
            [installed / command, *args],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    package = Path(run("python", "-c", "import energy_etl; print(energy_etl.__file__)").strip())
    assert package.is_relative_to(installed.parent)
    (tmp_path / "dump.csv").write_text(DUMP)
    assert run("energy-etl", "--version").strip()
    run("energy-etl", "ingest", "dump.csv")
    run("energy-etl", "link", "add", "V-1", "M-1")
    result = json.loads(run("energy-etl", "analytics", "V-1", "--format", "json"))
    assert result["vehicleId"] == "V-1"
    assert result["acConsumed"] == pytest.approx(1.0)
    assert result["dcDelivered"] == pytest.approx(0.9)
    assert result["efficiencyPercent"] == pytest.approx(90.0)
    assert result["avgBatteryTemp"] == pytest.approx(22.0)
