# SPDX-License-Identifier: MIT OR Apache-2.0
"""Typing, writing, scissors, water, blows, throats and wind instruments from formulas: the small sounds of a room.

Every parameter is drawn anew for each recording. Kinds without a label may sound like anything; only the teacher says what they are.
"""
import numpy as np

from .augment import db
from .formulas import (SECONDS, drifting, echoed, hum, in_bursts, log_range, log_uniform, mixed, noise, partials, placed, scattered, seconds, slow_line,
                       struck, swell)

FRAME, HOP = 512, 128  # of a changing filter


def typing(rng, rate):
    """Keys that click, hit the bottom and come up again, in bursts, each of several small blows; the table or the case rings along."""
    time, count, spread = seconds(rate), rng.integers(1, 8), log_uniform(rng, 0.001, 0.02)

    def keys(times, band, decay):
        blows = np.concatenate([times + spread * np.abs(rng.standard_normal(len(times))) for _ in range(count)])
        sizes = np.tile(force, count) * np.exp(0.5 * rng.standard_normal(len(blows)))
        return struck(rng, blows, sizes, len(time), rate, band, decay, different)

    presses, different = in_bursts(rng, log_uniform(rng, 0.06, 1.2), rng.uniform(1, 20)), rng.integers(2, 24)
    force = np.exp(rng.uniform(0, 0.8) * rng.standard_normal(len(presses)))
    bottom = presses + rng.uniform(0, 0.03) * rng.random(len(presses))
    release = presses + rng.uniform(0.04, 0.12) + rng.uniform(0, 0.08) * rng.random(len(presses))
    plastic, click = log_range(rng, 250, 7500), log_uniform(rng, 0.0005, 0.01)
    return echoed(rng, mixed(rng, [(keys(presses, plastic, click), -15, 3), (keys(release, plastic, click), -30, 0),
                                   (keys(bottom, log_range(rng, 100, 4000), log_uniform(rng, 0.002, 0.03)), -25, 0), (hum(rng, time, rate), -60, -15)]), rate)


def writing(rng, rate):
    """A pen or a pencil that rubs and scratches on paper in strokes and words, and taps where a stroke begins."""
    time = seconds(rate)
    speed = np.abs(slow_line(rng, time, log_uniform(rng, 3, 25))) ** rng.uniform(0.5, 2.5)
    speed *= np.clip(slow_line(rng, time, log_uniform(rng, 0.5, 4)) * 4 + rng.uniform(0, 5), 0, 1)
    rub = noise(rng, len(time), rate, (-8, 2), (300, 5000)) * speed
    grain, sizes = scattered(rng, log_uniform(rng, 20, 4000), rng.uniform(0.2, 1.2))
    scratch = struck(rng, grain, sizes, len(time), rate, log_range(rng, 400, 7000), log_uniform(rng, 0.0003, 0.004)) * speed
    taps = in_bursts(rng, log_uniform(rng, 0.1, 0.6), 8)
    table = struck(rng, taps, np.exp(rng.uniform(0.1, 0.9) * rng.standard_normal(len(taps))), len(time), rate, log_range(rng, 80, 4000),
                   log_uniform(rng, 0.002, 0.03))
    low = noise(rng, len(time), rate, (-12, -5), (60, 600)) * speed
    return echoed(rng, mixed(rng, [(rub, -15, 3), (scratch, -30, 0), (table, -30, -5), (low, -25, 3), (hum(rng, time, rate), -60, -10)]), rate)


