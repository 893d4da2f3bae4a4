# SPDX-License-Identifier: MIT OR Apache-2.0
"""Augmented windows with the teacher's answers, kept on disk.

A window is only ever made of clips of one fold, so the same store serves every fold of the cross-validation
(leave the held-out fold's windows out) and the final training.

The waveforms are changed here; their features are computed by the crate.
"""
import json
import multiprocessing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from . import augment, rust_features, dataset, foley, formulas, nature, rooms, signals, synthesis
from .augment import Sound, db
from .features import YAMNET
from .teacher import EMBEDDING_SIZE, SCORES, Yamnet

META = np.dtype([("fold", "i1"), ("label", "i2"), ("second", "i2"), ("share", "f2"), ("kind", "u1")])
LABELLED, UNLABELLED, GENERATED = 0, 1, 2  # kinds; generated windows belong to no fold
ROOM = "room of "  # group of the room tone in a clip
NO_FOLD = 0
UNNAMED = -1  # label number of sounds that only the teacher says something about
LEAST_TONE = 0.5  # seconds of room tone
FORMULAS = {"nature": nature.KINDS, "foley": foley.KINDS, "signals": signals.KINDS}
SILENT_SHARE = 0.3  # of the clip's label, where a window of it holds nothing audible; the rest is Background


class Pool:
    """The clips of one fold, drawn by label, group and clip."""

    def __init__(self, sounds, clips, labels, background):
        self.tree = {}
        for sound, clip in zip(sounds, clips):
            self.tree.setdefault(sound.label, {}).setdefault(clip.group, []).append(sound)
        self.labels = list(self.tree)
        weight = np.array([sum(map(len, groups.values())) for groups in self.tree.values()]) ** 0.4
        self.weight = weight / weight.sum()
        self.groups = {label: list(groups.values()) for label, groups in self.tree.items()}
        self.group_weight = {label: (w := np.array([len(g) for g in groups]) ** 0.5) / w.sum()
                             for label, groups in self.groups.items()}
        self.background = background if background in self.tree else None
        self.rooms = [sound for sound, clip in zip(sounds, clips) if clip.group.startswith(ROOM)]

    def draw(self, rng, label=None):
        if label is None:
            label = self.labels[rng.choice(len(self.labels), p=self.weight)]
        group = self.groups[label][rng.choice(len(self.groups[label]), p=self.group_weight[label])]
        return group[rng.integers(len(group))]


def draw_window(rng, pool, length, rate, background, settings):
    """One window: (audio, label, second label, share of the first, kind)."""
    draw = rng.random()
    if draw < settings["made_up"]:
        audio = augment.level_and_floor(rng, augment.made_up(rng, length, rate), rate, False)
        return audio, -1, -1, 1.0, GENERATED
    if draw < settings["made_up"] + settings["background"]:
        return augment.background(rng, length, rate), background, -1, 1.0, GENERATED
    if draw < settings["made_up"] + settings["background"] + settings["rooms"] and pool.rooms:
        return room(rng, pool, length, rate), background, -1, 1.0, LABELLED
    if draw < settings["made_up"] + settings["background"] + settings["rooms"] + settings["wild"]:
        audio = np.zeros(length, np.float32)
        for _ in range(rng.integers(1, 4)):
            part, _ = augment.cut(rng, pool.draw(rng), length, rate, float(np.exp(rng.uniform(np.log(0.5), np.log(2)))))
            if rng.random() < 0.3:
                part = part[::-1]
            audio += augment.filtered(rng, part, rate) / loudness(part) * db(rng.uniform(-12, 0))
        audio *= db(rng.uniform(-45, -10))
        return augment.level_and_floor(rng, audio, rate, False), -1, -1, 1.0, UNLABELLED
    sound = pool.draw(rng)
    plain = rng.random() < settings["plain"]
    speed = 1.0 if plain or rng.random() < 0.5 else float(np.exp(rng.uniform(-0.16, 0.16)))
    audio, audible = augment.cut(rng, sound, length, rate, speed)
    label, second, share = sound.label, -1, 1.0
    if not plain and rng.random() < 0.7:
        audio = augment.filtered(rng, audio, rate)
    if not audible:
        if label != background:
            second, share = background, SILENT_SHARE
    elif not plain and rng.random() < settings["mixed"]:
        quiet = pool.background is not None and rng.random() < 0.3
        other = pool.draw(rng, pool.background if quiet else None)
        part, heard = augment.cut(rng, other, length, rate)
        if rng.random() < 0.5:
            part = augment.filtered(rng, part, rate)
        ratio = rng.uniform(-3, 15)
        if heard:
            audio = audio + part * (augment.loud_rms(audio) / augment.loud_rms(part) * db(-ratio))
            if other.label not in (label, background) and label != background:
                second, share = other.label, 1 / (1 + np.exp(-ratio / 2.5))
            elif label == background and other.label != background:
                label = other.label if ratio < 10 else label
    return augment.level_and_floor(rng, audio, rate, plain), label, second, share, LABELLED


