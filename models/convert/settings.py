# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the network's author set: features, labels, defaults; read from files of the original project or a TOML file.

- `.py`: the original's `config.py`. It is read, never run: assignments of plain values and arithmetic to `conf.…`.
- `.json`: the same names, or `sample_rate` for `sampling_rate`, in one object.
- `.toml`: tables of a manifest, whose keys the program checks; names of input and output are the source's.
"""
import ast
import csv
import io
import json
import operator
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from . import checks
from .files import Failure, existing

ORIGINAL_FRONT_END = {  # librosa 0.6's defaults, which the original leaves as they are
    "mel-scale": "slaney", "mel-norm": "slaney", "power": 2, "center": True, "log": "db", "amin": 1e-10, "top-db": 80}
ORIGINAL_PRESETS = {  # what the original's settings must be for the preset to stand for them
    "fsdkaggle2018": {"sample-rate": 44100, "window": 1, "n-fft": 2560, "hop-length": 347, "n-mels": 128, "frames": 128, "fmin": 20, "fmax": 22050},
    "fsdkaggle2018-small": {"sample-rate": 16000, "window": 1, "n-fft": 1280, "hop-length": 253, "n-mels": 64, "frames": 64, "fmin": 20, "fmax": 8000},
}


def preset_inputs():
    """Name of each preset to its `[input]`: that of the manifest in models/ that has its name, or of the original's networks."""
    found = {name: {"layout": "mels-frames", "normalize": "minmax"} for name in ORIGINAL_PRESETS}
    for path in sorted(Path(__file__).resolve().parents[1].glob("*.toml")):
        tables = tomllib.loads(path.read_text())
        if tables.get("features", {}).get("preset") == path.stem:
            found[path.stem] = tables["input"]
    return dict(sorted(found.items()))


PRESETS = preset_inputs()
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
    further: dict = field(default_factory=dict)  # other keys and tables, as they are
    tensors: dict = field(default_factory=dict)  # names of the source's input and output, where the settings say

    @property
    def spectrum(self):
        """(mels, frames) of a window, where the settings themselves or the original say; else None."""
        known = ORIGINAL_PRESETS.get(self.features.get("preset"), {}) | self.features
        size = (known.get("n-mels"), known.get("frames"))
        return size if all(type(number) is int and number > 0 for number in size) else None

    @property
    def usual_input(self):
        """`[input]` of the networks that have this preset."""
        return PRESETS.get(self.features.get("preset"), {})


def read(path):
    path = existing(path, "settings")
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: the settings are not UTF-8 text: {error}") from error
    if path.suffix not in (".json", ".py", ".toml"):
        raise Failure(f"{path}: settings are .json, .py (the original's) or .toml (as in a manifest), found {path.suffix or 'no suffix'}")
    if path.suffix == ".toml":
        return from_toml(path, text)
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


WHOLE = ("sample-rate", "n-fft", "hop-length", "n-mels")


def from_original(path, values):
    names = {"sample-rate": ("sampling_rate", "sample_rate"), "window": ("duration",), "n-fft": ("n_fft",),
             "hop-length": ("hop_length",), "n-mels": ("n_mels",), "fmin": ("fmin",), "fmax": ("fmax",)}
    features = {}
    for name, alternatives in names.items():
        found = [values[each] for each in alternatives if each in values]
        if not found:
            raise Failure(f"{path}: {alternatives[0]} is missing")
        checks.one(f"{path}: {alternatives[0]}", checks.whole(1, 1 << 20) if name in WHOLE else checks.number(0, 768_000), found[0])
        features[name] = found[0]
    features["frames"] = 1 + int(features["sample-rate"] * features["window"]) // features["hop-length"]
    normalize = values.get("normalize", "samplewise")
    checks.one(f"{path}: normalize", checks.PLAIN, normalize)
    preset = next((name for name, known in ORIGINAL_PRESETS.items() if known == features), None)
    defaults = {"oversamples": values.get("rt_oversamples", values.get("oversamples")),
                "process-count": values.get("rt_process_count", values.get("process_count")),
                "ensembles": values.get("pred_ensembles", values.get("ensembles"))}
    defaults = {name: value for name, value in defaults.items() if value is not None}
    features = {"preset": preset} if preset else features | ORIGINAL_FRONT_END
    tensors = {name: values[name] for name in ("input", "output") if name in values}
    for name, value in tensors.items():
        checks.one(f"{path}: {name}", checks.PLAIN, value)
    return Settings(
        features=features, input={"normalize": NORMALIZE.get(normalize, normalize)},
        labels=checked_labels(path, values["labels"]) if "labels" in values else None, defaults=defaults, tensors=tensors)


