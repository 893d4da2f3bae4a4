# SPDX-License-Identifier: MIT OR Apache-2.0
"""The networks. Input (N, 1, frames, mels)."""
import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, stride=1, kernel=3):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


def changes(inputs, outputs, bands):
    """Of `bands` bands together over time, at half as many times."""
    return [nn.Conv2d(inputs, outputs, (3, bands), (2, 1), (1, 0), bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class Residual(nn.Module):
    """Two dense 3 x 3 convolutions around which the input is carried."""

    def __init__(self, width, inner):
        super().__init__()
        self.first, self.second = conv(width, inner), conv(inner, width)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class Ears(nn.Module):
    """Dense residual network that keeps the frequency axis until the end.

    Mean and maximum over time are taken for each remaining band, so a click counts as much as a drone and
    the height of a sound is not lost. The lowest bands, `below` of them, are left to a second, small branch, which sees how all
    bands change together.
    """

    def __init__(self, classes, frames=96, mels=64, stem=16, widths=(32, 64, 128), depths=(1, 2, 2), features=384, dropout=0.2, below=0):
        super().__init__()
        if not 0 <= below < mels:
            raise ValueError(f"[network] below: expected 0 to {mels - 1} of the {mels} bands, found {below}")
        self.below = below
        layers, last = [conv(1, stem, 2), nn.ReLU()], stem
        for width, depth in zip(widths, depths):
            layers += [conv(last, width, 2), nn.ReLU(), *(Residual(width, width) for _ in range(depth))]
            last = width
        self.body = nn.Sequential(*layers)
        bands = mels - below
        for _ in range(len(widths) + 1):
            bands = (bands + 1) // 2
        self.second = nn.Sequential(*(layer for size in zip((1, 32), (32, 48), (mels, 1)) for layer in changes(*size))) if below else None
        self.embed = nn.Sequential(nn.Linear(last * bands + (48 if below else 0), features, bias=False), nn.BatchNorm1d(features), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(features, classes)

    def features(self, x):
        pooled = [self.body(x[..., self.below:])] + ([self.second(x)] if self.second else [])
        return self.embed(torch.cat([(part.mean(2) + part.amax(2)).flatten(1) for part in pooled], 1))

    def forward(self, x):
        return self.classes(self.dropout(self.features(x)))


class MobileNetV2(nn.Module):
    """The original project's network (width 0.35, dense 1024), to compare with."""

    def __init__(self, classes, width=0.35, **_):
        super().__init__()

        def channels(n):
            n = n * width
            rounded = max(8, int(n + 4) // 8 * 8)
            return rounded + 8 if rounded < 0.9 * n else rounded

        last = channels(32)
        layers = [conv(1, last, 2), nn.ReLU6()]
        for expand, outputs, repeat, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
            for i in range(repeat):
                layers.append(Inverted(last, channels(outputs), expand, stride if i == 0 else 1))
                last = channels(outputs)
        self.body = nn.Sequential(*layers, conv(last, 1280, 1, 1), nn.ReLU6())
        self.dense = nn.Sequential(nn.Linear(1280, 1024), nn.ReLU())
        self.classes = nn.Linear(1024, classes)

    def features(self, x):
        return self.dense(self.body(x).mean((2, 3)))

    def forward(self, x):
        return self.classes(self.features(x))


class Inverted(nn.Module):
    """MobileNetV2's block."""

    def __init__(self, inputs, outputs, expand, stride):
        super().__init__()
        inner = inputs * expand
        self.carry = stride == 1 and inputs == outputs
        self.block = nn.Sequential(
            *([conv(inputs, inner, 1, 1), nn.ReLU6()] if expand > 1 else []),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.ReLU6(),
            conv(inner, outputs, 1, 1))

    def forward(self, x):
        return x + self.block(x) if self.carry else self.block(x)


NETWORKS = {"ears": Ears, "mobilenetv2": MobileNetV2}
