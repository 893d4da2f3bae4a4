# SPDX-License-Identifier: MIT OR Apache-2.0
"""Recordings that the tests make, and the model that distinguishes low, middle and high tones and silence."""

import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
TONES = ROOT / "tests/data/tones/tones.toml"
LOW, MIDDLE, HIGH = 300.0, 1300.0, 5000.0


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
