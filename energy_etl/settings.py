"""The configuration file: defaults for options, so that cron lines stay short.

TOML, one table per topic. Looked for at ``--config`` or ``ENERGY_ETL_CONFIG``, else ``energy-etl.toml`` in
the working folder, else ``config.toml`` in the platform's place for configuration. An option on the command
line wins over the environment, the environment over the file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energy_etl.errors import UsageError

VARIABLE = "ENERGY_ETL_CONFIG"
LOCAL_NAME = "energy-etl.toml"

_NUMBER = (int, float)
_KEYS: dict[str, tuple[str, tuple[type, ...]]] = {
    "database.url": ("", (str,)),
    "ingest.profile": ("ingest", (str,)),
    "ingest.timezone": ("ingest", (str,)),
    "ingest.fold": ("ingest", (str,)),
    "ingest.date_order": ("ingest", (str,)),
    "ingest.decimal": ("ingest", (str,)),
    "ingest.on_conflict": ("ingest", (str,)),
    "ingest.max_rejects": ("ingest", (str, int)),
    "ingest.lock_wait": ("ingest", _NUMBER),
    "ingest.retry_for": ("ingest", _NUMBER),
    "storage.direct_compress": ("ingest", (str,)),
    "analytics.alert_threshold": ("analytics", _NUMBER),
    "analytics.last": ("analytics", (str,)),
}
"""Key of the file → the command whose option of that name it is the default of, and the types it may have."""

_CHOICES = {
    "ingest.on_conflict": ("keep", "replace"),
    "ingest.fold": ("earlier", "later", "order"),
    "ingest.date_order": ("dmy", "mdy"),
    "ingest.decimal": (".", ","),
    "storage.direct_compress": ("auto", "off"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a configuration file says."""

    path: Path | None = None
    database_url: str | None = field(default=None, repr=False)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Command → option → default."""


def read(given: Path | None = None) -> Settings:
    """Read the configuration file, if there is one.

    Args:
        given: The value of ``--config``.

    Raises:
        UsageError: A file that was named is not there, or a file cannot be read, is no TOML, or has a key or
            a value that means nothing.
    """
    path = _find(given)
    if path is None:
        return Settings()
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is no TOML: {error}", hint="see https://toml.io") from None
    return _settings(path, _flat(path, tables))


def _find(given: Path | None) -> Path | None:
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        return named
    if (local := Path(LOCAL_NAME)).is_file():
        return local
    from platformdirs import user_config_path

    place = user_config_path("energy-etl", appauthor=False) / "config.toml"
    return place if place.is_file() else None


def _flat(path: Path, tables: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {section} stands outside a table", hint=_nearest(section))
        values |= {f"{section}.{key}": value for key, value in table.items()}
    return values


def _settings(path: Path, values: dict[str, Any]) -> Settings:
    defaults: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        if key not in _KEYS:
            raise UsageError(f"{path}: there is no setting {key}", hint=_nearest(key))
        command, types = _KEYS[key]
        if not isinstance(value, types) or isinstance(value, bool):
            wanted = "a number" if str not in types else "a text in quotes"
            raise UsageError(f"{path}: {key} is not {wanted}", hint=f"write {key.rpartition('.')[2]} = …")
        if (choices := _CHOICES.get(key)) and value not in choices:
            raise UsageError(f"{path}: {key} is {value!r}", hint=f"write {' or '.join(choices)}")
        if command:
            option = key.partition(".")[2]
            defaults.setdefault(command, {})[option] = str(value) if str in types else value
    return Settings(path, values.get("database.url"), defaults)


def _nearest(key: str) -> str:
    found = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.5)
    return f"is {found[0]} meant?" if found else f"the settings are {', '.join(_KEYS)}"
