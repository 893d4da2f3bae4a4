# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compares the presets' network inputs, and cepstra, with torchaudio, librosa and kaldi-native-fbank: compare_features.py FRONTEND_BENCH.

Six kinds of signal, two seconds each: noise, a chirp, silence, clicks, full scale and a constant. Where torch, torchaudio (for
the cepstra, its transforms) or the published run.py of ../shared is missing, what needs it is left out with a line that says so.

Bands that are almost empty beside a loud one hold the rounding of the transform, and the logarithm makes it visible. Where a
difference is larger than the goal, the reference's own rounding is shown, too: the largest difference between its results with
32-bit and 64-bit numbers, with the transform of torch in place of librosa's, which always computes with 64 bits. A reference of
32 bits alone is compared with torchaudio's code for the same, of both lengths. Since one rounding in one band decides, it is the
largest of the same signal at several levels.
"""

import importlib.util
import pathlib
import subprocess
import sys
import tempfile

import kaldi_native_fbank
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUN = ROOT / "../shared/models/efficientat-mn04/run.py"
KINDS = ["noise", "chirp", "silence", "clicks", "full scale", "constant"]
SECONDS = 2
GOAL = 1e-3
# Two results of 32 bits differ by the sum of their roundings.
ROUNDINGS = 2
# Not powers of two, which would leave all roundings as they are.
LEVELS = [1, 0.97, 0.9, 0.8, 0.7, 0.6]
# The code of these computes with 64-bit numbers only, and needs no allowance.
DOUBLE_ONLY = ("efficientat", "passt")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_kaldi(samples, bands, snip_edges, high, scale):
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither, options.frame_opts.snip_edges = 16000, 0, snip_edges
    options.mel_opts.num_bins, options.mel_opts.high_freq = bands, high
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(16000, (samples * scale).astype(numpy.float32))
    bank.input_finished()
    return numpy.array([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])


def mfcc_with_kaldi(samples):
    """The settings of `mfcc_kaldi` in `preset_goldens.py`."""
    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = 16000, 0
    options.mel_opts.num_bins, options.mel_opts.high_freq = 23, 0
    options.num_ceps, options.cepstral_lifter, options.use_energy = 13, 22, False
    cepstra = kaldi_native_fbank.OnlineMfcc(options)
    cepstra.accept_waveform(16000, (samples * 32768).astype(numpy.float32))
    cepstra.input_finished()
    return numpy.array([cepstra.get_frame(frame) for frame in range(cepstra.num_frames_ready)])


def mfcc_with_torchaudio(samples, double=True):
    """torchaudio's own transform, with the settings of `mfcc_torchaudio` in `preset_goldens.py`."""
    import torch
    import torchaudio
    mel = {"n_fft": 512, "hop_length": 160, "n_mels": 40, "f_min": 20.0}
    transform = torchaudio.transforms.MFCC(16000, 13, norm=None, log_mels=True, melkwargs=mel)
    samples = torch.from_numpy(samples)
    cepstra = transform.double()(samples) if double else transform.float()(samples.float())
    return cepstra.T.numpy()[:(len(samples) - 256) // 160 + 1]


def own(bench, preset, samples, bands):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "samples"
        samples.astype(numpy.float32).tofile(file)
        subprocess.run([bench, "values", preset, file], check=True)
        return numpy.fromfile(f"{file}.values", numpy.float32).reshape(-1, bands)


def references():
    """Name of the preset, of the reference, rate, bands, the reference, and the same with numbers of other lengths."""
    goldens, why = None, None
    try:
        import torch
        goldens = load(ROOT / "tests/data/preset_goldens.py")
    except ImportError as error:
        why = error
    def others(name):
        """The code of the goldens with 64 bits and with 32, for a reference of 32 bits."""
        make = goldens and goldens.PRESETS[name][1]
        return make and (lambda x: [numpy.asarray(make(samples)) for samples in (torch.from_numpy(x), torch.from_numpy(x).float())])

    yield "zipformer", "kaldi-native-fbank", 16000, 80, lambda x: with_kaldi(x, 80, False, -400, 1), others("zipformer")
    beats = lambda x: (with_kaldi(x, 128, True, 0, 32768) - 15.41663) / (2 * 6.55582)  # noqa: E731
    yield "beats", "kaldi-native-fbank", 16000, 128, beats, others("beats")
    yield "mfcc-kaldi", "kaldi-native-fbank", 16000, 13, mfcc_with_kaldi, others("mfcc-kaldi")
    if goldens is None:
        print(f"left out: torchaudio and librosa ({why})")
        return
    try:
        import torchaudio.transforms  # noqa: F401
        single = lambda x: [mfcc_with_torchaudio(x, double=False)]  # noqa: E731
        yield "mfcc-torchaudio", "torchaudio's transform", 16000, 13, mfcc_with_torchaudio, single
    except (ImportError, OSError, AttributeError) as error:
        print(f"left out: mfcc-torchaudio against torchaudio's transform ({error})")
    for preset, (rate, make) in goldens.PRESETS.items():
        if preset in ("birdnet", "perch"):
            continue
        bands = numpy.load(ROOT / f"tests/data/presets/{preset}.npy").shape[1]
        single = None if preset in DOUBLE_ONLY else lambda x, make=make: rounded(goldens, make, x)
        yield preset, "its authors' libraries", rate, bands, lambda x, make=make: numpy.asarray(make(torch.from_numpy(x))), single
    if RUN.exists():
        run = load(RUN)
        yield "efficientat", "the published run.py", 32000, 128, lambda x: run.log_mel(x)[0].numpy().T, None
    else:
        print(f"left out: {RUN} is not there")


def rounded(goldens, make, samples):
    """A reference with 32-bit numbers, the transform included."""
    import torch

    def power(x, n_fft, hop, center=True, exponent=2):
        frames = goldens.complete(len(x), hop, n_fft // 2 if center else n_fft)
        window = torch.hann_window(n_fft)
        spectrum = torch.stft(x, n_fft, hop, window=window, center=center, pad_mode="reflect", return_complex=True)
        return spectrum.abs().numpy()[:, :frames] ** exponent

    exact, goldens.power = goldens.power, power
    try:
        return [numpy.asarray(make(torch.from_numpy(samples).float()))]
    finally:
        goldens.power = exact


def signals(rate):
    generate = load(ROOT / "tests/data/preset_goldens.py").kinds if importlib.util.find_spec("torch") else None
    if generate is None:
        return [("noise", numpy.random.default_rng(1).uniform(-1, 1, rate * SECONDS))]
    whole = generate(6 * SECONDS * rate).numpy()
    return list(zip(KINDS, numpy.split(whole, 6)))


def main():
    print("| preset | against | " + " | ".join(KINDS) + " |")
    print("|---" * (2 + len(KINDS)) + "|")
    failures = []
    for preset, name, rate, bands, reference, other in references():
        cells = []
        for kind, samples in signals(rate):
            expected = reference(samples)
            deviation = difference(own(sys.argv[1], preset, samples, bands), expected)
            rounding = own_rounding(reference, other, samples) if deviation > GOAL and other else 0.0
            if deviation > max(GOAL, ROUNDINGS * rounding):
                failures.append(f"{preset}, {kind}: {deviation:.1e}")
            cells.append(f"{deviation:.1e}" + (f" (its own rounding {rounding:.1e})" if deviation > GOAL else ""))
        print(f"| {preset} | {name} | " + " | ".join(cells) + " |", flush=True)
    if failures:
        sys.exit(f"expected at most {GOAL:g}, or {ROUNDINGS} times the reference's own rounding; found {'; '.join(failures)}")


def own_rounding(reference, other, samples):
    """The largest difference between a reference and the same with numbers of other lengths, at several levels."""
    levels = [(samples * level).astype(numpy.float32).astype(samples.dtype) for level in LEVELS]
    return max(difference(one, reference(x)) for x in levels for one in other(x))


def difference(one, other):
    frames = min(len(one), len(other))
    return float(numpy.abs(one[:frames] - other[:frames]).max())


if __name__ == "__main__":
    main()
