"""What a dump is and what `ingest` would do with it: everything but the database.

The dump is read through once, the way a load reads it, and judged by the same rules; what is gathered on the
way stays within bounds. What only the database knows, such as which readings it holds already, is not told.
"""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.dump import Dump
from energy_etl.energy import EnergyKind, EnergyRule
from energy_etl.errors import AmbiguousInputError, ExitCode, InputError
from energy_etl.frames.clock import AMBIGUOUS
from energy_etl.frames.column_facts import ColumnFacts, UnknownFacts
from energy_etl.frames.evidence import Sample, agreed
from energy_etl.frames.normalise import IDS, NUMBERS
from energy_etl.frames.reading_facts import Judged, Order, ReadingFacts
from energy_etl.frames.rejects import count_by_rule
from energy_etl.kinds import Kind, Origin, Reported, Watch, resolve
from energy_etl.outcome import UNASSIGNED, Entry, RejectLimit
from energy_etl.plan import check
from energy_etl.profiles import load as profile_files
from energy_etl.profiles.model import CANONICAL
from energy_etl.profiles.nearest import Nearness, nearest
from energy_etl.sources.fingerprint import fingerprint
from energy_etl.sources.headers import canonical
from energy_etl.sources.reader import headers_of, open_source
from energy_etl.sources.recognise import recognise
from energy_etl.sources.source import Layout
from energy_etl.streams import CLOCK_TOLERANCE, STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from energy_etl.frames.evidence import DeviceEvidence
    from energy_etl.interpret import Interpretation
    from energy_etl.options import LoadOptions
    from energy_etl.outcome import Rules
    from energy_etl.plan import Checked
    from energy_etl.sources.discover import FoundFile
    from energy_etl.sources.source import SourceFile
    from energy_etl.streams import Stream

BATCH_ROWS = 250_000

SHOWN_DEVICES = 3
"""Whose evidence is told, those with the most readings."""

_UNITS = {
    "kwh_consumed_ac": "kWh",
    "voltage": "V",
    "soc": "%",
    "kwh_delivered_dc": "kWh",
    "battery_temp": "°C",
}


class Verdict(StrEnum):
    """What `ingest` would make of a dump."""

    LOADABLE = "would be loaded"
    PARTLY = "would be loaded but for some readings"
    AMBIGUOUS = "needs an option"
    UNUSABLE = "would be refused"

    @property
    def exit_code(self) -> ExitCode:
        """That `ingest` would end with."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Verdict.LOADABLE: ExitCode.DONE,
    Verdict.PARTLY: ExitCode.PROBLEMS,
    Verdict.AMBIGUOUS: AmbiguousInputError.exit_code,
    Verdict.UNUSABLE: InputError.exit_code,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a dump would not be loaded."""

    message: str
    hint: str | None
    ambiguous: bool = False
    """Whether an option solves it."""
    choices: tuple[str, ...] = ()
    """The options one of which does."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file, or what a profile puts in its place."""

    names: tuple[str, ...]
    """The file's; several where they are joined, none for a constant."""
    means: str | None
    """Our column; None: it is ignored, or nobody has said."""
    facts: ColumnFacts | None = None
    unit: str | None = None
    doubt: str | None = None
    """Why its unit looks wrong."""


@dataclass(frozen=True, slots=True)
class StreamReport:
    """The readings of one stream."""

    name: str
    read: int
    loaded: int
    """At most, where not all were looked at side by side, or the database holds some."""
    rejected: int
    judged: Judged
    devices: int
    first_ts: datetime | None
    last_ts: datetime | None
    order: Order
    backward: int
    """Readings older than the one of their device before them."""
    kind: Kind | None
    """What the energy column carries; None where it is not plain, or contradicted."""
    likely: EnergyKind | None
    """What its readings look like, where they are enough to tell."""
    evidence: tuple[DeviceEvidence, ...]

    @property
    def all_judged(self) -> bool:
        """Whether repetitions were counted among all valid readings."""
        return self.judged.readings == self.read - self.rejected


@dataclass(slots=True)
class Inspection:
    """What is known of one file."""

    name: str
    verdict: Verdict = Verdict.UNUSABLE
    problems: list[Problem] = field(default_factory=list)
    format: str | None = None
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    rows: int | None = None
    profile: str | None = None
    why: str | None = None
    near: list[Nearness] = field(default_factory=list)
    """Where no profile fits, or several do: those that share a column with it."""
    columns: list[Column] = field(default_factory=list)
    streams: list[StreamReport] = field(default_factory=list)
    unassigned: int = 0
    """Rows that belong to no stream."""
    rules: Rules = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    naive_timestamps: int = 0
    timezone: str | None = None
    notes: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    """The command that loads it; several where one of them has to be chosen."""


