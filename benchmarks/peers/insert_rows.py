"""Multi-row INSERTs and a live upsert per batch, the way the origin of this project did it.

insert_rows.py URL PARQUET
"""

import sys

import psycopg
import pyarrow.parquet as pq

BATCH = 1_000

url, path = sys.argv[1:]
with psycopg.connect(url) as connection:
    for batch in pq.ParquetFile(path).iter_batches(BATCH):
        rows = [
            (row["meterId"], row["kwhConsumedAc"], row["voltage"], row["timestamp"])
            for row in batch.to_pylist()
        ]
        values = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
        connection.execute(
            f"INSERT INTO meter_history (meter_id, kwh_consumed_ac, voltage, ts) VALUES {values}"
            " ON CONFLICT DO NOTHING",
            [value for row in rows for value in row],
        )
        for row in {row[0]: row for row in rows}.values():
            connection.execute(
                "INSERT INTO meter_live (meter_id, kwh_consumed_ac, voltage, ts, first_ts, load_id)"
                " VALUES (%s, %s, %s, %s, %s, 0) ON CONFLICT (meter_id) DO UPDATE"
                " SET kwh_consumed_ac = EXCLUDED.kwh_consumed_ac, voltage = EXCLUDED.voltage,"
                " ts = EXCLUDED.ts",
                [*row, row[3]],
            )
        connection.commit()
