# SPDX-License-Identifier: MIT OR Apache-2.0
"""Detects events in all recordings of a table of paths, on Spark: spark-submit spark.py PATHS.parquet EVENTS.parquet [TASKS]

pip install "soundclassify[arrow]" av pyspark, on every node
"""

import sys

from soundclassify.ray.rows import Rows

COLUMNS = "file string, label string, start double, end double, peak float, model string, settings string, error string"


def classify(batches):
    rows = None
    for batch in batches:
        rows = rows or Rows({"model": "default"}, events=True)
        for path in batch.column("path").to_pylist():
            yield from rows.of(path)[0].to_batches()


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    tasks = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    paths = SparkSession.builder.getOrCreate().read.parquet(sys.argv[1]).select("path").repartition(tasks)
    paths.mapInArrow(classify, COLUMNS).write.parquet(sys.argv[2])
