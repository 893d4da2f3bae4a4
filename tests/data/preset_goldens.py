#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Golden network inputs of the presets, from a generated signal, by the libraries that the networks' authors use.

    python tests/data/preset_goldens.py [PRESET …]     writes tests/data/presets/PRESET.npy

Needs numpy, torch, torchaudio 2.0.2 and librosa 0.11.0. The committed files were made with float64 samples, so that they
hold little rounding of the libraries' own. Each is float32, frames × bands, of 0.6 s at the preset's rate: all frames that
are complete in the signal, as one window, with all normalisation. Those of waveforms hold the first 0.05 s.
Beside those of presets there are `mfcc-librosa`, `mfcc-torchaudio` and `mfcc-kaldi`.
"""
import functools
import importlib.util
import pathlib
import sys
import types

import librosa
import numpy as np
import scipy.fft
import torch

OUT = pathlib.Path(__file__).parent / "presets"
SECONDS = 0.6


def kinds(length):
    """Noise, a chirp, silence, clicks, full scale and a constant, each a sixth of `length`."""
    noise, phase, step, part = 1, 0, 1 << 22, length // 6
    samples = np.empty(length)
    for n in range(length):
        noise = (noise * 1664525 + 1013904223) & 0xFFFFFFFF
        phase = (phase + step) & 0xFFFFFFFF
        step = (step + (1 << 17)) & 0xFFFFFFFF
        kind, level = n // part, 0
        if kind == 0:
            level = (noise >> 16) - 32768
        elif kind == 1:
            saw = (phase >> 16) - 32768
            level = saw * (32768 - abs(saw)) >> 13
        elif kind == 3 and n % 500 == 0:
            level = 29491
        elif kind == 4:
            level = 32767 if n // 37 % 2 == 0 else -32768
        elif kind == 5:
            level = 9830
        samples[n] = level / 32768
    return torch.from_numpy(samples)


@functools.cache
def kaldi():
    """torchaudio.compliance.kaldi, which is Python alone, also where the rest of torchaudio does not load."""
    try:
        import torchaudio.compliance.kaldi as module
        return module
    except (ImportError, OSError, AttributeError):
        spec = importlib.util.find_spec("torchaudio")
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
        path = pathlib.Path(spec.submodule_search_locations[0]) / "compliance" / "kaldi.py"
        loaded = importlib.util.spec_from_file_location("kaldi", path)
        module = importlib.util.module_from_spec(loaded)
        loaded.loader.exec_module(module)
        return module


def mel_bank(mels, n_fft, rate, low, high):
    """Kaldi's triangles, bands × bins."""
    banks, _ = kaldi().get_mel_banks(mels, n_fft, float(rate), low, high, 100.0, -500.0, 1.0)
    return torch.nn.functional.pad(banks, (0, 1)).double()


def complete(length, hop, reach):
    """Frames whose samples, up to `reach` after their position, lie in the signal."""
    return (length - reach) // hop + 1


def efficientat(x):
    frames = complete(len(x), 320, 513)
    emphasised = x[1:] - 0.97 * x[:-1]
    window = torch.hann_window(800, periodic=False, dtype=torch.float64)
    spectrum = torch.stft(emphasised[None], 1024, 320, 800, window, center=True, pad_mode="reflect", return_complex=True)[0]
    mel = mel_bank(128, 1024, 32000, 0.0, 15000.0) @ spectrum.abs() ** 2
    return ((torch.log(mel + 1e-5) + 4.5) / 5.0).T[:frames]


def passt(x):
    return efficientat(x)


def fbank(x, scale=1.0, **settings):
    return kaldi().fbank(x[None] * scale, sample_frequency=16000.0, dither=0.0, **settings)


def ast(x):
    """Of the signal less its mean, as the author's code has it."""
    values = fbank(x - x.mean(), num_mel_bins=128, window_type="hanning", htk_compat=True)
    return (values + 4.2677393) / (2 * 4.5689974)


def beats(x):
    return (fbank(x, 2**15, num_mel_bins=128) - 15.41663) / (2 * 6.55582)


def zipformer(x):
    values = fbank(x, num_mel_bins=80, high_freq=-400.0, snip_edges=False)
    return values[:complete(len(x), 160, 280)]


