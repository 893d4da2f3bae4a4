# SPDX-License-Identifier: MIT OR Apache-2.0
"""Random windows to learn from, changed as rooms, microphones, levels and other sounds would change them."""
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import labels
from .efficientat import AUDIOSET, FRAMES, MELS, RATE, filter_bank, mel_power, scaled
from .spectrograms import ANSWERS_EVERY, FAINTEST, SILENT, UNLABELLED

NUMBER = {name: index for index, name in enumerate(labels.LABELS)}
BACKGROUND = NUMBER[labels.BACKGROUND]
CENTRES = np.array([(row * np.linspace(0, RATE / 2, len(row))).sum() / row.sum() for row in filter_bank()])  # Hz of each band
EDGE = 8000.0  # Hz: where the band of many recordings ends
USUAL_POWER = float(np.exp(-1.0))  # mean power of a window at the usual loudness
GENERATED = 0.25  # share of a label's windows that come of generated sounds, where it has both
SMOOTHING = 0.05
ANYWHERE = 0.2  # chance, of each of four draws, that a place without sound is taken
FEWEST, MOST = 12, 64  # clips of a label, between which its share of the windows grows with their square root
HIDDEN = -12.0  # dB of a sound over noise at which half of it is lost


@dataclass(frozen=True)
class Target:
    """What the network should say of a window: probabilities of the labels, with a weight, and of AudioSet's classes."""

    label: np.ndarray
    audioset: np.ndarray
    weight: float = 1.0

    def hidden(self, kept):
        """With a share `kept` of the sound: of what is lost, all labels are equally likely."""
        return replace(self, label=kept * self.label + (1 - kept) / len(self.label), audioset=kept * self.audioset)


class Recordings:
    """The stored spectrograms, by what they are good for."""

    def __init__(self, folder, held_out=None, without=()):
        """Clips of fold `held_out`, and of the labels `without`, are left out; generated rooms are not."""
        folder, without = Path(folder), {NUMBER[name] for name in without}
        index = json.loads((folder / "rows.json").read_text())
        self.rows = index["rows"]
        self.stores = [np.load(folder / f"part-{worker}.npy", mmap_mode="r") for worker in range(index["workers"])]
        self.answers = np.load(folder / "answers.npy", mmap_mode="r")
        self.clips, self.generated = defaultdict(lambda: defaultdict(list)), defaultdict(list)
        self.unlabelled, self.none = [], []
        for row in self.rows:
            if (held_out and row["fold"] == held_out) or row["label"] in without:
                continue
            label = row["label"]
            if label == UNLABELLED:
                self.unlabelled.append(row)
            elif label == SILENT:
                self.none.append(row)
            elif row["path"].startswith(("generated/", "room/")):
                self.generated[label].append(row)
            else:
                self.clips[label][row["group"]].append(row)
        self.labels = sorted(self.clips)
        weight = np.array([np.clip(sum(map(len, self.clips[label].values())), FEWEST, MOST) ** 0.5 for label in self.labels])
        self.weight = weight / weight.sum()
        self.groups = {label: list(groups.values()) for label, groups in self.clips.items()}
        self.group_weight = {label: (w := np.array([len(g) for g in groups]) ** 0.5) / w.sum() for label, groups in self.groups.items()}
        self.room = [row for row in self.rows if row["path"].startswith("room/")]

    def draw(self, rng, label=None):
        if label is None:
            label = self.labels[rng.choice(len(self.labels), p=self.weight)]
        if self.generated[label] and label != BACKGROUND and rng.random() < GENERATED:
            return self.generated[label][rng.integers(len(self.generated[label]))]
        group = self.groups[label][rng.choice(len(self.groups[label]), p=self.group_weight[label])]
        return group[rng.integers(len(group))]

    def read(self, row, version):
        first = row["first"] + sum(row["parts"][:version])
        return np.asarray(self.stores[row["store"]][first:first + row["parts"][version]], np.float32)

    def answer(self, row, frame):
        """What the published network says of the second around that frame and of the whole recording."""
        first, count = row["answers"]
        place = min(max(round(frame / ANSWERS_EVERY), 0), count - 2)
        return 0.5 * (self.answers[first].astype(np.float32) + self.answers[first + 1 + place].astype(np.float32))


