"""DuckDB's PostgreSQL extension: duckdb_load.py URL PARQUET TABLE."""

import sys

import duckdb
from duckdb_extensions import import_extension

url, path, table = sys.argv[1:]
import_extension("postgres_scanner")
connection = duckdb.connect()
connection.execute("LOAD postgres_scanner")
connection.execute(f"ATTACH '{url}' AS pg (TYPE postgres)")
connection.execute(
    f"INSERT INTO pg.public.{table} (meter_id, kwh_consumed_ac, voltage, ts)"
    f" SELECT meterId, kwhConsumedAc, voltage, timestamp FROM read_parquet('{path}')"
)
