# SPDX-License-Identifier: MIT OR Apache-2.0
"""Confusion matrix and training curves as pictures."""
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
    axes.set_xlabel("said")
    axes.set_ylabel("is (clips)")
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


def curves_picture(history, path):
    """`history`: rows of step, label loss, embedding loss, score loss, posterior loss, hit rate."""
    history = np.array(history)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
    for column, name in ((1, "label loss"), (2, "embedding loss")):
        axes[0].plot(history[:, 0], history[:, column], label=name)
    axes[0].legend()
    axes[1].plot(history[:, 0], history[:, 5])
    axes[1].set_title("right on augmented windows", fontsize=10)
    for each in axes:
        each.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
