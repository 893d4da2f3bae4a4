# SPDX-License-Identifier: MIT OR Apache-2.0
"""Random windows: positions, mixtures, rooms, filters, noise, levels; and sounds made from nothing."""
from dataclasses import dataclass

import numpy as np

@dataclass
class Sound:
    """Audio at the model's rate with its label number and loudness over time."""

    audio: np.ndarray
    label: int
    loudness: np.ndarray  # RMS of each 20 ms

    @classmethod
    def of(cls, audio, label, rate):
        size = rate // 50
        padded = np.pad(audio, (0, -len(audio) % size)).reshape(-1, size)
        return cls(audio, label, np.sqrt((padded ** 2).mean(1)))


def db(value):
    return 10.0 ** (value / 20)


def rms(audio):
    return float(np.sqrt(np.mean(audio * audio)) + 1e-9)


def loud_rms(audio, size=320):
    """RMS of the loudest 20 ms: a click and a drone at the same value seem about equally loud."""
    return float(np.sqrt((audio[:len(audio) // size * size].reshape(-1, size) ** 2).mean(1).max()) + 1e-9)


def cut(rng, sound, length, rate, speed=1.0):
    """A window of `sound` at a random place, and whether its event can be heard in it."""
    source = sound.audio
    need = int(length * speed) + 2
    out = np.zeros(length, np.float32)
    peak = sound.loudness.max()
    if len(source) <= need:
        played = resampled(source, speed)[:length]
        whole = rng.random() < 0.75
        room = length - len(played)
        first = rng.integers(0, room + 1) if whole else rng.integers(-len(played) // 3, room + len(played) // 3 + 1)
        begin, end = max(0, first), min(length, first + len(played))
        out[begin:end] = played[begin - first:end - first]
    else:
        fraction = need / len(source)
        for _ in range(4):
            first = rng.integers(0, len(source) - need + 1)
            heard = sound.loudness[first * 50 // rate:(first + need) * 50 // rate + 1].max() > peak * db(-20)
            if heard or rng.random() < 0.15 * fraction:
                break
        played = resampled(source[first:first + need], speed)[:length]
        out[:len(played)] = played
        if rng.random() < 0.08:  # the stream starts or ends inside the window
            gap = rng.integers(0, length // 2)
            if rng.random() < 0.5:
                out[:gap] = 0
            else:
                out[length - gap:] = 0
    level = loud_rms(out)
    return out, level > peak * db(-30) and level > db(-70)


def resampled(audio, speed):
    if speed == 1.0:
        return audio
    at = np.arange(0, len(audio) - 1, speed)
    left = at.astype(np.int64)
    part = (at - left).astype(np.float32)
    return audio[left] * (1 - part) + audio[left + 1] * part


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


def blowing(rng, length, rate):
    """Unit-RMS noise of ventilation, dryers, wind and far traffic: dark, steady or in gusts, with or without the tone of a motor."""
    time, slope, corner = np.arange(length, dtype=np.float32) / rate, rng.uniform(1, 4), np.exp(rng.uniform(np.log(0.005), np.log(0.06)))
    points, bumps = np.linspace(0, 1, 12), rng.normal(0, 2, 12)
    noise = spectrum_shaped(rng, length, lambda f: (f + corner) ** -slope * db(np.interp(f ** 0.5, points, bumps)))
    if rng.random() < 0.4:
        noise = noise * db(rng.uniform(0, 8) * np.sin(2 * np.pi * (rng.uniform(0.2, 2) * time + rng.random())))
    if rng.random() < 0.5:
        base, fall = np.exp(rng.uniform(np.log(40), np.log(600))), rng.uniform(0.3, 2)
        noise = noise + motor(rng, time, base, fall) * rms(noise) * db(rng.uniform(-25, 0))
    return (noise / rms(noise)).astype(np.float32)


def filtered(rng, audio, rate):
    """Random equaliser, sometimes a room, sometimes the narrow band of a small microphone."""
    length = len(audio)
    size = 1 << (length + rate // 2).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / rate)
    gain = np.zeros(len(frequency))
    if rng.random() < 0.7:
        points = np.geomspace(60, rate / 2, 8)
        gain += np.interp(np.log(frequency + 1), np.log(points), rng.normal(0, 3.5, 8))
    if rng.random() < 0.15:
        gain -= np.maximum(0, np.log2((frequency + 1) / rng.uniform(2500, 7000))) * rng.uniform(6, 36)
    if rng.random() < 0.25:
        gain -= np.maximum(0, np.log2(rng.uniform(80, 500) / (frequency + 1))) * rng.uniform(6, 18)
    spectrum = np.fft.rfft(audio, size) * db(np.maximum(gain, -60)).astype(np.float32)
    if rng.random() < 0.4:
        decay = rng.uniform(0.08, 0.7)
        taps = min(int(decay * rate), size - length)
        tail = rng.standard_normal(taps, np.float32) * np.exp(-6.9 * np.arange(taps, dtype=np.float32) / (decay * rate))
        tail[:int(rng.uniform(0.001, 0.01) * rate)] = 0
        tail *= db(-rng.uniform(0, 16)) / (np.sqrt((tail ** 2).sum()) + 1e-9)
        tail[0] = 1
        spectrum = spectrum * np.fft.rfft(tail, size)
    return np.fft.irfft(spectrum, size)[:length].astype(np.float32)


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


def level_and_floor(rng, audio, rate, plain):
    """Noise floor, gain, clipping."""
    if not plain:
        draw = rng.random()
        if draw < 0.5:
            audio = audio + room_noise(rng, len(audio), rate) * loud_rms(audio) * db(-rng.uniform(8, 45))
        elif draw < 0.8:
            audio = audio + room_noise(rng, len(audio), rate) * db(rng.uniform(-85, -50))
        audio = audio * db(rng.uniform(-12, 12) if rng.random() < 0.85 else rng.uniform(-30, 15))
    return np.clip(audio, -1, 1)


def background(rng, length, rate):
    """A generated window of class Background: digital silence, dither, room noise at low level, what blows at any."""
    draw = rng.random()
    if draw < 0.12:
        return np.zeros(length, np.float32)
    if draw < 0.25:
        return (rng.standard_normal(length) * db(rng.uniform(-100, -75))).astype(np.float32)
    if draw < 0.55:
        return np.clip(blowing(rng, length, rate) * db(rng.uniform(-45, -12)), -1, 1)
    return np.clip(room_noise(rng, length, rate) * db(rng.uniform(-80, -32)), -1, 1)
