# SPDX-License-Identifier: MIT OR Apache-2.0
"""Helicopters, rain, sea, chainsaws and fires from formulas, kinds of sounds of which there are few recordings.

Every parameter is drawn anew for each recording. Those in which the teacher hardly hears what is meant are left out.
"""
import numpy as np

from ..convert.files import Failure
from . import crate
from .audioset import MEANING
from .augment import db, rms, spectrum_shaped
from .dataset import Clip
from .features import YAMNET

SECONDS = 4.0
GROUPS, BATCH, MOST = 16, 100, 100  # of a label; recordings drawn at once, and at most for each that is wanted


def clips(rate, each, least, run, teacher, scratch, seed=11):
    """Generated recordings: (clips, audio at `rate`), `each` of a kind, where the teacher's scores of its label reach `least`."""
    rng, made, audio = np.random.default_rng(seed), [], []
    for label, draw in KINDS.items():
        kept, draws = [], 0
        while len(kept) < each:
            draws += BATCH
            if draws > MOST * each:
                raise Failure(f"{label}: of {draws} generated recordings the teacher hears {len(kept)} as such with {least} or more, "
                              f"{each} are wanted; a lower `least` helps")
            drawn = [finished(rng, draw(rng, rate), rate) for _ in range(BATCH)]
            kept += [part for part, score in zip(drawn, scores(drawn, label, run, teacher, scratch)) if score >= least]
        audio += kept[:each]
        made += [Clip(f"generated/{label}-formula-{number}", label, f"formula-{label}-{number % GROUPS}", 0, {}) for number in range(each)]
    return made, audio


def scores(audio, label, run, teacher, scratch):
    """What the teacher's classes of the label sum up to in each recording, mean over four windows."""
    firsts = np.linspace(0, len(audio[0]) - YAMNET.support, 4).astype(int)
    windows = np.stack([part[first:first + YAMNET.support] for part in audio for first in firsts])
    own = [teacher.names.index(name) for name in MEANING[label]]
    _, score = teacher(crate.single_windows(run, windows, YAMNET, scratch))
    return score[:, own].sum(1).reshape(len(audio), -1).mean(1)


def finished(rng, audio, rate):
    """From a random distance, at a random level."""
    corner, order = log_uniform(rng, 700, 16000), rng.uniform(0.5, 2.5)
    size = len(audio)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    gain = (1 + (frequency / corner) ** 2) ** (-order / 2) * (frequency / (frequency + rng.uniform(5, 60)))
    audio = np.fft.irfft(np.fft.rfft(audio) * gain, size)
    return (audio / np.abs(audio).max() * db(rng.uniform(-25, -1))).astype(np.float32)


def helicopter(rng, rate):
    """Thumps and slaps of the main rotor, the air that it beats, the tail rotor and the turbine; hovering, coming or going."""
    time = seconds(rate)
    beat = drifting(rng, time, log_uniform(rng, 9, 34), 0.02)
    phase = np.cumsum(beat) / rate + rng.random()
    strokes, blades = at_whole(phase), 1 + rng.uniform(0, 0.35) * rng.standard_normal(rng.integers(2, 6))
    strength, sets, low = blades[np.arange(len(strokes)) % len(blades)], rng.integers(1, 7), log_uniform(rng, 150, 800)
    thump = struck(rng, strokes, strength, len(time), rate, (40, 250), log_uniform(rng, 0.004, 0.04), sets)
    slap = struck(rng, strokes, strength, len(time), rate, (low, 6 * low), log_uniform(rng, 0.002, 0.02), sets)
    pulse = np.exp(-((phase + rng.uniform(-0.2, 0.2)) % 1) * rng.uniform(0.5, 8))
    wash = noise(rng, len(time), rate, (-12, -1), (50, 1500)) * (rng.uniform(0, 2.5) + pulse)
    tail = buzz(rng, np.cumsum(beat) * rng.uniform(3, 6) / rate, 12)
    turbine = np.sin(2 * np.pi * np.cumsum(drifting(rng, time, log_uniform(rng, 300, 5000), 0.01)) / rate)
    return mixed(rng, [(thump, -25, 3), (slap, -35, 3), (wash, 0, 0), (tail, -35, -3), (turbine, -45, -12)]) * swell(rng, time, rng.uniform(0, 5))


def rain(rng, rate):
    """A hiss of countless drops, nearer ones one by one on what they fall on, drips from a gutter."""
    time = seconds(rate)
    hiss = noise(rng, len(time), rate, (-4, 2), (200, 2000))
    parts = [(hiss * swell(rng, time, 1.5), -6, 3)]
    surface = log_uniform(rng, 300, 2500)
    for _ in range(rng.integers(2, 7)):
        density = log_uniform(rng, 8, 2500)
        drops, sizes = scattered(rng, density, rng.uniform(0.3, 1.0))
        parts.append((struck(rng, drops, sizes, len(time), rate, (surface, surface * 4), log_uniform(rng, 0.0008, 0.012)), -16, 2))
    if rng.random() < 0.3:
        drips, sizes = scattered(rng, rng.uniform(0.5, 6), 0.4)
        parts.append((struck(rng, drips, sizes, len(time), rate, (400, 2500), rng.uniform(0.01, 0.05)), -10, 4))
    return mixed(rng, parts)


def sea(rng, rate):
    """Breakers that swell, break and run out as foam, over the roar of those far away."""
    time = seconds(rate)
    parts = [(noise(rng, len(time), rate, (-9, -3), (40, 300)) * swell(rng, time, 2), -16, -3)]
    for _ in range(rng.integers(1, 4)):
        top, rise, fall = rng.uniform(-2, SECONDS), rng.uniform(0.3, 2.5), rng.uniform(0.7, 4)
        for delay, slopes, corners in ((0, (-8, -3), (60, 400)), (rng.uniform(0, 0.8), (-4, 1), (500, 2500))):
            since = time - top - delay
            breaker = np.exp(-np.abs(since) / np.where(since < 0, rise, fall))
            parts.append((noise(rng, len(time), rate, slopes, corners) * breaker * swell(rng, time, 1), -9, 3))
    return mixed(rng, parts)


