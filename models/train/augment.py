# SPDX-License-Identifier: MIT OR Apache-2.0
"""Noise, hum and sounds made from nothing; levels."""
import numpy as np


def db(value):
    return 10.0 ** (value / 20)


def rms(audio):
    return float(np.sqrt(np.mean(audio * audio)) + 1e-9)


def loud_rms(audio, size=320):
    """RMS of the loudest 20 ms: a click and a drone at the same value seem about equally loud."""
    return float(np.sqrt((audio[:len(audio) // size * size].reshape(-1, size) ** 2).mean(1).max()) + 1e-9)


def spectrum_shaped(rng, length, curve):
    """Gaussian noise of unit RMS whose amplitude follows `curve(frequency / nyquist)`."""
    bins = length // 2 + 1
    shape = curve(np.linspace(0, 1, bins) + 1e-3).astype(np.float32)
    spectrum = (rng.standard_normal(bins, np.float32) + 1j * rng.standard_normal(bins, np.float32)) * shape
    noise = np.fft.irfft(spectrum, length).astype(np.float32)
    return noise / rms(noise)


def room_noise(rng, length, rate):
    """Unit-RMS noise of quiet places: white to brown, hum, fans, and sums of them."""
    slope = rng.uniform(0, 2)
    noise = spectrum_shaped(rng, length, lambda f: f ** (-slope / 2) * (f > 0.004))
    if rng.random() < 0.35:
        time = np.arange(length, dtype=np.float32) / rate
        base = rng.choice([50.0, 60.0, rng.uniform(40, 400)])
        noise = noise + motor(rng, time, base, rng.uniform(0.7, 3)) * db(rng.uniform(-15, 30))
    if rng.random() < 0.3:
        time = np.arange(length, dtype=np.float32) / rate
        beat = 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * (rng.uniform(2, 30) * time + rng.random()))
        low, high = np.sort(rng.uniform(0, 0.6, 2))
        fan = spectrum_shaped(rng, length, lambda f: np.exp(-((f - low) / (high - low + 0.05)) ** 2)) * beat
        noise = noise + fan.astype(np.float32) * db(rng.uniform(-10, 10))
    return noise / rms(noise)


def motor(rng, time, base, fall):
    """Unit-RMS hum: the first seven harmonics of a base in Hz, which become fainter by a power of their number."""
    tone = sum(rng.uniform(0.1, 1) * n ** -fall * np.sin(2 * np.pi * (base * n * time + rng.random())) for n in range(1, 8))
    return (tone / rms(tone)).astype(np.float32)


def made_up(rng, length, rate):
    """Tones, glides, clicks and bursts without a label: only the teacher says what they sound like."""
    time = np.arange(length, dtype=np.float32) / rate
    out = np.zeros(length, np.float32)
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(4)
        if kind == 0:
            base = np.exp(rng.uniform(np.log(60), np.log(3000)))
            glide = base * 2 ** (rng.normal(0, 0.5) * time + rng.uniform(0, 0.1) * np.sin(2 * np.pi * rng.uniform(1, 9) * time))
            phase = 2 * np.pi * np.cumsum(glide) / rate
            fall = rng.uniform(0.5, 2)
            part = sum(n ** -fall * np.sin(n * phase + rng.random()) * (n * glide < rate / 2) for n in range(1, rng.integers(2, 16)))
        elif kind == 1:
            centre, width = rng.uniform(0, 1), rng.uniform(0.01, 0.5)
            part = spectrum_shaped(rng, length, lambda f: np.exp(-((f - centre) / width) ** 2))
        elif kind == 2:
            part = np.zeros(length, np.float32)
            part[rng.integers(0, length, rng.integers(1, 40))] = rng.normal(0, 1)
            ring = np.exp(-time * rng.uniform(10, 400)) * np.sin(2 * np.pi * rng.uniform(200, 6000) * time)
            size = 2 * 16384
            part = np.fft.irfft(np.fft.rfft(part, size) * np.fft.rfft(ring, size))[:length]
        else:
            part = room_noise(rng, length, rate)
        start = rng.uniform(-0.2, 0.8) * length / rate
        envelope = np.clip((time - start) / np.exp(rng.uniform(-6, 0)), 0, 1) * np.exp(-np.maximum(time - start, 0) * rng.choice([0, rng.uniform(0, 30)]))
        part = (part * envelope).astype(np.float32)
        out += part / (loud_rms(part) + 1e-4) * db(rng.uniform(-12, 0))
    return out * 0.1
