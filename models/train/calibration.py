# SPDX-License-Identifier: MIT OR Apache-2.0
"""Temperature and thresholds, from predictions of networks that did not see the clips."""
import numpy as np

from .evaluation import clip_means, log_softmax

MOST = 0.99  # highest threshold


def temperature(logits, counts, truth):
    """The temperature at which the clips' best probability (geometric mean over the windows) best tells whether it is right.

    Least binary log loss. The windows themselves would have a higher one: their mean is less sure than each of them.
    """
    def loss(t):
        means = clip_means(log_softmax(logits, t), counts)
        right, sure = means.argmax(1) == truth, np.clip(np.exp(means.max(1)), 1e-6, 1 - 1e-6)
        return -np.mean(np.where(right, np.log(sure), np.log(1 - sure)))

    grid = np.geomspace(0.2, 3, 50)
    return float(grid[int(np.argmin([loss(t) for t in grid]))])


def moving_ensemble(log_p, length=10):
    """The element's moving geometric mean of one stream, as probabilities."""
    total = np.cumsum(np.vstack([np.zeros((1, log_p.shape[1])), log_p]), axis=0)
    last = np.arange(1, len(log_p) + 1)
    first = np.maximum(0, last - length)
    return np.exp((total[last] - total[first]) / (last - first)[:, None])


def thresholds(peaks, truth, classes, precision=0.95, least=0.3, most=MOST):
    """For each class the least threshold that gives the precision.

    Where there is none the class gets `most`: hardly ever reported. `peaks`: each clip's highest ensemble probability of each class; `truth` -1 counts as a wrong report of any class.
    """
    chosen = {}
    for i, name in enumerate(classes):
        order = np.argsort(-peaks[:, i])
        right = np.cumsum(truth[order] == i)
        value = peaks[order, i]
        good = (right / np.arange(1, len(order) + 1) >= precision) & (right > 0)
        # A threshold between the last good clip and the next one; equal values can't be told apart.
        last = np.flatnonzero(good)[-1] if good.any() else -1
        limit = (value[last] + value[last + 1]) / 2 if 0 <= last < len(order) - 1 else most
        chosen[name] = float(np.clip(limit, least, most))
    return chosen


def false_events(ensemble, allowed, limits):
    """Reports of each class that begin in one stream, none for the classes `allowed`."""
    over = ensemble >= limits
    over[:, allowed] = False
    begins = over & ~np.vstack([np.zeros((1, over.shape[1]), bool), over[:-1]])
    return begins.sum(0)
