"""Profile files (TOML) → profiles, checked strictly: a misspelt key would load a dump wrongly in silence."""

from __future__ import annotations

import codecs
import difflib
import re
import tomllib
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from energy_etl.energy import EnergyKind
from energy_etl.errors import UsageError
from energy_etl.profiles.model import (
    CANONICAL,
    NULL_TOKENS,
    DateOrder,
    DecimalMark,
    Fold,
    FormatSpec,
    IdSpec,
    LongSpec,
    MeasureSpec,
    Profile,
    StreamSpec,
    TimeSpec,
    is_zone,
)
from energy_etl.profiles.toml_table import Table, quoted
from energy_etl.streams import METER, VEHICLE

_STREAMS = {"meter": METER, "vehicle": VEHICLE}
"""Section → its stream."""

UNITS = {
    "energy": ("kWh", "Wh", "MWh", "kW", "W"),
    "voltage": ("V", "dV", "mV"),
    "soc": ("percent", "fraction"),
    "battery_temp": ("C", "F", "K"),
}
"""Key of a measure → the units it may have, ours first."""

POWER_UNITS = ("kW", "W")
FORMAT_WORDS = ("iso", "epoch_s", "epoch_ms", "epoch_us")


@cache
def builtin() -> dict[str, Profile]:
    """The profiles that come with energy-etl, by name."""
    folder = resources.files("energy_etl.profiles") / "builtin"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda f: f.name)
    found = [_profile(file.name, file.name.removesuffix(".toml"), file.read_text("utf-8")) for file in files]
    return {profile.name: profile for profile in (CANONICAL, *found)}


def load(name: str) -> Profile:
    """The profile that ``--profile`` names.

    Args:
        name: Of a built-in one, or the path of a file.

    Raises:
        UsageError: There is none, or it says something that means nothing.
    """
    if not name.endswith(".toml") and "/" not in name:
        known = builtin()
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        raise UsageError(
            f"--profile {name!r} is no profile",
            hint=f"is {near[0]} meant?" if near else f"name one of {', '.join(known)}, or a .toml file",
        )
    path = Path(name)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}", hint="check the path") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: is not UTF-8 text", hint="profiles are TOML files") from None
    return _profile(name, path.stem, text)


def _profile(file: str, name: str, text: str) -> Profile:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: is no TOML: {error}", hint="see https://toml.io") from None
    top = Table(file, "", tables)
    sections = {key: top.table(key) for key in ("format", "time", "long", *_STREAMS) if key in tables}
    description, match = top.text("description") or "", top.texts("match")
    top.done()
    if "time" not in sections:
        raise top.wrong("has no [time]", "[time] says in which column a reading's time is")
    if not sections.keys() & _STREAMS.keys():
        raise top.wrong("has neither [meter] nor [vehicle]", "one of them says which columns are what")
    long = _long(sections["long"]) if "long" in sections else None
    return Profile(
        name=name,
        description=description,
        match=match,
        format=_format(sections.get("format") or Table(file, "format", {})),
        time=_time(sections["time"]),
        long=long,
        streams={
            key: _stream(sections[key], key, long=long is not None) for key in _STREAMS if key in sections
        },
    )


def _format(table: Table) -> FormatSpec:
    delimiter, thousands = table.text("delimiter"), table.text("thousands")
    for key, mark in (("delimiter", delimiter), ("thousands", thousands)):
        if mark is not None and len(mark) != 1:
            raise table.wrong(f"is {mark!r}", "write one character", key)
    decimal = table.choice("decimal", DecimalMark)
    if decimal is not None and decimal == thousands:
        raise table.wrong("is the decimal mark, too", "a mark is one of them", "thousands")
    if thousands is not None and decimal is None:
        decimal = DecimalMark.COMMA if thousands == DecimalMark.POINT else DecimalMark.POINT
    skip = table.number("skip_rows") or 0
    if skip < 0 or skip != int(skip):
        raise table.wrong(f"is {skip:g}", "write how many lines stand before the header", "skip_rows")
    null = table.texts("null")
    spec = FormatSpec(
        delimiter=delimiter,
        encoding=_encoding(table),
        decimal=decimal,
        thousands=thousands,
        null=("", *null) if "null" in table.values else (*NULL_TOKENS, "NaN"),
        columns=table.texts("columns") or None,
        skip_rows=int(skip),
    )
    table.done()
    return spec


def _encoding(table: Table) -> str | None:
    name = table.text("encoding")
    if name is None:
        return None
    try:
        "a".encode(name)
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        hint = 'for example "windows-1252"'
        raise table.wrong(f"is {name!r}, which is no text encoding known here", hint, "encoding") from None


def _time(table: Table) -> TimeSpec:
    column, parts = table.texts("column"), (table.texts("date"), table.texts("time"))
    if bool(column) == all(parts) or any(parts) != all(parts):
        raise table.wrong("does not say where the time is", "give column, or both date and time")
    spec = TimeSpec(
        columns=(column,) if column else parts,
        formats=tuple(_time_format(table, text) for text in table.texts("formats")),
        zone=table.text("zone"),
        fold=table.choice("fold", Fold),
        date_order=table.choice("date_order", DateOrder),
        origin=_moment(table, "origin"),
        earliest=_moment(table, "earliest"),
    )
    if spec.zone is not None and not is_zone(spec.zone):
        raise table.wrong(f"is {spec.zone!r}", "write an IANA name such as Europe/Berlin", "zone")
    table.done()
    return spec


_EXAMPLE = datetime(2026, 1, 31, 13, 5, 7, tzinfo=UTC)


