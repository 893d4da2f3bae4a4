# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compares the presets' network inputs with torchaudio, librosa and kaldi-native-fbank: compare_features.py FRONTEND_BENCH.

Six kinds of signal, two seconds each: noise, a chirp, silence, clicks, full scale and a constant. Where torch, torchaudio or
the published run.py of ../shared is missing, what needs it is left out with a line that says so.
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


def own(bench, preset, samples, bands):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "samples"
        samples.astype(numpy.float32).tofile(file)
        subprocess.run([bench, "values", preset, file], check=True)
        return numpy.fromfile(f"{file}.values", numpy.float32).reshape(-1, bands)


def references():
    """Name of the preset, of the reference, rate, bands, and the reference itself."""
    yield "zipformer", "kaldi-native-fbank", 16000, 80, lambda x: with_kaldi(x, 80, False, -400, 1)
    yield "beats", "kaldi-native-fbank", 16000, 128, lambda x: (with_kaldi(x, 128, True, 0, 32768) - 15.41663) / (2 * 6.55582)
    try:
        import torch
        goldens = load(ROOT / "tests/data/preset_goldens.py")
    except ImportError as error:
        print(f"left out: torchaudio and librosa ({error})")
        return
    for preset, (rate, make) in goldens.PRESETS.items():
        if preset.startswith("mfcc") or preset in ("birdnet", "perch"):
            continue
        bands = numpy.load(ROOT / f"tests/data/presets/{preset}.npy").shape[1]
        yield preset, "its authors' libraries", rate, bands, lambda x, make=make: numpy.asarray(make(torch.from_numpy(x)))
    if RUN.exists():
        run = load(RUN)
        yield "efficientat", "the published run.py", 32000, 128, lambda x: run.log_mel(x)[0].numpy().T
    else:
        print(f"left out: {RUN} is not there")


def signals(rate):
    generate = load(ROOT / "tests/data/preset_goldens.py").kinds if importlib.util.find_spec("torch") else None
    if generate is None:
        return [("noise", numpy.random.default_rng(1).uniform(-1, 1, rate * SECONDS))]
    whole = generate(6 * SECONDS * rate).numpy()
    return list(zip(KINDS, numpy.split(whole, 6)))


def main():
    print("| preset | against | " + " | ".join(KINDS) + " |")
    print("|---" * (2 + len(KINDS)) + "|")
    worst = 0.0
    for preset, name, rate, bands, reference in references():
        cells = []
        for _, samples in signals(rate):
            computed, expected = own(sys.argv[1], preset, samples, bands), reference(samples)
            frames = min(len(computed), len(expected))
            deviation = float(numpy.abs(computed[:frames] - expected[:frames]).max())
            worst = max(worst, deviation)
            cells.append(f"{deviation:.1e}")
        print(f"| {preset} | {name} | " + " | ".join(cells) + " |", flush=True)
    if worst > 1e-3:
        sys.exit(f"expected at most 1e-3, found {worst:.1e}")


if __name__ == "__main__":
    main()
