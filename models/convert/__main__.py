# SPDX-License-Identifier: MIT OR Apache-2.0
"""Converts a network to ONNX with manifest and labels, and verifies that it gives the same scores.

    python -m models.convert NETWORK.pb      --settings config.json -o OUT        frozen TensorFlow graph
    python -m models.convert NETWORK.h5      --settings config.py -o OUT          Keras, whole or the original's weights
    python -m models.convert FOLDER          --preset yamnet --labels labels.txt -o OUT    SavedModel
    python -m models.convert NETWORK.tflite  --preset yamnet --labels map.csv --column display_name -o OUT
    python -m models.convert NETWORK.pt      --preset yamnet --shape 1,96,64 --labels labels.txt -o OUT   TorchScript

OUT gets NAME.onnx, NAME.labels.txt and NAME.toml; `soundclassify model=OUT/NAME.toml` runs it. With the program soundclassify at hand, OUT also gets
a recording and the network's own scores of it: `soundclassify inspect --verify OUT/NAME.toml` compares them with ours.
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
    parser.add_argument("--settings", type=Path, help="config.py of ml-sound-classifier, the same as .json, or tables of a manifest as .toml")
    parser.add_argument("--preset", choices=settings.PRESETS, help="features; replaces those of --settings")
    parser.add_argument("--labels", type=Path, help="file with one label per line, or a .csv with --column [default: the labels of the settings]")
    parser.add_argument("--column", help="column of the .csv of labels")
    parser.add_argument("--fsdkaggle2018-labels", action="store_true", help="the 41 labels of FSDKaggle2018 in the order of ml-sound-classifier")
    parser.add_argument("--name", help="name of the model [default: the network's file]")
    parser.add_argument("--description", default="", help="description of the sounds that it detects")
    parser.add_argument("--licence", default="NOASSERTION", help="SPDX expression [default: NOASSERTION]")
    parser.add_argument("--version", default="1")
    parser.add_argument("--layout", choices=checks.LAYOUTS, help="axes of a window [default: from the shape]")
    parser.add_argument("--normalize", choices=checks.NORMALIZE, help="normalisation of each window [default: that of the settings, else none for yamnet, minmax for others]")
    parser.add_argument("--activation", choices=checks.ACTIVATIONS, help="how the output becomes probabilities [default: from the network]")
    parser.add_argument("--architecture", choices=("mobilenetv2", "alexnet"), help="for .h5 with weights only [default: from the weights]")
    parser.add_argument("--shape", help="shape of one window for .pt, for example 1,96,64")
    parser.add_argument("--input", help="name of the input, for graphs with several inputs")
    parser.add_argument("--output", help="name of the output, for graphs with several outputs")
    parser.add_argument("--check", type=Path, help=".npy with windows for the comparison (soundclassify features writes them) [default: noise]")
    parser.add_argument("--tolerance", type=float, help="maximum difference [default: 1e-4; int8 TFLite: 32/256]")
    parser.add_argument("--program", help="the program soundclassify, for [check] [default: the newest built, or the installed one]")
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
    checks.defaults(chosen.settings, known.defaults, known.labels)
    shape = window_layout(chosen, known, source.shape)
    model = source.export()
    network.free_batch(model)
    network.tidy(model)
    activation = chosen.activation or known.output.get("activation") or network.activation(model)
    if activation is None:
        raise Failure(f"{chosen.network}: does not end in a softmax or sigmoid; set --activation to the function that turns its output into probabilities")
    with staged(chosen.out, f"{name}.toml") as folder:
        onnx_file = folder / f"{name}.onnx"
        onnx.save(model, onnx_file)
        windows = network.check_windows(source.shape, shape["normalize"].startswith("minmax"), chosen.check)
        tolerance = source.tolerance if chosen.tolerance is None else chosen.tolerance
        difference = network.compare(source, onnx_file, windows, tolerance)
        (folder / f"{name}.labels.txt").write_text("".join(f"{label}\n" for label in known.labels))
        tables = {
            None: {"name": name, "description": chosen.description or f"{source.classes} classes, converted from {chosen.network.name}",
                   "licence": chosen.licence, "version": chosen.version, "onnx": onnx_file.name, "sha256": manifest.sha256(onnx_file)},
            "input": {"name": model.graph.input[0].name} | shape, "features": known.features,
            "output": {"name": model.graph.output[0].name, "activation": activation},
            "labels": {"file": f"{name}.labels.txt"}, "defaults": known.defaults,
        }
        comment = (f"Converted from {chosen.network.name} (SHA-256 {manifest.sha256(chosen.network)});\n"
                   f"largest difference from it {difference:.2e} on {len(windows)} windows.")
        (folder / f"{name}.toml").write_text(manifest.text(tables, comment))
        tables["check"] = check(program.find(chosen.program, build=False), source, folder, name, activation, tolerance)
        (folder / f"{name}.toml").write_text(manifest.text(tables, comment))
    print(f"wrote {chosen.out / name}.toml, .labels.txt and .onnx")


def check(run, source, folder, name, activation, tolerance):
    """Values of [check]: a recording, and the source's own scores of its windows. None without the program, which makes the windows."""
    if run is None:
        print("no [check] was written: the program soundclassify, which makes the windows, was not found; give it with --program")
        return {}
    audio, made = folder / known_scores.RECORDING, folder / "windows.npy"
    known_scores.recording(audio)
    known_scores.features(run, folder / f"{name}.toml", audio, made)
    windows = np.load(made).reshape(-1, *source.shape)
    made.unlink()
    np.save(folder / known_scores.table(name)["scores"], network.probabilities(source.run(windows), activation).astype(np.float32))
    return known_scores.table(name) | {"tolerance": min(1.0, max(1e-3, tolerance))}


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
    known.input.setdefault("normalize", "none" if known.features.get("preset") == "yamnet" else "minmax")
    if chosen.normalize:
        known.input["normalize"] = chosen.normalize
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
        return keras_file.load(chosen.network, chosen.architecture, (*known.spectrum, 1), known.labels and len(known.labels))
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


def window_layout(chosen, known, shape):
    """`[input]` of the manifest without the name, seen from the shape of a window and the features."""
    table = {"layout": chosen.layout or known.input.get("layout"), "channel-axis": None, "normalize": known.input["normalize"]}
    if len(shape) == 2:
        table["channel-axis"], spectrum = "none", tuple(shape)
    elif len(shape) == 3 and 1 in (shape[0], shape[-1]):
        first = shape[0] == 1
        table["channel-axis"], spectrum = ("first", tuple(shape[1:])) if first else ("last", tuple(shape[:2]))
    else:
        raise Failure(f"{chosen.network}: expected windows of mels and frames with at most one channel, found {shape}")
    axis = known.input.get("channel-axis", table["channel-axis"])
    if axis != table["channel-axis"]:
        raise Failure(f"{chosen.settings}: [input] channel-axis: expected {table['channel-axis']}, as {chosen.network} takes windows of {tuple(shape)}, "
                      f"found {axis}")
    wanted = known.spectrum
    fitting = [layout for layout, axes in (("mels-frames", wanted), ("frames-mels", wanted[::-1])) if axes == spectrum]
    if not fitting or table["layout"] not in (None, *fitting):
        raise Failure(f"{chosen.network}: takes windows of {spectrum[0]} × {spectrum[1]}, the features are {wanted[0]} mels × {wanted[1]} frames"
                      + (f" in the layout {table['layout']}" if table["layout"] else ""))
    table["layout"] = table["layout"] or fitting[0]
    return table


if __name__ == "__main__":
    main()
