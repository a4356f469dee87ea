"""What the energy columns of a dump carry: told by the user, declared, remembered, or found out.

Interval energy, registers, session counters and power look alike in a file and differ by orders of magnitude
in a sum, so nothing is guessed: a dump whose kind is neither known nor plain from its readings is refused,
and so is one whose readings contradict what is declared, or what its devices have reported so far.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from energy_etl.energy import EnergyKind, EnergyRule
from energy_etl.errors import AmbiguousInputError
from energy_etl.frames.energy import Counting
from energy_etl.frames.evidence import ENOUGH_READINGS, Sample, against_interval, agreed
from energy_etl.plan import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from energy_etl.dump import Dump
    from energy_etl.frames.energy import Baseline
    from energy_etl.frames.evidence import DeviceEvidence
    from energy_etl.options import LoadOptions
    from energy_etl.streams import Stream

_HEAD_ROWS, _HEAD_BATCHES = 250_000, 8
"""How much of a dump is read to find its kind out."""

_SHOWN_DEVICES = 3


class Origin(StrEnum):
    """From where the kind is known."""

    TOLD = "told"
    DECLARED = "declared"
    REMEMBERED = "remembered"
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one stream's energy column of a dump carries."""

    rule: EnergyRule
    origin: Origin
    evidence: tuple[DeviceEvidence, ...] = ()
    """Where it was found out."""

    def __str__(self) -> str:
        return f"{self.rule.kind} ({self.origin})"


@dataclass(frozen=True)
class Reported:
    """What a stream's devices have reported before a load."""

    devices: pl.Series
    """All that have readings."""
    rules: Mapping[str, EnergyRule]
    """Of those whose energy is derived; the others report interval energy."""

    def rule(self, device: str) -> EnergyRule | None:
        """A device's rule; None for one without readings."""
        return self.rules.get(device) or (EnergyRule() if device in self._known else None)

    @cached_property
    def _known(self) -> frozenset[str]:
        # Where all energy is that of intervals, nobody asks.
        return frozenset(self.devices)


def surely_intervals(dump: Dump, options: LoadOptions) -> bool:
    """Whether a dump surely carries interval energy and nothing else, before any of it is read."""
    kinds = [_said(dump, stream, options) for stream in dump.streams]
    return all(kind is not None and kind.rule.kind is EnergyKind.INTERVAL for kind in kinds)


def resolve(
    dump: Dump,
    options: LoadOptions,
    known: Mapping[str, Reported],
    latest: datetime,
    streams: Sequence[Stream] | None = None,
) -> dict[str, Kind]:
    """What each stream's energy column of a dump carries.

    Args:
        dump: Opened.
        options: With what the user says.
        known: Stream name → what is known of its devices.
        latest: The latest believable timestamp.
        streams: Those that are asked about; None: all that the dump can carry.

    Raises:
        AmbiguousInputError: It is neither known nor plain from the readings.
    """
    kinds: dict[str, Kind] = {}
    open_ones: list[Stream] = []
    for stream in dump.streams if streams is None else streams:
        said = _said(dump, stream, options)
        if said is None:
            open_ones.append(stream)
        else:
            kinds[stream.name] = said
    if open_ones:
        kinds |= _found(dump, open_ones, known, latest)
    return kinds


def _said(dump: Dump, stream: Stream, options: LoadOptions) -> Kind | None:
    declared = dump.declared.get(stream.name)
    told = options.energy(stream)
    if told is not None:
        return Kind(replace(declared or EnergyRule(), kind=told), Origin.TOLD)
    return Kind(declared, Origin.DECLARED) if declared is not None else None


