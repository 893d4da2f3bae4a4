# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes the numbers of results.json into README.md, between its marks, and draws its pictures."""
import re
from pathlib import Path

import numpy as np

from . import labels, pictures, predictions
from .judging import MIN_RECALL
from .predictions import LOUDER, NOISY, ROOM

QUIET_ROOMS = 0.95  # of version 6
GOALS = {**dict.fromkeys(LOUDER, 0.96), **dict(zip(NOISY, (0.95, 0.88))), ROOM: 0.88}


def percent(value, digits=1):
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def verdict(reached):
    return "reached" if reached else "**missed**"


def summary(results):
    """Rows of goal and result, as the table of the card."""
    judged, final, reports = results["held_out"], results.get("final"), results["held_out"]["reports"]
    weak = [name for name, value in judged["recall"].items() if value < MIN_RECALL]
    rows = [
        ("ESC-10's ten classes", "≥ 97 %", percent(judged["esc10"]), judged["esc10"] >= 0.97),
        ("ESC-50's classes, among themselves", "≥ 92 %", percent(judged["esc50"]), judged["esc50"] >= 0.92),
        (f"macro recall of the {judged['sounds']} labels that are no instruments", "≥ 87 %", percent(judged["macro_sounds"]), judged["macro_sounds"] >= 0.87),
        (f"macro recall of the {judged['asked']} common ones of these", "", percent(judged["macro_asked"]), None),
        (f"macro recall of all {len(judged['recall'])} labels with held-out clips", "≥ 83 %", percent(judged["macro"]), judged["macro"] >= 0.83),
        ("labels with a recall below 50 %", "none", ", ".join(f"`{name}`" for name in weak) or "none", not weak),
        ("`sure`: false reports per hour of background, speech and music", "≤ 3", f"{reports['false_an_hour']:.1f}", reports["false_an_hour"] <= 3),
        ("`sure`: share of clips detected, mean over labels", "≥ 50 %", percent(reports["found_mean"]), reports["found_mean"] >= 0.5),
        ("calibration error of the printed probability", "≤ 5 %", percent(judged["calibration_error"]), judged["calibration_error"] <= 0.05),
    ]
    rows += [(f"correct clips that remain correct with a change: {name}", f"≥ {percent(GOALS[name], 0)}", percent(value), value >= GOALS[name])
             for name, value in judged["stays_right"].items() if name in GOALS]
    rows += [(f"the same: {name}", "", percent(value), None) for name, value in judged["stays_right"].items() if name not in GOALS]
    rows.append((f"macro recall with {predictions.BAND}", "", percent(judged["macro_band"]), None))
    found = judged["audioset"]
    rows.append(("AudioSet output: mean average precision over mapped labels; for comparison, the published network on whole clips and on seconds", "not lower",
                 f"{found['ours']:.3f}; {found['published, whole clip']:.3f}, {found['published, mean of seconds']:.3f}",
                 found["ours"] >= found["published, whole clip"]))
    if final:
        rows.append(("generated quiet rooms classified as `Background`", f"as version 6: {percent(QUIET_ROOMS)}", percent(final["quiet_rooms_called_background"]),
                     final["quiet_rooms_called_background"] >= QUIET_ROOMS))
        rows.append(("file size; parameters", "≤ 6 MB", f"{final['bytes'] / 1e6:.1f} MB; {final['parameters'] / 1e6:.2f} M", final["bytes"] <= 6e6))
        rows.append(("largest difference of a logit between ONNX and PyTorch", "", f"{final['onnx_difference']:.1e}", None))
    if speed := results.get("speed"):
        rows.append(("time per window on one core, relative to version 6 in the same run", "≤ 1.5", f"{speed['ratio']:.2f}", speed["ratio"] <= 1.5))
    return ["| what | goal | result | |", "|---|---|---|---|",
            *(f"| {a} | {b} | {c} | {'' if ok is None else verdict(ok)} |" for a, b, c, ok in rows)]