def _time_format(table: Table, text: str) -> str:
    """A format that reads back, to the minute, what it writes."""
    if text in FORMAT_WORDS:
        return text
    # Python's %f are digits behind a point, Polars' are nanoseconds.
    wanted = text.replace(".%f", "%.f")
    zoned = any(directive in wanted for directive in ("%z", "%#z", "%:z"))
    example = pl.Series([_EXAMPLE if zoned else _EXAMPLE.replace(tzinfo=None)])
    try:
        if right := "%f" not in wanted:
            written = example.dt.strftime(wanted.replace("%#z", "%z"))
            read = written.str.to_datetime(wanted, time_zone="UTC" if zoned else None, strict=False)
            right = bool((read.dt.truncate("1m") == example.dt.truncate("1m")).all())
    except (PolarsError, PanicException):
        right = False
    if not right:
        words = quoted(FORMAT_WORDS)
        hint = f'write date and time as for strptime, such as "%d.%m.%Y %H:%M:%S", or one of {words}'
        raise table.wrong(f"has {text!r}, by which no date and time can be read", hint, "formats")
    return wanted


def _moment(table: Table, key: str) -> datetime | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - placed below
    if not isinstance(value, datetime):
        raise table.wrong("is no moment", f"write {key} = 2019-06-25T13:21:14Z, without quotes", key)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _long(table: Table) -> LongSpec:
    spec = LongSpec(
        channel=_required(table, "channel"),
        value=_required(table, "value"),
        unit=table.texts("unit"),
        default_channel=table.text("default_channel"),
        where=_where(table),
    )
    table.done()
    return spec


def _where(table: Table) -> dict[str, tuple[str, ...]]:
    if table.get("where") is None:
        return {}
    filters = table.table("where")
    return {column: filters.texts(column) for column in filters.values}


def _required(table: Table, key: str) -> tuple[str, ...]:
    value = table.texts(key)
    if not value:
        raise table.wrong(f"has no {key}", f'write {key} = "…"')
    return value


def _stream(table: Table, name: str, *, long: bool) -> StreamSpec:
    stream = _STREAMS[name]
    energy = table.get("energy")
    if energy is None:
        raise table.wrong("has no energy", "energy is the column a reading cannot be without")
    tables = isinstance(energy, list) and all(isinstance(each, dict) for each in energy)
    alternatives = energy if isinstance(energy, list) and tables else [energy]
    if long and any(isinstance(each, dict) and "constant" in each for each in alternatives):
        raise table.wrong("is constant", "in a long layout, rows of its channel are the readings", "energy")
    spec = StreamSpec(
        name=name,
        id=_id(table),
        energy=tuple(_measure(table, "energy", each, long=long) for each in alternatives),
        measures={
            measure: _measure(table, measure, value, long=long)
            for measure in stream.measures
            if measure != stream.energy and (value := table.get(measure)) is not None
        },
        max_kw=table.positive("max_kw"),
        dial_kwh=table.positive("dial_kwh"),
        max_gap_s=table.positive("max_gap_s"),
    )
    table.done()
    return spec


def _id(table: Table) -> IdSpec:
    value = table.get("id")
    if value is None:
        raise table.wrong("has no id", 'name its column, or write id = { constant = "…" }')
    if not isinstance(value, dict):
        return IdSpec(columns=table.texts("id"))
    inner = table.table("id")
    spec = IdSpec(
        columns=inner.texts("column"),
        joined=inner.alternatives("join"),
        separator=inner.text("separator") or "/",
        constant=inner.text("constant"),
        file_name=inner.text("file_name"),
    )
    inner.done()
    if sum(map(bool, (spec.columns, spec.joined, spec.constant, spec.file_name))) != 1:
        raise inner.wrong("says it in no way, or in several", "give one of column, join, constant, file_name")
    if spec.file_name is not None:
        _check_pattern(inner, spec.file_name)
    return spec


def _check_pattern(table: Table, pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise table.wrong(f"is no regular expression: {error}", "see Python's re", "file_name") from None
    if groups != 1:
        raise table.wrong(f"has {groups} groups", "the one group is the id: '(.+)_readings'", "file_name")


def _measure(table: Table, key: str, value: object, *, long: bool) -> MeasureSpec:
    """One measure: a column's name, several it may have, or a table."""
    where = f"{table.path}.{key}"
    if not isinstance(value, dict):
        names = Table(table.file, table.path, {key: value}).texts(key)
        value = {"channel" if long else "column": list(names)}
    inner = Table(table.file, where, value)
    columns = inner.texts("channel" if long else "column")
    constant = inner.number("constant")
    if bool(columns) == (constant is not None):
        what = "channel" if long else "column"
        raise inner.wrong(f"has no {what}, or a constant as well", f'write {what} = "…", or constant = …')
    unit = inner.text("unit") or ""
    if unit and unit not in UNITS[key]:
        raise inner.wrong(f"is {unit!r}", f"the units are {', '.join(UNITS[key])}", "unit")
    kind = inner.choice("kind", EnergyKind) if key == "energy" else None
    if key == "energy" and constant is not None:
        kind = EnergyKind.INTERVAL
    if unit in POWER_UNITS:
        if kind not in (None, EnergyKind.POWER):
            raise inner.wrong(f"is {kind.value}, but {unit} is power", 'write kind = "power"', "kind")
        kind = EnergyKind.POWER
    elif kind is EnergyKind.POWER:
        raise inner.wrong(f"is power, but {unit or 'kWh'} is energy", 'write unit = "kW" or "W"', "kind")
    spec = MeasureSpec(columns, unit, constant, kind, _where(inner) if long else {})
    inner.done()
    return spec
