#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Golden log-mel spectrograms of a generated signal, computed by librosa.

    pip install librosa==0.11.0 numpy
    python tests/data/make_goldens.py

The committed files were made with librosa 0.11.0 and numpy on x86-64. The signal is integer arithmetic only, so that
`tests/common/signal.rs` makes the very same samples. Files (float32, frames × mels as the front end counts them):

    fsdkaggle2018.npy          continuous grid of 1.2 s at 44.1 kHz, dB, no top_db
    fsdkaggle2018-short.npy    0.4 s centred in 1 s of zeros, mirrored at both ends, top_db 80, min-max: model input, mels × frames
    fsdkaggle2018-small.npy    continuous grid of 1.2 s at 16 kHz, dB, no top_db
    yamnet.npy                 continuous grid of 1.5 s at 16 kHz, ln
    yamnet-short.npy           0.4 s centred in 0.975 s of zeros, ln
    mixed.npy                  n_fft 600, win_length 441, hop 200, HTK scale with area norm, power 1, log10, centred
"""
import pathlib

import librosa
import numpy as np

HERE = pathlib.Path(__file__).parent
TOP_DB = 80.0


def signal(length):
    """A rising saw over noise whose level steps from full scale down to silence and up again."""
    noise, phase, step = 1, 0, 1 << 22
    samples = np.empty(length, dtype=np.float32)
    for n in range(length):
        noise = (noise * 1664525 + 1013904223) & 0xFFFFFFFF
        phase = (phase + step) & 0xFFFFFFFF
        step += 4096
        hiss = (noise >> 16) - 32768
        saw = (phase >> 16) - 32768
        quieter = (n // 2048) % 18
        samples[n] = ((hiss >> 2) + (saw >> 1) >> quieter if quieter < 16 else 0) / 32768.0
    return samples


def mel(y, rate, n_fft, win_length, hop, n_mels, fmin, fmax, htk, norm, power, center=True):
    spectrum = librosa.stft(y, n_fft=n_fft, hop_length=hop, win_length=win_length, center=center, pad_mode="reflect")
    bank = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk, norm=norm)
    return bank @ np.abs(spectrum) ** power


def yamnet(y, frames):
    """400-sample frames from their position on, zero-padded to 512."""
    hann = librosa.filters.get_window("hann", 400, fftbins=True)
    padded = np.concatenate([y, np.zeros(400)])
    grid = librosa.util.frame(padded, frame_length=400, hop_length=160).T[:frames]
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None)
    return np.log(np.abs(np.fft.rfft(grid * hann, 512)) @ bank.T + 0.001)


def decibels(power, top_db=None):
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=top_db)


def centred(y, window):
    before = (window - len(y)) // 2
    return np.pad(y, (before, window - len(y) - before))


def fsdkaggle2018(y):
    return mel(y, 44100, 2560, 2560, 347, 128, 20, 22050, False, "slaney", 2)


def min_max(x):
    shifted = x - x.min()
    return shifted / (np.abs(shifted).max() + 1.0)


def save(name, values):
    np.save(HERE / name, np.ascontiguousarray(values, dtype=np.float32))


def main():
    save("fsdkaggle2018.npy", decibels(fsdkaggle2018(signal(52920))).T)
    short = fsdkaggle2018(centred(signal(17640), 44100))[:, :128]
    save("fsdkaggle2018-short.npy", min_max(decibels(short, TOP_DB)))
    small = mel(signal(19200), 16000, 1280, 1280, 253, 64, 20, 8000, False, "slaney", 2)
    save("fsdkaggle2018-small.npy", decibels(small).T)
    save("yamnet.npy", yamnet(signal(24000), (24000 - 400) // 160 + 1))
    save("yamnet-short.npy", yamnet(centred(signal(6400), 15600), 96))
    save("mixed.npy", np.log10(mel(signal(8000), 8000, 600, 441, 200, 20, 50, 3500, True, "slaney", 1) + 1e-5).T)


if __name__ == "__main__":
    main()