def _found(
    dump: Dump,
    streams: list[Stream],
    known: Mapping[str, Reported],
    latest: datetime,
) -> dict[str, Kind]:
    # Any value a counter may have is let through: what it is, is the question.
    wide = {stream.name: EnergyKind.REGISTER for stream in dump.streams}
    samples = {stream.name: Sample(stream, EnergyRule()) for stream in streams}
    head = check(dump.interpretation, latest=latest, rows=_HEAD_ROWS, kinds=wide)
    for checked in islice(head, _HEAD_BATCHES):
        for name, sample in samples.items():
            if name in checked.valid:
                sample.add(checked.valid[name])
        if all(sample.full for sample in samples.values()):
            break
    head.close()
    return {
        stream.name: _judged(dump, stream, samples[stream.name].judged(), known[stream.name])
        for stream in streams
    }


def _judged(dump: Dump, stream: Stream, evidence: list[DeviceEvidence], known: Reported) -> Kind:
    if not evidence:
        return Kind(EnergyRule(), Origin.FOUND)
    before = {known.rule(one.device) for one in evidence}
    kinds = {rule.kind for rule in before if rule}
    if None not in before and len(kinds) == 1:
        return Kind(EnergyRule(kinds.pop()), Origin.REMEMBERED)
    kind = agreed(evidence)
    if kind is not None:
        return Kind(EnergyRule(kind), Origin.FOUND, tuple(evidence))
    enough = any(one.readings >= ENOUGH_READINGS for one in evidence)
    raise AmbiguousInputError(
        dump.source.name,
        f"what the energy column of its {stream.name} readings carries is not plain from"
        f" {'them' if enough else 'so few of them'}: {_shown(evidence)}",
        hint=_say(stream),
        choices=_choices(stream),
    )


class Energy:
    """One stream's energy within one transaction: the devices' rules, and from where each is counted on."""

    def __init__(self, stream: Stream, kind: Kind, known: Reported, baselines: dict[str, Baseline]) -> None:
        """Nothing is loaded yet.

        Args:
            stream: Of the kind.
            kind: What the dumps of the transaction carry.
            known: What was known before.
            baselines: Per device, from where its energy is counted on.
        """
        self.stream = stream
        self.kind = kind
        self.rules: dict[str, EnergyRule] = {}
        """Of the devices met, where energy is derived."""
        self._baselines = baselines
        self._known = known
        self._changed: set[str] = set()

    @property
    def counting(self) -> Counting | None:
        """How energy is derived, if it is."""
        return Counting(self.rules, self._baselines) if self.stream.raw else None

    def admit(self, file: str, readings: pl.DataFrame) -> None:
        """Let the devices of some readings in.

        Raises:
            AmbiguousInputError: One of them has reported another kind of energy so far.
        """
        if self.kind.rule.kind is EnergyKind.INTERVAL:
            if self._known.rules:
                met = readings[self.stream.device].unique()
                for device in met.filter(met.is_in(list(self._known.rules))).sort():
                    self._agree(file, device, self._known.rules[device])
            return
        for device in readings[self.stream.device].unique():
            if device in self.rules:
                continue
            before = self._known.rule(device)
            if before is not None:
                self._agree(file, device, before)
            self.rules[device] = _merged(self.kind.rule, before)

    def to_remember(self) -> dict[str, EnergyRule]:
        """The rules that are new, or not as they were."""
        news = {device: rule for device, rule in self.rules.items() if self._known.rules.get(device) != rule}
        return news | {device: EnergyRule() for device in self._changed if device not in self.rules}

    def _agree(self, file: str, device: str, before: EnergyRule) -> None:
        if before.kind is self.kind.rule.kind:
            return
        if self.kind.origin is not Origin.TOLD:
            raise AmbiguousInputError(
                file,
                f"{self.stream.name} {device} has reported {_SHOWN[before.kind]} so far,"
                f" here it reports {_SHOWN[self.kind.rule.kind]} ({self.kind.origin})",
                hint=f"if it does so from now on, say --{self.stream.name}-energy {self.kind.rule.kind};"
                f" if not, --{self.stream.name}-energy {before.kind}",
            )
        self._changed.add(device)


