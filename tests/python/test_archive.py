# SPDX-License-Identifier: MIT OR Apache-2.0
"""The parts of `soundclassify-ray` that need no cluster: inputs, decoding, rows, the worker's process, the dataset."""

import os
import threading
import time

import numpy as np
import pytest
from recordings import HIGH, LOW, TONES, tones, write_wav

pytest.importorskip("av", reason="PyAV is not installed")
pa = pytest.importorskip("pyarrow")

import pyarrow.parquet as pq  # noqa: E402
from soundclassify.ray import inputs, places  # noqa: E402
from soundclassify.ray.child import Child  # noqa: E402
from soundclassify.ray.dataset import Dataset, DatasetError, Unit, units  # noqa: E402
from soundclassify.ray.decode import DecodeError, blocks  # noqa: E402
from soundclassify.ray.rows import Outcome, Rows, failure  # noqa: E402

OPTIONS = {"model": str(TONES)}


@pytest.fixture
def folder(tmp_path):
    """Two melodies and a file without audio."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    melody = (32767 * tones([(LOW, 1.5), (0.0, 1.5), (HIGH, 1.5)])).astype(np.int16)
    write_wav(folder / "melody.wav", melody, 16000)
    write_wav(folder / "sub" / "stereo.wav", np.stack([melody, melody // 2], axis=1), 44100)
    (folder / "words.wav").write_text("no sound at all, only words")
    (folder / "notes.md").write_text("not a recording")
    return folder


def names(found):
    return [name.rsplit("/", 1)[-1] for name in found]


def test_inputs_of_every_kind(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("in/melody.wav\n\n./in/melody.wav\nin/words.wav\n")
    pq.write_table(pa.table({"id": [1, 2], "path": ["in/melody.wav", "in/sub/stereo.wav"]}), "table.parquet")

    assert names(inputs.files("in")) == ["melody.wav", "stereo.wav", "words.wav"]
    assert inputs.files("in") == inputs.files("./in") == inputs.files(str(folder)) == inputs.files(f"file://{folder}")
    assert names(inputs.files("in/*.wav")) == ["melody.wav", "words.wav"]
    assert names(inputs.files("in/**/*.wav")) == ["melody.wav", "stereo.wav", "words.wav"]
    assert names(inputs.files("list.txt")) == ["melody.wav", "words.wav"]
    assert names(inputs.files("table.parquet")) == ["melody.wav", "stereo.wav"]
    assert names(inputs.files("in/melody.wav")) == ["melody.wav"]
    for wrong, text in [("nothing", "not found"), ("in/*.ogg", "no recordings")]:
        with pytest.raises(inputs.InputError, match=text):
            inputs.files(wrong)
    with pytest.raises(inputs.InputError, match="found id, path"):
        inputs.files("table.parquet", "name")


def test_decoding_gives_the_samples_of_the_file(folder):
    samples = np.concatenate([block for block, rate in blocks(str(folder / "melody.wav")) if rate == 16000])

    assert samples == pytest.approx(tones([(LOW, 1.5), (0.0, 1.5), (HIGH, 1.5)]), abs=1e-4)
    for broken in ("words.wav", "nothing.wav"):
        with pytest.raises(DecodeError):
            list(blocks(str(folder / broken)))


@pytest.mark.parametrize("events", [False, True])
def test_rows_are_those_of_scan(program, folder, tmp_path, events):
    output = tmp_path / "scan.parquet"
    # One of the files fails, and the exit status says so.
    program("scan", "--model", TONES, folder, "-o", output, *["--events"] * events, status=1)
    rows = Rows(OPTIONS, events=events, settings="x")

    ours = pa.concat_tables([rows.of(file)[0] for file in inputs.files(str(folder))])

    theirs = pq.read_table(output)
    assert ours.schema.names == theirs.schema.names
    ours, theirs = (table.sort_by([("file", "ascending"), ("start", "ascending")]).to_pylist() for table in (ours, theirs))
    assert len(ours) == len(theirs) > (5 if events else 50)
    for one, other in zip(ours, theirs, strict=True):
        assert (one["file"], one["label"], one["model"]) == (other["file"], other["label"], other["model"])
        assert (one["error"] is None) == (other["error"] is None)
        for name in ("start", "end", "peak" if events else "probability"):
            assert one[name] == pytest.approx(other[name], abs=1e-5) if one["label"] else one[name] is None


def test_a_file_that_hangs_or_kills_its_process_is_a_row_with_the_reason(folder, tmp_path):
    os.mkfifo(tmp_path / "hangs.wav")
    child = Child(OPTIONS, events=False, settings="x", timeout=1.0)
    table, outcome = child.of(str(tmp_path / "hangs.wav"))
    assert "no audio for 1 s" in outcome.error and table["error"].to_pylist() == [outcome.error]

    child._timeout = 60.0
    assert child.of(str(folder / "melody.wav"))[1].error is None
    process = child._process
    threading.Thread(target=lambda: (time.sleep(0.5), process.kill())).start()
    assert "status -9" in child.of(str(tmp_path / "hangs.wav"))[1].error
    assert child.of(str(folder / "melody.wav"))[1].windows > 30
    child.close()
    with pytest.raises(RuntimeError, match="no/such"):
        Child({"model": "no/such.toml"}, events=False, settings="", timeout=1.0).of("a.wav")


def fill(dataset, part, files, error=None):
    unit = Unit(part, files)
    tables = [failure(file, error or "none", events=True, settings="x")[0] for file in files]
    dataset.write(unit, tables, [Outcome(file, 1.0, 2, error) for file in files])
    return unit


def test_a_dataset_has_each_file_once(tmp_path):
    dataset = Dataset(str(tmp_path / "out"))
    assert dataset.open({"model": "m"}, 3) == 3 and dataset.open({"model": "m"}, 9) == 3
    first = fill(dataset, 0, ["a", "b"])
    fill(dataset, 0, ["a", "b"])
    fill(dataset, 0, ["b", "c"])
    fill(dataset, 1, ["d"], error="broken")

    assert sorted(outcome.file for outcome in dataset.done()) == ["a", "b", "c", "d"]
    assert dataset.has(first)
    table = pq.read_table(tmp_path / "out")
    assert sorted(table["file"].to_pylist()) == ["a", "b", "c", "d"]
    dataset.forget_failed()
    assert sorted(outcome.file for outcome in dataset.done()) == ["a", "b", "c"]


def test_other_options_and_foreign_folders_are_refused(tmp_path):
    dataset = Dataset(str(tmp_path / "out"))
    dataset.open({"model": "m", "threshold": 0.1}, 1)
    with pytest.raises(DatasetError, match="threshold: 0.1 there, 0.2 here"):
        dataset.open({"model": "m", "threshold": 0.2}, 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        Dataset(str(tmp_path / "mine")).open({}, 1)


def test_units_are_stable_and_small():
    files = [f"/data/{number}.wav" for number in range(1000)]

    plan = units(files, 7, max_unit=20)

    assert [unit.name() for unit in units(reversed(files), 7, max_unit=20)] == [unit.name() for unit in plan]
    assert sorted(file for unit in plan for file in unit.files) == sorted(files)
    assert max(len(unit.files) for unit in plan) <= 20
    assert all(int(places.stable_hash(file), 16) % 7 == unit.part for unit in plan for file in unit.files)
