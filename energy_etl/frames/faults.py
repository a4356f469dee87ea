"""Values that could not be read: one row per value, with the rule it breaks and what to tell."""

from __future__ import annotations

import polars as pl

FAULT_SCHEMA = {"row_number": pl.Int64, "column": pl.String, "rule": pl.String, "detail": pl.String}
