# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reading labelled clips, deciding the classes, and folds that never split a group."""
import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from .labels import DOUBTFUL, JOINED


@dataclass(frozen=True)
class Clip:
    path: str
    label: str
    group: str
    fold: int
    row: dict


def read_rows(root):
    """The rows of `clips.csv`."""
    with open(Path(root) / "clips.csv", newline="") as file:
        return list(csv.DictReader(file))


def read_clips(root):
    """The clips of `clips.csv` without doubtful ones, labels merged, the folds reduced to four (see `four_folds`)."""
    rows = [row for row in read_rows(root) if row["group"] not in DOUBTFUL]
    folds = four_folds(rows)
    return [Clip(r["path"], JOINED.get(r["label"], r["label"]), r["group"], folds[r["group"]], r) for r in rows]


def four_folds(rows):
    """Fold of each group. Groups of fold 5 join the fold where their label is rarest; the others stay."""
    count = defaultdict(Counter)
    groups = defaultdict(list)
    for row in rows:
        label = JOINED.get(row["label"], row["label"])
        groups[row["group"]].append(label)
        if row["fold"] != "5":
            count[label][int(row["fold"])] += 1
    folds = {row["group"]: int(row["fold"]) for row in rows}
    late = sorted((group for group, fold in folds.items() if fold == 5), key=lambda g: (-len(groups[g]), g))
    for group in late:
        label = Counter(groups[group]).most_common(1)[0][0]
        folds[group] = min((1, 2, 3, 4), key=lambda fold: (count[label][fold], fold))
        for each in groups[group]:
            count[each][folds[group]] += 1
    return folds


def load_audio(path, rate):
    """Mono float32 at `rate`."""
    audio, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    audio = audio.mean(1)
    return audio if source_rate == rate else soxr.resample(audio, source_rate, rate, quality="HQ").astype(np.float32)
