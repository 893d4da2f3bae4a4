# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sounds that this project generates: instruments played by a synthesizer, and sirens, alarms and telephones from formulas.

The instruments need `fluidsynth` and two General MIDI soundfonts, both under the MIT licence: FluidR3_GM by Frank Wen and
MuseScore_General by S. Christian Collins and others, in parts made of the former (Debian's packages fluidsynth,
fluid-soundfont-gm and musescore-general-soundfont).
"""
import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import soundfile

from ..convert.files import Failure
from .dataset import Clip

SOUNDFONTS = {"fluidr3": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"), "musescore": Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3")}
SECONDS, PERIOD = 3.0, 5.0  # of a phrase; between beginnings of phrases
NOTHING = 1e-3  # peak of what is only dither
RESOLUTION, REVERB = 480, 91  # ticks a beat; controller number
# Label: MIDI programs (0-based) with the range of notes that the instrument plays.
INSTRUMENTS = {
    "Acoustic_guitar": [(24, 40, 79), (25, 40, 79)], "Electric_piano": [(4, 36, 88), (5, 36, 88)], "Glockenspiel": [(9, 72, 103)],
    "Church_bells": [(14, 55, 79)], "Violin_or_fiddle": [(40, 55, 96)], "Cello": [(42, 36, 72)],
    "Double_bass": [(43, 28, 55), (32, 28, 55)], "Trumpet": [(56, 54, 84), (59, 54, 82)], "Clarinet": [(71, 50, 89)],
    "Saxophone": [(64, 56, 82), (65, 49, 80), (66, 44, 75), (67, 36, 68)], "Flute": [(73, 60, 96)], "Telephone": [(124, 50, 80)],
    "Applause": [(126, 50, 70)], "Gunshot_or_gunfire": [(127, 50, 70)],
    "Oboe": [(68, 58, 89)], "Harmonica": [(22, 60, 88)],
}
DRUMS = {"Bass_drum": [35, 36], "Snare_drum": [38, 40], "Hi-hat": [42, 44, 46], "Tambourine": [54], "Cowbell": [56]}
DRUM_CHANNEL = 9
# What else the soundfonts have: without label, for the teacher to label.
OTHERS = [program for program in range(120) if program not in {p for voices in INSTRUMENTS.values() for p, _, _ in voices}]
OTHER_DRUMS = [note for note in range(27, 88) if note not in {n for notes in DRUMS.values() for n in notes}]
# Clips that the data has of these soundfonts stand in these folds: what is rendered of the same instrument has to stand there, too.
FOLDS = {"Trumpet": 2, "Oboe": 2, "Harmonica": 2, "Glockenspiel": 3, "Telephone": 4}
CHORDS = (4, 5, 24, 25)


def clips(rate, each=20, others=4, seed=7):
    """Generated recordings: (clips, audio at `rate`), of each soundfont `each` of a voice and `others` of a voice without label.

    Fold 0 stands for no fold, label None for no label.
    """
    rng, made, audio = np.random.default_rng(seed), [], []
    voices = [(label, *voice, each) for label, voices in INSTRUMENTS.items() for voice in voices]
    voices += [(label, None, note, note, each) for label, notes in DRUMS.items() for note in notes]
    voices += [(None, program, 36, 90, others) for program in OTHERS] + [(None, None, note, note, others) for note in OTHER_DRUMS]
    for font, path in SOUNDFONTS.items():
        phrases = [voice for voice in voices for _ in range(voice[-1])]
        for number, ((label, program, low, _, _), part) in enumerate(zip(phrases, render(recital(rng, phrases), len(phrases), rate, path))):
            if part.any():  # some drums are missing in some soundfonts
                group = f"{font}-{label}-{low if program is None else program}"
                audio.append(part)
                made.append(Clip(f"generated/{group}-{number}", label, group, FOLDS.get(label, 0), {}))
    for label, draw in (("Siren", siren), ("Alarm", alarm), ("Telephone", telephone)):
        for number in range(3 * each):
            audio.append(draw(rng, rate))
            made.append(Clip(f"generated/{label}-formula-{number}", label, f"formula-{label}-{number % 8}", 0, {}))
    return made, audio


def recital(rng, phrases):
    """A MIDI file of all phrases (label, program, lowest note, highest note, …), one every PERIOD."""
    track, rest = mido.MidiTrack(), 0
    for _, program, low, high, _ in phrases:
        channel = DRUM_CHANNEL if program is None else 0
        track.append(mido.Message("program_change", program=program or 0, channel=channel, time=rest))
        track.append(mido.Message("control_change", control=REVERB, value=int(rng.integers(0, 100)), channel=channel))
        track += phrase(rng, low, high, channel, program in CHORDS)
        rest = ticks(PERIOD) - sum(message.time for message in track) % ticks(PERIOD)
    midi = mido.MidiFile(ticks_per_beat=RESOLUTION)
    midi.tracks.append(track)
    return midi


def phrase(rng, low, high, channel, chords):
    """Single notes, runs, chords; drums as single strokes or rhythms."""
    messages, left = [], SECONDS
    step = float(np.exp(rng.uniform(np.log(0.12), np.log(1.5))))  # seconds a note
    note = int(rng.integers(low, high + 1))
    while left > 0.05:
        chord = sorted({note, min(high, note + 4), min(high, note + 7)}) if chords and rng.random() < 0.3 else [note]
        length = float(min(left, step * rng.choice([0.5, 1, 1, 2])))
        messages += [mido.Message("note_on", note=n, velocity=int(rng.integers(45, 127)), channel=channel) for n in chord]
        messages += [mido.Message("note_off", note=n, time=0 if i else ticks(length), channel=channel) for i, n in enumerate(chord)]
        note, left = int(np.clip(note + rng.integers(-5, 6), low, high)), left - length
    return messages


def ticks(seconds):
    return round(mido.second2tick(seconds, RESOLUTION, mido.bpm2tempo(120)))


def render(midi, count, rate, soundfont):
    """Audio of the phrases of a recital, mono, peak 0.5 each; silent where the soundfont has no such sound."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        midi.save(score)
        done = subprocess.run(["fluidsynth", "-ni", "-q", "-o", "synth.dynamic-sample-loading=1", "-g", "0.6", "-r", str(rate),
                               "-F", str(sound), str(soundfont), str(score)], capture_output=True, text=True)
        if done.returncode or not sound.exists():
            raise Failure(f"fluidsynth could not play {soundfont}: {done.stderr.strip()[:300]}")
        audio = soundfile.read(sound, dtype="float32", always_2d=True)[0].mean(1)
    parts = [audio[int(i * PERIOD * rate):int((i * PERIOD + SECONDS + 1) * rate)] for i in range(count)]
    return [part / peak * np.float32(0.5) if (peak := np.abs(part).max()) > NOTHING else np.zeros_like(part) for part in parts]


