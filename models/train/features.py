# SPDX-License-Identifier: MIT OR Apache-2.0
"""The crate's features in numpy: one frame grid a signal, windows on it, normalisation of one window."""
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import lru_cache

import librosa
import numpy as np


@dataclass(frozen=True)
class FeatureSpec:
    """What a manifest's `[features]` and `normalize` say. Lengths in samples unless named otherwise."""

    rate: int = 16000
    window: float = 0.975  # seconds
    n_fft: int = 512
    win_length: int = 400
    hop: int = 160
    mels: int = 64
    fmin: float = 125.0
    fmax: float = 7500.0
    mel_scale: str = "htk"
    mel_norm: str = "none"
    power: int = 1
    log: str = "ln"
    offset: float = 0.001
    amin: float = 1e-10
    top_db: float | None = None
    frames: int = 96
    center: bool = False
    normalize: str = "none"

    @property
    def window_samples(self):
        return round(self.window * self.rate)


FSDKAGGLE = FeatureSpec(
    rate=44100, window=1.0, n_fft=2560, win_length=2560, hop=347, mels=128, fmin=20.0, fmax=22050.0,
    mel_scale="slaney", mel_norm="slaney", power=2, log="db", top_db=80.0, frames=128, center=True, normalize="minmax",
)
PRESETS = {
    "yamnet": FeatureSpec(),
    "fsdkaggle2018": FSDKAGGLE,
    "fsdkaggle2018-small": replace(FSDKAGGLE, rate=16000, n_fft=1280, win_length=1280, hop=253, mels=64, fmax=8000.0, frames=64),
}


def spec_from(table):
    """A FeatureSpec from a settings table: `preset` and any value over it."""
    table = dict(table)
    spec = PRESETS[table.pop("preset", "yamnet")]
    unknown = set(table) - {field.name for field in fields(FeatureSpec)}
    if unknown:
        raise ValueError(f"unknown feature settings: {', '.join(sorted(unknown))}")
    return replace(spec, **table)


@lru_cache
def mel_matrix(spec):
    """Filter bank, (n_fft / 2 + 1, mels)."""
    return np.ascontiguousarray(librosa.filters.mel(
        sr=spec.rate, n_fft=spec.n_fft, n_mels=spec.mels, fmin=spec.fmin, fmax=spec.fmax,
        htk=spec.mel_scale == "htk", norm="slaney" if spec.mel_norm == "slaney" else None).T, dtype=np.float32)


@lru_cache
def _hann(spec):
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.win_length) / spec.win_length)
    if not spec.center:
        return hann.astype(np.float32)
    left = (spec.n_fft - spec.win_length) // 2
    return np.pad(hann, (left, spec.n_fft - spec.win_length - left)).astype(np.float32)


def log_frames(signal, spec):
    """Log-mel frames of whole signals, (..., samples) to (..., frames, mels); `top_db` is left to `finish`."""
    signal = np.asarray(signal, dtype=np.float32)
    if spec.center:
        half = spec.n_fft // 2
        signal = np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(half, 0)], mode="reflect")
    hann = _hann(spec)
    support = np.lib.stride_tricks.sliding_window_view(signal, len(hann), axis=-1)[..., ::spec.hop, :]
    mel = np.abs(np.fft.rfft(support * hann, spec.n_fft)) ** spec.power @ mel_matrix(spec)
    if spec.log == "db":
        return 10 * np.log10(np.maximum(mel, spec.amin))
    return (np.log if spec.log == "ln" else np.log10)(mel + np.float32(spec.offset))


def finish(window, spec):
    """`top_db` and normalisation, each window (..., frames, mels) by itself."""
    axes = (-2, -1)
    if spec.log == "db" and spec.top_db is not None:
        window = np.maximum(window, window.max(axes, keepdims=True) - spec.top_db)
    if spec.normalize in ("minmax", "minmax-eps"):
        window = window - window.min(axes, keepdims=True)
        window = window / (window.max(axes, keepdims=True) + (1.0 if spec.normalize == "minmax" else 1e-7))
    elif spec.normalize == "standard":
        window = (window - window.mean(axes, keepdims=True)) / (window.std(axes, keepdims=True) + 1.0)
    elif spec.normalize == "meanvar":
        window = (window - window.mean(axes, keepdims=True)) / np.maximum(window.std(axes, keepdims=True), 1e-6)
    return np.ascontiguousarray(window, dtype=np.float32)


def first_frames(frames, spec, oversamples):
    """First frame of every complete window among `frames` frames: round(w S / H), half away from zero."""
    stride = Fraction(spec.rate, oversamples * spec.hop)
    firsts, w = [], 0
    while (first := int(w * stride + Fraction(1, 2))) + spec.frames <= frames:
        firsts.append(first)
        w += 1
    return firsts


def windows(signal, spec, oversamples=10):
    """All windows of one recording as the element makes them, (windows, frames, mels)."""
    signal = np.asarray(signal, dtype=np.float32)
    frames = log_frames(signal, spec) if len(signal) >= spec.n_fft else np.empty((0, spec.mels), np.float32)
    firsts = first_frames(len(frames), spec, oversamples)
    if not firsts:
        room = max(0, spec.window_samples - len(signal))
        centred = np.pad(signal, (room // 2, room - room // 2))
        if spec.center:
            centred = np.pad(centred, (0, spec.n_fft // 2), mode="reflect")
        frames, firsts = log_frames(centred, spec), [0]
    return finish(np.stack([frames[first:first + spec.frames] for first in firsts]), spec)
