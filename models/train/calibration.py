# SPDX-License-Identifier: MIT OR Apache-2.0
"""Temperature and thresholds, from predictions of networks that did not see the clips."""
import numpy as np

from .dataset import BACKGROUND
from .evaluation import clip_means, log_softmax

LEAST, MOST = 0.95, 0.99  # thresholds; the precision that clips promise at lower ones does not hold on other clips
OF_BACKGROUND = 0.3  # nobody is alarmed by it
FALSE = 2.0  # most false reports in ten minutes of background and speech


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


def thresholds(peaks, truth, classes, quiet, allowed, precision=0.95):
    """For each class the least threshold from LEAST on that gives the precision, raised until there are at most FALSE false reports.

    Where there is none the class gets MOST: hardly ever reported. `peaks`: each clip's highest ensemble probability of each class;
    `truth` -1 counts as a wrong report of any class; `quiet`, `allowed`: as in `false_reports`.
    """
    chosen = precise(peaks, truth, classes, precision)
    while (false := false_reports(quiet, allowed, chosen)).sum() > FALSE:
        chosen[false.argmax()] += 0.01
    return chosen.clip(max=1)


def precise(peaks, truth, classes, precision):
    chosen = np.full(len(classes), OF_BACKGROUND)
    for i, name in enumerate(classes):
        if name == BACKGROUND:
            continue
        order = np.argsort(-peaks[:, i])
        right = np.cumsum(truth[order] == i)
        value = peaks[order, i]
        good = (right / np.arange(1, len(order) + 1) >= precision) & (right > 0)
        # A threshold between the last good clip and the next one; equal values can't be told apart.
        last = np.flatnonzero(good)[-1] if good.any() else -1
        limit = (value[last] + value[last + 1]) / 2 if 0 <= last < len(order) - 1 else MOST
        chosen[i] = np.clip(limit, LEAST, MOST)
    return chosen


def false_reports(ensembles, allowed, limits):
    """Reports of each class in ten minutes of these streams; the classes `allowed` are never false."""
    return sum(false_events(ensemble, allowed, limits) for ensemble in ensembles) * 600 / seconds(ensembles)


def seconds(ensembles):
    """Length of streams, whose windows are 0.975 s long and begin ten times a second."""
    return sum(len(ensemble) / 10 + 0.875 for ensemble in ensembles)


def false_events(ensemble, allowed, limits):
    """Reports of each class that begin in one stream, none for the classes `allowed`."""
    over = ensemble >= limits
    over[:, allowed] = False
    begins = over & ~np.vstack([np.zeros((1, over.shape[1]), bool), over[:-1]])
    return begins.sum(0)
