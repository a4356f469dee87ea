"""A look at a dump: which profile reads it, what its columns and readings are like, what would be rejected.

The dump is read through once, the way a load reads it, and judged by the same rules; what is gathered on the
way stays within bounds. What only the database knows, such as which readings it holds already, is not told.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from energy_etl.dump import Dump
from energy_etl.energy import EnergyKind, EnergyRule
from energy_etl.errors import AmbiguousInputError, InputError
from energy_etl.frames.clock import AMBIGUOUS
from energy_etl.frames.column_facts import ColumnFacts
from energy_etl.frames.evidence import Sample, agreed
from energy_etl.frames.normalise import IDS, NUMBERS
from energy_etl.frames.reading_facts import ReadingFacts
from energy_etl.frames.rejects import count_by_rule
from energy_etl.inspection.columns import BATCH_ROWS, sources, unknown_columns
from energy_etl.inspection.commands import commands
from energy_etl.inspection.report import Column, Inspection, Problem, StreamReport, Verdict
from energy_etl.kinds import Kind, Origin, Reported, Watch, resolve
from energy_etl.outcome import UNASSIGNED, Entry, RejectLimit
from energy_etl.plan import check
from energy_etl.profiles.model import CANONICAL
from energy_etl.sources.fingerprint import fingerprint
from energy_etl.sources.recognise import recognise
from energy_etl.streams import CLOCK_TOLERANCE, STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from energy_etl.interpret import Interpretation
    from energy_etl.options import LoadOptions
    from energy_etl.plan import Checked
    from energy_etl.sources.discover import FoundFile
    from energy_etl.streams import Stream

SHOWN_DEVICES = 3
"""Whose evidence is told, those with the most readings."""


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
        report.refuse(error)
        return report
    report.sha256 = taken.sha256
    dump = Dump(source, taken, Entry(source.name, taken.sha256, source.bytes, source.format), options)
    found = None
    try:
        found = dump.interpretation
    except InputError as error:
        report.refuse(error)
        unknown_columns(report, source, options)
    else:
        _Look(report, dump, found).through()
    report.commands = commands(report, options, found, named)
    return report


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
            self._report.refuse(error)
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
            self._report.refuse(error)
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
                self._report.refuse(error)
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
        names, units = sources(self._found)
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
