# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which settings there are, and which values each may have."""
import re
from string import Formatter

from ...convert.checks import FLAG, NORMALIZE, PLAIN, Check, between, choice, is_number, is_table, number, one, table, whole, wholes
from ...convert.files import Failure
from .learning import BALANCE

MODES = ("scratch", "default", "yamnet")


def tables(path, found):
    """Raises unless every table and key is known and every value fits."""
    for name, values in found.items():
        if name not in TABLES:
            raise Failure(f"{path}: unknown table [{name}]; it may have {', '.join(TABLES)}")
        is_table(path, name, values)
        if name in FREE:
            values = {key: value for key, value in values.items() if key in TABLES[name]}
        table(path, name, values, network(path, values) if name == "network" else TABLES[name])
    depths(path, found.get("network", {}))


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


TEMPLATE = Check('columns of the table in braces, as in "fold{fold}/{name}"', is_template)
MAX_COUNT = 1_000_000  # of epochs, and of windows in a batch
DEFAULT = (0, 0, 0)  # as many widths and depths as a network has unless given

NETWORKS = {
    "ears": {"stem": whole(1, 4096), "widths": wholes(1, 4096), "depths": wholes(0, 100), "features": whole(1, 65_536), "dropout": number(0, 0.99)},
    "mobilenetv2": {"width": between(0, 10)},
}
THREADS = whole(1, 1024)
TABLES = {
    "data": {"file": TEMPLATE, "label": TEMPLATE, "group": TEMPLATE, "root": PLAIN, "group_pattern": Check("a regular expression", is_pattern),
             "judged": Check('columns, each with a list of values, as in { fold = ["10"] }', is_judged),
             "share_judged": between(0, 1), "mixed_rates": FLAG},
    "features": {"kind": choice("logmel")},
    "network": {"kind": choice(*NETWORKS)},
    "defaults": {},
    "training": {"start": choice(*MODES), "normalize": choice(*NORMALIZE), "oversamples": whole(1, 100),
                 "epochs": whole(1, MAX_COUNT), "head_epochs": whole(1, MAX_COUNT), "batch": whole(2, MAX_COUNT),
                 "rate": Check("a number above 0", lambda value: is_number(value) and value > 0), "weight_decay": number(0, 100),
                 "smoothing": number(0, 0.99), "balance": choice(*BALANCE), "mixup": number(0, 1), "erase": number(0, 1), "gain": number(0, 100),
                 "windows": whole(2, 10 ** 9), "seed": whole(0, 2 ** 63 - 1)},
}
FREE = ("features", "defaults")  # the program checks the rest of them, as in any manifest
