# SPDX-License-Identifier: MIT OR Apache-2.0
"""Draws the sounds of a recording over time: timeline.py RECORDING PICTURE.png

pip install soundclassify soundfile matplotlib
"""

import pathlib
import sys

import matplotlib.pyplot as plt
import soundclassify
import soundfile

recording, picture = sys.argv[1:]
classifier = soundclassify.Classifier("default", deny_labels=["Background"])
with soundfile.SoundFile(recording) as file:
    for block in file.blocks(file.samplerate, dtype="float32"):
        classifier.push(block, file.samplerate)
    minutes = file.frames / file.samplerate / 60
classifier.finish()
events = classifier.events()
lengths = events["end"] - events["start"]
found = sorted(set(events["label"]), key=lambda label: -lengths[events["label"] == label].sum())
labels = found[:15]
figure, axes = plt.subplots(figsize=(12, 1.2 + 0.3 * len(labels)), layout="constrained")
for row, label in enumerate(labels):
    which = events["label"] == label
    bars = list(zip(events["start"][which] / 60, lengths[which] / 60))
    axes.broken_barh(bars, (row - 0.4, 0.8), color=f"C{row % 10}", linewidth=1)
axes.set_title(f"{pathlib.Path(recording).name}: {len(events)} events; the {len(labels)} longest of {len(found)} labels")
axes.set(xlim=(0, minutes), xlabel="minutes", ylim=(len(labels) - 0.4, -0.6))
axes.set_yticks(range(len(labels)), [label.replace("_", " ") for label in labels])
axes.grid(axis="x", alpha=0.3)
figure.savefig(picture, dpi=120)