def from_toml(path, text):
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"{path}: no TOML: {error}") from error
    ours = [key for key in (*OPTIONS, *RESULTS) if key in values]
    if ours:
        how = f"give --{ours[0]}" if ours[0] in OPTIONS else "models.convert writes it"
        raise Failure(f"{path}: {ours[0]}: expected no such key in settings, found one: {how}")
    for name in TABLES:
        checks.is_table(path, name, values.get(name, {}))
    features, inputs, output, defaults = (values.pop(name, {}) for name in TABLES)
    preset = features.get("preset")
    if preset is not None:
        checks.one(f"{path}: [features] preset", checks.choice(*PRESETS), preset)
    tensors = {name: table.pop("name") for name, table in (("input", inputs), ("output", output)) if "name" in table}
    for name, value in tensors.items():
        checks.one(f"{path}: [{name}] name", checks.PLAIN, value)
    labels = None
    if "labels" in values:
        checks.is_table(path, "labels", values["labels"])
        sources = {key: value for key, value in values["labels"].items() if key in LABEL_SOURCES}
        labels = labels_of(path, sources)
        values["labels"] = {key: value for key, value in values["labels"].items() if key not in LABEL_SOURCES}
    return Settings(features, inputs, output, labels, defaults, values, tensors)


TABLES = ("features", "input", "output", "defaults")
OPTIONS = ("name", "description", "licence", "version")  # keys of a manifest that options set
RESULTS = ("onnx", "sha256", "check")
LABEL_SOURCES = {"names": checks.LABELS, "file": checks.PLAIN, "csv": checks.PLAIN, "column": checks.PLAIN}


def labels_of(path, table):
    """The labels that the table [labels] names; its files lie beside the settings."""
    checks.table(path, "labels", table, LABEL_SOURCES)
    match sorted(table):
        case ["names"]:
            return checked_labels(path, table["names"])
        case ["file"]:
            return label_lines(existing(path.parent / table["file"], "labels"))
        case ["column", "csv"]:
            return label_column(existing(path.parent / table["csv"], "labels"), table["column"], "[labels] column")
    raise Failure(f"{path}: [labels]: expected one of file; names; csv and column, found {', '.join(sorted(table)) or 'none'}")


def read_labels(path, column):
    """One label a line, or a column of a CSV file with a head line."""
    path = existing(path, "labels")
    return label_column(path, column, "--column") if path.suffix == ".csv" else label_lines(path)


def label_lines(path):
    return checked_labels(path, decoded(path).rstrip().split("\n"))


def label_column(path, column, key):
    rows = csv.DictReader(io.StringIO(decoded(path), newline=""), restval="")
    if not column or column not in (rows.fieldnames or []):
        raise Failure(f"{path}: which column? {key} takes one of {', '.join(rows.fieldnames or [])}")
    try:
        return checked_labels(path, [row[column] for row in rows])
    except csv.Error as error:
        raise Failure(f"{path}: no table: {error}") from error


def decoded(path):
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: the labels are not UTF-8 text: {error}") from error


def checked_labels(path, labels):
    """The labels without blanks around them."""
    if not isinstance(labels, list) or not labels:
        raise Failure(f"{path}: labels: expected a list of names, found {labels!r}")
    labels = [label.strip() if isinstance(label, str) else label for label in labels]
    for number, label in enumerate(labels, 1):
        checks.one(f"{path}: label {number}", checks.PLAIN, label)
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise Failure(f"{path}: labels: twice: {', '.join(twice)}")
    return labels
