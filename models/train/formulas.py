# SPDX-License-Identifier: MIT OR Apache-2.0
"""What sounds from formulas are made of: noise, blows, lines that drift."""
import numpy as np

from .augment import db, rms, spectrum_shaped

SECONDS = 4.0


def finished(rng, audio, rate):
    """From a random distance, at a random level."""
    corner, order = log_uniform(rng, 700, 16000), rng.uniform(0.5, 2.5)
    size = len(audio)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    gain = (1 + (frequency / corner) ** 2) ** (-order / 2) * (frequency / (frequency + rng.uniform(5, 60)))
    audio = np.fft.irfft(np.fft.rfft(audio) * gain, size)
    return (audio / np.abs(audio).max() * db(rng.uniform(-25, -1))).astype(np.float32)


def seconds(rate):
    return np.arange(int(rate * SECONDS)) / rate


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def log_range(rng, low, high):
    """A random band inside a band, at least half an octave wide."""
    first, last = np.sort(np.exp(rng.uniform(np.log(low), np.log(high / 1.5), 2)))
    return first, last * 1.5


def slow_line(rng, time, per_second):
    """A smooth random line of about unit deviation that turns so many times a second."""
    knots = np.arange(0, SECONDS + 2 / per_second, 1 / per_second)
    return np.interp(time, knots, rng.standard_normal(len(knots)))


def drifting(rng, time, value, share):
    return value * (1 + share * slow_line(rng, time, 1) + rng.uniform(-2, 2) * share * (time / SECONDS - 0.5))


def swell(rng, time, decibels, per_second=1.0):
    return db(decibels * slow_line(rng, time, per_second))


def at_whole(phase):
    """Seconds' share of the recording where a phase passes whole numbers."""
    return np.flatnonzero(np.diff(np.floor(phase)) > 0) / len(phase) * SECONDS


def scattered(rng, per_second, spread):
    """Random times, and sizes that differ by a log-normal factor."""
    count = max(1, rng.poisson(per_second * SECONDS))
    return rng.uniform(0, SECONDS, count), np.exp(spread * rng.standard_normal(count))


def in_bursts(rng, interval, pause):
    """Times with random intervals around one, with a longer pause now and then; at least one."""
    steps = interval * np.exp(rng.uniform(0.05, 0.6) * rng.standard_normal(int(2 * SECONDS / interval) + 2))
    steps[rng.random(len(steps)) < 1 / (1 + pause)] += rng.uniform(0.1, 1.2)
    times = np.cumsum(steps) - steps[0] * rng.random()
    return np.concatenate([[rng.uniform(0, SECONDS / 2)], times[(times >= 0) & (times < SECONDS)]])


def noise(rng, length, rate, slopes, corners):
    """Unit noise that falls by a slope in dB an octave above a corner, with bumps and dips."""
    slope, corner = rng.uniform(*slopes), log_uniform(rng, *corners) / (rate / 2)
    points, bumps = np.linspace(-9, 0, 10), rng.normal(0, 3, 10)
    return spectrum_shaped(rng, length, lambda f: db(slope * np.maximum(0, np.log2(f / corner)) - 6 * np.maximum(0, np.log2(corner / f))
                                                     + np.interp(np.log2(f), points, bumps)))


def struck(rng, times, sizes, length, rate, band, decay, sets=6):
    """Each of the blows rings at one of `sets` of resonances in a band, which die away in about `decay` seconds."""
    ring = np.arange(int(8 * decay * rate) + 2) / rate

    def kernel():
        pitches = np.exp(rng.uniform(*np.log(band), rng.integers(2, 6)))
        tones = sum(np.sin(2 * np.pi * pitch * ring + rng.uniform(0, 6)) * np.exp(-ring / decay / rng.uniform(0.4, 1.2)) for pitch in pitches)
        return tones + rng.uniform(0, 1.5) * rng.standard_normal(len(ring)) * np.exp(-ring / decay)

    which = rng.integers(0, sets, len(times))
    return placed(times, sizes, which, length, rate, [kernel() for _ in range(sets)])


def placed(times, sizes, which, length, rate, kernels):
    """Sum of kernels, in samples, each begun at its time in seconds, those after the end left out; `which` of the kernels it is."""
    places = np.maximum((times * rate).astype(int), 0)
    inside = places < length
    places, sizes, which = places[inside], sizes[inside], which[inside]
    size, spectrum = 1 << int(length + max(map(len, kernels))).bit_length(), 0
    for number, kernel in enumerate(kernels):
        begun = np.zeros(length)
        np.add.at(begun, places[which == number], sizes[which == number])
        spectrum = spectrum + np.fft.rfft(begun, size) * np.fft.rfft(kernel, size)
    return np.fft.irfft(spectrum, size)[:length]


def buzz(rng, phase, count):
    fall = rng.uniform(0.3, 1.5)
    return sum(rng.uniform(0.3, 1) * n ** -fall * np.sin(2 * np.pi * n * phase + rng.uniform(0, 6)) for n in range(1, count))


def partials(rng, pitch, rate, fall, step=1):
    """Harmonics of a changing pitch in Hz, those below 40 times it and half the rate; `step` 2: the odd ones alone."""
    phase, out = 2 * np.pi * np.cumsum(pitch) / rate, np.zeros(len(pitch))
    for n in range(1, min(40, int(rate / 2 / pitch.min())) + 1, step):
        out += rng.uniform(0.5, 1) * n ** -fall * np.sin(n * phase + rng.uniform(0, 6)) * (n * pitch < rate / 2)
    return out


def hum(rng, time, rate):
    """The room, hardly audible."""
    return noise(rng, len(time), rate, (-9, -3), (50, 1000))


def echoed(rng, audio, rate):
    """In a room: with an exponential tail, faint or as loud as the sound itself."""
    length, size = log_uniform(rng, 0.02, 0.5), 1 << len(audio).bit_length()
    tail = rng.standard_normal(int(length * rate)) * 10 ** (-3 * np.linspace(0, 1, int(length * rate)))
    wet = np.fft.irfft(np.fft.rfft(audio, 2 * size) * np.fft.rfft(tail, 2 * size), 2 * size)[:len(audio)]
    return audio + wet * (rms(audio) / rms(wet) * db(rng.uniform(-30, 0)))


def mixed(rng, parts):
    """Parts at random levels; each is given with its lowest and highest in dB."""
    return sum(part / rms(part) * db(rng.uniform(low, high)) for part, low, high in parts)
