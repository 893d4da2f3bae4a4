# SPDX-License-Identifier: MIT OR Apache-2.0
"""From a network written in PyTorch to one that the element runs: the part that your own training script would add.

    python -m models.convert.pytorch_example OUT      writes OUT/example.pt and OUT/example.labels.txt
    python -m models.convert OUT/example.pt --preset yamnet --shape 1,96,64 --labels OUT/example.labels.txt -o OUT

Needs PyTorch (models/train/requirements.txt), not TensorFlow. The weights here are random.
"""
import sys
from pathlib import Path

import torch
from torch import nn

LABELS = ["Bark", "Rain", "Background"]


class Network(nn.Module):
    """Windows (N, 1, frames, mels) to probabilities (N, labels): ending in softmax, the manifest needs no activation."""

    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.classes = nn.Linear(32, classes)

    def forward(self, x):
        return self.classes(self.body(x).mean((2, 3))).softmax(1)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = Network(len(LABELS)).eval()  # eval: batch norm and dropout as in use
    torch.jit.script(network).save(str(folder / "example.pt"))
    (folder / "example.labels.txt").write_text("\n".join(LABELS) + "\n")
    print(f"wrote {folder}/example.pt and example.labels.txt")


if __name__ == "__main__":
    main()