def inspect(file: FoundFile, options: LoadOptions, named: str | None = None) -> Inspection:
    """Look at one file.

    Args:
        file: As found.
        options: How it would be read.
        named: The profile as the user named it, for the command that loads it.
    """
    report = Inspection(file.name)
    try:
        source = recognise(file.path, file.name)
        report.format, report.compression = source.format, source.compression
        report.bytes = source.bytes
        taken = fingerprint(source)
    except InputError as error:
        _refuse(report, error)
        return report
    report.sha256 = taken.sha256
    dump = Dump(source, taken, Entry(source.name, taken.sha256, source.bytes, source.format), options)
    found = None
    try:
        found = dump.interpretation
    except InputError as error:
        _refuse(report, error)
        _look_at_columns(report, source, options)
    else:
        _Look(report, dump, found).through()
    report.commands = _commands(report, options, found, named)
    return report


def exit_code(verdicts: Iterable[Verdict]) -> ExitCode:
    """What the process tells its caller: the worst of them, with what needs an option before all."""
    codes = {verdict.exit_code for verdict in verdicts}
    worst = (ExitCode.USAGE, ExitCode.INPUT, ExitCode.PROBLEMS)
    return next((code for code in worst if code in codes), ExitCode.DONE)


class _Look:
    """One pass over a dump whose columns are known."""

    def __init__(self, report: Inspection, dump: Dump, found: Interpretation) -> None:
        self._report = report
        self._dump = dump
        self._found = found
        self._notation = found.notation
        self._start()

    def _start(self) -> None:
        streams = self._dump.streams
        self._columns: dict[str, ColumnFacts] = {}
        self._readings = {stream.name: ReadingFacts(stream) for stream in streams}
        self._samples: dict[str, Sample] = {}
        self._rules: Counter[tuple[str | None, str]] = Counter()

    def through(self) -> None:
        """Read it, and complete the report."""
        latest = datetime.now(UTC) + CLOCK_TOLERANCE
        kinds = self._resolved(latest)
        complete = False
        try:
            while not self._as_declared(kinds, latest):
                # Judged by what they are not, most readings would be rejected: look at what they are.
                kinds = {name: kind for name, kind in kinds.items() if not self._is_open(name)}
                self._dump.forget()
                self._start()
            complete = True
        except InputError as error:
            _refuse(self._report, error)
        self._complete(kinds, complete=complete)

    def _as_declared(self, kinds: dict[str, Kind], latest: datetime) -> bool:
        """One pass; False, and ended early, where the readings contradict a kind."""
        # What is not plain may be a counter: its values are let through, and watched by nobody.
        open_kind = Kind(EnergyRule(EnergyKind.REGISTER), Origin.TOLD)
        streams = self._dump.streams
        assumed = {stream.name: kinds.get(stream.name, open_kind) for stream in streams}
        self._samples = {stream.name: Sample(stream, assumed[stream.name].rule) for stream in streams}
        watch = Watch(self._dump, assumed)
        carried = {name: kind.rule.kind for name, kind in assumed.items()}
        batches = check(self._found, latest=latest, rows=BATCH_ROWS, kinds=carried, seen=self._see)
        with closing(batches):
            for checked in batches:
                self._add(checked)
                if not self._holds(partial(watch.add, checked.valid, checked.rejects)):
                    return False
        return self._holds(watch.close)

    def _holds(self, judge: Callable[[], None]) -> bool:
        try:
            judge()
        except AmbiguousInputError as error:
            _refuse(self._report, error)
            return False
        return True

    def _is_open(self, stream: str) -> bool:
        """Whether the user has to say what the energy column of a stream carries."""
        choices = (choice for one in self._report.problems for choice in one.choices)
        return any(choice.startswith(f"--{stream}-energy ") for choice in choices)

    def _resolved(self, latest: datetime) -> dict[str, Kind]:
        nothing = Reported(pl.Series(dtype=pl.String), {})
        known = {stream.name: nothing for stream in self._dump.streams}
        kinds: dict[str, Kind] = {}
        for stream in self._dump.streams:
            try:
                kinds |= resolve(self._dump, self._dump.options, known, latest, (stream,))
            except InputError as error:
                _refuse(self._report, error)
        return kinds

    def _see(self, raw: pl.DataFrame, typed: pl.DataFrame, ours: pl.DataFrame) -> None:
        """Take in what the columns of a batch hold."""
        streams = [stream for stream in STREAMS if stream.device in raw.columns]
        for stream in streams:
            # In a mixed dump, what the rows of the other stream lack is not missing.
            own = typed[stream.device].is_not_null() if len(streams) > 1 else None
            for name in stream.columns:
                if name not in raw.columns or (name == "ts" and stream is not streams[0]):
                    continue
                parts = [raw[name], typed[name], ours[name]]
                if own is not None and name != "ts":
                    parts = [part.filter(own) for part in parts]
                facts = self._columns.setdefault(name, ColumnFacts())
                if name in IDS:
                    facts.add(parts[0], self._notation.numbers if self._notation.null_ids else None)
                    continue
                facts.add(parts[0], self._notation.numbers, parts[1])
                if name in NUMBERS:
                    facts.weigh(name, parts[2])

    def _add(self, checked: Checked) -> None:
        self._dump.add(checked)
        self._rules.update(count_by_rule(checked.rejects))
        for name, valid in checked.valid.items():
            self._readings[name].add(valid)
            self._samples[name].add(valid)

    def _complete(self, kinds: dict[str, Kind], *, complete: bool) -> None:
        report, dump, found = self._report, self._dump, self._found
        report.encoding, report.delimiter = found.reader.encoding, found.reader.delimiter
        report.decimal = found.decimal
        # Without its end, how long it is was not found out.
        report.rows = dump.rows if complete else None
        report.profile, report.why = found.profile.name, found.why
        report.rules = dict(self._rules.most_common())
        report.passed_over = dump.passed_over
        report.naive_timestamps, report.timezone = dump.naive_timestamps, found.zone
        report.notes = found.notes()[1:] if found.profile is not CANONICAL else found.notes()
        for stream in dump.streams:
            counts = dump.counts.get(stream.name)
            if counts is not None and counts.read:
                facts, evidence = self._readings[stream.name], self._samples[stream.name].judged()
                kind, likely = kinds.get(stream.name), agreed(evidence)
                rule = kind.rule if kind else EnergyRule(likely) if likely else None
                judged = facts.judged(rule)
                repeated = judged.repeated.duplicate + judged.repeated.conflicting
                report.streams.append(
                    StreamReport(
                        name=stream.name,
                        read=counts.read,
                        loaded=counts.read - counts.rejected - repeated,
                        rejected=counts.rejected,
                        judged=judged,
                        devices=facts.devices,
                        first_ts=counts.min_ts,
                        last_ts=counts.max_ts,
                        order=facts.order,
                        backward=facts.backward,
                        kind=kind,
                        likely=likely,
                        evidence=tuple(evidence[:SHOWN_DEVICES]),
                    )
                )
        if any(rule == AMBIGUOUS for _, rule in report.rules):
            report.notes.append("local times that occur twice are rejected: --fold says which one is meant")
        if UNASSIGNED in dump.counts:
            report.unassigned = dump.counts[UNASSIGNED].read
        report.columns = self._column_reports({stream.name: stream for stream in dump.streams})
        self._judge()

    def _judge(self) -> None:
        """The verdict, where nothing has settled it."""
        report = self._report
        if report.problems:
            return
        limit = RejectLimit()
        if self._dump.over(limit):
            rejected = sum(stream.rejected for stream in report.streams) + report.unassigned
            report.problems.append(
                Problem(
                    f"{rejected:,} readings are rejected, more than `ingest` allows ({limit})",
                    "a profile says in which units columns are: see those that are doubtful"
                    if any(column.doubt for column in report.columns)
                    else "repair what the rules tell; --max-rejects of `ingest` sets another limit",
                )
            )
            return
        odd = report.unassigned or any(
            stream.rejected or stream.judged.repeated.conflicting for stream in report.streams
        )
        report.verdict = Verdict.PARTLY if odd else Verdict.LOADABLE

    def _column_reports(self, streams: dict[str, Stream]) -> list[Column]:
        doubts = {streams[one.name].energy: one.judged.doubt for one in self._report.streams}
        names, units = _sources(self._found)
        columns = [
            Column(
                names=names.get(name, ()),
                means=name,
                facts=facts,
                unit=units.get(name),
                doubt=doubts.get(name) or facts.doubt(name),
            )
            for name, facts in self._columns.items()
        ] or [Column(columns, name) for name, columns in names.items()]
        ignored = [Column((name,), None) for name in self._found.reader.ignored]
        return columns + ignored


