"""The options that say how dumps are read: the same wherever dumps are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from energy_etl.energy import EnergyKind
from energy_etl.profiles.model import DateOrder, DecimalMark, Fold

if TYPE_CHECKING:
    from energy_etl.profiles.model import Profile

ProfileName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="What the columns mean: a built-in profile, or a .toml file. [default: told by the columns]",
    ),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="Of timestamps without an offset, as Europe/Berlin. [default: the profile's, or UTC]",
    ),
]
FoldChoice = Annotated[
    Fold | None,
    typer.Option(help="Which is meant where a local time occurs twice. [default: none, it is rejected]"),
]
DateOrderChoice = Annotated[
    DateOrder | None,
    typer.Option(help="Of dates like 11/01/2017. [default: what all dates of the file show]"),
]
DecimalChoice = Annotated[
    DecimalMark | None,
    typer.Option(help="What stands before a fraction. [default: what the numbers show]"),
]
MeterEnergy = Annotated[
    EnergyKind | None,
    typer.Option(help="What the energy column of meter readings carries. [default: as declared, or plain]"),
]
VehicleEnergy = Annotated[EnergyKind | None, typer.Option(help="The same of vehicle readings.")]


def named_profile(named: str | None) -> Profile | None:
    """The profile a user names, if one is named."""
    if named is None:
        return None
    from energy_etl.profiles.load import load

    return load(named)
