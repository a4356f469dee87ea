from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from energy_etl import settings
from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
[database]
url = "postgresql://ana:quietly@db.example.com/energy"

[ingest]
timezone = "Europe/Berlin"
max_rejects = 100
lock_wait = 5
retry_for = 0.5

[storage]
direct_compress = "off"

[analytics]
alert_threshold = 80
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the developer's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(settings.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_there_are_no_settings() -> None:
    assert settings.read() == settings.Settings()


def test_each_setting_becomes_the_default_of_its_option(tmp_path: Path) -> None:
    path = written(tmp_path / "my.toml", FULL)
    found = settings.read(path)
    assert found.path == path
    assert found.database_url == "postgresql://ana:quietly@db.example.com/energy"
    assert found.defaults == {
        "ingest": {
            "timezone": "Europe/Berlin",
            "max_rejects": "100",
            "lock_wait": 5,
            "retry_for": 0.5,
            "direct_compress": "off",
        },
        "analytics": {"alert_threshold": 80},
    }
    assert "quietly" not in repr(found)


def test_the_nearest_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(zone: str) -> str:
        return f'[ingest]\ntimezone = "{zone}"\n'

    def zone(given: Path | None = None) -> str:
        return str(settings.read(given).defaults["ingest"]["timezone"])

    written(tmp_path / "config" / "energy-etl" / "config.toml", said("Asia/Tokyo"))
    assert zone() == "Asia/Tokyo"
    written(tmp_path / "energy-etl.toml", said("Europe/Paris"))
    assert zone() == "Europe/Paris"
    monkeypatch.setenv(settings.VARIABLE, str(written(tmp_path / "env.toml", said("Europe/Rome"))))
    assert zone() == "Europe/Rome"
    assert zone(written(tmp_path / "given.toml", said("Europe/Oslo"))) == "Europe/Oslo"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[ingest\n", "is no TOML", "toml.io"),
        ("[ingest]\ntime_zone = 'UTC'\n", "no setting ingest.time_zone", "is ingest.timezone meant"),
        ("[zoo]\nq = 1\n", "no setting zoo.q", "the settings are database.url"),
        ("timezone = 'UTC'\n", "timezone stands outside a table", "ingest.timezone"),
        ("[ingest]\ntimezone = 3\n", "ingest.timezone is not a text in quotes", "timezone ="),
        ("[ingest]\nlock_wait = 'long'\n", "ingest.lock_wait is not a number", "lock_wait ="),
        ("[ingest]\nlock_wait = true\n", "ingest.lock_wait is not a number", "lock_wait ="),
        ("[storage]\ndirect_compress = 'on'\n", "storage.direct_compress is 'on'", "auto or off"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    path = written(tmp_path / "bad.toml", text)
    with pytest.raises(UsageError) as caught:
        settings.read(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_wrong_address_is_not_repeated(tmp_path: Path) -> None:
    path = written(tmp_path / "bad.toml", "[database]\nurl = ['postgresql://ana:quietly@h/d']\n")
    with pytest.raises(UsageError) as caught:
        settings.read(path)
    assert "quietly" not in f"{caught.value.message} {caught.value.hint}"


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        settings.read(tmp_path / "missing.toml")
