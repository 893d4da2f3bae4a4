# SPDX-License-Identifier: MIT OR Apache-2.0
"""Helicopters, rain, sea, chainsaws and fires from formulas, kinds of sounds of which there are few recordings.

Every parameter is drawn anew for each recording.
"""
import numpy as np

from .formulas import SECONDS, at_whole, buzz, drifting, log_uniform, mixed, noise, scattered, seconds, slow_line, struck, swell


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
