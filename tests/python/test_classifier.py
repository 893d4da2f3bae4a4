# SPDX-License-Identifier: MIT OR Apache-2.0
"""`soundclassify.Classifier`: the element's numbers, in any blocks, on any thread."""

import os
import sys
import threading
import time

import numpy as np
import pytest
import soundclassify
from recordings import HIGH, LOW, TONES, tones, write_wav

MELODY = [(LOW, 1.5), (0.0, 1.0), (HIGH, 1.5), (LOW, 0.7)]


def run(classifier, samples, rate, block):
    blocks = [classifier.push(samples[at : at + block], rate) for at in range(0, len(samples), block)]
    return np.concatenate([*blocks, classifier.finish()])


@pytest.mark.parametrize(("model", "rate", "channels"), [("default", 44100, 2), (str(TONES), 16000, 1), ("small", 48000, 1)])
def test_numbers_are_the_element_s(records, tmp_path, model, rate, channels):
    melody = tones(MELODY, rate)
    noise = np.random.default_rng(1).normal(0, 0.02, (len(melody), channels))
    samples = (32767 * (melody[:, None] + noise)).astype(np.int16)
    path = write_wav(tmp_path / "melody.wav", samples, rate)
    classifier = soundclassify.Classifier(model, threshold=0.0)

    windows = run(classifier, samples, rate, 1000)

    reported = records("--model", model, "--top-k", "1000", "--threshold", "0", path)
    assert len(reported) == len(windows) > 30
    for window, record in zip(windows, reported, strict=True):
        assert (window["window"], window["label"]) == (record["window"], record["label"])
        assert window["start"] == pytest.approx(record["stream-time"] / 1e9, abs=1e-8)
        scores = {prediction["index"]: prediction["probability"] for prediction in record["predictions"]}
        assert window["scores"][sorted(scores)] == pytest.approx([scores[index] for index in sorted(scores)], abs=1e-5)
    ends = [record for record in records("--model", model, "--events", path) if record["kind"] == "end"]
    events = classifier.events()
    assert sorted(events["event"]) == sorted(record["event-id"] for record in ends)
    for event in events:
        record = next(record for record in ends if record["event-id"] == event["event"])
        found = (event["start"], event["end"] - event["start"], event["peak"])
        assert found == pytest.approx((record["stream-time"] / 1e9, record["duration"] / 1e9, record["peak"]), abs=1e-5)


def test_blocks_of_any_size_give_the_same_windows_and_events():
    samples = tones(MELODY, 44100)
    classifier = soundclassify.Classifier(TONES, ensembles=1)
    whole, events = run(classifier, samples, 44100, len(samples)), classifier.events()

    for block in (77, 4411):
        parts = run(classifier, samples, 44100, block)

        for field in ("window", "start", "label"):
            assert (parts[field] == whole[field]).all()
        assert parts["scores"] == pytest.approx(whole["scores"], abs=1e-5)
        assert (classifier.events()[["label", "start", "end"]] == events[["label", "start", "end"]]).all()
    assert list(events["label"]) == ["Low", "Quiet", "High, very high", "Low"]


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.int32, np.uint8])
def test_samples_of_any_type_have_their_own_full_scale(dtype):
    samples = tones([(LOW, 1.0)])
    scale = {"f": 1.0, "i": 2.0 ** (8 * np.dtype(dtype).itemsize - 1), "u": 128.0}[np.dtype(dtype).kind]
    typed = (samples * scale + (128 if dtype == np.uint8 else 0)).round(12 if dtype == np.float64 else 0).astype(dtype)

    one = run(soundclassify.Classifier(TONES), typed, 16000, 5000)

    assert one["scores"] == pytest.approx(run(soundclassify.Classifier(TONES), samples, 16000, 5000)["scores"], abs=0.02)


def test_channels_are_averaged_and_what_is_no_number_is_silence():
    samples = tones([(LOW, 1.0), (HIGH, 1.0)])
    both = np.stack([samples * 2, np.zeros_like(samples)], axis=1)
    broken = samples.copy()
    broken[[3, 4000]] = np.nan, np.inf

    stereo = run(soundclassify.Classifier(TONES), both, 16000, 16000)

    assert stereo["scores"] == pytest.approx(run(soundclassify.Classifier(TONES), samples, 16000, 16000)["scores"], abs=1e-5)
    assert np.isfinite(run(soundclassify.Classifier(TONES), broken, 16000, 16000)["scores"]).all()


def test_filters_and_silence():
    samples = tones(MELODY)

    quiet = run(soundclassify.Classifier(TONES, silence_threshold=-40), samples, 16000, 16000)
    denied = run(soundclassify.Classifier(TONES, allow_labels=["Low"], threshold=0.9), samples, 16000, 16000)

    assert len(quiet) < len(denied)
    assert set(denied["label"]) == {"Low", ""}
    assert (denied["index"] == np.where(denied["label"] == "Low", 1, -1)).all()


def test_open_events_are_returned_until_they_end():
    classifier = soundclassify.Classifier(TONES, deny_labels=["Quiet"])
    classifier.push(tones([(LOW, 2.0)]), 16000)

    assert len(classifier.events()) == 0
    assert list(classifier.events(include_open=True)["label"]) == ["Low"]
    classifier.finish()
    assert list(classifier.events()["label"]) == ["Low"]
    assert len(classifier.events(include_open=True)) == 0


