# SPDX-License-Identifier: MIT OR Apache-2.0
"""Recordings that the tests make, the test model, and the program `soundclassify`."""

import json
import os
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TONES = ROOT / "tests/data/tones/tones.toml"
LOW, MIDDLE, HIGH = 220.0, 1000.0, 4500.0


def tones(parts, rate=16000):
    """float32 samples of tones (frequency Hz, seconds); 0 Hz is silence."""
    sound = [0.4 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate) for hz, seconds in parts]
    return np.concatenate(sound).astype(np.float32)


def write_wav(path, samples, rate):
    """int16, shape (samples,) or (samples, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def program():
    """Runs the program; its element is what the numbers are compared with."""
    path = os.environ.get("SOUNDCLASSIFY_PROGRAM")
    if not path:
        pytest.skip("SOUNDCLASSIFY_PROGRAM does not name the program; tests/python.sh sets it")

    environment = os.environ | {"ORT_DYLIB_PATH": os.environ["SOUNDCLASSIFY_RUNTIME"]}

    def run(*arguments):
        command = [path, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    return run


@pytest.fixture(scope="session")
def records(program):
    """Objects that `soundclassify file --json` prints."""

    def run(*arguments):
        return [json.loads(line) for line in program("file", "--json", *arguments).splitlines()]

    return run
