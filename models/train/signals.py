# SPDX-License-Identifier: MIT OR Apache-2.0
"""Bells and beeps, drums, squeaks and textures of noise from formulas. They carry no label; only the teacher says what they are.

Every parameter is drawn anew for each recording.
"""
import numpy as np

from .formulas import (SECONDS, drifting, echoed, hum, in_bursts, log_range, log_uniform, mixed, noise, partials, placed, scattered, seconds, slow_line,
                       struck, swell)


def bells(rng, rate):
    """Bells, gongs, bars and ringers: partials in any proportion that die away, struck once, in turn, or many times a second."""
    time, base, longest = seconds(rate), log_uniform(rng, 80, 3000), log_uniform(rng, 0.05, 3)
    ring, kernels = np.arange(int(min(3 * longest, SECONDS) * rate) + 1) / rate, []
    proportions = 1 + np.cumsum(rng.uniform(0.1, 1.5, 9)) if rng.random() < 0.7 else np.arange(1, 10)
    for step in 2 ** (rng.integers(-12, 13, rng.integers(1, 5)) / 12):
        tones = sum(rng.random() * n ** -0.5 * np.sin(2 * np.pi * base * step * n * ring + rng.uniform(0, 6)) * np.exp(-ring / longest * n ** rng.uniform(0, 1))
                    for n in np.append(1, proportions) if base * step * n < rate / 2)
        kernels.append(tones * np.minimum(1, ring * log_uniform(rng, 100, 8000)))
    strokes = in_bursts(rng, log_uniform(rng, 0.15, 2), 10)
    if rng.random() < 0.3:  # a ringer
        strokes = (strokes[:, None] + np.arange(0, rng.uniform(0.3, 1.5), 1 / rng.uniform(8, 30))).ravel()
    sizes, which = np.exp(rng.uniform(0, 0.5) * rng.standard_normal(len(strokes))), rng.integers(0, len(kernels), len(strokes))
    clapper = struck(rng, strokes, sizes, len(time), rate, log_range(rng, 500, 7000), log_uniform(rng, 0.0005, 0.01))
    sound = placed(strokes, sizes, which, len(time), rate, kernels)
    return echoed(rng, mixed(rng, [(sound, 0, 0), (clapper, -50, -8), (hum(rng, time, rate), -70, -30)]), rate)


def beeps(rng, rate):
    """Telephones, alarms, sirens: tones that alternate, glide, warble or pulse."""
    time, base = seconds(rate), log_uniform(rng, 200, 4000)
    turns = log_uniform(rng, 0.2, 25)
    phase = np.cumsum(drifting(rng, time, turns, 0.01)) / rate + rng.random()
    course = [np.zeros(len(time)), np.floor(2 * (phase % 1)), np.sin(2 * np.pi * phase), phase % 1, np.abs(2 * (phase % 1) - 1)][rng.integers(5)]
    pitch = np.minimum(base * 2 ** (course * rng.uniform(0, 1.5)), 0.45 * rate)
    gate = ((np.cumsum(np.full(len(time), log_uniform(rng, 0.3, 12))) / rate + rng.random()) % 1 < rng.uniform(0.2, 1)).astype(float)
    edge = np.hanning(max(3, int(rate * log_uniform(rng, 0.001, 0.05))))
    gate = np.convolve(gate, edge / edge.sum(), "same")
    tone = partials(rng, pitch, rate, log_uniform(rng, 0.3, 6), rng.choice([1, 2])) * gate
    return echoed(rng, mixed(rng, [(tone, 0, 0), (hum(rng, time, rate), -70, -20)]), rate)


