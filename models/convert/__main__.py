# SPDX-License-Identifier: MIT OR Apache-2.0
"""Converts a network to ONNX with manifest and labels, and verifies that it gives the same scores.

    python -m models.convert NETWORK.pb      --settings config.json -o OUT        frozen TensorFlow graph
    python -m models.convert NETWORK.h5      --settings config.py -o OUT          Keras, whole or the original's weights
    python -m models.convert FOLDER          --preset yamnet --labels labels.txt -o OUT    SavedModel
    python -m models.convert NETWORK.tflite  --preset yamnet --labels map.csv --column display_name -o OUT
    python -m models.convert NETWORK.pt      --preset yamnet --shape 1,96,64 --labels labels.txt -o OUT   TorchScript

OUT gets NAME.onnx, NAME.labels.txt and NAME.toml; `soundclassify model=OUT/NAME.toml` runs it. OUT also gets a recording and the source network's scores
of it, with which `soundclassify inspect --verify OUT/NAME.toml` compares. The program soundclassify checks the manifest's keys and makes the windows.
"""
import argparse
import re
import sys
from pathlib import Path

import numpy as np
import onnx

from . import checks, known_scores, manifest, network, program, settings
from .files import Failure, staged

INSTALL = {"torch": "models/train/requirements.txt"}  # else that of this folder


def options():
    parser = argparse.ArgumentParser(prog="models.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, help=".pb, .h5, .keras, .tflite or .pt, or the folder of a SavedModel")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--settings", type=Path, help="config.py of ml-sound-classifier, the same as .json, or tables of a manifest as .toml, with any of its keys")
    parser.add_argument("--preset", choices=settings.PRESETS, help="features; replaces those of --settings")
    parser.add_argument("--labels", type=Path, help="file with one label per line, or a .csv with --column [default: the labels of the settings]")
    parser.add_argument("--column", help="column of the .csv of labels")
    parser.add_argument("--fsdkaggle2018-labels", action="store_true", help="the 41 labels of FSDKaggle2018 in the order of ml-sound-classifier")
    parser.add_argument("--name", help="name of the model [default: the network's file]")
    parser.add_argument("--description", default="", help="description of the sounds that it detects")
    parser.add_argument("--licence", default="NOASSERTION", help="SPDX expression [default: NOASSERTION]")
    parser.add_argument("--version", default="1")
    parser.add_argument("--layout", help="axes of a window: one of a manifest's [default: from the shape]")
    parser.add_argument("--normalize", help="normalisation of each window: one of a manifest's [default: that of the settings, else of the preset's networks]")
    parser.add_argument("--activation", help="how the output becomes probabilities: one of a manifest's [default: from the network]")
    parser.add_argument("--architecture", choices=("mobilenetv2", "alexnet"), help="for .h5 with weights only [default: from the weights]")
    parser.add_argument("--shape", help="shape of one window for .pt, for example 1,96,64")
    parser.add_argument("--input", help="name of the input, for graphs with several inputs")
    parser.add_argument("--output", help="name of the output, for graphs with several outputs")
    parser.add_argument("--check", type=Path, help=".npy with windows for the comparison (soundclassify features writes them) [default: noise]")
    parser.add_argument("--tolerance", type=float, help="maximum difference [default: 1e-4; int8 TFLite: 32/256]")
    parser.add_argument("--program", help="the program soundclassify, which checks the manifest and makes the windows [default: the newest built, the installed one, or it is built]")
    return parser.parse_args()


def main():
    try:
        convert(options())
    except Failure as failure:
        sys.exit(f"models.convert: {failure}")