def small_summary(results):
    """Rows of what the small model and the default one reach on the same clips."""
    pairs = [(results["held_out"], results["final"]), (results["default"], results["default"]["final"])]
    rows = [(what, *(percent(judged[key]) for judged, _ in pairs)) for what, key in (
        ("ESC-10's ten classes", "esc10"), ("ESC-50's classes, among themselves", "esc50"), ("macro recall of the common labels", "macro_asked"),
        ("macro recall of the labels with held-out clips", "macro"), ("clips with the correct label", "clips_right"),
        ("calibration error of the printed probability", "calibration_error"))]
    rows += [(f"correct clips that remain correct with a change: {name}", *(percent(judged["stays_right"][name]) for judged, _ in pairs))
             for name in pairs[0][0]["stays_right"]]
    rows.append(("generated quiet rooms classified as `Background`", *(percent(final["quiet_rooms_called_background"]) for _, final in pairs)))
    rows.append(("labels", *(str(len(judged["offered"])) for judged, _ in pairs)))
    rows.append(("file size; parameters", *(f"{final['bytes'] / 1e6:.1f} MB; {final['parameters'] / 1e6:.2f} M" for _, final in pairs)))
    rows.append(("time per window on one core, relative to `default` in the same run", f"{results['speed']['ratio']:.2f}", "1"))
    return ["| what | `small` | `default` |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]


def label_table(judged):
    reports = judged["reports"]
    lines = ["| label | recordings | held-out clips | recall | threshold | precision at threshold | detected at threshold |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name in judged["offered"]:
        lines.append(f"| {name} | {judged['recordings'].get(name, 0)} | {judged['judged'][name]} | "
                     f"{percent(judged['recall'].get(name), 0)} | {'never' if name in reports['denied'] else format(reports['thresholds'][name], '.3f')} | {percent(reports['precision'].get(name), 0)} | "
                     f"{percent(reports['found'].get(name), 0)} |")
    return lines


def left_out_table(judged):
    lines = ["| label | recordings | recall when tried |", "|---|---:|---:|"]
    for name, row in judged["left_out"].items():
        lines.append(f"| {name} | {row['recordings']} | {'no held-out clip' if row['recall'] is None else percent(row['recall'], 0)} |")
    return lines


def write(folder, results):
    """The default model's tables, and the pictures beside README.md."""
    judged, folder = results["held_out"], Path(folder)
    parts = {"summary": summary(results), "labels": label_table(judged), "left-out": left_out_table(judged)}
    where = "fold" if len(judged["folds"]) == 1 else "folds"
    title = f"{judged['clips_judged']} held-out clips ({where} {', '.join(map(str, judged['folds']))}), per cent of each label"
    shown = [index for index, name in enumerate(judged["offered"]) if judged["judged"][name]]
    matrix = np.array(judged["confusion"])[np.ix_(shown, shown)]
    pictures.confusion_picture(matrix, [judged["offered"][index] for index in shown], folder / "confusion.png", title)
    pictures.calibration_picture(judged["calibration"], judged["calibration_error"], folder / "calibration.png")
    recall = judged["tried_recall"] | judged["recall"]  # as tried, of the labels that are left out
    pictures.recall_picture([judged["recordings"].get(name, 0) for name in recall], list(recall.values()), list(recall),
                            [name in labels.INSTRUMENTS for name in recall], folder / "recall.png")
    write_tables(folder / "README.md", {f"default {part}": lines for part, lines in parts.items()})


def write_small(folder, results):
    """The small model's table."""
    write_tables(Path(folder) / "README.md", {"small summary": small_summary(results)})


def write_tables(readme, parts):
    text = readme.read_text()
    for part, lines in parts.items():
        mark = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end -->)", re.S)
        text, count = mark.subn(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text)
        if not count:
            raise ValueError(f"{readme}: expected the mark <!-- {part} -->")
    readme.write_text(text)