@dataclass
class Watch:
    """Holds a dump's readings against the kind that is declared for them."""

    dump: Dump
    kinds: Mapping[str, Kind]
    _samples: dict[str, Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for stream in self.dump.streams:
            kind = self.kinds[stream.name]
            if kind.origin is not Origin.TOLD and kind.rule.kind is not EnergyKind.POWER:
                self._samples[stream.name] = Sample(stream, kind.rule)

    def add(self, valid: Mapping[str, pl.DataFrame], rejects: pl.DataFrame) -> None:
        """Look at a batch's valid readings, and at the rejects, which have no energy that is believable.

        Raises:
            AmbiguousInputError: They are not what is declared.
        """
        for stream in self.dump.streams:
            if stream.name in self._samples and stream.name in valid:
                self._refuse_excess(stream, valid[stream.name].height, rejects)
        for name in [name for name in self._samples if name in valid]:
            self._samples[name].add(valid[name])
            if self._samples[name].full:
                self._judge(name, self._samples.pop(name))

    def close(self) -> None:
        """Judge by what there was."""
        while self._samples:
            self._judge(*self._samples.popitem())

    def _refuse_excess(self, stream: Stream, believed: int, rejects: pl.DataFrame) -> None:
        """Where most values are beyond what any interval can bring, it is not the rows that are wrong."""
        if rejects.is_empty():
            return
        excess = rejects.filter(stream=stream.name, rule=f"{stream.energy}:above_range")
        if excess.height > believed:
            kind = self.kinds[stream.name]
            raise AmbiguousInputError(
                self.dump.source.name,
                f"{stream.energy} is not {_SHOWN[kind.rule.kind]}, as {kind.origin}: {excess.height:,} of"
                f" {excess.height + believed:,} readings have more; the first: {excess['detail'][0]}",
                hint=_say(stream),
                choices=_choices(stream),
            )

    def _judge(self, name: str, sample: Sample) -> None:
        if not sample.compares:
            return
        evidence = sample.judged()
        kind = self.kinds[name].rule.kind
        against: DeviceEvidence | None = None
        if kind is EnergyKind.INTERVAL:
            against = against_interval(evidence)
        elif agreed(evidence) is EnergyKind.INTERVAL:
            against = evidence[0]
        if against is not None:
            stream = next(stream for stream in self.dump.streams if stream.name == name)
            raise AmbiguousInputError(
                self.dump.source.name,
                f"{stream.energy} is not {_SHOWN[kind]}, as {self.kinds[name].origin}: {against}",
                hint=_say(stream),
                choices=_choices(stream),
            )


_SHOWN = {
    EnergyKind.INTERVAL: "interval energy",
    EnergyKind.REGISTER: "a register",
    EnergyKind.SESSION: "a session counter",
    EnergyKind.POWER: "power",
}


def _merged(rule: EnergyRule, before: EnergyRule | None) -> EnergyRule:
    """A device's rule: what a dump leaves open stays as it was."""
    if before is None or before.kind is EnergyKind.INTERVAL:
        return rule
    default = EnergyRule()
    return EnergyRule(
        rule.kind,
        max_kw=before.max_kw if rule.max_kw == default.max_kw else rule.max_kw,
        dial_kwh=before.dial_kwh if rule.dial_kwh is None else rule.dial_kwh,
        max_gap_s=before.max_gap_s if rule.max_gap_s == default.max_gap_s else rule.max_gap_s,
    )


def _shown(evidence: list[DeviceEvidence]) -> str:
    shown = "; ".join(str(one) for one in evidence[:_SHOWN_DEVICES])
    return f"{shown}; and {len(evidence) - _SHOWN_DEVICES} more" if len(evidence) > _SHOWN_DEVICES else shown


def _choices(stream: Stream) -> tuple[str, ...]:
    return tuple(f"--{stream.name}-energy {kind.value}" for kind in EnergyKind)


def _say(stream: Stream) -> str:
    kinds = ", ".join(kind.value for kind in EnergyKind)
    return f"say what it carries: --{stream.name}-energy with one of {kinds}"