def convert(chosen):
    known = gathered(chosen)
    name = chosen.name or re.sub(r"[^a-z0-9]+", "-", chosen.network.stem.lower()).strip("-")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise Failure(f"--name: expected lower-case letters, digits and hyphens, found {name!r}")
    if chosen.tolerance is not None:
        checks.one("--tolerance", checks.number(0, 1000), chosen.tolerance)
    source = opened(chosen, known)
    if known.labels is None:
        raise Failure(f"{chosen.network}: expected labels for {source.classes} classes, found none; give --labels or settings with labels")
    if len(known.labels) != source.classes:
        raise Failure(f"{chosen.network}: expected {source.classes} labels, one per class, found {len(known.labels)}")
    run = program.find(chosen.program)
    model = source.export()
    if network.unsupported(model):
        raise Failure(f"{chosen.network}: ONNX has no operator for {', '.join(network.unsupported(model))}, as tf2onnx reports above; if there is an ONNX file of this "
                      f"network, `soundclassify inspect --template` writes a manifest for it")
    tolerance = source.tolerance if chosen.tolerance is None else chosen.tolerance
    model = network.with_free_batch(model, source.shape, tolerance)
    network.tidy(model)
    activation = chosen.activation or known.output.get("activation") or network.activation(model)
    if activation is None:
        raise Failure(f"{chosen.network}: does not end in a softmax or sigmoid; set --activation to the function that turns its output into probabilities")
    with staged(chosen.out, f"{name}.toml") as folder:
        onnx_file, path = folder / f"{name}.onnx", folder / f"{name}.toml"
        onnx.save(model, onnx_file)
        (folder / f"{name}.labels.txt").write_text("".join(f"{label}\n" for label in known.labels))
        tables = manifest_tables(chosen, known, onnx_file, model.graph, activation)
        read = fitted(chosen, known, run, path, tables, source.shape)
        known_table = known_scores.table(name) | {"audio": f"{name}.check.wav"}  # its length is that of this network's windows
        recorded = recorded_windows(run, path, folder / known_table["audio"], read["window"], source.shape)
        windows = network.check_windows(source.shape, recorded, known.input["normalize"], chosen.check)
        difference = network.compare(source, onnx_file, windows, tolerance)
        scores = network.probabilities(source.run(recorded), activation, known.output.get("reduce", "mean"))
        np.save(folder / known_table["scores"], scores.astype(np.float32))
        tables["check"] = known_table | {"tolerance": min(1.0, max(1e-3, tolerance))}
        comment = (f"Converted from {chosen.network.name} (SHA-256 {manifest.sha256(chosen.network)});\n"
                   f"largest difference from it {difference:.2e} on {len(windows)} windows.")
        path.write_text(manifest.text(tables, comment))
        print(f"[check]: scores {program.verify(run, path)}")
    print(f"wrote {chosen.out / name}.toml, .labels.txt, .onnx and what [check] names")


def manifest_tables(chosen, known, onnx_file, graph, activation):
    """The manifest without the axes of a window and [check]."""
    name = onnx_file.stem
    tables = {
        None: {"name": name, "description": chosen.description or f"{len(known.labels)} classes, converted from {chosen.network.name}",
               "licence": chosen.licence, "version": chosen.version, "onnx": onnx_file.name, "sha256": manifest.sha256(onnx_file)},
        "input": {"name": graph.input[0].name} | known.input, "features": known.features,
        "output": {"name": graph.output[0].name} | known.output | {"activation": activation},
        "labels": {"file": f"{name}.labels.txt"}, "defaults": known.defaults,
    }
    for key, value in known.further.items():
        if isinstance(value, dict):
            tables[key] = tables.get(key, {}) | value
        else:
            tables[None][key] = value
    return tables


def fitted(chosen, known, run, path, tables, shape):
    """Writes the manifest with the first layout and channel axis with which the program accepts it; returns the program's report of it."""
    reasons = []
    for axes in possible_axes(shape, known.usual_input.get("layout")):
        if any(known.input.get(key, axes[key]) != axes[key] for key in axes):
            continue
        tables["input"] |= axes
        path.write_text(manifest.text(tables, "To be checked."))
        read, reason = program.inspect(run, path)
        if reason is None:
            return read
        reasons.append(reason)
    if not reasons:
        given = ", ".join(f"{key} {known.input[key]}" for key in ("layout", "channel-axis") if key in known.input)
        wanted = given or "samples, or mels and frames, with at most one channel"
        raise Failure(f"{chosen.settings or chosen.network}: expected windows of {wanted}, found that {chosen.network} takes windows of {tuple(shape)}")
    raise Failure(f"{chosen.settings or chosen.network}: the program refuses the manifest of {chosen.network}, which takes windows of {tuple(shape)}:\n{reasons[0]}")


