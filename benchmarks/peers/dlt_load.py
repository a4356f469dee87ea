"""dlt: dlt_load.py URL PARQUET TABLE append|merge|default FOLDER.

``append`` and ``merge`` load Arrow through Parquet files; ``default`` what a newcomer writes: rows, inserted.
"""

import os
import sys

import dlt
import pyarrow.parquet as pq

url, path, table, how, folder = sys.argv[1:]
os.environ["DLT_DATA_DIR"] = folder
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
merging = {"write_disposition": "merge", "primary_key": ("meterId", "timestamp")}


@dlt.resource(name=table, **(merging if how == "merge" else {"write_disposition": "append"}))
def readings():
    for batch in pq.ParquetFile(path).iter_batches(100_000):
        if how == "default":
            yield batch.to_pylist()
        else:
            yield batch


pipeline = dlt.pipeline(
    "bench", pipelines_dir=folder, destination=dlt.destinations.postgres(url), dataset_name="dlt"
)
pipeline.run(readings(), **({} if how == "default" else {"loader_file_format": "parquet"}))
