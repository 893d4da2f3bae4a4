# SPDX-License-Identifier: MIT OR Apache-2.0
"""Rooms: random impulse responses, and sound in them."""
import numpy as np
from scipy import fft


def impulse_response(rng, rate, decay, direct):
    """Direct sound, early reflections and a tail of noise that falls by 60 dB in `decay` seconds, faster at high frequencies.

    `direct`: dB of the direct sound over all the rest.
    """
    length = int(decay * rate)
    time = np.arange(length) / rate
    low, high = rng.standard_normal(length), rng.standard_normal(length)
    high[1:] -= high[:-1].copy()
    tail = low * np.exp(-6.91 * time / decay) + 0.7 * high * np.exp(-6.91 * time / (decay * rng.uniform(0.3, 0.8)))
    tail[:int(rng.uniform(0.002, 0.02) * rate)] = 0
    early = rng.integers(int(0.001 * rate), min(length, int(0.05 * rate)), 8)
    tail[early] += rng.normal(0, 3, 8) * np.abs(tail).max() / 3
    tail *= 10 ** (-direct / 20) / np.sqrt((tail ** 2).sum())
    tail[0] = 1
    return (tail / np.sqrt((tail ** 2).sum())).astype(np.float32)


def placed_in(audio, response):
    """The sound in the room, as long as before."""
    size = fft.next_fast_len(len(audio) + len(response))
    return fft.irfft(fft.rfft(audio, size) * fft.rfft(response, size), size)[:len(audio)].astype(np.float32)