def room(rng, pool, length, rate):
    """Real room tone at -80 to -35 dBFS, sometimes filtered, sometimes with noise, a second room, or something far away."""
    audio = np.zeros(length, np.float32)
    for _ in range(rng.integers(1, 3)):
        tone = pool.rooms[rng.integers(len(pool.rooms))].audio
        first = rng.integers(0, len(tone) - length + 1) if len(tone) > length else 0
        part = np.resize(tone[first:first + length], length)
        audio += part / max(augment.rms(part), 1e-6) * db(rng.uniform(-20, 0))
    if rng.random() < 0.4:
        audio = augment.filtered(rng, audio, rate)
    if rng.random() < 0.4:
        audio = audio + augment.room_noise(rng, length, rate) * augment.rms(audio) * db(rng.uniform(-20, 6))
    if rng.random() < 0.25:
        far, _ = augment.cut(rng, pool.draw(rng), length, rate)
        audio = audio + augment.filtered(rng, far, rate) / loudness(far) * augment.rms(audio) * db(rng.uniform(-25, -6))
    return np.clip(audio / max(augment.rms(audio), 1e-6) * db(rng.uniform(-80, -35)), -1, 1)


def loudness(audio):
    return max(augment.loud_rms(audio), 1e-4)


def open_store(path, mode="r"):
    path = Path(path)
    return {name: np.load(path / f"{name}.npy", mmap_mode=mode) for name in ("patch", "embedding", "score", "meta")}


class Joined:
    """Stores one after another, read like one."""

    def __init__(self, parts):
        self.parts, self.ends = parts, np.cumsum([len(part) for part in parts])

    def __getitem__(self, rows):
        """Rows have to rise."""
        pieces = np.split(rows, np.searchsorted(rows, self.ends[:-1]))
        return np.concatenate([part[piece - end + len(part)] for part, piece, end in zip(self.parts, pieces, self.ends)])

    def __array__(self, *args, **options):
        return np.array(np.concatenate(self.parts), *args, **options)


def joined(paths):
    stores = [open_store(path) for path in paths]
    return {name: Joined([store[name] for store in stores]) for name in stores[0]}


def create_store(path, count, spec):
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for name, dtype, shape in (("patch", "f2", (spec.frames, spec.mels)), ("embedding", "f2", (EMBEDDING_SIZE,)),
                               ("score", "u1", (SCORES,)), ("meta", META, ())):
        np.lib.format.open_memmap(path / f"{name}.npy", "w+", np.dtype(dtype), (count, *shape)).flush()


