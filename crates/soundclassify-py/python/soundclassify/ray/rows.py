# SPDX-License-Identifier: MIT OR Apache-2.0
"""Recordings → rows of the result, with one warm classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib.recfunctions import repack_fields

from soundclassify import Classifier
from soundclassify.ray import decode


@dataclass
class Outcome:
    """One recording."""

    file: str
    # Length of its audio, s.
    duration: float = 0.0
    windows: int = 0
    # Why it failed; None if it did not.
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def schema(events: bool) -> pa.Schema:
    """Columns of the result, those of `soundclassify scan -o out.parquet`; the metadata of a field describe it."""
    value = ("peak", "highest probability of the event") if events else ("probability", "probability of the label")
    fields = [
        ("file", pa.string(), "absolute path or address of the recording"),
        ("label", pa.string(), "label of the model; null if the file failed"),
        ("start", pa.float64(), "seconds from the beginning of the recording"),
        ("end", pa.float64(), "seconds from the beginning of the recording"),
        (value[0], pa.float32(), f"{value[1]}, 0 to 1"),
        ("model", pa.string(), "name of the model; empty if the file failed"),
        ("settings", pa.string(), "hash of model and options; rows with the same hash are comparable"),
        ("error", pa.string(), "why the file failed; null if it did not"),
    ]
    return pa.schema([pa.field(name, kind, metadata={"description": text}) for name, kind, text in fields])


def failure(file: str, reason: str, *, events: bool, settings: str) -> tuple[pa.Table, Outcome]:
    """The row of a recording that failed, and what became of it."""
    columns = schema(events)
    row = dict.fromkeys(columns.names) | {"file": file, "model": "", "settings": settings, "error": reason}
    return pa.Table.from_pylist([row], columns), Outcome(file, error=reason)


class Rows:
    """Classifies recordings: each gives its rows, or one with the reason why it has none."""

    def __init__(self, options: Mapping[str, Any], *, events: bool = False, settings: str = "") -> None:
        """`options`: keyword arguments of `soundclassify.Classifier`."""
        self._classifier = Classifier(**options)
        self._events = events
        self._settings = settings
        self._schema = schema(events)

    def of(self, file: str, on_progress: Callable[[float], None] = lambda _: None) -> tuple[pa.Table, Outcome]:
        """The rows of a recording, and what became of it. `on_progress` gets the seconds that are done.

        A recording that can't be decoded to its end is one row with the reason. Errors of the model are raised.
        """
        self._classifier.reset()
        outcome, parts = Outcome(file), []
        try:
            for samples, rate in decode.blocks(file):
                parts.append(self._kept(self._classifier.push(samples, rate)))
                outcome.duration += len(samples) / rate
                on_progress(outcome.duration)
        except (decode.DecodeError, ValueError) as error:
            return failure(file, str(error), events=self._events, settings=self._settings)
        parts.append(self._kept(self._classifier.finish()))
        windows = np.concatenate(parts)
        outcome.windows = len(windows)
        found = self._classifier.events() if self._events else windows
        return self._table(file, found), outcome

    def _kept(self, windows: Any) -> Any:
        # The probabilities of all classes would be hundreds of megabytes for a long recording.
        windows = windows[windows["index"] >= 0]
        return repack_fields(windows[["start", "duration", "label", "probability"]])

    def _table(self, file: str, found: Any) -> pa.Table:
        count = len(found)
        end = found["end"] if self._events else found["start"] + found["duration"]
        columns = [
            pa.repeat(pa.scalar(file), count),
            pa.array(found["label"].tolist(), pa.string()),
            pa.array(np.ascontiguousarray(found["start"])),
            pa.array(np.ascontiguousarray(end)),
            pa.array(np.ascontiguousarray(found["peak" if self._events else "probability"])),
            pa.repeat(pa.scalar(self._classifier.model), count),
            pa.repeat(pa.scalar(self._settings), count),
            pa.nulls(count, pa.string()),
        ]
        return pa.Table.from_arrays(columns, schema=self._schema)
