# SPDX-License-Identifier: MIT OR Apache-2.0
"""Kinds of values that settings may have. The keys of a manifest are not checked here: the program does it."""
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from .files import Failure

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


PLAIN = Check("text that is not blank and without control characters", is_plain)
FLAG = Check("true or false", lambda value: isinstance(value, bool))
LABELS = Check("a list of labels", lambda value: isinstance(value, list) and all(map(is_plain, value)))
