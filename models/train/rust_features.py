# SPDX-License-Identifier: MIT OR Apache-2.0
"""Features as the element computes them: by `soundclassify features`, from whatever GStreamer can decode."""
import csv
import hashlib
import os
import re
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


def windows(run, recordings, features, normalize, oversamples, cache):
    """The element's windows of all recordings: one array (windows, frames, mels), and each recording's number of windows.

    Kept in the folder `cache`, if any, under a name that depends on everything that decides the values.
    """
    folder = kept(Path(cache)) if cache else Path(tempfile.mkdtemp(prefix="soundclassify-features-"))
    name = key(run, recordings, features, normalize, oversamples)
    array, index = folder / f"{name}.npy", folder / f"{name}.csv"
    try:
        if not (index.exists() and array.exists()):
            compute(run, recordings, features, normalize, oversamples, folder, name)
        return loaded(array, index, "r" if cache else None)
    finally:
        if not cache:
            shutil.rmtree(folder)


def kept(cache):
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{cache}: expected a folder for the features (--cache), or that it can be made: {error.strerror}") from error
    return cache


def loaded(array, index, mode):
    try:
        counts, values = listed(index), np.load(array, mmap_mode=mode)
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise Failure(f"{array}: features that can't be read ({error}); remove it, and they are computed again") from error
    if len(values) != sum(counts):
        raise Failure(f"{array}: expected {sum(counts)} windows, as {index.name} says, found {len(values)}; remove it, and they are computed again")
    return values, counts


def listed(index):
    """Number of windows of each recording, in their order."""
    with open(index, newline="", errors="surrogateescape") as file:
        return [int(row["count"]) for row in csv.DictReader(file)]


def key(run, recordings, features, normalize, oversamples):
    digest = hashlib.sha256(repr((features, normalize, oversamples, Path(run).stat().st_mtime_ns)).encode())
    for recording in recordings:
        status = recording.path.stat()
        digest.update(f"{recording.path.absolute()} {status.st_size} {status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:20]


def compute(run, recordings, features, normalize, oversamples, folder, name):
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
        temporary = Path(temporary)
        model, names, out = stand_in(temporary, features, normalize), temporary / "files.txt", temporary / f"{name}.npy"
        names.write_bytes(b"".join(os.fsencode(recording.path.absolute()) + b"\n" for recording in recordings))
        call(run, model, oversamples, out, f"@{names}")
        index = out.with_suffix(".csv")
        if len(recordings) == 1:  # the program writes no list then
            index.write_text(f"count\n{len(np.load(out, mmap_mode='r'))}\n")
        counts = listed(index)
        if len(counts) != len(recordings):
            raise Failure(f"{run}: expected a list of {len(recordings)} recordings, found {len(counts)}; is it of this version?")
        nothing = [str(recording.path) for recording, count in zip(recordings, counts) if not count]
        if nothing:
            raise Failure("\n  ".join(f"{path}: gives no window; is it empty?" for path in nothing[:20]))
        os.replace(out, folder / out.name)
        os.replace(index, folder / f"{name}.csv")


def call(run, model, oversamples, out, sounds):
    complaints = failed(run, model, oversamples, out, sounds)
    if complaints:
        raise Failure("some sounds can't be read, or the program failed:\n  " + "\n  ".join(complaints[:20]))


def failed(run, model, oversamples, out, sounds):
    """What the program printed when it failed, else nothing."""
    done = subprocess.run([run, "features", "--model", str(model), "--oversamples", str(oversamples), "-o", str(out), sounds],
                          capture_output=True, text=True, errors="replace")
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    return (complaints or [f"{run}: exit status {done.returncode}"]) if done.returncode else []


def check_manifest(run, tables, labels, settings):
    """Has the program read the manifest that will be written, before anything is learned for it; errors name the settings file."""
    with tempfile.TemporaryDirectory(prefix="soundclassify-manifest-") as temporary:
        folder = Path(temporary)
        model, silence = folder / "manifest.toml", folder / "silence.wav"
        identity(folder / tables[None]["onnx"])
        (folder / tables["labels"]["file"]).write_text("".join(f"{label}\n" for label in labels))
        model.write_text(manifest.text(tables, "To be checked."))
        soundfile.write(silence, np.zeros(16_000, np.float32), 16_000)
        complaints = failed(run, model, 1, folder / "silence.npy", str(silence))
    refusal = [re.sub(r"^.*?manifest\.toml: (.*?)( \(line \d+\))?: ", r"\1: ", line) for line in complaints if str(model) in line]
    if refusal:
        raise Failure(f"{settings}: soundclassify would refuse the model: {refusal[0]}")
    if complaints:
        raise Failure(f"{run}: can't compute features:\n  " + "\n  ".join(complaints[:20]))


def stand_in(folder, features, normalize):
    """A manifest with the features alone; its network only has to be there."""
    identity(folder / "stand-in.onnx")
    path = folder / "stand-in.toml"
    path.write_text(manifest.text({
        None: {"name": "stand-in", "description": "stand-in", "licence": "CC0-1.0", "version": "1", "onnx": "stand-in.onnx"},
        "input": {"layout": "frames-mels", "channel-axis": "none", "normalize": normalize}, "features": features,
        "output": {"activation": "none"}, "labels": {"names": ["any"]}}, "Features for training."))
    return path


def identity(path):
    node = helper.make_node("Identity", ["input"], ["output"])
    tensor = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("input", "output")]
    onnx.save(helper.make_model(helper.make_graph([node], "stand-in", tensor[:1], tensor[1:])), path)
