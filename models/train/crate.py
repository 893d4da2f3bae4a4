# SPDX-License-Identifier: MIT OR Apache-2.0
"""Features as the element computes them: by `soundclassify features`, from whatever GStreamer can decode."""
import csv
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import soundfile
from onnx import TensorProto, helper

from ..convert import manifest
from ..convert.files import Failure

ROOT = Path(__file__).resolve().parents[2]


def program(given):
    """Path of the companion program: the one given, else the newest built, else it is built."""
    if given:
        if not os.access(given, os.X_OK) or Path(given).is_dir():
            raise Failure(f"{given}: expected the program soundclassify, found nothing that can be run")
        return str(given)
    built = [path for path in (ROOT / "target" / kind / "soundclassify" for kind in ("release", "debug")) if path.is_file()]
    if built:
        return str(max(built, key=lambda path: path.stat().st_mtime))
    if shutil.which("soundclassify"):
        return shutil.which("soundclassify")
    if not shutil.which("cargo"):
        raise Failure("the program soundclassify is needed for the features: give it with --program, or install cargo to have it built")
    print("building the program soundclassify (once) …", flush=True)
    if subprocess.run(["cargo", "build", "--release", "--bin", "soundclassify"], cwd=ROOT).returncode:
        raise Failure("cargo could not build the program soundclassify; see above")
    return str(ROOT / "target" / "release" / "soundclassify")


def windows(run, recordings, features, normalize, oversamples, cache):
    """The element's windows of all recordings: one array (windows, frames, mels), and each recording's number of windows.

    Kept in the folder `cache`, if any, under a name that depends on everything that decides the values.
    """
    folder = Path(cache) if cache else Path(tempfile.mkdtemp(prefix="soundclassify-features-"))
    folder.mkdir(parents=True, exist_ok=True)
    name = key(run, recordings, features, normalize, oversamples)
    array, index = folder / f"{name}.npy", folder / f"{name}.csv"
    try:
        if not index.exists():
            compute(run, recordings, features, normalize, oversamples, folder, name)
        with open(index, newline="") as file:
            rows = list(csv.DictReader(file))
        values = np.load(array, mmap_mode="r" if cache else None)
    finally:
        if not cache:
            shutil.rmtree(folder)
    return values, [int(row["count"]) for row in rows]


def key(run, recordings, features, normalize, oversamples):
    digest = hashlib.sha256(repr((features, normalize, oversamples, Path(run).stat().st_mtime_ns)).encode())
    for recording in recordings:
        status = recording.path.stat()
        digest.update(f"{recording.path.absolute()} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:20]


def compute(run, recordings, features, normalize, oversamples, folder, name):
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
        temporary = Path(temporary)
        model, listed, out = stand_in(temporary, features, normalize), temporary / "files.txt", temporary / f"{name}.npy"
        listed.write_text("".join(f"{recording.path.absolute()}\n" for recording in recordings))
        call(run, model, oversamples, out, f"@{listed}")
        if len(recordings) == 1:  # the program writes no list then
            out.with_suffix(".csv").write_text(f"file,count\n{recordings[0].path.absolute()},{len(np.load(out, mmap_mode='r'))}\n")
        with open(out.with_suffix(".csv"), newline="") as file:
            counts = {row["file"]: int(row["count"]) for row in csv.DictReader(file)}
        nothing = [str(recording.path) for recording in recordings if not counts.get(str(recording.path.absolute()))]
        if nothing:
            raise Failure("\n  ".join(f"{path}: gives no window; is it empty?" for path in nothing[:20]))
        os.replace(out, folder / out.name)
        os.replace(out.with_suffix(".csv"), folder / f"{name}.csv")


def single_windows(run, audio, spec, folder):
    """Features of windows that have nothing to do with each other: (windows, support) to (windows, frames, mels).

    `support`: the samples that the frames of one window touch (`FeatureSpec.support`). The windows are written into one
    stream, each where the frames of a window of the element lie, and no two of them overlap.
    """
    apart = -(-spec.support // spec.rate)  # in windows of one a second
    firsts = [spec.first_frame(number * apart) * spec.hop - spec.reach for number in range(1, len(audio) + 1)]
    stream = np.zeros(firsts[-1] + spec.support + 2 * spec.rate, np.float32)
    for first, window in zip(firsts, audio):
        stream[first:first + spec.support] = window
    with tempfile.TemporaryDirectory(prefix=".windows-", dir=folder) as temporary:
        temporary = Path(temporary)
        sound, out = temporary / "windows.wav", temporary / "windows.npy"
        soundfile.write(sound, stream, spec.rate, subtype="FLOAT")
        call(run, stand_in(temporary, spec.table(), spec.normalize), 1, out, str(sound))
        values = np.load(out).reshape(-1, spec.frames, spec.mels)
    return np.ascontiguousarray(values[apart::apart][:len(audio)])


def call(run, model, oversamples, out, sounds):
    done = subprocess.run([run, "features", "--model", str(model), "--oversamples", str(oversamples), "-o", str(out), sounds],
                          capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode:
        raise Failure("some sounds can't be read, or the program failed:\n  " + "\n  ".join(told[:20] or [f"{run}: exit status {done.returncode}"]))


def stand_in(folder, features, normalize):
    """A manifest with the features alone; its network only has to be there."""
    node = helper.make_node("Identity", ["input"], ["output"])
    tensor = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("input", "output")]
    onnx.save(helper.make_model(helper.make_graph([node], "stand-in", tensor[:1], tensor[1:])), folder / "stand-in.onnx")
    path = folder / "stand-in.toml"
    path.write_text(manifest.text({
        None: {"name": "stand-in", "description": "stand-in", "licence": "CC0-1.0", "version": "1", "onnx": "stand-in.onnx"},
        "input": {"layout": "frames-mels", "channel-axis": "none", "normalize": normalize}, "features": features,
        "output": {"activation": "none"}, "labels": {"names": ["any"]}}, "Features for training."))
    return path
