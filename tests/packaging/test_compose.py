from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


@pytest.fixture(scope="module")
def database(compose: dict[str, Any]) -> dict[str, Any]:
    (service,) = compose["services"].values()
    assert isinstance(service, dict)
    return service


def test_the_image_is_pinned_to_a_release_for_a_supported_postgresql(database: dict[str, Any]) -> None:
    found = re.fullmatch(r"timescale/timescaledb:(\d+)\.(\d+)\.\d+-pg(\d+)", database["image"])
    assert found
    major, minor, postgres = map(int, found.groups())
    assert (major, minor) >= (2, 20)
    assert postgres >= 15


def test_health_is_asked_where_only_the_finished_server_listens(database: dict[str, Any]) -> None:
    check = database["healthcheck"]
    assert check["test"][:2] == ["CMD", "pg_isready"]
    assert "--host=127.0.0.1" in check["test"]
    assert {"interval", "timeout", "retries"} <= set(check)


def test_the_data_is_in_a_named_volume(compose: dict[str, Any], database: dict[str, Any]) -> None:
    (mount,) = database["volumes"]
    volume, _, target = mount.partition(":")
    assert volume in compose["volumes"]
    assert database["environment"]["PGDATA"].startswith(f"{target}/")


def test_the_password_comes_from_the_environment_and_has_no_default(database: dict[str, Any]) -> None:
    password = database["environment"]["POSTGRES_PASSWORD"]
    assert re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}", password)
    assert database["environment"].get("POSTGRES_HOST_AUTH_METHOD") is None
    example = (ROOT / ".env.example").read_text()
    assert re.search(r"^POSTGRES_PASSWORD=$", example, re.MULTILINE)


def test_the_port_is_open_to_this_machine_only(database: dict[str, Any]) -> None:
    assert database["ports"]
    for port in database["ports"]:
        assert port.startswith("127.0.0.1:")
        assert port.endswith(":5432")


def test_the_file_with_the_password_is_not_committed() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
