# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the network's author set: features, labels, defaults; read from files of the original project or a TOML file.

- `.py`: the original's `config.py`. It is read, never run: assignments of plain values and arithmetic to `conf.…`.
- `.json`: the same names, or `sample_rate` for `sampling_rate`, in one object.
- `.toml`: the tables `[features]`, `[input]`, `[output]`, `[labels]`, `[defaults]` as in a manifest.
"""
import ast
import csv
import json
import operator
import tomllib
from dataclasses import dataclass, field

from .files import Failure, existing

ORIGINAL_FRONT_END = {  # librosa 0.6's defaults, which the original leaves as they are
    "mel-scale": "slaney", "mel-norm": "slaney", "power": 2, "center": True, "log": "db", "amin": 1e-10, "top-db": 80}
PRESETS = {  # (mels, frames) and what the original's settings must be for the preset to stand for them
    "fsdkaggle2018": {"sample-rate": 44100, "window": 1, "n-fft": 2560, "hop-length": 347, "n-mels": 128, "frames": 128, "fmin": 20, "fmax": 22050},
    "fsdkaggle2018-small": {"sample-rate": 16000, "window": 1, "n-fft": 1280, "hop-length": 253, "n-mels": 64, "frames": 64, "fmin": 20, "fmax": 8000},
    "yamnet": {"sample-rate": 16000, "window": 0.975, "n-fft": 512, "hop-length": 160, "n-mels": 64, "frames": 96, "fmin": 125, "fmax": 7500},
}
NORMALIZE = {"samplewise": "minmax"}  # the original's name, and its default
FSDKAGGLE2018 = """Hi-hat Saxophone Trumpet Glockenspiel Cello Knock Gunshot_or_gunfire Clarinet Computer_keyboard Keys_jangling
    Snare_drum Writing Laughter Tearing Fart Oboe Flute Cough Telephone Bark Chime Bass_drum Bus Squeak Scissors Harmonica Gong
    Microwave_oven Burping_or_eructation Double_bass Shatter Fireworks Tambourine Cowbell Electric_piano Meow
    Drawer_open_or_close Applause Acoustic_guitar Violin_or_fiddle Finger_snapping""".split()


@dataclass
class Settings:
    """Tables of the manifest to be."""

    features: dict = field(default_factory=dict)
    input: dict = field(default_factory=dict)
    output: dict = field(default_factory=dict)
    labels: list | None = None
    defaults: dict = field(default_factory=dict)
    tensors: dict = field(default_factory=dict)  # names of the source's input and output, where the settings say

    @property
    def spectrum(self):
        """(mels, frames) of a window, None where the features don't say."""
        known = PRESETS.get(self.features.get("preset"), {}) | self.features
        return (known["n-mels"], known["frames"]) if {"n-mels", "frames"} <= known.keys() else None


def read(path):
    path = existing(path, "settings")
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: the settings are not UTF-8 text: {error}") from error
    if path.suffix == ".toml":
        return from_toml(path, text)
    if path.suffix not in (".json", ".py"):
        raise Failure(f"{path}: settings are .json, .py (the original's) or .toml (as in a manifest), found {path.suffix or 'no suffix'}")
    return from_original(path, from_json(path, text) if path.suffix == ".json" else from_python(path, text))


def from_json(path, text):
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise Failure(f"{path}: no JSON: {error}") from error
    if not isinstance(values, dict):
        raise Failure(f"{path}: expected one JSON object, found {type(values).__name__}")
    return values


ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv}


def from_python(path, text):
    """The values of `conf.name = …`; whatever is no plain value is passed over."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Failure(f"{path}: no Python: {error}") from error
    values = {}

    def evaluate(node):
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple)):
            return [evaluate(item) for item in node.elts]
        if isinstance(node, ast.Attribute) and node.attr in values:
            return values[node.attr]
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return ARITHMETIC[type(node.op)](evaluate(node.left), evaluate(node.right))
        raise ValueError(ast.unparse(node))

    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "conf":
            try:
                values[target.attr] = evaluate(node.value)
            except (ValueError, TypeError, ZeroDivisionError):
                continue
    if not values:
        raise Failure(f"{path}: no assignment to conf.…: not a config.py of the original project")
    return values


def from_original(path, values):
    names = {"sample-rate": ("sampling_rate", "sample_rate"), "window": ("duration",), "n-fft": ("n_fft",),
             "hop-length": ("hop_length",), "n-mels": ("n_mels",), "fmin": ("fmin",), "fmax": ("fmax",)}
    features = {}
    for name, alternatives in names.items():
        found = [values[each] for each in alternatives if each in values]
        if not found:
            raise Failure(f"{path}: {alternatives[0]} is missing")
        if isinstance(found[0], bool) or not isinstance(found[0], (int, float)):
            raise Failure(f"{path}: {alternatives[0]}: expected a number, found {found[0]!r}")
        features[name] = found[0]
    features["frames"] = 1 + int(features["sample-rate"] * features["window"]) // features["hop-length"]
    normalize = NORMALIZE.get(values.get("normalize", "samplewise"), values.get("normalize"))
    if normalize not in ("none", "minmax", "minmax-eps", "standard", "meanvar"):
        raise Failure(f"{path}: normalize: expected samplewise or a manifest's value, found {normalize!r}")
    preset = next((name for name, known in PRESETS.items() if known == features and name != "yamnet"), None)
    defaults = {"oversamples": values.get("rt_oversamples", values.get("oversamples")),
                "process-count": values.get("rt_process_count", values.get("process_count")),
                "ensembles": values.get("pred_ensembles", values.get("ensembles"))}
    return Settings(
        features={"preset": preset} if preset else features | ORIGINAL_FRONT_END,
        input={"normalize": normalize}, labels=checked_labels(path, values["labels"]) if "labels" in values else None,
        defaults={name: value for name, value in defaults.items() if value is not None},
        tensors={name: values[name] for name in ("input", "output") if name in values})


def from_toml(path, text):
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"{path}: no TOML: {error}") from error
    unknown = values.keys() - {"features", "input", "output", "labels", "defaults"}
    if unknown:
        raise Failure(f"{path}: unknown tables: {', '.join(sorted(unknown))}")
    names = values.get("labels", {}).get("names")
    return Settings(values.get("features", {}), values.get("input", {}), values.get("output", {}),
                    checked_labels(path, names) if names else None, values.get("defaults", {}))


def read_labels(path, column):
    """One label a line, or a column of a CSV file with a head line."""
    path = existing(path, "labels")
    try:
        if path.suffix != ".csv":
            return checked_labels(path, [line.strip() for line in path.read_text().splitlines() if line.strip()])
        with open(path, newline="") as file:
            rows = csv.DictReader(file)
            if not column or column not in (rows.fieldnames or []):
                raise Failure(f"{path}: which column? --column takes one of {', '.join(rows.fieldnames or [])}")
            return checked_labels(path, [row[column] for row in rows])
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: the labels are not UTF-8 text: {error}") from error


def checked_labels(path, labels):
    if not isinstance(labels, list) or not all(isinstance(label, str) and label.strip() for label in labels) or not labels:
        raise Failure(f"{path}: labels: expected a list of names")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise Failure(f"{path}: labels: twice: {', '.join(twice)}")
    return labels
