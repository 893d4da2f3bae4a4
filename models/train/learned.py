#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""How well `soundclassify learn` recognises labels that this project's training did not contain.

    python -m models.train.learned

Trains a network as `default` without all recordings of eight labels and of fold 1, then adds the labels with `soundclassify learn`, five recordings
each, and counts in which clips the program finds an event of them: their other recordings, and the clips of fold 1 of all other labels. Needs the
spectrograms of `models.train.default spectrograms`.
"""
import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import torch

from ..convert import manifest, program
from . import labels, predictions, training
from .default import CLASSES, LICENCE, SCRATCH, SPECTROGRAMS, VERSION, Recipe

HELD = ["Car_horn", "Crow", "Knock", "Person_sneeze", "Rooster", "Snoring", "Toilet_flush", "Vacuum_cleaner"]
FOLD = 1
RECORDINGS, DRAWS = 5, 5
STEPS = 1500


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/training-audio", help="folder of clips.csv")
    parser.add_argument("--published", default="../shared/models/efficientat-mn04", help=f"folder of the weights and {CLASSES}")
    parser.add_argument("--scratch", default=SCRATCH, help="networks and predictions [default: %(default)s]")
    parser.add_argument("--spectrograms", default=SPECTROGRAMS, help="what is learned from [default: %(default)s]")
    parser.add_argument("--results", default=Path(__file__).parents[1] / "results.json", help="file to which the figures are added")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of {training.BATCH} windows [default: %(default)s]")
    parser.add_argument("--reuse", action="store_true", help="judges the network of an earlier run, without training")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="the training ends after that long, even with fewer steps")
    parser.add_argument("--program", help="the program soundclassify [default: the newest built, or it is built]")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    options.out = Path(options.scratch) / "learned"
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(options)
    results = Path(options.results)
    make_model(recipe, json.loads(results.read_text())["held_out"])
    figures = judge(recipe)
    results.write_text(json.dumps(json.loads(results.read_text()) | {"learned": figures}, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def make_model(recipe, known):
    """`default` without the labels, in a folder of its own; its table of embeddings has no clip of the fold. `known`: labels and temperature."""
    if not recipe.options.reuse:
        recipe.train("learned", FOLD, without=HELD)
    offered = [name for name in known["offered"] if name not in HELD]
    network = recipe.load("learned").only([labels.LABELS.index(name) for name in offered], known["temperature"])
    predictions.to_onnx(network, recipe.out / "default.onnx")
    (recipe.out / "default.labels.txt").write_text("".join(f"{name}\n" for name in offered))
    text = manifest.text({
        None: {"name": "without", "description": "the default model without eight of its labels", "licence": LICENCE, "version": VERSION, "onnx": "default.onnx"},
        "input": {"layout": "frames-mels", "channel-axis": "first", "normalize": "none"}, "features": {"preset": "efficientat", "frames": 100},
        "output": {"name": "labels", "activation": "softmax", "embedding": "embedding"}, "labels": {"file": "default.labels.txt"}}, "Made by learned.py")
    (recipe.out / "default.toml").write_text(text)
    recipe.embeddings(recipe.out / "default.onnx", offered, [clip for clip in recipe.clips if clip.fold != FOLD])


def judge(recipe):
    """Precision and recall of each label, the medians of all draws and labels."""
    tool, rng = program.find(recipe.options.program), np.random.default_rng(7)
    data = Path(recipe.options.data).resolve()
    others = [clip for clip in recipe.clips if clip.fold == FOLD and clip.label and clip.label not in HELD]
    own = {name: [clip for clip in recipe.clips if clip.label == name] for name in HELD}
    rows = []
    for draw in range(DRAWS):
        taken = {name: draw_recordings(rng, clips) for name, clips in own.items()}
        words = [word for name, clips in taken.items() for word in named(name, clips, data)]
        model = recipe.out / f"draw-{draw}.toml"
        subprocess.run([tool, "learn", "--model", recipe.out / "default.toml", "-o", model, *words], check=True, stdout=subprocess.DEVNULL)
        used = {clip.group for clips in taken.values() for clip in clips}
        rest = {name: [clip for clip in clips if clip.group not in used] for name, clips in own.items()}
        tested = others + [clip for clips in rest.values() for clip in clips]
        found = events(tool, model, [data / clip.path for clip in tested], recipe.out)
        for name in HELD:
            right = sum(name in found[str(data / clip.path)] for clip in rest[name])
            all_found = sum(name in found[str(data / clip.path)] for clip in tested)
            rows.append({"label": name, "draw": draw, "recall": right / len(rest[name]), "precision": right / all_found if all_found else None})
            print(rows[-1], flush=True)
    median = lambda key, rows: float(np.median([row[key] for row in rows if row[key] is not None]))  # noqa: E731
    by_label = {name: {key: median(key, [row for row in rows if row["label"] == name]) for key in ("precision", "recall")} for name in HELD}
    return {"recordings": RECORDINGS, "draws": DRAWS, "steps": recipe.options.steps, "other_clips": len(others), "clips_of_labels": sum(map(len, own.values())),
            "precision": median("precision", rows), "recall": median("recall", rows), "by_label": by_label}


def draw_recordings(rng, clips):
    """One clip each of some recordings."""
    groups = {}
    for clip in clips:
        groups.setdefault(clip.group, []).append(clip)
    chosen = rng.choice(sorted(groups), RECORDINGS, replace=False)
    return [groups[group][rng.integers(len(groups[group]))] for group in chosen]


def named(name, clips, data):
    first, *more = [str(data / clip.path) for clip in clips]
    return [f"{name}={first}", *more]


def events(tool, model, files, folder):
    """Labels of the events in each file."""
    (folder / "files.txt").write_text("".join(f"{file}\n" for file in files))
    table = folder / "events.jsonl"
    table.unlink(missing_ok=True)
    subprocess.run([tool, "scan", "--events", "--model", model, "-o", table, folder / "files.txt"], check=True, stderr=subprocess.DEVNULL)
    rows = map(json.loads, table.read_text().splitlines())
    return {row["file"]: {event["label"] for event in row["events"]} for row in rows}


if __name__ == "__main__":
    main()
