# SPDX-License-Identifier: MIT OR Apache-2.0
"""Numbers of the card out of held-out predictions: recall, calibration, thresholds, false reports, robustness, AudioSet's output."""
from collections import Counter

import numpy as np
from scipy.stats import binom

from . import labels
from .calibration import false_events, moving_ensemble
from .evaluation import clip_means, confusion, expected_calibration_error, halves, log_softmax, recalls
from .predictions import HARMLESS, VARIANTS

PRECISION, LOWEST, HIGHEST = 0.9, 0.965, 0.99
BACKGROUND_THRESHOLD = 0.3  # posted, but no alarm
FALSE_AN_HOUR = 2.0  # allowed in the streams that the thresholds are chosen on
MIN_RECALL = 0.5  # of an offered label
DOUBT = 0.05  # below this probability, so few correct clips show that the recall is below MIN_RECALL
ENSEMBLE = 10  # windows


class Held:
    """Held-out predictions of one or several folds, reduced to the labels `offered`."""

    def __init__(self, folds, clips, offered):
        by_path = {clip.path: clip for clip in clips}
        parts = [dict(np.load(path)) for path in folds]
        self.clips = [by_path[path] for part in parts for path in part["paths"]]
        columns = [labels.LABELS.index(name) for name in offered]
        self.offered, self.counts = offered, np.concatenate([part["counts"] for part in parts])
        self.logits = np.concatenate([part["logits"] for part in parts]).astype(np.float32)[:, columns]
        self.truth = np.array([offered.index(clip.label) if clip.label in offered else -1 for clip in self.clips])
        self.audioset = np.concatenate([part["audioset"] for part in parts])
        self.audioset_logits = np.concatenate([part["audioset_logits"] for part in parts]).astype(np.float32)
        self.audioset_counts = np.concatenate([part["audioset_counts"] for part in parts])
        self.variants = {name: np.concatenate([part[name] for part in parts])[:, columns] for name in VARIANTS}
        self.streams = [stream.astype(np.float32)[:, columns] for part in parts
                        for stream in np.split(part["streams"], np.cumsum(part["stream_counts"])[:-1])]
        self.half = halves([clip.group for clip in self.clips])

    def log_p(self, temperature=1.0):
        return log_softmax(self.logits / temperature)


