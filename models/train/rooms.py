# SPDX-License-Identifier: MIT OR Apache-2.0
"""Room tone: what is heard between the sounds of a clip when nothing sounds."""
import numpy as np

from . import audioset, rust_features, dataset
from .features import YAMNET

# What rings on after its sound, so that its quiet parts are no room tone.
RINGING = {"Acoustic_guitar", "Alarm", "Bass_drum", "Cello", "Chime", "Church_bells", "Clarinet", "Cowbell", "Door_bell", "Double_bass",
           "Electric_piano", "Flute", "Glockenspiel", "Gong", "Harmonica", "Hi-hat", "Music", "Oboe", "Saxophone", "Siren", "Snare_drum",
           "Tambourine", "Telephone", "Trumpet", "Violin_or_fiddle"}
def tones(clips, audio, run, teacher, folder, least):
    """Pairs of clip and room tone of at least `least` seconds; the teacher calls each of its windows quiet, first or second."""
    parts = [(clip, part) for clip, sound in zip(clips, audio) if clip.label not in RINGING | {dataset.BACKGROUND}
             for part in quiet_parts(sound, YAMNET.rate, least)]
    cut = [windows(part, YAMNET) for _, part in parts]
    _, scores = teacher(rust_features.single_windows(run, np.concatenate(cut), YAMNET, folder))
    quiet = np.isin(np.argsort(-scores, axis=1)[:, :2], [teacher.names.index(name) for name in audioset.QUIET]).any(1)
    return [pair for pair, heard in zip(parts, np.split(quiet, np.cumsum([len(c) for c in cut])[:-1])) if heard.all()]


def windows(part, spec):
    """Windows half a second apart, of a short part one that repeats it."""
    firsts = range(0, max(1, len(part) - spec.support + 1), spec.rate // 2)
    return np.stack([np.resize(part[first:first + spec.support], spec.support) for first in firsts])


def quiet_parts(audio, rate, least):
    """Steady parts of at least `least` seconds, 25 dB below the loudest 20 ms, -80 to -40 dBFS."""
    size = rate // 50
    level = 20 * np.log10(np.sqrt((audio[:len(audio) // size * size].reshape(-1, size) ** 2).mean(1)) + 1e-9)
    if not len(level):
        return []
    quiet = np.r_[False, (level < min(level.max() - 25, -40)) & (level > -80), False]
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    parts = []
    for first, last in zip(edges[::2], edges[1::2]):
        half = (first + last) // 2
        if (last - first) * size >= least * rate and level[first:last].std() < 4 and abs(level[first:half].mean() - level[half:last].mean()) < 3:
            parts.append(audio[first * size:last * size])
    return parts