def possible_axes(shape, usual):
    """Layouts and channel axes that windows of this shape may have; those of the layout `usual` first."""
    found = []
    for axis, at, plane in (("first", 0, shape[1:]), ("last", -1, shape[:-1]), ("none", None, shape)):
        if at is not None and shape[at] != 1:
            continue
        layouts = {1: ("samples",), 2: ("mels-frames", "frames-mels")}.get(len(plane), ())
        found += [{"layout": layout, "channel-axis": axis} for layout in layouts]
    return sorted(found, key=lambda axes: axes["layout"] != usual)


def recorded_windows(run, path, audio, window, shape):
    """Writes a recording that has a window of so many seconds; returns the network's input for it, as the program makes it."""
    made = path.with_name("windows.npy")
    known_scores.recording(audio, window)
    known_scores.features(run, path, audio, made)
    windows = np.load(made).reshape(-1, *shape)
    made.unlink()
    return windows


def gathered(chosen):
    """Settings file and options together."""
    for option in ("licence", "version"):
        checks.one(f"--{option}", checks.PLAIN, getattr(chosen, option))
    checks.one("--description", checks.PLAIN, chosen.description or chosen.network.name)
    known = settings.read(chosen.settings) if chosen.settings else settings.Settings()
    if chosen.preset:
        known.features = {"preset": chosen.preset}
    if not known.features:
        raise Failure("which features does the network take? Give --settings or --preset")
    if "normalize" in known.usual_input:
        known.input.setdefault("normalize", known.usual_input["normalize"])
    for key in ("layout", "normalize"):
        if getattr(chosen, key):
            known.input[key] = getattr(chosen, key)
    if chosen.labels:
        known.labels = settings.read_labels(chosen.labels, chosen.column)
    elif chosen.fsdkaggle2018_labels:
        known.labels = list(settings.FSDKAGGLE2018)
    return known


def opened(chosen, known):
    """The source; its library has to be there."""
    try:
        return loaded(chosen, known)
    except ModuleNotFoundError as error:
        raise Failure(f"{chosen.network}: needs the Python module {error.name}, which is not installed here: "
                      f"pip install -r {INSTALL.get(error.name, 'models/convert/requirements.txt')}") from error


def loaded(chosen, known):
    """The source, by the file's suffix; each kind's library is loaded only when it is needed."""
    suffix = chosen.network.suffix
    tensors = known.tensors | {name: value for name, value in (("input", chosen.input), ("output", chosen.output)) if value}
    if chosen.network.is_dir():
        from . import saved_model
        return saved_model.load(chosen.network, tensors)
    if suffix == ".pb":
        from . import graph
        return graph.load(chosen.network, tensors)
    if suffix in (".h5", ".hdf5", ".keras"):
        from . import keras_file
        return keras_file.load(chosen.network, chosen.architecture, known.spectrum and (*known.spectrum, 1), known.labels and len(known.labels))
    if suffix == ".tflite":
        from . import tflite
        return tflite.load(chosen.network)
    if suffix in (".pt", ".pth"):
        from . import pytorch
        return pytorch.load(chosen.network, parsed_shape(chosen.shape))
    raise Failure(f"{chosen.network}: expected a SavedModel's folder, .pb, .h5, .keras, .tflite or .pt, found {suffix or 'no suffix'}")


def parsed_shape(text):
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise Failure(f"--shape: expected numbers with commas, as in 1,96,64, found {text!r}")
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
