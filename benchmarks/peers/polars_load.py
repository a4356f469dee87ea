"""Polars' write_database: polars_load.py URL PARQUET TABLE."""

import sys

import polars as pl

url, path, table = sys.argv[1:]
names = {"meterId": "meter_id", "kwhConsumedAc": "kwh_consumed_ac", "timestamp": "ts"}
pl.read_parquet(path).rename(names).write_database(table, url, engine="adbc", if_table_exists="append")
