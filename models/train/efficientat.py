# SPDX-License-Identifier: MIT OR Apache-2.0
"""EfficientAT's small tagger (mn04, by Florian Schmid, MIT licence) with a second output for labels of one's own.

Features: 32 kHz, x[t+1] - 0.97 x[t], centred frames of 1024, a Hann window of 800 inside, hop 320, power, 128 mel bands up to 15 kHz,
(ln(power + 1e-5) + 4.5) / 5: the crate's preset `efficientat`. Windows of one second: 100 frames.
"""
import copy

import numpy as np
import torch
from scipy import fft
from torch import nn
from torch.nn import functional as F

RATE, HOP, SIZE, FRAMES, MELS = 32000, 320, 1024, 100, 128
OFFSET = 1e-5  # added to the power before the logarithm
AUDIOSET, WIDTH = 527, 384  # classes; channels of the last feature map, which is the embedding
# Of each inverted residual: kernel, stride, squeeze-and-excitation, hard swish (else ReLU). The first one does not expand.
BLOCKS = [(3, 1, 0, 0), (3, 2, 0, 0), (3, 1, 0, 0), (5, 2, 1, 0), (5, 1, 1, 0), (5, 1, 1, 0), (3, 2, 0, 1), (3, 1, 0, 1), (3, 1, 0, 1),
          (3, 1, 0, 1), (3, 1, 1, 1), (3, 1, 1, 1), (5, 2, 1, 1), (5, 1, 1, 1), (5, 1, 1, 1)]
BATCH_NORM_EPSILON = 1e-3