def cut(rng, recordings, row):
    """Power of a window of a recording, the published network's answer, whether something sounds in it, and its dB above the recording's mean."""
    version = rng.integers(len(row["parts"])) if rng.random() < 0.55 else 0
    logs = recordings.read(row, version)
    power = np.exp(logs)
    loudest = power.mean(1).max()
    spare = 0 if len(power) >= FRAMES and rng.random() < 0.8 else 50
    power = np.pad(power, ((spare, spare), (0, 0)), constant_values=FAINTEST)
    if len(power) < FRAMES:
        missing = FRAMES - len(power)
        power = np.pad(power, ((missing // 2, missing - missing // 2), (0, 0)), constant_values=FAINTEST)
        spare += missing // 2
    means = np.concatenate([[0], np.cumsum(power.mean(1))])
    level = (means[FRAMES:] - means[:-FRAMES]) / FRAMES
    for _ in range(4):
        first = rng.integers(len(level))
        if level[first] > 0.1 * level.max() or rng.random() < ANYWHERE:
            break
    window = power[first:first + FRAMES]
    audible = window.mean(1).max() > 1e-3 * loudest
    frames = power.mean(1)
    usual = frames[frames > 1e-6 * loudest].mean()
    return window, recordings.answer(row, first - spare), bool(audible), 10 * np.log10(max(window.mean(), FAINTEST) / usual)


def noise_store(rng, seconds=40):
    return mel_power(rng.standard_normal(seconds * RATE).astype(np.float32))


class Windows:
    """An endless source of batches: windows (n, 1, MELS, FRAMES) and the parts of their targets."""

    def __init__(self, folder, audioset_names, held_out=None, seed=0, without=()):
        self.recordings, self.rng = Recordings(folder, held_out, without), np.random.default_rng(seed)
        self.noise = noise_store(self.rng)
        self.closest = [labels.meaning(name, audioset_names)[0] for name in labels.LABELS]
        self.silence = np.zeros(AUDIOSET, np.float32)
        self.silence[audioset_names.index("Silence")] = 0.8

    def coloured(self, frames=FRAMES):
        """Noise of mean power 1, white to brown, with a random curve."""
        rng, first = self.rng, self.rng.integers(len(self.noise) - frames)
        colour = (CENTRES / 1000) ** -rng.choice([1.0, 1.0, rng.uniform(0, 2)])
        bend = np.exp(np.interp(np.arange(MELS), np.linspace(0, MELS - 1, 5), rng.normal(0, 0.4, 5)))
        noise = self.noise[first:first + frames] * (colour * bend)
        return noise / noise.mean()

    def filtered(self, power):
        rng = self.rng
        if rng.random() < 0.5:
            power = np.roll(power, rng.integers(-4, 5), axis=1)
        width = 0.6 if rng.random() < 0.8 else 1.2
        curve = np.interp(np.arange(MELS), np.linspace(0, MELS - 1, 6), rng.normal(0, width, 6))
        draw = rng.random()
        if draw < 0.5:
            curve[CENTRES > EDGE] -= 25
        elif draw < 0.62:
            curve -= np.maximum(0, np.log2(CENTRES / rng.uniform(2500, 9000))) * rng.uniform(1, 12)
        if rng.random() < 0.15:
            curve -= np.maximum(0, np.log2(rng.uniform(80, 500) / CENTRES)) * rng.uniform(1, 4)
        return power * np.exp(curve)

    def levelled(self, power, lowest=-42):
        """A random level over 50 dB, and what a device adds by itself. `lowest`: dB."""
        rng = self.rng
        decibels = rng.uniform(lowest, 10) if rng.random() < 0.6 else rng.normal(0, 5)
        power = power / max(power.mean(), FAINTEST) * USUAL_POWER * 10 ** (decibels / 10)
        if rng.random() < 0.6:
            power = power + self.coloured() * USUAL_POWER * 10 ** (rng.uniform(-80, -45) / 10)
        return power

    def masked(self, power):
        rng = self.rng
        if rng.random() < 0.3:
            first = rng.integers(MELS - 12)
            power[:, first:first + rng.integers(1, 12)] = FAINTEST
        if rng.random() < 0.2:
            first = rng.integers(FRAMES - 12)
            power[first:first + rng.integers(1, 12)] = FAINTEST
        return power

    def labelled(self, row):
        """Power of a window of mean power 1, its target, whether something sounds in it, and its dB above the recording's mean."""
        power, answer, audible, above = cut(self.rng, self.recordings, row)
        power = self.filtered(power)
        label, target = row["label"], np.zeros(len(labels.LABELS), np.float32)
        if label >= 0:
            answer[self.closest[label]] = 0.5 + 0.5 * answer[self.closest[label]]
        if label == SILENT or not audible:
            target[:] = 1 / len(target)
        elif label >= 0:
            target[label] = 1
        return power / max(power.mean(), FAINTEST), Target(target, answer), audible, above

    def one(self):
        """(power, target)"""
        rng, draw = self.rng, self.rng.random()
        if draw < 0.06:
            return self.quiet()
        if draw < 0.085:
            return self.nothing()
        if draw < 0.16:
            return self.wild()
        row = self.recordings.draw(rng) if draw < 0.985 else self.recordings.none[rng.integers(len(self.recordings.none))]
        power, target, audible, above = self.labelled(row)
        if audible and rng.random() < 0.3:
            power, target = self.mixed(power, target)
        draw = rng.random()
        if draw < 0.3:
            power = power + self.coloured() * 10 ** (-rng.uniform(4, 40) / 10)
        elif draw < 0.65 and audible:
            return self.in_steady_noise(power, target, above)
        return self.masked(self.levelled(power)), target

    def mixed(self, power, target):
        """With a second sound, mostly fainter."""
        other, second, audible, _ = self.labelled(self.recordings.draw(self.rng))
        ratio = self.rng.uniform(-2, 16)  # dB
        if not audible:
            return power, target
        share = 1 / (1 + np.exp(-ratio / 2.5))
        audioset = 1 - (1 - target.audioset) * (1 - second.audioset * min(1, 2 * (1 - share)))
        return power + other * 10 ** (-ratio / 10), replace(target, label=share * target.label + (1 - share) * second.label, audioset=audioset)

    def in_steady_noise(self, power, target, above):
        """Noise that is as loud in all of a recording, and may hide the sound in this window. `above`: dB of the window above the recording's mean."""
        snr = above + self.rng.uniform(0, 32)
        power = (power + self.coloured() * 10 ** (-snr / 10)) / (1 + 10 ** (-snr / 10))
        return self.masked(self.levelled(power, lowest=-15)), target.hidden(1 / (1 + np.exp(-(snr - HIDDEN) / 2.5)))

    def quiet(self):
        """A quiet room: faint noise, now and then with something far fainter than it."""
        rng, wanted = self.rng, np.zeros(len(labels.LABELS), np.float32)
        row = self.recordings.room[rng.integers(len(self.recordings.room))]
        power, answer, _, _ = cut(rng, self.recordings, row)
        power = power / power.mean() * np.exp(np.interp(np.arange(MELS), np.linspace(0, MELS - 1, 5), rng.normal(0, 0.5, 5)))
        if rng.random() < 0.5:
            power = power + self.coloured() * 10 ** (rng.uniform(-10, 10) / 10)
        wanted[BACKGROUND] = 1
        return power / power.mean() * USUAL_POWER * 10 ** (rng.uniform(-66, -24) / 10), Target(wanted, answer)

    def nothing(self):
        """Digital silence and dither: no label at all."""
        wanted = np.full(len(labels.LABELS), 1 / len(labels.LABELS), np.float32)
        power = np.full((FRAMES, MELS), FAINTEST, np.float32)
        if self.rng.random() < 0.5:
            power = power + self.coloured() * 10 ** self.rng.uniform(-8, -6)
        return power, Target(wanted, self.silence)

    def wild(self):
        """Sounds without a label, and mixtures of several with one: only the published network says what they are."""
        rng, unlabelled = self.rng, self.recordings.unlabelled
        row = unlabelled[rng.integers(len(unlabelled))] if rng.random() < 0.7 else self.recordings.draw(rng)
        power, target, _, _ = self.labelled(row)
        if rng.random() < 0.4:
            other, second, _, _ = self.labelled(unlabelled[rng.integers(len(unlabelled))])
            power = power + other * 10 ** (-rng.uniform(0, 10) / 10)
            target = replace(target, audioset=np.maximum(target.audioset, 0.8 * second.audioset))
        return self.levelled(power), replace(target, weight=0.0)

    def batch(self, count):
        parts = [self.one() for _ in range(count)]
        power = np.stack([power for power, _ in parts]).astype(np.float32)
        x = scaled(power).astype(np.float32).transpose(0, 2, 1)[:, None]
        found = {name: np.stack([getattr(target, name) for _, target in parts]).astype(np.float32) for name in Target.__dataclass_fields__}
        return x, found | {"label": (1 - SMOOTHING) * found["label"] + SMOOTHING / found["label"].shape[1]}
