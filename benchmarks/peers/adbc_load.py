"""ADBC's own ingestion, as its documentation shows it: adbc_load.py URL PARQUET TABLE."""

import sys

import adbc_driver_postgresql.dbapi
import pyarrow.parquet as pq

url, path, table = sys.argv[1:]
names = {"meterId": "meter_id", "kwhConsumedAc": "kwh_consumed_ac", "voltage": "voltage", "timestamp": "ts"}
source = pq.ParquetFile(path)
schema = source.schema_arrow
renamed = __import__("pyarrow").schema([field.with_name(names[field.name]) for field in schema])
reader = __import__("pyarrow").RecordBatchReader.from_batches(
    renamed, (batch.rename_columns(renamed.names) for batch in source.iter_batches(100_000))
)
with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
    cursor.adbc_ingest(table, reader, mode="append")
    connection.commit()
