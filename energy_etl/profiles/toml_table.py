"""A table of a TOML file, read key by key: each value of its type, and no key that nobody asked for."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from energy_etl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

    Choice = TypeVar("Choice", bound=StrEnum)


class Table:
    """One table of a file.

    Args:
        file: Its name, for messages.
        path: Where in it the table is, as ``meter.energy``.
        values: Its keys.
    """

    def __init__(self, file: str, path: str, values: Mapping[str, object]) -> None:
        self.file = file
        self.path = path
        self.values = values
        self._asked: list[str] = []

    def get(self, key: str) -> object:
        """A value of any type; None if it is not there."""
        self._asked.append(key)
        return self.values.get(key)

    def wrong(self, what: str, hint: str, key: str = "") -> UsageError:
        """The error that says what is wrong with a key, or with the table."""
        place = ".".join(part for part in (self.path, key) if part)
        return UsageError(f"{self.file}: {place} {what}" if place else f"{self.file}: {what}", hint=hint)

    def table(self, key: str) -> Table:
        """A table below."""
        value = self.get(key)
        if not isinstance(value, dict):
            raise self.wrong("is not a table", f"write [{key}] and its keys below", key)
        return Table(self.file, f"{self.path}.{key}".lstrip("."), value)

    def text(self, key: str) -> str | None:
        """A text."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong("is not a text in quotes", f'write {key} = "…"', key)
        return value

    def number(self, key: str) -> float | None:
        """A number."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong("is not a number", f"write {key} = …, without quotes", key)
        return float(value)

    def positive(self, key: str) -> float | None:
        """A number above 0."""
        value = self.number(key)
        if value is not None and not 0 < value < float("inf"):
            raise self.wrong(f"is {value:g}", "write a number above 0", key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts."""
        value = self.get(key)
        given = [] if value is None else value if isinstance(value, list) else [value]
        found = tuple(each for each in given if isinstance(each, str))
        if len(found) < len(given):
            raise self.wrong("is neither a text nor a list of texts", f'write {key} = "…"', key)
        return found

    def alternatives(self, key: str) -> tuple[tuple[str, ...], ...]:
        """A list of texts or of lists of texts."""
        value = self.get(key)
        given = [] if value is None else value if isinstance(value, list) else [value]
        return tuple(Table(self.file, self.path, {key: each}).texts(key) for each in given)

    def choice(self, key: str, choices: type[Choice]) -> Choice | None:
        """One of a few words."""
        value = self.text(key)
        known = [choice.value for choice in choices]
        if value is not None and value not in known:
            raise self.wrong(f"is {value!r}", f"write one of {quoted(known)}", key)
        return None if value is None else choices(value)

    def done(self) -> None:
        """Refuse keys that were not asked for."""
        for key in self.values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1, cutoff=0.5)
                hint = (
                    f"is {near[0]} meant?" if near else f"known here: {', '.join(dict.fromkeys(self._asked))}"
                )
                raise self.wrong("is no key of a profile", hint, key)


def quoted(values: Iterable[str]) -> str:
    """Texts for a message."""
    return ", ".join(f'"{value}"' for value in values)