def in_bins(probability, right, bins=10):
    """Mean posted probability, share of right windows and their number, of each tenth of the probabilities."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    filled = [number for number in range(bins) if (which == number).any()]
    return [[float(probability[which == number].mean()), float(right[which == number].mean()), int((which == number).sum())] for number in filled]


def printed(logits, counts, truth, temperature):
    """The probability that the element posts with each window's best label (moving ensemble), and whether the label is the clip's."""
    pieces = np.split(log_softmax(logits / temperature), np.cumsum(counts)[:-1])
    ensembles = np.concatenate([moving_ensemble(piece, ENSEMBLE) for piece in pieces])
    return ensembles.max(1), ensembles.argmax(1) == np.repeat(truth, counts)


def best_temperature(logits, counts, truth):
    """The temperature at which the posted probability best says whether the label is right."""
    def loss(temperature):
        probability, right = printed(logits, counts, truth, temperature)
        sure = np.clip(probability, 1e-6, 1 - 1e-6)
        return -np.mean(np.where(right, np.log(sure), np.log(1 - sure)))

    grid = np.geomspace(0.3, 3, 40)
    return float(grid[int(np.argmin([loss(t) for t in grid]))])


def calibration(held):
    """(temperature of all, error with each half's temperature from the other half, (probability, right) of each window so)."""
    own, known = np.repeat(np.arange(len(held.counts)), held.counts), held.truth >= 0

    def chosen(rows):
        return best_temperature(held.logits[rows[own]], held.counts[rows], held.truth[rows])

    parts = []
    for half in (0, 1):
        judged = known & (held.half == half)
        parts.append(printed(held.logits[judged[own]], held.counts[judged], held.truth[judged], chosen(known & (held.half != half))))
    probability, right = (np.concatenate(each) for each in zip(*parts))
    return chosen(known), expected_calibration_error(probability, right, bins=10), (probability, right)


def is_offered(name, held, recall):
    """Whether held-out clips speak for a label. What people ask for is left out only if they speak against it clearly: two or more
    recordings, and fewer right clips than chance gives a label that is recognised half of the time."""
    if recall.get(name, 0.0) >= MIN_RECALL or name == labels.BACKGROUND:
        return True
    if name not in labels.ASKED_FOR:
        return False
    judged = [clip for clip in held.clips if clip.label == name]
    recordings, right = len({clip.group for clip in judged}), round(recall.get(name, 0.0) * len(judged))
    return recordings < 2 or binom.cdf(right, len(judged), MIN_RECALL) >= DOUBT


def offered(names, held):
    """The labels that stay: as long as some should not be offered, the weakest of them goes and the others are judged anew."""
    means, names = clip_means(held.log_p(), held.counts), list(names)
    while True:
        columns = [held.offered.index(name) for name in names]
        truth = np.array([columns.index(number) if number in columns else -1 for number in held.truth])
        recall = recalls(means[:, columns], truth, names)
        weak = [name for name in names if not is_offered(name, held, recall)]
        if not weak:
            return names
        names.remove(min(weak, key=lambda name: (recall.get(name, 0.0), name)))


def thresholds(peaks, truth, offered, streams, allowed):
    """For each label the lowest threshold of the asked precision, raised until the streams have few enough false reports."""
    chosen = np.full(len(offered), HIGHEST)
    for index, name in enumerate(offered):
        if name == labels.BACKGROUND:
            chosen[index] = BACKGROUND_THRESHOLD
            continue
        order = np.argsort(-peaks[:, index])
        right = np.cumsum(truth[order] == index)
        good = (right / np.arange(1, len(order) + 1) >= PRECISION) & (right > 0)
        if good.any():
            last = np.flatnonzero(good)[-1]
            below = peaks[order[last + 1], index] if last + 1 < len(order) else 0.0
            chosen[index] = np.clip((peaks[order[last], index] + below) / 2, LOWEST, HIGHEST)
    while (false := per_hour(streams, allowed, chosen)).sum() > FALSE_AN_HOUR and chosen.min() < 1:
        chosen[false.argmax()] += 0.01
    return chosen.clip(max=1.0)


def hours(streams):
    return sum(len(stream) / 10 + 0.9 for stream in streams) / 3600


def per_hour(streams, allowed, limits):
    return sum(false_events(stream, allowed, limits) for stream in streams) / hours(streams)


def reports(held, temperature, recall):
    """Thresholds from everything; precision, clips found and false reports with thresholds chosen on the other half.

    Denied, by all clips, are the labels without a usable threshold, the weak ones, and those that no clip confirms.
    """
    pieces = np.split(held.log_p(temperature), np.cumsum(held.counts)[:-1])
    peaks = np.array([moving_ensemble(piece, ENSEMBLE).max(0) for piece in pieces])
    streams = [moving_ensemble(log_softmax(stream / temperature), ENSEMBLE) for stream in held.streams]
    sounds = [index for index, name in enumerate(held.offered) if name != labels.BACKGROUND]
    weak = [index for index in sounds if recall.get(held.offered[index], 0.0) < MIN_RECALL]
    allowed = sorted({held.offered.index(name) for name in HARMLESS if name in held.offered} | set(weak))
    final = thresholds(peaks, held.truth, held.offered, streams, allowed).round(3)
    over, false = np.zeros(peaks.shape, bool), 0.0
    for half in (0, 1):
        limits = thresholds(peaks[held.half != half], held.truth[held.half != half], held.offered, streams[1 - half::2], allowed)
        over[held.half == half] = peaks[held.half == half] >= limits
        false += per_hour(streams[half::2], allowed, limits).sum() / 2
    denied = [index for index in sounds if index in weak or final[index] >= HIGHEST or not over[held.truth == index, index].any()]
    over[:, denied] = False
    counted = [index for index in sounds if (held.truth == index).any()]
    found = {held.offered[i]: float(over[held.truth == i, i].mean()) for i in counted}
    precision = {held.offered[i]: float((held.truth[over[:, i]] == i).mean()) if over[:, i].any() else None for i in counted}
    right = sum(int(over[held.truth == i, i].sum()) for i in counted)
    return {"thresholds": dict(zip(held.offered, final.tolist())), "denied": [held.offered[i] for i in denied], "found": found, "precision": precision,
            "found_mean": float(np.mean(list(found.values()))), "precision_of_all": right / max(1, int(over[:, counted].sum())),
            "false_an_hour": float(false), "hours": hours(streams),
            "false_by_label": {held.offered[i]: float(n) for i, n in enumerate(per_hour(streams, allowed, final)) if n}}


def accuracy_among(log_p, held, names, chosen=None):
    """Share of the clips of these labels that are right when only these labels count."""
    columns = [held.offered.index(name) for name in names if name in held.offered]
    rows = np.isin(held.truth, columns) if chosen is None else chosen & np.isin(held.truth, columns)
    return float((np.array(columns)[log_p[rows][:, columns].argmax(1)] == held.truth[rows]).mean())


def stays_right(held):
    """Of the clips that are right as they are, the share that is right changed, for each change."""
    known = held.truth >= 0
    right = {name: scores.argmax(1) == held.truth for name, scores in held.variants.items()}
    base = right[VARIANTS[0]] & known
    return {name: float(right[name][base].mean()) for name in VARIANTS[1:]}


def average_precision(scores, relevant):
    order = np.argsort(-scores)
    hits = relevant[order]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def audioset_precision(scores, clips, names):
    """Mean average precision over the AudioSet classes that are the closest of some label, on clips of the labels."""
    positive = {}
    for row, clip in enumerate(clips):
        if clip.label in labels.MEANING:
            positive.setdefault(labels.meaning(clip.label, names)[0], set()).add(row)
    rows = [row for row, clip in enumerate(clips) if clip.label in labels.MEANING]
    return float(np.mean([average_precision(scores[rows, number], np.isin(rows, list(found))) for number, found in positive.items()]))


def audioset_temperature(held, wanted):
    """The temperature at which the probabilities of AudioSet's output are closest to `wanted`, those of the published network for whole clips."""
    wanted = np.repeat(wanted, held.audioset_counts, axis=0)

    def loss(temperature):
        logits = held.audioset_logits / temperature
        return np.mean(np.logaddexp(0, logits) - wanted * logits)

    grid = np.geomspace(0.5, 2, 57)
    return float(grid[int(np.argmin([loss(t) for t in grid]))])


def judge(held, clips, tried_recall, unseen):
    """Everything for the card. `tried_recall`: recall of all labels before any is left out; `unseen`: the labels that are left out."""
    temperature, error, calibrated = calibration(held)
    log_p = clip_means(held.log_p(temperature), held.counts)
    recall = recalls(log_p, held.truth, held.offered)
    esc = np.array(["ESC-10" in clip.row["source_repo"] for clip in held.clips])
    asked = [recall[name] for name in labels.ASKED_FOR if name in recall]
    sounds = [recall[name] for name in recall if name not in labels.INSTRUMENTS]
    best = log_p.argmax(1)
    amount, groups = Counter(clip.label for clip in clips), {}
    for clip in clips:
        groups.setdefault(clip.label, set()).add(clip.group)
    return {
        "offered": held.offered, "temperature": temperature, "calibration_error": error,
        "calibration": in_bins(*calibrated),
        "clips_judged": int((held.truth >= 0).sum()), "clips_right": float((best == held.truth)[held.truth >= 0].mean()),
        "esc10": accuracy_among(log_p, held, labels.ESC10, esc), "esc50": accuracy_among(log_p, held, labels.ESC50),
        "macro_asked": float(np.mean(asked)), "asked": len(asked),
        "macro_sounds": float(np.mean(sounds)), "sounds": len(sounds), "macro": float(np.mean(list(recall.values()))), "recall": recall,
        "judged": {name: int((held.truth == index).sum()) for index, name in enumerate(held.offered)},
        "clips": dict(amount), "recordings": {name: len(found) for name, found in groups.items()}, "tried_recall": tried_recall,
        "reports": reports(held, temperature, recall), "stays_right": stays_right(held), "confusion": confusion(log_p, held.truth, held.offered).tolist(), "left_out": unseen,
        "macro_band": float(np.mean(list(recalls(held.variants[VARIANTS[-1]], held.truth, held.offered).values()))),
    }
