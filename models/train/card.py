# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes the numbers of a results file into README.md, between its marks, and draws the confusion matrix."""
import re
from pathlib import Path

import numpy as np

from .pictures import confusion_picture


def percent(value, digits=1):
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def summary(results):
    judged, final = results["cross_validation"], results.get("final")
    esc, false = judged["esc10"], judged["false_reports_per_10_min"]
    fair = judged["cross_fitted_thresholds"]
    bare = fair["without_thresholds"]
    below = [name for name, value in judged["recall"].items() if value < 0.5]
    rows = [
        ("ESC-10's ten classes, mean of its folds 1–4", "≥ 95 %", percent(esc["mean"]) + " (" + ", ".join(percent(esc[f]) for f in "1234") + ")"),
        (f"macro recall, all {len(judged['classes'])} classes", "≥ 85 %", percent(judged["macro_recall"])),
        (f"macro recall of all {judged['tried']} labels that were tried, before any was dropped for it", "", percent(judged["macro_recall_all_tried"])),
        ("macro recall, the well-filled labels", "", percent(judged["macro_recall_well_filled"])),
        ("clips right, all classes", "", percent(judged["accuracy"])),
        ("classes with a recall below 50 %", "none", f"{len(below)}: {', '.join(below)}" if below else "none"),
        ("expected calibration error, clips (printed probability)", "≤ 5 %", percent(judged["ece"]["clip"])),
        ("expected calibration error, clips (scores made to sum to 1)", "", percent(judged["ece"]["clip_renormalised"])),
        ("expected calibration error, windows", "", percent(judged["ece"]["window"])),
        (f"real room tone between the sounds of clips called `Background` ({judged['room_tone_called_background']['windows']} windows, {judged['room_tone_called_background']['recordings']} recordings)", "",
         percent(judged["room_tone_called_background"]["share"])),
        (f"false reports in 10 min of background and speech ({false['seconds']:.0f} s of clips), thresholds chosen on the other folds", "≤ 2",
         f"{fair['false_reports_per_10_min']:.1f}"),
        ("the same, thresholds chosen on the same clips (flatters)", "", f"{false['shipped']:.1f}"),
        ("the same without thresholds: wrong best labels; windows with a wrong best label", "",
         f"{bare['wrong_best_labels_per_10_min']:.0f}; {percent(bare['wrong_windows'], 0)}"),
        ("precision of all reports, thresholds chosen on the other folds; share of a label's clips that are found, mean of the labels", "95 %",
         f"{percent(fair['precision'])} ({fair['labels_at_95_percent']} of {fair['labels_reported']} labels reach 95 %); {percent(fair['found'])}"),
    ]
    if final:
        times, int8 = final["milliseconds"], judged["int8_accuracy"]
        rows += [
            ("parameters; shipped file", "≤ 2.5 M", f"{final['parameters'] / 1e6:.2f} M; {final['shipped']}, {final['bytes'][final['shipped']] / 1e6:.1f} MB"),
            ("time of a window against the original's network (MobileNetV2 0.35, 128 × 128), same run, one thread", "",
             f"f32 {times['f32'] / times['original']:.2f} ×, int8 {times['int8'] / times['original']:.2f} ×"),
            ("int8 against f32: time; clips right in cross-validation", "≥ −1 point",
             f"{times['int8'] / times['f32']:.2f} ×; {percent(int8['int8'])} against {percent(int8['f32'])}"),
            (f"generated {final.get('quiet_rooms', 'quiet rooms')} called `Background` (new draws of the generator that training used)", "",
             percent(final["quiet_rooms_called_background"])),
            ("ONNX against PyTorch, largest difference", "≤ 1e-4", f"{final['onnx_difference']:.1e}"),
        ]
        if final["shipped"] == "int8":
            rows.append(("ESC-10; macro recall of the shipped int8 form", "", f"{percent(int8['int8_esc10'])}; {percent(int8['int8_macro_recall'])}"))
    return ["| what | goal | result |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]


def classes_table(judged):
    lines = ["| class | clips | groups | recall | threshold | precision there | found there |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name in judged["classes"]:
        lines.append(f"| {name} | {judged['clips'][name]} | {judged['groups'][name]} | {percent(judged['recall'].get(name), 0)} | "
                     f"{judged['thresholds'][name]:.2f} | {percent(judged['precision_at_threshold'][name], 0)} | {percent(judged['found_at_threshold'][name], 0)} |")
    return lines


def left_out_table(judged):
    lines = ["| label | clips | groups | recall when tried |", "|---|---:|---:|---:|"]
    for name, row in judged["left_out"].items():
        lines.append(f"| {name} | {row['clips']} | {row['groups']} | {'not tried' if row['recall'] is None else percent(row['recall'], 0)} |")
    return lines


def write(folder, results, name):
    """The default model gets all tables and the picture, any other the summary alone."""
    judged, folder = results["cross_validation"], Path(folder)
    parts = {f"{name} summary": summary(results)}
    if name == "default":
        parts |= {"classes": classes_table(judged), "left-out": left_out_table(judged)}
        confusion_picture(np.array(judged["confusion"]), judged["classes"], folder / "confusion.png",
                          "Clips in grouped cross-validation, per cent of each class")
    readme = folder / "README.md"
    text = readme.read_text()
    for part, lines in parts.items():
        mark = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end -->)", re.S)
        text = mark.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text)
    readme.write_text(text)
