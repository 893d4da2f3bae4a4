# SPDX-License-Identifier: MIT OR Apache-2.0
"""Labelled recordings of a folder or a table: checked, and split so that no recording is on both sides."""
import csv
import os
import re
import shutil
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ...convert.checks import is_plain
from ...convert.files import Failure

NOT_SOUND = {".txt", ".md", ".csv", ".json", ".toml", ".html", ".pdf", ".ini", ".log"}
MAX_NAMED = 20  # problems in one error
UNTOLD = ("no sound, or of a format that needs gst-discoverer-1.0 (Debian: gstreamer1.0-plugins-base-apps), which "
          "is {}; --mixed-rates goes on all the same")


@dataclass(frozen=True)
class Recording:
    """A sound file with its label; recordings of one group are never split."""

    path: Path
    label: str
    group: str
    judged: bool | None = None  # kept for judging, where the data set says so


def read(source, settings):
    """The recordings of a folder with a sub-folder per label, or of a .csv table."""
    source = Path(source)
    if source.is_dir():
        recordings = of_folder(source, settings)
    elif source.is_file():
        recordings = of_table(source, settings)
    else:
        raise Failure(f"{source}: not found; give a folder with a sub-folder per label, or a .csv with the columns file and label")
    check(source, recordings)
    return recordings


def of_folder(folder, settings):
    pattern = re.compile(settings["group_pattern"]) if settings.get("group_pattern") else None
    recordings = []
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    problems = [f"{path}: a link that leads nowhere" for path in inside if not path.exists()]
    stray = [path for path in inside if path.is_file() and path.suffix.lower() not in NOT_SOUND]
    problems += [f"{path}: a file beside the labels' folders: of which label is it?" for path in stray]
    for label in (path for path in inside if path.is_dir()):
        within = sorted(path for path in label.rglob("*") if not path.name.startswith("."))
        problems += [f"{path}: a link that leads nowhere" for path in within if not path.exists()]
        files = [path for path in within if path.is_file() and path.suffix.lower() not in NOT_SOUND]
        if not files:
            problems.append(f"{label}: a label's folder without a sound")
        for path in files:
            found = pattern.search(path.name) if pattern else None
            group = (found.group(1) if pattern.groups else found.group(0)) if found else None if pattern else str(path)
            if not group:
                problems.append(f"{path}: group_pattern {pattern.pattern!r} does not match its name")
            recordings.append(Recording(path, label.name, group))
    if not recordings and not problems:
        raise Failure(f"{folder}: expected a folder for each label with sounds in it, found none")
    fail(problems)
    return recordings


def of_table(table, settings):
    """Rows of a .csv. Settings `file`, `label`, `group` say how a row gives them, as in "fold{fold}/{name}"."""
    templates = {"file": settings.get("file", "{file}"), "label": settings.get("label", "{label}"), "group": settings.get("group")}
    root = Path(settings["root"]) if settings.get("root") else table.parent
    judged = settings.get("judged", {})
    recordings, problems = [], []
    for number, row in rows_of(table):
        if templates["group"] is None and "group" in row:
            templates["group"] = "{group}"
        try:
            file, label = templates["file"].format(**row), templates["label"].format(**row).strip()
            group = templates["group"].format(**row).strip() if templates["group"] else str(root / file)
            kept = all(row[column] in map(str, values) for column, values in judged.items()) if judged else None
        except KeyError as error:
            raise Failure(f"{table}: no column {error}; it has {', '.join(row)}") from error
        path = root / file
        missing = [what for what, found in (("file", file), ("label", label), ("group", group)) if not found]
        if missing:
            problems.append(f"{table}: line {number}: no {missing[0]}")
        elif not path.is_file():
            problems.append(f"{table}: line {number}: {path} not found")
        recordings.append(Recording(path, label, group, kept))
    fail(problems)
    return recordings


