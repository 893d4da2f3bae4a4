# SPDX-License-Identifier: MIT OR Apache-2.0
"""What came of the training: a table of classes, the confusion matrix and the curves."""
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from .. import evaluation  # noqa: E402
from ..pictures import confusion_picture  # noqa: E402


def judged(logits, counts, truth, labels):
    """Recordings by the geometric mean over their windows: accuracy, confusion, and each label's numbers."""
    log_p = evaluation.log_softmax(logits)
    clip_log_p = evaluation.clip_means(log_p, counts)
    matrix = evaluation.confusion(clip_log_p, truth, labels)
    right, said, real = np.diag(matrix), matrix.sum(0), matrix.sum(1)
    recall = right / np.maximum(real, 1)
    precision = np.where(said > 0, right / np.maximum(said, 1), np.nan)
    mistaken = matrix - np.diag(right)
    classes = [{"label": label, "recordings": int(real[i]), "recall": float(recall[i]), "precision": None if np.isnan(precision[i]) else float(precision[i]),
                "mostly_taken_for": labels[mistaken[i].argmax()] if mistaken[i].any() else None} for i, label in enumerate(labels)]
    return {"recordings": int(real.sum()), "accuracy": float(right.sum() / real.sum()), "macro_recall": float(recall.mean()),
            "classes": classes, "confusion": matrix.tolist()}


def table(result):
    def percent(value):
        return "–" if value is None else f"{100 * value:.0f} %"

    lines = ["| label | recordings judged | recall | precision | mostly taken for |", "|---|---:|---:|---:|---|"]
    lines += [f"| {row['label']} | {row['recordings']} | {percent(row['recall'])} | {percent(row['precision'])} | {row['mostly_taken_for'] or ''} |"
              for row in result["classes"]]
    lines += ["", f"{result['recordings']} recordings that were not learned from: {percent(result['accuracy'])} right, "
              f"macro recall {percent(result['macro_recall'])}."]
    return "\n".join(lines) + "\n"


def pictures(folder, name, result, stages):
    """`stages`: title to rows of epoch, loss, right, judged loss, judged right."""
    confusion_picture(np.array(result["confusion"]), [row["label"] for row in result["classes"]], folder / f"{name}-confusion.png",
                      f"{name}: recordings, per cent of each label")
    curves(folder / f"{name}-curves.png", stages)


def curves(path, stages):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    before = 0
    for title, rows in stages.items():
        rows = np.array(rows)
        x = rows[:, 0] + before
        for axis, learned, kept in ((axes[0], 1, 3), (axes[1], 2, 4)):
            first = before == 0
            axis.plot(x, rows[:, learned], color="tab:blue", marker=".", label="learned from, changed and mixed" if first else None)
            axis.plot(x, rows[:, kept], color="tab:orange", marker=".", label="kept for judging" if first else None)
            if not first:
                axis.axvline(before + 0.5, color="grey", linewidth=0.8, linestyle=":")
            axis.text(before + 0.6, 1.01, title, transform=axis.get_xaxis_transform(), fontsize=8, color="grey")
        before += len(rows)
    for axis, name in zip(axes, ("loss of windows", "windows right")):
        axis.set_xlabel("epoch")
        axis.set_ylabel(name)
        axis.grid(color="#e4e4e4", linewidth=0.5)
    axes[1].set_ylim(0, 1.05)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