def _refuse(report: Inspection, error: InputError) -> None:
    ambiguous = isinstance(error, AmbiguousInputError)
    choices = error.choices if isinstance(error, AmbiguousInputError) else ()
    message = error.message.removeprefix(f"{error.file}: ")
    # A question comes up again wherever its answer is needed.
    known = [one.choices == choices if choices else one.message == message for one in report.problems]
    if not any(known):
        report.problems.append(Problem(message, error.hint, ambiguous, choices))
    only_options = all(one.ambiguous for one in report.problems)
    report.verdict = Verdict.AMBIGUOUS if only_options else Verdict.UNUSABLE


def _look_at_columns(report: Inspection, source: SourceFile, options: LoadOptions) -> None:
    """What the columns of a file hold that no profile is known for, and which come near."""
    form = options.profile.format if options.profile is not None else CANONICAL.format
    source = replace(source, encoding=source.encoding or form.encoding)
    with suppress(InputError):
        headers = headers_of(source, delimiter=form.delimiter, skip_rows=form.skip_rows)
        delimiter, header = max(headers.items(), key=lambda one: len(one[1]))
        report.near = nearest(profile_files.builtin().values(), header)
        report.columns = [Column((name,), None) for name in dict.fromkeys(header)]
        # A name that is there twice, or is none, says nothing about which column is meant.
        names = tuple(name for name in header if header.count(name) == 1 and name not in ("", "row_number"))
        layout = Layout(names, ids=(), delimiter=delimiter or None, skip_rows=form.skip_rows)
        reader = open_source(source, layout)
        facts = {name: UnknownFacts() for name in names}
        rows = 0
        for batch in reader.batches(BATCH_ROWS):
            rows += batch.rows
            for name in names:
                facts[name].add(batch.frame[name])
        report.rows, report.encoding, report.delimiter = rows, reader.encoding, reader.delimiter
        judged = {name: one.judged() for name, one in facts.items()}
        report.columns = [Column((name,), None, judged.get(name)) for name in dict.fromkeys(header)]


