"""How to load: what a user may decide, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from energy_etl.errors import UsageError
from energy_etl.outcome import RejectLimit
from energy_etl.profiles.model import is_zone

if TYPE_CHECKING:
    from energy_etl.energy import EnergyKind
    from energy_etl.profiles.model import DateOrder, DecimalMark, Fold, Profile
    from energy_etl.streams import Stream


class OnConflict(StrEnum):
    """What to do with a reading whose (device, ts) is stored with other values."""

    KEEP = "keep"
    REPLACE = "replace"


class DirectCompress(StrEnum):
    """Whether TimescaleDB's columnstore takes readings compressed at once."""

    AUTO = "auto"
    """Where the server can."""
    OFF = "off"
    """Readings are stored as rows, and compressed afterwards by the server's policy."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load.

    Raises:
        UsageError: The time zone is none.
    """

    timezone: str | None = None
    """IANA name of the zone of timestamps that carry none; None: what the profile says, or UTC."""
    on_conflict: OnConflict = OnConflict.KEEP
    max_rejects: RejectLimit = field(default_factory=RejectLimit)
    dry_run: bool = False
    lock_wait: float = 300.0
    """Seconds to wait for another load of the same stream or file."""
    retry_for: float = 60.0
    """Seconds in which a dump is tried again when the server is lost or asks for it; 0: not at all."""
    direct_compress: DirectCompress = DirectCompress.AUTO

    profile: Profile | None = None
    """What the columns mean; None: told by the columns."""
    fold: Fold | None = None
    """Which is meant where a local time occurs twice; None: what the profile says, or none."""
    date_order: DateOrder | None = None
    decimal: DecimalMark | None = None
    """None: what the profile says, or what the dump shows."""

    meter_energy: EnergyKind | None = None
    """What the energy column of meter readings carries; None: what is declared, or plain."""
    vehicle_energy: EnergyKind | None = None

    def __post_init__(self) -> None:
        if self.timezone is not None and not is_zone(self.timezone):
            raise UsageError(
                f"--timezone {self.timezone!r} is no time zone",
                hint="write an IANA name such as Europe/Berlin, or UTC",
            )

    def energy(self, stream: Stream) -> EnergyKind | None:
        """What the user says that the stream's energy column carries."""
        return self.meter_energy if stream.name == "meter" else self.vehicle_energy

    def recorded(self) -> dict[str, str]:
        """What of it decides the outcome, for the ledger."""
        told = {"meter": self.meter_energy, "vehicle": self.vehicle_energy}
        given = {
            "profile": self.profile.name if self.profile else None,
            "fold": self.fold,
            "date_order": self.date_order,
            "decimal": self.decimal,
        }
        return {
            "timezone": self.timezone or "UTC",
            **{name: str(value) for name, value in given.items() if value is not None},
            "on_conflict": self.on_conflict.value,
            "max_rejects": str(self.max_rejects),
            **{f"{name}_energy": kind.value for name, kind in told.items() if kind},
        }
