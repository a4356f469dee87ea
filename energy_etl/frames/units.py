"""Values in the units of a dump → ours: kWh (kW where the column is power), V, %, °C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from energy_etl.frames.faults import FAULT_SCHEMA, told

if TYPE_CHECKING:
    from collections.abc import Callable

_DECIMALS = 9
"""0.57 × 100 and 293.15 − 273.15 are 57 and 20, not a float next to them."""

_KELVIN = 273.15


def _times(factor: float) -> Callable[[pl.Expr], pl.Expr]:
    return lambda value: value * factor


def _by(divisor: float) -> Callable[[pl.Expr], pl.Expr]:
    # Polars multiplies by the reciprocal of a constant: 1001 Wh would not be the float nearest to 1.001 kWh.
    def divided(values: pl.Series) -> pl.Series:
        exact = pl.Series(values.name, np.divide(values.to_numpy(), divisor), dtype=pl.Float64)
        return exact.zip_with(values.is_not_null(), values)

    return lambda value: value.map_batches(divided, return_dtype=pl.Float64)


_ENERGY = {"kwh": _times(1), "wh": _by(1000), "mwh": _times(1000)}
_POWER = {"kw": _times(1), "w": _by(1000)}
_VOLTAGE = {"v": _times(1), "dv": _by(10), "mv": _by(1000)}
_SOC = {
    "percent": _times(1),
    "%": _times(1),
    "fraction": lambda value: (value * 100).round(_DECIMALS),
}
_TEMPERATURE = {
    **dict.fromkeys(("c", "°c", "celsius", "celcius"), _times(1)),
    **dict.fromkeys(("f", "°f", "fahrenheit"), lambda value: ((value - 32) * 5 / 9).round(_DECIMALS)),
    **dict.fromkeys(("k", "kelvin"), lambda value: (value - _KELVIN).round(_DECIMALS)),
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """The units of one of our columns."""

    column: str
    unit: str = ""
    """The unit of values that do not bring their own; empty: ours."""
    unit_column: str | None = None
    """The column that holds each value's own unit, where there is one."""
    power: bool = False
    """Whether an energy column is power."""


def convert(frame: pl.DataFrame, conversions: tuple[Conversion, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bring a typed frame's measures into our units.

    Args:
        frame: row_number, our columns as Float64, and the columns with units.
        conversions: Of its measures.

    Returns:
        The frame, and the faults of values whose unit is not one of the quantity: row_number, column, rule,
        detail.
    """
    faults: list[pl.DataFrame] = []
    for conversion in conversions:
        column, known = conversion.column, _known(conversion)
        own = conversion.unit.lower() or next(iter(known))
        if conversion.unit_column is None:
            frame = frame.with_columns(known[own](pl.col(column)).alias(column))
            continue
        unit = pl.col(conversion.unit_column).str.strip_chars().str.to_lowercase()
        unit = pl.when(unit == "").then(None).otherwise(unit).fill_null(own)
        converted: pl.Expr = pl.lit(None, pl.Float64)
        for name, factor in known.items():
            converted = pl.when(unit == name).then(factor(pl.col(column))).otherwise(converted)
        foreign = frame.filter(pl.col(column).is_not_null() & ~unit.is_in(list(known)))
        if not foreign.is_empty():
            faults.append(_foreign(foreign, conversion))
        frame = frame.with_columns(converted.alias(column))
    return frame, pl.concat(faults) if faults else pl.DataFrame(schema=FAULT_SCHEMA)


def _known(conversion: Conversion) -> dict[str, Callable[[pl.Expr], pl.Expr]]:
    if conversion.column == "voltage":
        return _VOLTAGE
    if conversion.column == "soc":
        return _SOC
    if conversion.column == "battery_temp":
        return _TEMPERATURE
    return _POWER if conversion.power else _ENERGY


def _foreign(rows: pl.DataFrame, conversion: Conversion) -> pl.DataFrame:
    assert conversion.unit_column is not None
    return rows.select(
        "row_number",
        column=pl.lit(conversion.column),
        rule=pl.lit(f"{conversion.column}:unknown_unit"),
        detail=told(
            "{} is in '{}', which is no unit of it known here",
            pl.lit(conversion.column),
            pl.col(conversion.unit_column).str.slice(0, 100),
        ),
    )