def _sources(found: Interpretation) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Our column → the file's; our measure → the unit it is read in."""
    binding = found.binding
    if binding is None:
        names: dict[str, tuple[str, ...]] = {}
        with suppress(InputError):
            for header in headers_of(found.source).values():
                names = {ours: (name,) for name in header if (ours := canonical(name))} | names
        return names, _UNITS
    names = {one.name: one.columns for one in binding.ids} | {"ts": binding.time}
    units: dict[str, str] = {}
    for one in binding.measures:
        names[one.name] = () if one.column is None else (one.column,)
        units[one.name] = one.unit or ("kW" if one.power else _UNITS[one.name])
        if binding.long is not None and binding.long.unit is not None and one.column is not None:
            units[one.name] = f'as "{binding.long.unit}" says, else {units[one.name]}'
    return names, units


def _commands(
    report: Inspection, options: LoadOptions, found: Interpretation | None, named: str | None
) -> list[str]:
    """How to load it; nothing where no option helps."""
    if report.verdict is Verdict.UNUSABLE:
        return []
    name = report.name
    # A name that looks like an option would be taken for one.
    file = f"./{name}" if name.startswith("-") and name != "-" else name
    known = _known(report, options, found, named)
    said = [[f"--{option} {shlex.quote(value)}"] for option, value in known.items()]
    open_ones = [_choices(report, problem) for problem in report.problems]
    start = f"energy-etl ingest {shlex.quote(file)}"
    return [" ".join([start, *chosen]) for chosen in product(*said, *open_ones)]


def _choices(report: Inspection, problem: Problem) -> list[str]:
    """Its options, the one first that the readings look like."""
    likely = {f"--{stream.name}-energy {stream.likely}" for stream in report.streams if stream.likely}
    return sorted(problem.choices, key=lambda choice: choice not in likely)


def _known(
    report: Inspection, options: LoadOptions, found: Interpretation | None, named: str | None
) -> dict[str, str]:
    """The options that say what the user has said, and what was found out."""
    profile, zone, order, decimal = named, options.timezone, options.date_order, options.decimal
    if found is not None:
        if found.profile is not CANONICAL:
            profile = profile or found.profile.name
        if report.naive_timestamps and found.profile.time.zone is None:
            zone = found.zone
        order, decimal = order or found.survey.found_order, decimal or found.survey.found_decimal
    energies = {f"{stream.name}-energy": options.energy(stream) for stream in STREAMS}
    for stream in report.streams:
        if stream.kind is not None and stream.kind.origin is Origin.FOUND:
            energies[f"{stream.name}-energy"] = stream.kind.rule.kind
    said = {
        "profile": profile,
        "timezone": zone,
        "fold": options.fold,
        "date-order": order,
        "decimal": decimal,
        **energies,
    }
    return {name: str(value) for name, value in said.items() if value is not None}
