# SPDX-License-Identifier: MIT OR Apache-2.0
"""Draws what benches/growth.rs prints: plot.py FILE FOLDER; see plot.sh."""

import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "soundclassify"
from matplotlib import pyplot


def draw(path, title, xlabel, points, line=None, named="as many times one stream alone"):
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    x, y = zip(*points)
    axes.plot(x, y, "o-", color="#1f5fa8", label="measured")
    if line:
        axes.plot(x, line, "--", color="#888888", label=named)
        axes.legend()
    axes.set(title=title, xlabel=xlabel, ylabel="processor time, ms", ylim=(0, 1.1 * max(y + tuple(line or ()))))
    axes.grid(alpha=0.3)
    if not line:
        axes.set_xscale("log")
    figure.savefig(path, metadata={"Date": None})


def main():
    lines = [line.strip().split(",") for line in open(sys.argv[1]) if "," in line and not line.startswith("|")]
    folder = pathlib.Path(sys.argv[2])
    points = {kind: [(float(x), float(y) * 1e3) for name, x, y in lines if name == kind] for kind in ("streams", "oversamples", "minutes")}
    alone = points["streams"][0][1]
    draw(folder / "streams.svg", "A second of audio of every stream", "streams", points["streams"], [x * alone for x, _ in points["streams"]])
    (few, first), *_, (many, last) = points["oversamples"]
    straight = [first + (last - first) * (x - few) / (many - few) for x, _ in points["oversamples"]]
    draw(folder / "oversamples.svg", "A second of audio of one stream", "windows a second (oversamples)", points["oversamples"], straight,
         "a straight line")
    draw(folder / "length.svg", "A second of audio of one stream, ten windows", "length of the stream, minutes", points["minutes"])


if __name__ == "__main__":
    main()