def tone(rng, frequency, rate):
    """A buzzing tone of the given frequency over time, peak 0.5."""
    phase, fall = 2 * np.pi * np.cumsum(frequency) / rate, rng.uniform(0.7, 3)
    audio = sum(n ** -fall * np.sin(n * phase + rng.uniform(0, 6)) * (n * frequency < 0.45 * rate) for n in range(1, 8))
    return (audio / np.abs(audio).max() * 0.5).astype(np.float32)


def seconds(rate):
    return np.arange(int(rate * SECONDS)) / rate


def siren(rng, rate):
    """Wail (slow), yelp (fast) or two tones, as emergency vehicles and civil defence sound."""
    time, kind = seconds(rate), rng.integers(3)
    low, high = rng.uniform(350, 800), rng.uniform(1.3, 2.6)
    period = (rng.uniform(2, 8), rng.uniform(0.15, 0.5), rng.uniform(0.5, 1.4))[kind]
    place = (time / period + rng.random()) % 1
    swing = np.abs(2 * place - 1) if kind < 2 else (place < 0.5) * 0.45
    return tone(rng, low * high ** swing, rate)


def alarm(rng, rate):
    """Beeps of smoke detectors, clocks and devices: one or two pitches, single or in groups."""
    time = seconds(rate)
    pitch, beep, group = rng.uniform(700, 4000), rng.uniform(0.05, 0.6), rng.integers(1, 5)
    pause = beep * rng.uniform(0.4, 1.2)
    round_length = group * (beep + pause) + (rng.uniform(0, 1) if rng.random() < 0.5 else 0)
    place = (time + rng.random() * round_length) % round_length
    on = (place % (beep + pause) < beep) & (place < group * (beep + pause))
    second = np.where((place // (beep + pause)) % 2 == 1, rng.choice([1, 1, rng.uniform(0.7, 1.4)]), 1)
    return tone(rng, pitch * second, rate) * smooth(on, rate)


def telephone(rng, rate):
    """Bells struck 15 to 30 times a second, electronic warbles, or keypad tones."""
    time, kind = seconds(rate), rng.integers(3)
    if kind == 2:
        keys = rng.integers(0, 4, (64, 2))
        step, rows, columns = rng.uniform(0.1, 0.4), np.array([697, 770, 852, 941]), np.array([1209, 1336, 1477, 1633])
        at = (time / step).astype(int) % 64
        both = np.sin(2 * np.pi * rows[keys[at, 0]] * time) + np.sin(2 * np.pi * columns[keys[at, 1]] * time)
        return (0.25 * both).astype(np.float32) * smooth(time / step % 1 < rng.uniform(0.4, 0.9), rate)
    ring, cycle = rng.uniform(0.4, 2), rng.uniform(2, 4)
    on = smooth((time + rng.random() * cycle) % cycle < ring, rate)
    speed, pitch = rng.uniform(12, 30), rng.uniform(600, 2200)
    if kind == 0:
        struck = np.exp(-(time * speed % 1) / speed * rng.uniform(5, 40))
        partials = sum(rng.random() * np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.5, 2.76, 4.1) if pitch * ratio < 0.45 * rate)
        return (partials / np.abs(partials).max() * 0.5 * struck).astype(np.float32) * on
    return tone(rng, pitch * np.where(time * speed % 1 < 0.5, 1, rng.uniform(1.05, 1.4)), rate) * on


def smooth(on, rate):
    """An on/off line with flanks of 5 ms."""
    size = int(0.005 * rate)
    return np.convolve(on.astype(np.float32), np.ones(size, np.float32) / size, "same")
