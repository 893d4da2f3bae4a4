# SPDX-License-Identifier: MIT OR Apache-2.0
"""Confusion matrix, calibration and recall as pictures."""
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402


def confusion_picture(matrix, classes, path, title=""):
    """Shares of each true class (row), written into the cells from 5 % on."""
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    size = max(5.0, 0.27 * len(classes) + 2.5)
    figure, axes = plt.subplots(figsize=(size, size))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [name.replace("_", " ") for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=9)
    axes.set_yticks(range(len(names)), [f"{n} ({c})" for n, c in zip(names, matrix.sum(1))], fontsize=9)
    axes.set_xlabel("predicted label")
    axes.set_ylabel("true label (clips)")
    axes.set_title(title, fontsize=11)
    axes.set_xticks(np.arange(-0.5, len(names)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(names)), minor=True)
    axes.grid(which="minor", color="#e4e4e4", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    for row, column in zip(*np.nonzero(share >= 0.05)):
        axes.text(column, row, f"{100 * share[row, column]:.0f}", ha="center", va="center", fontsize=7,
                  color="white" if share[row, column] > 0.55 else "black")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def calibration_picture(bins, error, path):
    """`bins`: mean probability, share of right windows and number of windows of each range of probabilities."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(4.6, 5.4), height_ratios=(3, 1), sharex=True)
    probability, right, counts = np.array(bins).T
    above.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="perfect")
    above.plot(probability, right, marker="o", label="held-out windows")
    above.set_ylabel("share of windows that are right")
    above.set_title(f"Calibration: mean error {100 * error:.1f} %", fontsize=11)
    above.legend()
    below.bar(probability, counts, width=0.08, color="#7fa6c9")
    below.set_xlabel("posted probability of the best label")
    below.set_ylabel("windows")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def recall_picture(recordings, recall, names, instruments, path):
    """Recall of each label over its number of recordings; the weak ones are named."""
    figure, axes = plt.subplots(figsize=(8, 5))
    recordings, recall, instruments = np.maximum(recordings, 1), np.array(recall), np.array(instruments)
    for chosen, label, marker in ((~instruments, "everyday sounds", "o"), (instruments, "instruments", "^")):
        axes.scatter(recordings[chosen], 100 * recall[chosen], marker=marker, alpha=0.7, label=label)
    axes.set_xscale("log")
    ticks = [1, 2, 5, 10, 20, 40]
    axes.set_xticks(ticks, ticks)
    axes.set_xlabel("recordings")
    axes.set_ylabel("recall, %")
    axes.set_ylim(-4, 104)
    axes.set_xlim(0.9, 80)  # with room for the names
    axes.set_title("Recall by number of recordings (held-out clips)", fontsize=11)
    axes.legend(loc="upper left")
    figure.tight_layout()
    annotate(axes, [(count, 100 * value, name.replace("_", " ")) for count, value, name in zip(recordings, recall, names) if value < 0.7])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def annotate(axes, points, size=7):
    """Names (x, y, name) beside their points, moved up where another name is in the way."""
    taken, scale = [], 72 / axes.figure.dpi
    for x, y, name in sorted(points):
        at = axes.transData.transform((x, y)) * scale
        width, up = 0.6 * size * len(name), 2
        while any(left < at[0] + width and at[0] < right and abs(at[1] + up - line) < size for left, right, line in taken):
            up += 1
        taken.append((at[0], at[0] + width, at[1] + up))
        axes.annotate(name, (x, y), fontsize=size, xytext=(4, up), textcoords="offset points")
