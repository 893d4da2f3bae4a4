#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""EfficientAT through the element, by gst-launch-1.0, against the published front end and the same ONNX file.

    GST_PLUGIN_PATH=… python tests/efficientat.py [--models ../shared/models/efficientat-mn04] [--audio FILE]

Every window of the recording: 527 scores of the element, and those of `log_mel` in the folder's run.py with ONNX Runtime.
Needs numpy, torch, onnxruntime, ffmpeg and gst-launch-1.0; where one of them or the folder is missing it says so and passes.
"""
import argparse
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Read by the library when it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOLERANCE = 1e-3
RATE, FRAMES, WINDOWS_A_SECOND, HOP = 32000, 100, 10, 320
# What is audible in desktop_sounds.wav, in this order.
EVENTS = [("Writing",), ("Computer keyboard", "Typing"), ("Scissors",)]


def skipped(why):
    print(f"skipped: {why}")
    sys.exit(0)


def module(path):
    spec = importlib.util.spec_from_file_location("published", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def element(folder, wave):
    """The element's scores, windows × classes."""
    pipeline = (f"filesrc location={wave} ! wavparse ! soundclassify model={folder / 'efficientat.toml'} oversamples={WINDOWS_A_SECOND} "
                f"ensembles=1 top-k=527 sync=always ! fakesink")
    done = subprocess.run(["gst-launch-1.0", "-m", *pipeline.split()], capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"gst-launch-1.0 failed:\n{done.stderr}")
    rows = []
    for line in done.stdout.splitlines():
        if "(element): soundclassify, " in line:
            pairs = re.findall(r"index\W+int\W+(\d+)\W+probability\W+double\W+([0-9.e+-]+)", line.partition("predictions")[2])
            rows.append(dict((int(index), float(value)) for index, value in pairs))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "../shared/models/efficientat-mn04")
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT / "../shared/audio/desktop_sounds.wav")
    given = parser.parse_args()
    for path in (given.models / "mn04_as.onnx", given.models / "run.py", given.audio):
        if not path.exists():
            skipped(f"{path} is not there")
    for program in ("ffmpeg", "gst-launch-1.0"):
        if not shutil.which(program):
            skipped(f"no {program}")
    try:
        import numpy as np
        import onnxruntime
        published = module(given.models / "run.py")
    except ImportError as error:
        skipped(error)

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        wave = folder / "audio.wav"
        subprocess.run(["ffmpeg", "-v", "error", "-i", given.audio, "-ac", "1", "-ar", str(RATE), "-c:a", "pcm_f32le", wave], check=True)
        shutil.copy(ROOT / "models/efficientat.toml", folder)
        for name in ("mn04_as.onnx", "class_labels_indices.csv"):
            (folder / name).symlink_to((given.models / name).resolve())
        mel = published.log_mel(published.read(str(wave))).numpy()
        rows = element(folder, wave)

    labels = published.names()
    session = onnxruntime.InferenceSession(str(given.models / "mn04_as.onnx"))
    best, worst = [], 0.0
    for number, row in enumerate(rows):
        first = number * RATE // (WINDOWS_A_SECOND * HOP)
        logits = session.run(["logits"], {"log_mel": mel[None, :, :, first:first + FRAMES].astype(np.float32)})[0][0]
        expected = 1 / (1 + np.exp(-logits.astype(np.float64)))
        if len(row) != len(labels):
            sys.exit(f"window {number}: expected {len(labels)} scores, found {len(row)}")
        worst = max(worst, max(abs(row[index] - expected[index]) for index in row))
        best.append(labels[max(row, key=row.get)])
    # A window is due half an FFT and one sample after its last frame.
    due = (len(mel[0, 0]) - 2 - FRAMES) // (RATE // (WINDOWS_A_SECOND * HOP)) + 1
    print(f"{len(rows)} windows, greatest difference of a score {worst:.2e}")
    if len(rows) < due:
        sys.exit(f"expected {due} windows or more, found {len(rows)}")
    if worst > TOLERANCE:
        sys.exit(f"expected at most {TOLERANCE}")
    at = 0
    for names in EVENTS:
        found = [number for number in range(at, len(best)) if best[number] in names]
        if not found:
            sys.exit(f"expected {' or '.join(names)} after window {at}, found {best[at:]}")
        at = found[0]
        print(f"{at / WINDOWS_A_SECOND:5.1f} s {best[at]}")


if __name__ == "__main__":
    main()
