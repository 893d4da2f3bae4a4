# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which values settings may have: kinds of values, and the tables of a manifest as the element reads them."""
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from .files import Failure

NORMALIZE = ("none", "minmax", "minmax-eps", "standard", "meanvar")
ACTIVATIONS = ("none", "softmax", "sigmoid")
LAYOUTS = ("mels-frames", "frames-mels")


@dataclass(frozen=True)
class Check:
    """What a value has to be, in words and as a test."""

    expected: str
    fits: Callable[[object], bool]


def one(source, check, value):
    """Raises unless the value fits; `source` names it, as "own.toml: [data] file" or "--seed"."""
    if not check.fits(value):
        raise Failure(f"{source}: expected {check.expected}, found {value!r}")


def is_table(path, name, values):
    if not isinstance(values, dict):
        raise Failure(f"{path}: {name}: expected a table [{name}], found {values!r}")


def table(path, name, values, known):
    """Raises unless every key is known and every value fits."""
    is_table(path, name, values)
    for key, value in values.items():
        if key not in known:
            raise Failure(f"{path}: [{name}]: unknown: {key}; it may have {', '.join(sorted(known))}")
        one(f"{path}: [{name}] {key}", known[key], value)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def whole(minimum, maximum):
    return Check(f"a whole number from {minimum} to {maximum}", lambda value: type(value) is int and minimum <= value <= maximum)


def wholes(minimum, maximum):
    """A list of them."""
    each = whole(minimum, maximum)
    return Check(f"a list of whole numbers from {minimum} to {maximum}", lambda value: isinstance(value, list) and bool(value) and all(map(each.fits, value)))


def number(minimum, maximum):
    return Check(f"a number from {minimum} to {maximum}", lambda value: is_number(value) and minimum <= value <= maximum)


def between(low, high):
    """The ends do not belong to it."""
    return Check(f"a number above {low} and below {high}", lambda value: is_number(value) and low < value < high)


def choice(*words):
    return Check(f"one of {', '.join(words)}", lambda value: value in words)


def is_plain(value):
    """Text that is neither blank nor holds control characters."""
    return isinstance(value, str) and bool(value.strip()) and all(unicodedata.category(character) not in ("Cc", "Cs") for character in value)


def is_range(value):
    return value == "none" or is_number(value) and 0 <= value <= 1000


def is_level(value):
    return value == -math.inf or is_number(value) and value <= 0


PLAIN = Check("text that is not blank and without control characters", is_plain)
FLAG = Check("true or false", lambda value: isinstance(value, bool))
LABELS = Check("a list of labels", lambda value: isinstance(value, list) and all(map(is_plain, value)))
SHARE, POSITIVE, NANOSECONDS = number(0, 1), number(2.3e-308, 1000), whole(0, 2 ** 63 - 1)
FEATURES = {
    "kind": choice("logmel"), "sample-rate": whole(1000, 768_000),
    "window": Check("a number of seconds above 0, at maximum 60", lambda value: is_number(value) and 0 < value <= 60),
    "n-fft": whole(2, 1 << 20), "win-length": whole(1, 1 << 20), "hop-length": whole(1, 1 << 20), "n-mels": whole(1, 4096), "frames": whole(1, 65_536),
    "fmin": number(0, 384_000), "fmax": number(0, 384_000), "mel-scale": choice("slaney", "htk"), "mel-norm": choice("slaney", "none"),
    "power": Check("1 or 2", lambda value: is_number(value) and value in (1, 2)), "center": FLAG, "log": choice("db", "ln", "log10"),
    "amin": number(2.3e-308, 1),
    "top-db": Check('a number from 0 to 1000 or "none"', is_range), "offset": POSITIVE,
}
NEEDED = ("sample-rate", "window", "n-fft", "hop-length", "n-mels", "frames")  # without a preset
INPUT = {"name": PLAIN, "layout": choice(*LAYOUTS), "channel-axis": choice("first", "last", "none"), "normalize": choice(*NORMALIZE)}
OUTPUT = {"name": PLAIN, "activation": choice(*ACTIVATIONS)}
DEFAULTS = {
    "oversamples": whole(1, 100), "process-count": whole(1, 64), "ensembles": whole(1, 256), "top-k": whole(1, 1000), "threshold": SHARE,
    "thresholds": Check("labels with numbers from 0 to 1", lambda value: isinstance(value, dict) and all(map(SHARE.fits, value.values()))),
    "allow-labels": LABELS, "deny-labels": LABELS, "silence-threshold": Check("a number of at maximum 0", is_level),
    "event-on": SHARE, "event-off": SHARE, "event-min-duration": NANOSECONDS, "event-hold": NANOSECONDS,
}


def features(path, values, presets):
    """The table [features]. `presets`: name to the values that it brings."""
    table(path, "features", values, FEATURES | {"preset": choice(*presets)})
    all_values = presets.get(values.get("preset"), {}) | values
    missing = [key for key in NEEDED if key not in all_values]
    if values and missing:
        raise Failure(f"{path}: [features]: {missing[0]} is missing, or a preset that brings it")
    if all_values.get("win-length", 0) > all_values.get("n-fft", math.inf):
        raise Failure(f"{path}: [features] win-length: expected at maximum n-fft, {all_values['n-fft']}, found {all_values['win-length']}")
    half = all_values.get("sample-rate", math.inf) / 2
    low, high = all_values.get("fmin", 0), values.get("fmax", min(half, all_values.get("fmax", half)))
    if not low < high <= half:
        raise Failure(f"{path}: [features]: expected fmin below fmax, and fmax at maximum {half:g} Hz, half the sample rate, found {low:g} and {high:g}")
    log = values.get("log", "ln" if values.get("preset") == "yamnet" else "db")
    strange = [key for key in (("offset",) if log == "db" else ("amin", "top-db")) if key in values]
    if strange:
        raise Failure(f"{path}: [features] {strange[0]}: does not go with log = {log!r}")
    if log != "db" and "offset" not in values and (values.get("preset"), log) != ("yamnet", "ln"):
        raise Failure(f"{path}: [features]: offset is missing, which log = {log!r} needs")


def defaults(path, values, labels):
    """The table [defaults] with the labels of the model, where they are known."""
    table(path, "defaults", values, DEFAULTS)
    if values.get("event-off", 0) > values.get("event-on", 1):
        raise Failure(f"{path}: [defaults] event-off: expected at maximum event-on, {values['event-on']}, found {values['event-off']}")
    for key in ("thresholds", "allow-labels", "deny-labels"):
        strange = [label for label in values.get(key, ()) if labels is not None and label not in labels]
        if strange:
            raise Failure(f"{path}: [defaults] {key}: expected labels of the model, found {strange[0]!r}")