def filter_bank():
    """Triangles on the scale 1127 ln(1 + f / 700) from 0 to 15 kHz, (mels, SIZE / 2 + 1); the bin at half the rate has no weight."""
    edges = np.linspace(0, 1127 * np.log(1 + 15000 / 700), MELS + 2)
    bins = 1127 * np.log(1 + RATE / SIZE * np.arange(SIZE // 2) / 700)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.pad(np.minimum(rise, fall).clip(0), ((0, 0), (0, 1))).astype(np.float32)


BANK = filter_bank()
TAPER = np.pad(np.hanning(800), 112).astype(np.float32)


def mel_power(audio):
    """Power of the mel bands, (frames, mels); a frame for each HOP samples."""
    emphasised = np.pad(audio[1:] - np.float32(0.97) * audio[:-1], SIZE // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, SIZE)[::HOP]
    parts = [np.abs(fft.rfft(frames[i:i + 2000] * TAPER)) ** 2 @ BANK.T for i in range(0, len(frames), 2000)]
    return np.concatenate(parts)


def scaled(power):
    """The network's input."""
    return (np.log(power + OFFSET) + 4.5) / 5


def unscaled(x):
    """ln(power + OFFSET) of the network's input."""
    return 5 * x - 4.5


class Level(nn.Module):
    """Brings each window to one loudness, and returns the loudness that it had.

    Power below `GATE`, about white noise of -100 dBFS, counts as none, so digital silence stays silence. `pool`: of the result, one value is the mean
    power of so many bands and frames.
    """

    GATE, USUAL, LOUDEST, QUIETEST = 1.01e-5, -1.0, -8.0, 10.4  # gate in power; the others natural logarithms of power

    def __init__(self, pool=1):
        super().__init__()
        self.pool = pool

    def forward(self, x):
        power = F.relu(unscaled(x).exp() - self.GATE)
        if self.pool > 1:
            power = F.avg_pool2d(power, self.pool)
        level = (power.mean((1, 2, 3), keepdim=True) + 1e-7).log()
        gain = (self.USUAL - level).clamp(self.LOUDEST, self.QUIETEST).exp()
        return ((power * gain + OFFSET).log() + 4.5) / 5, level.flatten(1)


class Tagger(nn.Module):
    """(windows, 1, mels, frames) to logits of the labels, logits of AudioSet's classes, and the embedding.

    The published network's batch norms are folded into its convolutions. `STEPS`: loudnesses at which the logit of Background may bend.
    """

    STEPS = (-10.0, -7.0, -4.0, -1.0)
    USED = tuple(range(1, len(BLOCKS) + 1))  # blocks
    EXCITES, POOL = True, 1  # squeeze and excitation; bands and frames of a value that the first convolution gets

    def __init__(self, published, labels, background, normalise=True):
        super().__init__()
        self.level = Level(self.POOL) if normalise else None
        self.register_buffer("steps", torch.tensor(self.STEPS), persistent=False)
        self.register_buffer("of_background", F.one_hot(torch.tensor(background), labels).float(), persistent=False)
        weights = {name: value.float() for name, value in published.items() if value.dtype.is_floating_point and self.uses(name)}
        self.tensors = nn.ParameterDict()
        for name, value in weights.items():
            if name.endswith(".0.weight") and value.dim() == 4:
                self.fold(name[:-len(".0.weight")], value, weights)
            elif "conc_se" in name or name.startswith("classifier."):
                self.tensors[name.replace(".", "/")] = nn.Parameter(value.clone())
        if not self.EXCITES:
            self.drop_excitation(published)
        self.labels = nn.Linear(weights["classifier.2.bias"].numel(), labels)
        self.quiet = nn.Parameter(torch.zeros(len(self.STEPS)))

    def uses(self, name):
        """Whether a tensor of the published network belongs to a part that this one has."""
        part, number, *_ = name.split(".")
        return part != "features" or ((int(number) in (0, *self.USED, len(BLOCKS) + 1)) and (self.EXCITES or "conc_se" not in name))

    def fold(self, name, kernel, weights):
        norm = {part: weights[f"{name}.1.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / (norm["running_var"] + BATCH_NORM_EPSILON).sqrt()
        self.tensors[f"{name}/weight".replace(".", "/")] = nn.Parameter(kernel * scale[:, None, None, None])
        self.tensors[f"{name}/bias".replace(".", "/")] = nn.Parameter(norm["bias"] - norm["running_mean"] * scale)

    def drop_excitation(self, published):
        """Leaves the scales that squeeze and excitation would give for no input, so that values stay about as large as they were."""
        for number in self.USED:
            if BLOCKS[number - 1][2]:
                scale = published[f"features.{number}.block.2.conc_se_layers.0.fc2.bias"].float().sigmoid()
                self.tensors[f"features/{number}/block/3/weight"].data *= scale[None, :, None, None]

    def start_from_audioset(self, meanings):
        """Begins each label as the mean of the AudioSet classes that mean it. `meanings`: class numbers of each label."""
        weight, bias = (self.tensors[f"classifier/5/{part}"].detach() for part in ("weight", "bias"))
        with torch.no_grad():
            self.labels.weight.copy_(torch.stack([weight[classes].mean(0) for classes in meanings]))
            self.labels.bias.copy_(torch.stack([bias[classes].mean(0) for classes in meanings]) * 0)

    def lean_on_audioset(self, rows, classes, share, usual):
        """Adds `share` of the logit of an AudioSet class, over a usual one of -`usual`, to each label in `rows`."""
        weight, bias = (self.tensors[f"classifier/5/{part}"] for part in ("weight", "bias"))
        with torch.no_grad():
            self.labels.weight[rows] += share * weight[classes]
            self.labels.bias[rows] += share * (bias[classes] + usual)

    def only(self, kept, temperature=1.0, audioset_temperature=1.0):
        """A copy with these labels alone; the logits of the labels and of AudioSet's classes are divided by their temperatures."""
        network = copy.deepcopy(self).eval()
        network.labels = nn.Linear(self.labels.in_features, len(kept))
        with torch.no_grad():
            network.labels.weight.copy_(self.labels.weight[kept] / temperature)
            network.labels.bias.copy_(self.labels.bias[kept] / temperature)
            network.quiet /= temperature
            network.of_background = self.of_background[kept]
            for part in ("weight", "bias"):
                network.tensors[f"classifier/5/{part}"] /= audioset_temperature
        return network

    def dense(self, x, name):
        return F.linear(x, self.tensors[f"{name}/weight"], self.tensors[f"{name}/bias"])

    def convolve(self, x, name, stride=1, groups=1):
        kernel = self.tensors[f"{name}/weight"]
        return F.conv2d(x, kernel, self.tensors[f"{name}/bias"], stride, int(kernel.shape[-1]) // 2, 1, int(groups))

    def block(self, x, number):
        kernel, stride, excites, hard = BLOCKS[number - 1]
        act, name, y, part = F.hardswish if hard else F.relu, f"features/{number}/block", x, 0
        if number > 1:
            y, part = act(self.convolve(y, f"{name}/0")), 1
        y = act(self.convolve(y, f"{name}/{part}", stride, y.shape[1]))
        if excites:
            part += 1
        if excites and self.EXCITES:
            inner = f"{name}/{part}/conc_se_layers/0"
            scale = self.dense(F.relu(self.dense(y.mean((2, 3)), f"{inner}/fc1")), f"{inner}/fc2")
            y = y * scale.sigmoid()[:, :, None, None]
        y = self.convolve(y, f"{name}/{part + 1}")
        return x + y if stride == 1 and x.shape[1] == y.shape[1] else y

    def frozen_part(self, x, blocks=1):
        """The first layers, which training leaves as they are: the windows and their loudness."""
        x, level = self.level(x) if self.level else (x, None)
        x = F.hardswish(self.convolve(x, "features/0", 2))
        for number in self.USED:
            x = self.block(x, number) if number <= blocks else x
        return x, level

    def forward(self, x, frozen=0, dropout=0.0):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            x, level = self.frozen_part(x, frozen)
        for number in self.USED:
            x = self.block(x, number) if number > frozen else x
        embedding = F.hardswish(self.convolve(x, "features/16")).mean((2, 3))
        hidden = F.hardswish(self.dense(embedding, "classifier/2"))
        labels = self.labels(F.dropout(hidden, dropout, self.training) if dropout else hidden)
        if level is not None:
            labels = labels + F.relu(self.steps - level) @ self.quiet[:, None] * self.of_background
        return labels, self.dense(hidden, "classifier/5"), embedding


def published_network(path):
    return torch.load(path, map_location="cpu")