def power(x, n_fft, hop, center=True, exponent=2):
    frames = complete(len(x), hop, n_fft // 2 if center else n_fft)
    return np.abs(librosa.stft(x.numpy(), n_fft=n_fft, hop_length=hop, center=center, pad_mode="reflect"))[:, :frames] ** exponent


def decibels(values, top_db=None):
    return librosa.power_to_db(values, ref=1.0, amin=1e-10, top_db=top_db)


def ced(x):
    """torchaudio's MelSpectrogram has librosa's filters of the HTK scale, without area norm."""
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=0, fmax=8000, htk=True, norm=None, dtype=np.float64)
    return decibels(bank @ power(x, 512, 160), 120.0).T


def panns(x, rate, n_fft, hop, fmax):
    bank = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=64, fmin=50, fmax=fmax, dtype=np.float64)
    return decibels(bank @ power(x, n_fft, hop)).T


def openl3(x):
    bank = librosa.filters.mel(sr=48000, n_fft=2048, n_mels=256, fmin=0, fmax=24000, dtype=np.float64)
    values = decibels(bank @ power(x, 2048, 242, center=False, exponent=1))
    return np.maximum(values - values.max(), -80.0).T


def vggish(x):
    """Triangles in mel over the magnitude of 400 samples, zero-padded behind to 512."""
    hann = librosa.filters.get_window("hann", 400, fftbins=True)
    grid = librosa.util.frame(x.numpy(), frame_length=400, hop_length=160).T
    return np.log(np.abs(np.fft.rfft(grid * hann, 512)) @ mel_bank(64, 512, 16000, 125.0, 7500.0).numpy().T + 0.01)


def waveform(x, rate):
    return x[:rate // 20, None]


def perch(x):
    part = x[:1600] - x[:1600].mean()
    return (0.25 * part / part.abs().max())[:, None]


def mel_of_librosa(x):
    return librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=20, fmax=8000, dtype=np.float64) @ power(x, 512, 160)


def mfcc_librosa(x):
    return librosa.feature.mfcc(S=decibels(mel_of_librosa(x), 80.0), n_mfcc=13, dct_type=2, norm="ortho", lifter=22).T


def mfcc_torchaudio(x):
    """log_mels=True, norm=None: ln(mel + 1e-6) and the plain DCT-II, twice the sum."""
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=20, fmax=8000, htk=True, norm=None, dtype=np.float64)
    return scipy.fft.dct(np.log(bank @ power(x, 512, 160) + 1e-6).T, type=2)[:, :13]


def mfcc_kaldi(x):
    """torchaudio's filter bank and liftering, with the orthonormal DCT between them."""
    cepstra = scipy.fft.dct(fbank(x, 2**15, num_mel_bins=23).numpy(), type=2, norm="ortho")[:, :13]
    return cepstra * kaldi()._get_lifter_coeffs(13, 22.0).numpy()


PRESETS = {
    "ast": (16000, ast),
    "beats": (16000, beats),
    "birdnet": (48000, lambda x: waveform(x, 48000)),
    "ced": (16000, ced),
    "efficientat": (32000, efficientat),
    "mfcc-kaldi": (16000, mfcc_kaldi),
    "mfcc-librosa": (16000, mfcc_librosa),
    "mfcc-torchaudio": (16000, mfcc_torchaudio),
    "openl3": (48000, openl3),
    "panns": (32000, lambda x: panns(x, 32000, 1024, 320, 14000)),
    "panns-16k": (16000, lambda x: panns(x, 16000, 512, 160, 8000)),
    "passt": (32000, passt),
    "perch": (32000, perch),
    "vggish": (16000, vggish),
    "zipformer": (16000, zipformer),
}


def main(names):
    OUT.mkdir(exist_ok=True)
    for name in names or PRESETS:
        rate, make = PRESETS[name]
        values = make(kinds(round(SECONDS * rate)))
        np.save(OUT / f"{name}.npy", np.ascontiguousarray(np.asarray(values), dtype=np.float32))
        print(name, tuple(values.shape), round(float(values.min()), 3), round(float(values.max()), 3))


if __name__ == "__main__":
    main(sys.argv[1:])
