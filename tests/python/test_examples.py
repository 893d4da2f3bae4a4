# SPDX-License-Identifier: MIT OR Apache-2.0
"""The examples in examples/python run."""

import subprocess
import sys

import numpy as np
import pytest
from recordings import HIGH, LOW, ROOT, tones, write_wav


def test_a_timeline_shows_what_was_found(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("soundfile")
    melody = tones([(LOW, 20.0), (0.0, 20.0), (HIGH, 20.0)], 16000)
    write_wav(tmp_path / "melody.wav", (32767 * melody).astype(np.int16), 16000)

    example = [sys.executable, ROOT / "examples/python/timeline.py", "melody.wav", "timeline.png"]
    subprocess.run(example, check=True, cwd=tmp_path)

    picture = pyplot.imread(tmp_path / "timeline.png")
    assert picture.shape[1] == 1440 and picture.shape[0] > 130
    colours = {tuple(pixel) for pixel in picture[:, :, :3].reshape(-1, 3).round(1)}
    assert len(colours) > 5, "bars of a colour"


def test_the_function_for_spark_turns_batches_of_paths_into_batches_of_events(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("av", reason="PyAV is not installed")
    write_wav(tmp_path / "melody.wav", (32767 * tones([(LOW, 5.0)])).astype(np.int16), 16000)
    sys.path.insert(0, str(ROOT / "examples/python"))
    import spark

    paths = [str(tmp_path / "melody.wav"), str(tmp_path / "nothing.wav")]
    batches = list(spark.classify([pyarrow.RecordBatch.from_pydict({"path": paths})]))

    assert [column.split()[0] for column in spark.COLUMNS.split(", ")] == batches[0].schema.names
    table = pyarrow.Table.from_batches(batches)
    assert sorted(set(table["file"].to_pylist())) == paths and table["error"].null_count == table.num_rows - 1