def chainsaw(rng, rate):
    """A two-stroke engine that idles, revs up or works: bangs that its casing rings to, the exhaust's noise, the chain's rattle."""
    time = seconds(rate)
    levels = rng.uniform(0.5, 1, 8) if rng.random() < 0.75 else np.ones(8)
    speed = np.interp(time, np.sort(rng.uniform(0, SECONDS, 8)), levels) * drifting(rng, time, log_uniform(rng, 70, 300), rng.uniform(0, 0.15))
    speed *= 1 + log_uniform(rng, 0.001, 0.05) * slow_line(rng, time, log_uniform(rng, 5, 100))
    phase, load = np.cumsum(speed) / rate, (speed / speed.max()) ** 2
    strokes = at_whole(phase)
    strength = (1 + rng.uniform(0, 0.5) * rng.standard_normal(len(strokes))) * np.where(np.arange(len(strokes)) % 2, 1, rng.uniform(0.3, 1))
    ring = log_uniform(rng, 0.002, 0.012)
    parts = [(struck(rng, strokes, strength, len(time), rate, band, ring, rng.integers(1, 4)), *levels)
             for band, levels in (((100, 600), (-25, -2)), ((400, 2500), (-12, 6)), ((1500, 6000), (-12, 6)))]
    exhaust = noise(rng, len(time), rate, (-9, -4), (300, 1500)) * np.exp(-(phase % 1) * rng.uniform(0, 8)) * load
    chain = noise(rng, len(time), rate, (-3, 2), (800, 3000)) * load
    wind = noise(rng, len(time), rate, (-6, -3), (60, 500))
    return mixed(rng, [*parts, (exhaust, -25, -3), (chain, -20, 3), (buzz(rng, phase, 30), -15, 8), (wind, -25, -10)])


def fire(rng, rate):
    """Flames that flutter and hiss, and wood that cracks: some cracks loud, most of them faint, often in bursts."""
    time = seconds(rate)
    flutter = swell(rng, time, rng.uniform(1, 6), rng.uniform(2, 12))
    parts = [(noise(rng, len(time), rate, (-12, -5), (40, 200)) * flutter, -22, -2), (noise(rng, len(time), rate, (-4, 2), (300, 3000)), -34, -12)]
    for _ in range(rng.integers(2, 5)):
        cracks, sizes = scattered(rng, log_uniform(rng, 2, 60), rng.uniform(0.8, 1.8))
        burst = rng.random(len(cracks)) < 0.3
        cracks = np.concatenate([cracks, np.repeat(cracks[burst], 3) + rng.exponential(0.02, 3 * burst.sum())])
        sizes = np.concatenate([sizes, np.repeat(sizes[burst], 3) * rng.random(3 * burst.sum())])
        parts.append((struck(rng, cracks, sizes, len(time), rate, (500, 7500), log_uniform(rng, 0.0005, 0.006)), -8, 4))
    return mixed(rng, parts)


KINDS = {"Helicopter": helicopter, "Rain": rain, "Sea_waves": sea, "Chainsaw": chainsaw, "Fire_crackling": fire}


def seconds(rate):
    return np.arange(int(rate * SECONDS)) / rate


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


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


def noise(rng, length, rate, slopes, corners):
    """Unit noise that falls by a slope in dB an octave above a corner, with bumps and dips."""
    slope, corner = rng.uniform(*slopes), log_uniform(rng, *corners) / (rate / 2)
    points, bumps = np.linspace(-9, 0, 10), rng.normal(0, 3, 10)
    return spectrum_shaped(rng, length, lambda f: db(slope * np.maximum(0, np.log2(f / corner)) - 6 * np.maximum(0, np.log2(corner / f))
                                                     + np.interp(np.log2(f), points, bumps)))


def struck(rng, times, sizes, length, rate, band, decay, sets=6):
    """Each of the blows rings at one of `sets` of resonances in a band, which die away in about `decay` seconds."""
    size = 1 << int(length + 8 * decay * rate).bit_length()
    which, places = rng.integers(0, sets, len(times)), np.clip((times * rate).astype(int), 0, length - 1)
    ring, spectrum = np.arange(int(8 * decay * rate) + 2) / rate, 0
    for number in range(sets):
        blows = np.zeros(length)
        np.add.at(blows, places[which == number], sizes[which == number])
        pitches = np.exp(rng.uniform(*np.log(band), rng.integers(2, 6)))
        kernel = sum(np.sin(2 * np.pi * pitch * ring + rng.uniform(0, 6)) * np.exp(-ring / decay / rng.uniform(0.4, 1.2)) for pitch in pitches)
        hiss = rng.uniform(0, 1.5) * rng.standard_normal(len(ring)) * np.exp(-ring / decay)
        spectrum = spectrum + np.fft.rfft(blows, size) * np.fft.rfft(kernel + hiss, size)
    return np.fft.irfft(spectrum, size)[:length]


def buzz(rng, phase, partials):
    fall = rng.uniform(0.3, 1.5)
    return sum(rng.uniform(0.3, 1) * n ** -fall * np.sin(2 * np.pi * n * phase + rng.uniform(0, 6)) for n in range(1, partials))


def mixed(rng, parts):
    """Parts at random levels; each is given with its lowest and highest in dB."""
    return sum(part / rms(part) * db(rng.uniform(low, high)) for part, low, high in parts)