def test_reset_forgets():
    classifier = soundclassify.Classifier(TONES)
    first = classifier.push(tones(MELODY), 16000)
    classifier.reset()

    again = classifier.push(tones(MELODY), 16000)

    assert (again == first).all()
    classifier.reset()
    assert len(classifier.finish()) == len(classifier.events()) == 0


def test_tables_have_the_same_columns():
    pyarrow = pytest.importorskip("pyarrow")
    samples = tones(MELODY)
    rows = soundclassify.Classifier(TONES).push(samples, 16000)

    table = soundclassify.Classifier(TONES, output="arrow", threshold=0.9).push(samples, 16000)

    assert table.column_names == list(rows.dtype.names)
    assert table["label"].type == pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    assert table["label"].null_count > 0
    assert np.array(table["scores"].to_pylist(), np.float32) == pytest.approx(rows["scores"])
    assert table["start"].to_pylist() == rows["start"].tolist()


@pytest.mark.parametrize(
    ("error", "text", "act"),
    [
        (FileNotFoundError, "no/such.toml", lambda: soundclassify.Classifier("no/such.toml")),
        (ValueError, "such as Low", lambda: soundclassify.Classifier(TONES, deny_labels=["low"])),
        (ValueError, "1 to 100", lambda: soundclassify.Classifier(TONES, oversamples=0)),
        (ValueError, "1 to 100", lambda: soundclassify.features(np.zeros(16000, "f4"), 16000, TONES, oversamples=0)),
        (ValueError, "1 to 100", lambda: soundclassify.embed(np.zeros(44100, "f4"), 44100, oversamples=1000)),
        (ValueError, "event_hold", lambda: soundclassify.Classifier(TONES, event_hold=-1.0)),
        (ValueError, "cpu, cuda", lambda: soundclassify.Classifier(TONES, execution_provider="abacus")),
        (ValueError, "arrow", lambda: soundclassify.Classifier(TONES, output="pandas")),
        (soundclassify.Error, "this ONNX Runtime has: cpu", lambda: soundclassify.Classifier(TONES, execution_provider="qnn")),
        (ValueError, "0 Hz", lambda: soundclassify.Classifier(TONES).push(np.zeros(10, np.float32), 0)),
        (ValueError, "transpose", lambda: soundclassify.Classifier(TONES).push(np.zeros((1, 5000)), 16000)),
        (TypeError, "complex", lambda: soundclassify.Classifier(TONES).push(np.zeros(10, complex), 16000)),
        (ValueError, "0 Hz", lambda: soundclassify.features(np.zeros(10), 0)),
        (ValueError, "output.embedding", lambda: soundclassify.embed(np.zeros(10), 16000, TONES)),
    ],
)
def test_errors_say_what_was_expected(error, text, act):
    with pytest.raises(error, match=text):
        act()


def test_other_threads_go_on_while_a_classifier_works():
    classifier = soundclassify.Classifier("default")
    samples = tones([(LOW, 120.0)])
    worker = threading.Thread(target=classifier.push, args=(samples, 16000))
    turns = 0
    worker.start()
    while worker.is_alive():
        time.sleep(0.002)
        turns += 1

    assert turns > 20


def test_features_are_those_of_the_program(program, tmp_path):
    samples = (20000 * tones(MELODY, 44100)).astype(np.int16)
    path = write_wav(tmp_path / "melody.wav", samples, 44100)
    program("features", path, "-o", tmp_path / "features.npy")

    features = soundclassify.features(samples, 44100)

    theirs = np.load(tmp_path / "features.npy")
    assert features.dtype == np.float32 and features.size == theirs.size
    assert features.reshape(theirs.shape) == pytest.approx(theirs, abs=1e-4)


def test_embeddings_are_those_of_the_program(program, tmp_path):
    samples = (20000 * tones(MELODY, 44100)).astype(np.int16)
    path = write_wav(tmp_path / "melody.wav", samples, 44100)
    program("features", "--embedding", "--oversamples", "3", path, "-o", tmp_path / "embeddings.npy")

    embeddings = soundclassify.embed(samples, 44100, oversamples=3)

    theirs = np.load(tmp_path / "embeddings.npy")
    assert embeddings.dtype == np.float32 and embeddings.shape == theirs.shape
    assert len(embeddings) == len(soundclassify.features(samples, 44100, oversamples=3))
    assert embeddings == pytest.approx(theirs, abs=1e-3)


def test_the_package_brings_what_it_needs():
    from importlib.metadata import requires, version

    assert version("soundclassify") and {"numpy>=1.26", "onnxruntime>=1.20"} <= set(requires("soundclassify"))
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    assert "onnxruntime" not in sys.modules, "it is the library that is needed, not the Python package"
    assert soundclassify.runtime_version() and {"default", "small"} <= set(soundclassify.models())
    folder = os.path.dirname(soundclassify.__file__)
    assert {"py.typed", "_soundclassify.pyi"} <= set(os.listdir(folder))