def rows_of(table):
    """Each row as a dictionary, with its line number; what a short row lacks is empty."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Failure(f"{table}: no table: {error}") from error
    if not rows:
        raise Failure(f"{table}: has no rows")
    fail([f"{table}: line {number}: expected {len(reader.fieldnames)} columns, as the head line has, found {len(reader.fieldnames) + len(row[None])}; "
          "is a comma in a value without quotes?" for number, row in rows if None in row])
    return rows


def check(source, recordings):
    """What can be seen before any sound is decoded."""
    first = {recording.label: recording.path for recording in reversed(recordings)}
    fail([f"{path}: label {label!r}: {problem}" for label, path in first.items() if (problem := label_problem(label))])
    problems = [f"{recording.path}: empty file" for recording in recordings if recording.path.stat().st_size == 0]
    problems += [f"{str(recording.path)!r}: a line break in a name" for recording in recordings if {"\n", "\r"} & set(str(recording.path.absolute()))]
    twice = defaultdict(set)
    groups = defaultdict(lambda: defaultdict(list))
    for recording in recordings:
        twice[recording.path].add(recording.label)
        groups[recording.label][recording.group].append(recording.path)
    problems += [f"{path}: has several labels ({', '.join(sorted(labels))}); a recording needs one" for path, labels in twice.items() if len(labels) > 1]
    fail(problems)
    if len(groups) < 2:
        raise Failure(f"{source}: expected at least two labels, found {', '.join(groups)}")
    fail([f"{paths[0]}: label {label} has this one recording" + (f" (group of {len(paths)} files)" if len(paths) > 1 else "")
          + "; it needs at least two, one to learn from and one to judge on"
          for label, by_group in groups.items() if len(by_group) == 1 for paths in by_group.values()])


def label_problem(label):
    """Why a file of labels can't hold it, or None."""
    try:
        label.encode()
    except UnicodeEncodeError:
        return "expected Unicode (UTF-8), found other bytes"
    if not is_plain(label):
        return "expected no control characters"
    return "expected no blanks at its ends" if label != label.strip() else None


def check_sounds(recordings, mixed_rates):
    """Length and rate of every file; a class recorded at another rate would be recognised by its bandwidth alone."""
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(rate_and_length, (recording.path for recording in recordings)))
    problems, by_rate = [], defaultdict(list)
    for recording, (rate, seconds) in zip(recordings, found):
        if seconds == 0:
            problems.append(f"{recording.path}: holds no samples")
        by_rate[rate].append(recording.path)
    fail(problems)
    if mixed_rates:
        return
    fail([f"{path}: its sample rate can't be found" for path in by_rate.pop(None, [])],
         UNTOLD.format("installed" if shutil.which("gst-discoverer-1.0") else "not installed"))
    if len(by_rate) > 1:
        usual = max(by_rate, key=lambda rate: len(by_rate[rate]))
        others = [f"{path}: {rate} Hz, most files have {usual} Hz" for rate, paths in sorted(by_rate.items()) if rate != usual for path in paths]
        fail(others, "a network may learn the rate in place of the sound; --mixed-rates resamples and goes on")


def rate_and_length(path):
    """Sample rate in Hz and length in seconds; None for what no reader here can read."""
    try:
        info = soundfile.info(os.fsencode(path))
        return info.samplerate, info.frames / info.samplerate
    except (soundfile.LibsndfileError, RuntimeError):
        pass
    if shutil.which("gst-discoverer-1.0"):
        report = subprocess.run(["gst-discoverer-1.0", "-v", str(path)], capture_output=True, text=True, errors="replace").stdout
        rate = re.search(r"Sample rate: (\d+)", report)
        if rate:
            return int(rate.group(1)), None
    return None, None


def split(recordings, share, seed):
    """True for recordings kept for judging: of every label about `share` of the groups, at least one; or what the data set says."""
    if any(recording.judged is not None for recording in recordings):
        kept = np.array([bool(recording.judged) for recording in recordings])
    else:
        kept = drawn(recordings, share, seed)
    for label in sorted({recording.label for recording in recordings}):
        own = np.array([recording.label == label for recording in recordings])
        if kept[own].all() or not kept[own].any():
            first = next(recording.path for recording in recordings if recording.label == label)
            raise Failure(f"{first}: label {label} has recordings only {'for judging' if kept[own].all() else 'to learn from'}: "
                          "its groups can't be divided; see `judged` and `group` in the settings")
    across = {r.group for r, k in zip(recordings, kept) if k} & {r.group for r, k in zip(recordings, kept) if not k}
    if across:
        path = next(recording.path for recording in recordings if recording.group in across)
        raise Failure(f"{path}: its group has recordings on both sides of the split")
    return kept


def drawn(recordings, share, seed):
    rng = np.random.default_rng(seed)
    groups = defaultdict(set)
    for recording in recordings:
        groups[recording.label].add(recording.group)
    chosen, learned = set(), set()
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):  # the rarest first: a group may have several labels
        free = sorted(groups[label] - chosen - learned)
        rng.shuffle(free)
        wanted = max(1, round(share * len(groups[label]))) - len(groups[label] & chosen)
        chosen.update(free[:max(0, min(wanted, len(groups[label]) - 1))])
        learned.update(groups[label] - chosen)
    return np.array([recording.group in chosen for recording in recordings])


def fail(problems, remedy=None):
    """Raises with all problems, the first ones by name."""
    if problems:
        more = [f"… and {len(problems) - MAX_NAMED} more"] if len(problems) > MAX_NAMED else []
        raise Failure("\n  ".join([*problems[:MAX_NAMED], *more, *([remedy] if remedy else [])]))
