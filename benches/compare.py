# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compares with librosa, kaldi-native-fbank, the original and a published pipeline in PyTorch; see compare.sh.

    compare.py FRONTEND_BENCH [ELEMENT_BENCH original|published]
"""

import importlib.util
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import kaldi_native_fbank
import librosa
import numpy

ROUNDS = 7
SECONDS = 60


def noise(rate, seconds=SECONDS):
    return numpy.random.default_rng(1).uniform(-0.25, 0.25, round(rate * seconds)).astype(numpy.float32)


def best(work, clock=time.perf_counter, times=3):
    """Shortest of some times, as the benches do."""
    def once():
        start = clock()
        work()
        return clock() - start
    return min(once() for _ in range(times))


def with_librosa(samples):
    """The preset `fsdkaggle2018`, as the original computes it."""
    power = librosa.feature.melspectrogram(y=samples, sr=44100, n_fft=2560, hop_length=347, n_mels=128, fmin=20, fmax=22050)
    return librosa.power_to_db(power)


def with_kaldi(samples):
    """As near to the preset `yamnet` as its options come."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = 16000
    options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 25, 10
    options.frame_opts.window_type, options.frame_opts.dither = "hanning", 0
    options.frame_opts.preemph_coeff, options.frame_opts.remove_dc_offset = 0, False
    options.mel_opts.num_bins, options.mel_opts.low_freq, options.mel_opts.high_freq = 64, 125, 7500
    options.use_power = False
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(16000, samples)
    bank.input_finished()
    return bank.num_frames_ready


def features(bench, preset, rate, name, other):
    samples = noise(rate)
    other(samples)
    with tempfile.NamedTemporaryFile() as file:
        samples.tofile(file.name)
        rounds = []
        for _ in range(ROUNDS):
            own = float(subprocess.check_output([bench, "audio", preset, file.name]))
            rounds.append((own, best(lambda: other(samples))))
    ratio = statistics.median(other / own for own, other in rounds)
    own, theirs = (statistics.median(times) * 1e3 for times in zip(*rounds))
    goal = 3 if name == "librosa" else 10
    print(f"| log-mel of {SECONDS} s, `{preset}` ({own:.1f} ms) | {name} ({theirs:.1f} ms) | {ratio:.1f} × faster | ≥ {goal} × {'met' if ratio >= goal else 'missed'} |")


def prediction():
    """The original's way: log-mel of 1.1 s, samplewise normalisation, MobileNetV2 with Keras."""
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    keras = tensorflow.keras
    body = keras.applications.MobileNetV2(weights=None, input_shape=(128, 128, 1), include_top=False, alpha=0.35)
    dense = keras.layers.Dense(1024, activation="relu")(keras.layers.GlobalAveragePooling2D()(body.output))
    model = keras.Model(body.input, keras.layers.Dense(41, activation="softmax")(dense))
    # A compiled call: `predict` takes far longer for a single window.
    run = tensorflow.function(lambda window: model(window, training=False))
    samples = noise(44100, 1.1)

    def predict():
        mels = with_librosa(samples)[:, :128]
        mels = mels - mels.min()
        mels /= mels.max() + 1
        return run(tensorflow.constant(mels[None, :, :, None])).numpy()

    return predict


def published():
    """EfficientAT's way: PyTorch's features of one second, then the network with its batch norms folded into the convolutions."""
    import torch

    root = pathlib.Path(__file__).resolve().parents[1]
    folder = root.parent / "shared/models/efficientat-mn04"
    sys.path.insert(0, str(root))
    from models.train import efficientat

    spec = importlib.util.spec_from_file_location("run", folder / "run.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    torch.set_num_threads(1)
    weights = efficientat.published_network(folder / "mn04_as_mAP_432.pt")
    network = efficientat.Tagger(weights, 1, 0, normalise=False).eval()
    samples = noise(32000, 1)

    def predict():
        with torch.inference_mode():
            return network(recipe.log_mel(samples)[:, None, :, :100])[1].numpy()

    return predict


def one_more_window(bench, predict, name, goal):
    predict()
    many = lambda: [predict() for _ in range(10)]
    rounds = [(float(subprocess.check_output([bench, "cost"])), best(many, time.process_time, 1) / 10) for _ in range(ROUNDS)]
    ratio = statistics.median(other / own for own, other in rounds)
    own, theirs = (statistics.median(times) * 1e3 for times in zip(*rounds))
    print(f"| one more window, whole element ({own:.2f} ms of processor time) | {name} ({theirs:.1f} ms) "
          f"| {ratio:.0f} × less | ≥ {goal} × {'met' if ratio >= goal else 'missed'} |")


def main():
    frontend, *element = sys.argv[1:]
    print("| what | against, in the same run | ratio | goal |\n|---|---|---|---|")
    features(frontend, "fsdkaggle2018", 44100, "librosa", with_librosa)
    features(frontend, "yamnet", 16000, "kaldi-native-fbank", with_kaldi)
    match element:
        case [bench, "original"]:
            one_more_window(bench, prediction(), "the original's way: librosa on 1.1 s and TensorFlow", 12)
        case [bench, "published"]:
            one_more_window(bench, published(), "the published pipeline of EfficientAT: PyTorch on 1 s", 10)


if __name__ == "__main__":
    main()
