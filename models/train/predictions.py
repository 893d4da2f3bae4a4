# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a network says of clips that it did not learn from: as they are, fainter and louder, in noise, in a room; and of quiet streams."""
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from . import augment, dataset, efficientat, rirs
from .efficientat import FRAMES, HOP, RATE
from .evaluation import halves, log_softmax
from .export import TRACED

EVERY, SELDOM = 10, 100  # frames between windows: ten a second and one
LOUDER = {"-30 dB": -30.0, "-20 dB": -20.0, "-10 dB": -10.0, "+8 dB": 8.0}
NOISY = {"pink noise, 20 dB below": 20.0, "pink noise, 10 dB below": 10.0}
ROOM = "room, 0.5 s"
BAND = "nothing above 8 kHz"
VARIANTS = ["as it is", *LOUDER, *NOISY, ROOM, BAND]
HARMLESS = ["Background", "Crowd", "Music", "Speech"]  # labels of clips in which nothing else should be reported
STREAM_SECONDS, STREAMS = 60, 30
OUTPUTS = ("labels", "audioset", "embedding")


class Exported(torch.nn.Module):
    """The network as it is exported: windows (N, 1, FRAMES, MELS) to logits of the labels and of AudioSet's classes, and the embedding, as far as they are named."""

    def __init__(self, network, names=OUTPUTS):
        super().__init__()
        self.network, self.names = network, names

    def forward(self, x):
        found = dict(zip(OUTPUTS, self.network(x.transpose(2, 3))))
        return tuple(found[name] for name in self.names)


def to_onnx(network, path, names=OUTPUTS):
    model = Exported(network, names).eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(model, (torch.zeros(2, 1, FRAMES, efficientat.MELS),), str(path), opset_version=14, input_names=["log_mel"],
                      output_names=list(names), dynamic_axes={name: {0: "N"} for name in ["log_mel", *names]}, **TRACED)


def session(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def windows(audio, every=EVERY):
    """The network's input for each window of a recording; a shorter one is filled with silence on both sides."""
    missing = max(0, FRAMES * HOP + HOP - len(audio))
    x = efficientat.scaled(efficientat.mel_power(np.pad(audio, (missing // 2, missing - missing // 2)))).astype(np.float32)
    return np.stack([x[first:first + FRAMES] for first in range(0, len(x) - FRAMES + 1, every)])[:, None]


def run(network, x, batch=32):
    parts = [network.run(None, {"log_mel": x[first:first + batch]}) for first in range(0, len(x), batch)]
    return [np.concatenate(each) for each in zip(*parts)]


def loudness(audio):
    """RMS of what is not digital silence."""
    return augment.rms(audio[np.abs(audio) > 1e-5]) if (np.abs(audio) > 1e-5).any() else 1e-9


def pink(rng, length):
    return augment.spectrum_shaped(rng, length, lambda f: f ** -0.5)


def changed(audio, rng):
    """The variants of a clip by name."""
    found = {"as it is": audio}
    found |= {name: np.clip(audio * np.float32(augment.db(gain)), -1, 1) for name, gain in LOUDER.items()}
    found |= {name: audio + pink(rng, len(audio)) * np.float32(loudness(audio) * augment.db(-below)) for name, below in NOISY.items()}
    found[ROOM] = rirs.placed_in(audio, rirs.impulse_response(rng, RATE, 0.5, 0.0))
    spectrum = np.fft.rfft(audio)
    spectrum[int(len(audio) * 8000 / RATE):] = 0
    found[BAND] = np.fft.irfft(spectrum, len(audio)).astype(np.float32)
    return found


def streams(harmless, data, rng):
    """Minutes of the clips `harmless`, alone and over each other, and of new draws of generated rooms, at all levels.

    Two halves of the recordings take turns, so no recording is both in a stream with an even number and in one with an odd number.
    """
    parts = [], []
    for clip, half in zip(harmless, halves([clip.group for clip in harmless])):
        parts[half].append(dataset.load_audio(Path(data) / clip.path, RATE))
    for number in range(STREAMS):
        sounds = parts[number % 2]
        stream = augment.room_noise(rng, STREAM_SECONDS * RATE, RATE) * np.float32(augment.db(rng.uniform(-75, -40)))
        for _ in range(rng.integers(1, 3)):
            place = int(rng.uniform(0, 5) * RATE)
            while sounds and place < len(stream):
                part = sounds[rng.integers(len(sounds))] * np.float32(augment.db(rng.uniform(-25, 3)))
                part = part[:len(stream) - place]
                stream[place:place + len(part)] += part
                place += len(part) + int(rng.exponential(2) * RATE)
        yield np.clip(stream, -1, 1).astype(np.float32)


def predict(path, clips, harmless, data, seed=0):
    """Arrays of everything that judging needs. `path`: the ONNX file; `harmless`: those of the clips in which nothing should be reported."""
    network, rng = session(path), np.random.default_rng(seed)
    found = {name: [] for name in ("logits", "counts", "audioset", "audioset_logits", "audioset_counts", *VARIANTS)}
    for clip in clips:
        audio = dataset.load_audio(Path(data) / clip.path, RATE)
        scores, audioset, _ = run(network, windows(audio))
        found["logits"].append(scores.astype(np.float16))
        found["counts"].append(len(scores))
        found["audioset"].append((1 / (1 + np.exp(-audioset))).mean(0))
        found["audioset_logits"].append(audioset[::SELDOM // EVERY].astype(np.float16))
        found["audioset_counts"].append(len(found["audioset_logits"][-1]))
        for name, each in changed(audio, rng).items():
            found[name].append(run(network, windows(each, SELDOM))[0])
    result = {"paths": [clip.path for clip in clips], "counts": found["counts"], "logits": np.concatenate(found["logits"]),
              "audioset": np.stack(found["audioset"]).astype(np.float32),
              "audioset_logits": np.concatenate(found["audioset_logits"]), "audioset_counts": found["audioset_counts"]}
    for name in VARIANTS:
        result[name] = np.stack([log_softmax(scores).mean(0) for scores in found[name]]).astype(np.float32)
    quiet = [run(network, windows(stream))[0].astype(np.float16) for stream in streams(harmless, data, np.random.default_rng(seed + 1))]
    return result | {"streams": np.concatenate(quiet), "stream_counts": [len(each) for each in quiet]}
