# SPDX-License-Identifier: MIT OR Apache-2.0
"""Detects events in all recordings of a table of paths, on Spark: spark-submit spark.py PATHS.parquet EVENTS.parquet

pip install "soundclassify[arrow]" av pyspark, on every node
"""

import sys

from soundclassify.ray.rows import Rows

COLUMNS = "file string, label string, start double, end double, peak float, model string, settings string, error string"


def classify(batches):
    rows = Rows({"model": "default"}, events=True)
    for batch in batches:
        for path in batch.column("path").to_pylist():
            yield from rows.of(path)[0].to_batches()


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    paths = SparkSession.builder.getOrCreate().read.parquet(sys.argv[1]).select("path").repartition(200)
    paths.mapInArrow(classify, COLUMNS).write.parquet(sys.argv[2])
