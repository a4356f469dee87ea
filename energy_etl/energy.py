"""What an energy column can carry, how interval energy is derived from it, and what is noted of how it was.

Apart from the streams' schemas, so that a command line can offer the kinds without loading them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum


class EnergyKind(StrEnum):
    """What the energy column of a dump carries."""

    INTERVAL = "interval"
    """Energy of the interval that ends at the timestamp, kWh: what history holds."""
    REGISTER = "register"
    """A counter that only grows, kWh, until it rolls over or the meter is replaced."""
    SESSION = "session"
    """A counter that starts over at every plug-in, kWh."""
    POWER = "power"
    """Power, kW: to be integrated over time."""

    @property
    def raw(self) -> str | None:
        """The column of history that keeps what the dump carried, where the interval energy is derived."""
        return _RAW[self]


_RAW = {
    EnergyKind.INTERVAL: None,
    EnergyKind.REGISTER: "register_kwh",
    EnergyKind.SESSION: "register_kwh",
    EnergyKind.POWER: "power_kw",
}


class Quality(IntFlag):
    """How a derived interval energy came about; no flag: from two neighbouring readings."""

    FIRST = 1
    """Nothing to count from: no energy."""
    GAP = 2
    """Energy of a register over a longer gap, all in this reading; power is not integrated over one."""
    RESET = 4
    """A counter that started over, confirmed by three readings."""
    ROLLOVER = 8
    """A register that passed the end of its dial."""
    DROPOUT = 16
    """A counter that reads zero for a while: no energy, it is counted when the counter is back."""
    GLITCH = 32
    """A value that no energy explains: as with a dropout."""
    DIP = 64
    """A counter slightly below an earlier value: as with a dropout."""
    REPLACED = 128
    """Another register in the place of the last, confirmed by three readings."""

    @property
    def label(self) -> str:
        """Its name as users see it."""
        return (self.name or "").lower()


HELD = Quality.DROPOUT | Quality.GLITCH | Quality.DIP
"""A reading that is not counted from."""

DEFAULT_MAX_KW = 500.0
"""The most power a device is believed to draw or deliver: the largest charge points."""

DEFAULT_MAX_GAP_S = 1_200.0
"""Devices report every minute, the slow ones every quarter of an hour; what is further apart is a gap."""


@dataclass(frozen=True, slots=True)
class EnergyRule:
    """How the energy column of a device is to be understood."""

    kind: EnergyKind = EnergyKind.INTERVAL
    max_kw: float = DEFAULT_MAX_KW
    """Ceiling of the device's power: what exceeds it is no energy."""
    dial_kwh: float | None = None
    """Where a register starts over from zero (99,999.9 counts to 100,000.0); None: it never does."""
    max_gap_s: float = DEFAULT_MAX_GAP_S
    """Seconds between two readings from which on there is a gap between them."""