def sources(root, scratch, run, teacher, settings):
    """All recordings to draw from: (sounds, clips, label names).

    The clips, the room tone in them and generated instruments and signals, or where the settings name `kinds` these from formulas.
    """
    rate, clips = YAMNET.rate, dataset.read_clips(root)
    labels = sorted({clip.label for clip in clips})
    if "kinds" in settings:
        return named(*formulas.clips(FORMULAS[settings["kinds"]], rate, settings["each"], settings["least"], run, teacher, scratch), labels)
    audio = [np.array(a) for a in dataset.load_all(root, clips, rate, scratch)]
    tones = [(replace(clip, label=dataset.BACKGROUND, group=ROOM + clip.group), tone)
             for clip, tone in rooms.tones(clips, audio, run, teacher, scratch, LEAST_TONE)]
    made, played = synthesis.clips(rate, settings["each"])
    return named(clips + [clip for clip, _ in tones] + made, audio + [tone for _, tone in tones] + played, labels)


def named(clips, audio, labels):
    numbers = {name: number for number, name in enumerate(labels)} | {None: UNNAMED}
    return [Sound.of(a, numbers[clip.label], YAMNET.rate) for a, clip in zip(audio, clips)], clips, labels


def fill(path, first, last, seed, origin, run, teacher_path, spec, settings, batch=1024):
    """Writes windows first..last of the store. `origin`: what `sources` gives; `run`: the program of the crate."""
    sounds, clips, labels = origin
    background = labels.index(dataset.BACKGROUND)
    pools = {}
    for fold in sorted({clip.fold for clip in clips}):
        inside = [i for i, clip in enumerate(clips) if clip.fold == fold]
        pools[fold] = Pool([sounds[i] for i in inside], [clips[i] for i in inside], labels, background)
    folds = [fold for fold in pools if fold != NO_FOLD]
    teacher, store = Yamnet(teacher_path), open_store(path, "r+")
    rng = np.random.default_rng(seed)
    for begin in range(first, last, batch):
        end = min(last, begin + batch)
        drawn, own = [], []
        for _ in range(begin, end):
            fold = NO_FOLD if rng.random() < settings["generated"] else folds[rng.integers(len(folds))]
            window = draw_window(rng, pools[fold], spec.support, spec.rate, background, settings)
            drawn.append(window if settings.get("labelled", True) else (window[0], UNNAMED, UNNAMED, 1.0, UNLABELLED))
            own.append(NO_FOLD if drawn[-1][4] == GENERATED else fold)
        audio = np.stack([d[0] for d in drawn])
        patch = rust_features.single_windows(run, audio, spec, path)
        embedding, score = teacher(patch if spec == YAMNET else rust_features.single_windows(run, middle(audio, YAMNET.support), YAMNET, path))
        store["patch"][begin:end] = patch
        store["embedding"][begin:end] = embedding
        store["score"][begin:end] = np.round(score * 255)
        store["meta"][begin:end] = [(fold, *d[1:]) for fold, d in zip(own, drawn)]
        if (begin - first) // batch % 20 == 0:
            print(f"{begin - first} of {last - first}", flush=True)


def middle(audio, length):
    first = (audio.shape[1] - length) // 2
    return audio[:, first:first + length]


def build(path, count, root, scratch, run, teacher_path, spec, settings, workers=2, seed=1):
    """A whole store, made by several processes; one of the same settings that is there already is kept. Windows of all specs are at the
    teacher's rate."""
    if spec.rate != YAMNET.rate:
        raise ValueError(f"features at {YAMNET.rate} Hz are needed, these are at {spec.rate} Hz: the teacher hears the same window")
    made_with = json.dumps({"count": count, "seed": seed, "features": asdict(spec), "settings": settings}, indent=1)
    whole = Path(path) / "made-with.json"
    if whole.exists() and whole.read_text() == made_with:
        print(f"{path}: made before, with the same settings", flush=True)
        return
    whole.unlink(missing_ok=True)
    create_store(path, count, spec)
    origin = sources(root, scratch, run, Yamnet(teacher_path), settings)
    edges = np.linspace(0, count, workers + 1).astype(int)
    jobs = [multiprocessing.Process(target=fill, args=(path, a, b, seed + i, origin, run, teacher_path, spec, settings))
            for i, (a, b) in enumerate(zip(edges, edges[1:]))]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        if job.exitcode:
            raise RuntimeError("a worker of the store failed")
    whole.write_text(made_with)