def scissors(rng, rate):
    """Blades that slide along each other, faster to the end, through paper or nothing, and clack; then they open."""
    time = seconds(rate)
    closes = in_bursts(rng, log_uniform(rng, 0.15, 1.2), rng.uniform(3, 30))
    opens, sizes = closes + rng.uniform(0.08, 0.4), np.exp(rng.uniform(0.1, 0.6) * rng.standard_normal(len(closes)))
    steel = noise(rng, len(time), rate, (-6, 2), (1000, 5000))
    grain, strength = scattered(rng, log_uniform(rng, 50, 4000), rng.uniform(0.2, 1.2))
    paper = struck(rng, grain, strength, len(time), rate, log_range(rng, 800, 7000), log_uniform(rng, 0.0005, 0.004))
    parts, slide, bend = [], rng.uniform(0.03, 0.3), rng.uniform(0.5, 4)
    for times, share in ((closes, 1), (opens, rng.uniform(0.3, 1))):
        course = np.linspace(0, 1, max(8, int(slide * share * rate))) ** bend
        strokes = placed(np.maximum(times - slide * share, 0), sizes, np.zeros(len(times)), len(time), rate, [course])
        parts += [(steel * strokes, -30, 0), (paper * strokes, -25, 3)]
    clack = struck(rng, closes, sizes, len(time), rate, log_range(rng, 1000, 7000), log_uniform(rng, 0.001, 0.03), rng.integers(1, 6))
    handles = struck(rng, closes, sizes, len(time), rate, log_range(rng, 200, 3000), log_uniform(rng, 0.002, 0.02))
    return echoed(rng, mixed(rng, [*parts, (clack, -15, 4), (handles, -30, -3), (hum(rng, time, rate), -60, -20)]), rate)


def water(rng, rate):
    """Bubbles, each a tone that dies away and may rise, few and large or many and small, over the rush of a stream or a tap."""
    time, low = seconds(rate), log_uniform(rng, 200, 1500)
    ring, kernels = np.arange(int(0.12 * rate)) / rate, []
    for _ in range(24):
        pitch = low * rng.uniform(1, 6)
        phase = 2 * np.pi * pitch * (ring + rng.uniform(0, 6) * ring ** 2)
        kernels.append(np.sin(phase) * np.exp(-ring * pitch * rng.uniform(0.02, 0.15)) * np.minimum(1, ring * 1500) * 200 / pitch)
    flow = swell(rng, time, rng.uniform(0, 4), log_uniform(rng, 1, 8))
    parts = [(noise(rng, len(time), rate, (-6, 0), (400, 4000)) * flow, -25, 0), (noise(rng, len(time), rate, (-9, -3), (80, 600)) * flow, -35, -6)]
    for _ in range(rng.integers(1, 4)):
        bubbles, sizes = scattered(rng, log_uniform(rng, 3, 900), rng.uniform(0.4, 1.2))
        which = rng.integers(0, len(kernels), len(bubbles))
        parts.append((placed(bubbles, sizes, which, len(time), rate, kernels) * flow, -10, 3))
    return mixed(rng, parts)


def blows(rng, rate):
    """Things that are struck, dropped or shut, with or without a rhythm, dull or ringing, sometimes with what slides or rolls between."""
    time, parts = seconds(rate), []
    for _ in range(rng.integers(1, 4)):
        times = in_bursts(rng, log_uniform(rng, 0.08, 2), rng.uniform(1, 10))
        if rng.random() < 0.3:  # bounces
            times = np.concatenate([times + after for after in np.cumsum(rng.uniform(0.1, 0.4) * rng.uniform(0.4, 0.9) ** np.arange(6))])
        sizes = np.exp(rng.uniform(0, 1) * rng.standard_normal(len(times)))
        decay = log_uniform(rng, 0.001, 0.25)
        parts.append((struck(rng, times, sizes, len(time), rate, log_range(rng, 50, 6000), decay, rng.integers(1, 6)), -12, 0))
    rubbed = noise(rng, len(time), rate, (-9, 1), (100, 4000)) * np.maximum(slow_line(rng, time, log_uniform(rng, 1, 40)), 0)
    return echoed(rng, mixed(rng, [*parts, (rubbed, -50, 0), (hum(rng, time, rate), -60, -25)]), rate)


