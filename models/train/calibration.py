# SPDX-License-Identifier: MIT OR Apache-2.0
"""The element's moving ensemble, and the reports that begin in it."""
import numpy as np


def moving_ensemble(log_p, length=10):
    """The element's moving geometric mean of one stream, as probabilities."""
    total = np.cumsum(np.vstack([np.zeros((1, log_p.shape[1])), log_p]), axis=0)
    last = np.arange(1, len(log_p) + 1)
    first = np.maximum(0, last - length)
    return np.exp((total[last] - total[first]) / (last - first)[:, None])


def false_events(ensemble, allowed, limits):
    """Reports of each class that begin in one stream, none for the classes `allowed`."""
    over = ensemble >= limits
    over[:, allowed] = False
    begins = over & ~np.vstack([np.zeros((1, over.shape[1]), bool), over[:-1]])
    return begins.sum(0)