def drums(rng, rate):
    """Skins whose pitch drops after the blow, snares that rattle, rims, cymbals; single or in a beat."""
    time, parts = seconds(rate), []
    step = log_uniform(rng, 0.1, 1.0)
    for _ in range(rng.integers(1, 4)):
        grid = np.arange(rng.uniform(0, 1), SECONDS, step)
        strokes = grid[rng.random(len(grid)) < rng.uniform(0.2, 1)]
        strokes = strokes + rng.normal(0, 0.005, len(strokes)) if len(strokes) else np.array([rng.uniform(0, 2)])
        sizes = np.exp(rng.uniform(0, 0.5) * rng.standard_normal(len(strokes)))
        ring, low, decay = np.arange(int(0.8 * rate)) / rate, log_uniform(rng, 35, 400), log_uniform(rng, 0.03, 0.5)
        drop = 1 + rng.uniform(0, 2) * np.exp(-ring / log_uniform(rng, 0.005, 0.1))
        skin = sum(rng.random() / n * np.sin(2 * np.pi * np.cumsum(low * n * drop) / rate) for n in (1, 1.59, 2.14, 2.65)) * np.exp(-ring / decay)
        wires = noise(rng, len(ring), rate, (-6, 2), (300, 5000)) * np.exp(-ring / log_uniform(rng, 0.01, 0.5))
        blow = mixed(rng, [(skin, -25, 0), (wires, -35, 0)])
        parts.append((placed(strokes, sizes, np.zeros(len(strokes)), len(time), rate, [blow]), -12, 0))
    return echoed(rng, mixed(rng, [*parts, (hum(rng, time, rate), -70, -30)]), rate)


def squeaks(rng, rate):
    """Hinges, rubber, brakes, birds: a pitch that wanders and breaks off, pure or rough."""
    time = seconds(rate)
    wander = slow_line(rng, time, log_uniform(rng, 0.5, 30)) * rng.uniform(0.02, 0.6) + slow_line(rng, time, 60) * rng.uniform(0, 0.03)
    pitch = np.clip(log_uniform(rng, 150, 5000) * 2 ** wander, 40, 0.45 * rate)
    course = np.maximum(slow_line(rng, time, log_uniform(rng, 1, 20)) + rng.uniform(-1, 1), 0)
    rough = 1 + rng.uniform(0, 1) * np.sign(np.sin(2 * np.pi * np.cumsum(drifting(rng, time, log_uniform(rng, 15, 150), 0.2)) / rate))
    tone = partials(rng, pitch, rate, log_uniform(rng, 0.3, 5), rng.choice([1, 2])) * course * rough
    rub = noise(rng, len(time), rate, (-6, 2), (300, 5000)) * course * rough
    if not course.any():
        return mixed(rng, [(rub + hum(rng, time, rate), 0, 0)])
    return echoed(rng, mixed(rng, [(tone, 0, 0), (rub, -40, 0), (hum(rng, time, rate), -60, -15)]), rate)


def textures(rng, rate):
    """Noises of different colours that come and go, flutter or throb by themselves, with grains in them."""
    time, parts = seconds(rate), []
    for _ in range(rng.integers(1, 4)):
        part = noise(rng, len(time), rate, (-15, 6), (40, 6000)) * swell(rng, time, rng.uniform(0, 8), log_uniform(rng, 0.5, 60))
        if rng.random() < 0.3:
            throb = np.sin(2 * np.pi * np.cumsum(drifting(rng, time, log_uniform(rng, 1, 120), 0.1)) / rate)
            part = part * (1 + rng.uniform(0, 1) * throb)
        parts.append((part, -20, 0))
    if rng.random() < 0.5:
        grains, sizes = scattered(rng, log_uniform(rng, 2, 3000), rng.uniform(0.3, 1.8))
        parts.append((struck(rng, grains, sizes, len(time), rate, log_range(rng, 100, 7500), log_uniform(rng, 0.0004, 0.03)), -15, 6))
    if rng.random() < 0.4:
        parts.append((partials(rng, drifting(rng, time, log_uniform(rng, 30, 1500), 0.03), rate, rng.uniform(0.3, 2)), -25, 0))
    return mixed(rng, parts)


KINDS = {"bells": bells, "beeps": beeps, "drums": drums, "squeaks": squeaks, "textures": textures}
