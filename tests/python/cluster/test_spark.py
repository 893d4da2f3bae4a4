# SPDX-License-Identifier: MIT OR Apache-2.0
"""The example for Spark runs on Spark, and its rows are those of the same recordings without it."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from recordings import HIGH, LOW, ROOT, tones, write_wav
from soundclassify.ray.rows import Rows

# More tasks than recordings: some have none.
RECORDINGS, TASKS = 5, 8


@pytest.fixture
def spark():
    """Runs a script with Spark's workers in this environment."""
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    if not shutil.which("java"):
        pytest.skip("Spark needs java, which is not installed")

    def run(*command):
        environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-4000:]

    return run


@pytest.fixture
def paths(tmp_path):
    """A handful of recordings with events, and one that is not there."""
    melodies = [[(LOW, 2.0), (0.0, 2.0), (HIGH, 1.0 + number)] for number in range(RECORDINGS)]
    for number, parts in enumerate(melodies):
        write_wav(tmp_path / f"{number}.wav", (32767 * tones(parts)).astype(np.int16), 16000)
    return [str(tmp_path / f"{name}.wav") for name in (*range(RECORDINGS), "nothing")]


def test_the_example_for_spark_writes_the_events_of_a_table_of_paths(tmp_path, spark, paths):
    pq.write_table(pa.table({"path": paths}), tmp_path / "paths.parquet")

    spark(ROOT / "examples/python/spark.py", tmp_path / "paths.parquet", tmp_path / "events.parquet", str(TASKS))

    rows = Rows({"model": "default"}, events=True)
    wanted = pa.concat_tables([rows.of(path)[0] for path in paths])
    order = [("file", "ascending"), ("start", "ascending"), ("label", "ascending")]
    found = pyarrow.dataset.dataset(tmp_path / "events.parquet").to_table().sort_by(order)
    assert found.num_rows > RECORDINGS and set(found["file"].to_pylist()) == set(paths)
    assert found.to_pylist() == wanted.sort_by(order).to_pylist()