def throats(rng, rate):
    """Syllables of a voice, hoarse or clear, of a small or a large animal or person: coughs, laughs, barks, calls, cries."""
    time = seconds(rate)
    base, size, hoarse = log_uniform(rng, 70, 900), log_uniform(rng, 0.6, 2.5), rng.random() ** 2
    length = log_uniform(rng, 0.05, 1.2)
    begins = in_bursts(rng, length * rng.uniform(1.1, 3), rng.uniform(1, 8))
    bend, rise, envelope = rng.normal(0, 0.5), rng.normal(0, 0.3), np.zeros(len(time))
    pitch = base * 2 ** (0.1 * slow_line(rng, time, rng.uniform(3, 40)))
    attack, fall = log_uniform(rng, 0.003, 0.1), rng.uniform(0.5, 5)
    for begin in begins:
        own = (time - begin) / (length * rng.uniform(0.7, 1.3))
        inside = (own >= 0) & (own < 1)
        envelope[inside] += rng.uniform(0.4, 1) * (np.minimum(1, own * length / attack) * np.clip(1 - own, 0, 1) ** (1 / fall))[inside]
        pitch[inside] *= 2 ** (bend * np.sin(np.pi * own) + rise * own + rng.normal(0, 0.1))[inside]
    source = partials(rng, pitch, rate, rng.uniform(0.3, 1.5)) * (1 - hoarse) + noise(rng, len(time), rate, (-6, 0), (200, 3000)) * (hoarse + 0.02)
    formants = np.array([[500], [1500], [2600], [3700]]) * size * 2 ** np.stack([0.35 * slow_line(rng, time, rng.uniform(1, 10)) for _ in range(4)])
    voice = filtered(source * envelope, rate, formants, rng.uniform(0.06, 0.25), db(-rng.uniform(15, 45)))
    return echoed(rng, mixed(rng, [(voice, 0, 0), (hum(rng, time, rate), -60, -30)]), rate)


def pipes(rng, rate):
    """Notes of brass, reeds, flutes, bowed strings, whistles: partials that come in late, a fixed resonance, breath, vibrato."""
    time = seconds(rate)
    base, length = log_uniform(rng, 50, 1500), log_uniform(rng, 0.15, 3)
    pitch, envelope, begin = np.full(len(time), base), np.zeros(len(time)), rng.uniform(0, 0.6)
    attack, scale = log_uniform(rng, 0.01, 0.3), rng.choice([0, 2, 4, 5, 7, 9, 12], 4)
    while begin < SECONDS:
        own = time - begin
        span = length * rng.choice([0.5, 1, 1, 2])
        inside = (own >= 0) & (own < span)
        envelope[inside] = (np.minimum(1, own / attack) * np.minimum(1, (span - own) / rng.uniform(0.02, 0.2)) * np.exp(-own * rng.uniform(0, 1)))[inside]
        pitch[inside] = base * 2 ** (rng.choice(scale) / 12)
        begin += span * rng.uniform(1, 1.4)
    vibrato = np.sin(2 * np.pi * np.cumsum(drifting(rng, time, rng.uniform(4, 8), 0.1)) / rate)
    pitch = pitch * (1 + rng.uniform(0, 0.015) * rng.choice([0, 1]) * vibrato)
    dull = partials(rng, pitch, rate, rng.uniform(1.5, 3), rng.choice([1, 1, 2]))
    bright = partials(rng, pitch, rate, rng.uniform(0.2, 1.5), rng.choice([1, 1, 2]))
    tone = dull * envelope + bright * envelope ** rng.uniform(1, 4) * rng.uniform(0, 1.5)
    breath = noise(rng, len(time), rate, (-6, 0), (500, 4000)) * envelope
    body = np.exp(rng.uniform(np.log(200), np.log(5000), (4, 1))) * np.ones((1, len(time)))
    notes = filtered(tone + breath * db(rng.uniform(-60, -15)), rate, body, rng.uniform(0.1, 0.6), db(-rng.uniform(3, 25)))
    return echoed(rng, mixed(rng, [(notes, 0, 0), (hum(rng, time, rate), -70, -30)]), rate)


KINDS = {"Computer_keyboard": typing, "Writing": writing, "Scissors": scissors, "Water": water, "blows": blows, "throats": throats, "pipes": pipes}


def filtered(audio, rate, formants, width, floor):
    """Resonances at changing frequencies (count, samples) over a floor, each `width` of its frequency wide."""
    window = np.sqrt(np.hanning(FRAME + 1)[:-1])
    starts = np.arange(0, len(audio) - FRAME, HOP)
    frequency = np.fft.rfftfreq(FRAME, 1 / rate)
    centres = formants[:, starts][:, :, None]
    gain = floor + (1 / (1 + ((frequency - centres) / (width * centres)) ** 2)).sum(0)
    frames = np.fft.irfft(np.fft.rfft(audio[starts[:, None] + np.arange(FRAME)] * window) * gain, FRAME) * window
    out = np.zeros(len(audio))
    for start, frame in zip(starts, frames):
        out[start:start + FRAME] += frame
    return out
