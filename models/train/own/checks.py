# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which settings there are, and which values each may have."""
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter

from ...convert.files import Failure
from .learning import BALANCE

MODES = ("scratch", "default", "yamnet")
NORMALIZE = ("none", "minmax", "minmax-eps", "standard", "meanvar")


@dataclass(frozen=True)
class Check:
    """What a value has to be, in words and as a test."""

    expected: str
    fits: Callable[[object], bool]


def one(source, check, value):
    """Raises unless the value fits; `source` names it, as "own.toml: [data] file" or "--seed"."""
    if not check.fits(value):
        raise Failure(f"{source}: expected {check.expected}, found {value!r}")


def tables(path, found):
    """Raises unless every table and key is known and every value fits."""
    for name, values in found.items():
        if name not in TABLES:
            raise Failure(f"{path}: unknown table [{name}]; it may have {', '.join(TABLES)}")
        if not isinstance(values, dict):
            raise Failure(f"{path}: {name}: expected a table [{name}], found {values!r}")
        table(path, name, values, network(path, values) if name == "network" else TABLES[name])
    depths(path, found.get("network", {}))


def table(path, name, values, known):
    for key, value in values.items():
        if key in known:
            one(f"{path}: [{name}] {key}", known[key], value)
        elif name not in FREE:
            raise Failure(f"{path}: [{name}]: unknown: {key}; it may have {', '.join(sorted(known))}")


def network(path, values):
    """The keys of this kind of network."""
    kind = values.get("kind", "ears")
    one(f"{path}: [network] kind", TABLES["network"]["kind"], kind)
    return TABLES["network"] | NETWORKS[kind]


def depths(path, values):
    """Raises unless there is a depth for each width."""
    wide, deep = (len(values.get(key, DEFAULT)) for key in ("widths", "depths"))
    if wide != deep:
        raise Failure(f"{path}: [network] depths: expected {wide} numbers, as in widths, found {deep}")


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def whole(least, most):
    return Check(f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most)


def wholes(least, most):
    """A list of them."""
    each = whole(least, most)
    return Check(f"a list of whole numbers from {least} to {most}", lambda value: isinstance(value, list) and bool(value) and all(map(each.fits, value)))


def number(least, most):
    return Check(f"a number from {least} to {most}", lambda value: is_number(value) and least <= value <= most)


def between(low, high):
    """The ends do not belong to it."""
    return Check(f"a number above {low} and below {high}", lambda value: is_number(value) and low < value < high)


def choice(*words):
    return Check(f"one of {', '.join(words)}", lambda value: value in words)


def is_pattern(value):
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


def is_template(value):
    try:
        columns = [column for _, column, _, _ in Formatter().parse(value) if column is not None]
        return bool(value.format(**dict.fromkeys(columns, "x")))
    except (TypeError, ValueError, LookupError, AttributeError):
        return False


def is_judged(value):
    return isinstance(value, dict) and all(
        isinstance(values, list) and values and all(type(each) in (str, int) for each in values) for values in value.values())


TEXT = Check("text", lambda value: isinstance(value, str) and value != "")
FLAG = Check("true or false", lambda value: isinstance(value, bool))
TEMPLATE = Check('columns of the table in braces, as in "fold{fold}/{name}"', is_template)
MOST = 1_000_000
DEFAULT = (0, 0, 0)  # as many widths and depths as a network has unless told

NETWORKS = {
    "ears": {"stem": whole(1, 4096), "widths": wholes(1, 4096), "depths": wholes(0, 100), "features": whole(1, 65_536), "dropout": number(0, 0.99)},
    "mobilenetv2": {"width": between(0, 10)},
}
THREADS = whole(1, 1024)
TABLES = {
    "data": {"file": TEMPLATE, "label": TEMPLATE, "group": TEMPLATE, "root": TEXT, "group_pattern": Check("a regular expression", is_pattern),
             "judged": Check('columns, each with a list of values, as in { fold = ["10"] }', is_judged),
             "share_judged": between(0, 1), "mixed_rates": FLAG},
    "features": {"kind": choice("logmel")},
    "network": {"kind": choice(*NETWORKS)},
    "defaults": {},
    "training": {"start": choice(*MODES), "normalize": choice(*NORMALIZE), "oversamples": whole(1, 100),
                 "epochs": whole(1, MOST), "head_epochs": whole(1, MOST), "batch": whole(2, MOST), "rate": Check("a number above 0", lambda value: is_number(value) and value > 0),
                 "weight_decay": number(0, 100), "smoothing": number(0, 0.99), "balance": choice(*BALANCE), "mixup": number(0, 1), "erase": number(0, 1),
                 "gain": number(0, 100), "windows": whole(2, 10 ** 9), "seed": whole(0, 2 ** 63 - 1)},
}
FREE = ("features", "defaults")  # the program checks the rest of them, as in any manifest
