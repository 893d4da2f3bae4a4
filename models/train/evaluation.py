# SPDX-License-Identifier: MIT OR Apache-2.0
"""Judging by clip: geometric mean over a clip's windows, recall, calibration, thresholds."""
import numpy as np


def log_softmax(logits, temperature=1.0):
    z = logits / temperature
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def clip_means(log_p, counts):
    """Mean of the windows' log probabilities for each clip: (windows, classes) to (clips, classes)."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.add.reduceat(log_p, starts, axis=0) / np.asarray(counts)[:, None]


def recalls(clip_log_p, truth, classes):
    """Recall of each class over clips; `truth` -1 is no class and not counted."""
    best = clip_log_p.argmax(1)
    return {name: float((best[truth == i] == i).mean()) for i, name in enumerate(classes) if (truth == i).any()}


def halves(groups):
    """0 or 1 of each clip; clips of a group have the same."""
    order = {group: index % 2 for index, group in enumerate(sorted(set(groups), key=lambda group: (hash_of(group), group)))}
    return np.array([order[group] for group in groups])


def hash_of(text):
    return sum((index + 1) * ord(letter) for index, letter in enumerate(text)) % 1009


def confusion(clip_log_p, truth, classes):
    matrix = np.zeros((len(classes), len(classes)), int)
    for t, b in zip(truth, clip_log_p.argmax(1)):
        if t >= 0:
            matrix[t, b] += 1
    return matrix


def expected_calibration_error(probability, correct, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.digitize(probability, edges[1:-1]), 0, bins - 1)
    return float(sum(abs(probability[which == b].mean() - correct[which == b].mean()) * (which == b).mean()
                     for b in range(bins) if (which == b).any()))
