"""How to load: what a user may decide, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from energy_etl.errors import UsageError
from energy_etl.outcome import RejectLimit


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

    timezone: str = "UTC"
    """IANA name of the zone of timestamps that carry none."""
    on_conflict: OnConflict = OnConflict.KEEP
    max_rejects: RejectLimit = field(default_factory=RejectLimit)
    dry_run: bool = False
    lock_wait: float = 300.0
    """Seconds to wait for another load of the same stream or file."""
    retry_for: float = 60.0
    """Seconds in which a dump is tried again when the server is lost or asks for it; 0: not at all."""
    direct_compress: DirectCompress = DirectCompress.AUTO

    def __post_init__(self) -> None:
        try:
            # "localtime", "right/UTC" and "Factory" are files of the system's, but no zones.
            if self.timezone[:1].islower() or self.timezone in ("", "Factory"):
                raise LookupError
            ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError):
            raise UsageError(
                f"--timezone {self.timezone!r} is no time zone",
                hint="write an IANA name such as Europe/Berlin, or UTC",
            ) from None

    def recorded(self) -> dict[str, str]:
        """What of it decides the outcome, for the ledger."""
        return {
            "timezone": self.timezone,
            "on_conflict": self.on_conflict.value,
            "max_rejects": str(self.max_rejects),
        }
