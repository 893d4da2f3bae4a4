# SPDX-License-Identifier: MIT OR Apache-2.0
"""The classifier of one stream."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soundclassify import _soundclassify
from soundclassify._samples import mono

if TYPE_CHECKING:
    import pyarrow

Rows: TypeAlias = "NDArray[np.void] | pyarrow.Table"


class Classifier:
    """Turns a stream of samples of any rate into windows with probabilities, and events.

    Calls release the GIL, so classifiers on several threads run in parallel. Each has its own network, which
    takes about as much memory as its ONNX file.

    Args:
        model: A built-in model (`soundclassify.models()`), or the path of a manifest (`.toml`) or of an `.onnx`
            file with a manifest of the same name beside it.
        oversamples: Windows per second, 1-100. None, here and below, means the default of the manifest, or else 10.
        ensembles: Windows in the moving geometric mean of the probabilities, 1-256; else 10.
        threshold: Minimum probability of the best label, 0-1; else 0.
        label_thresholds: Minimum probability per label; it replaces `threshold`.
        allow_labels: Report only these labels; else all.
        deny_labels: Report all labels except these; else all.
        silence_threshold: Windows below this level, dBFS, are not classified and have no row; else -inf.
        event_on: Probability at or above which an event starts, 0-1; else 0.5.
        event_off: Probability below which an event ends, 0-1; else 0.35.
        event_min_duration: Minimum duration of an event, s; else 0.2.
        event_hold: Maximum gap within an event, s; else 0.5.
        execution_provider: Execution provider of ONNX Runtime: "cpu", "cuda", "openvino", …
        device: Index of the device, for providers with several devices.
        threads: Threads within one run of the network; 0: ONNX Runtime chooses.
        output: "numpy" for structured arrays, "arrow" for tables of pyarrow.

    Raises:
        ValueError: An option is out of its range, or the manifest is wrong.
        FileNotFoundError: The model does not exist.
        soundclassify.Error: The network or ONNX Runtime can't be loaded.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "default",
        *,
        oversamples: int | None = None,
        ensembles: int | None = None,
        threshold: float | None = None,
        label_thresholds: Mapping[str, float] | None = None,
        allow_labels: Sequence[str] | None = None,
        deny_labels: Sequence[str] | None = None,
        silence_threshold: float | None = None,
        event_on: float | None = None,
        event_off: float | None = None,
        event_min_duration: float | None = None,
        event_hold: float | None = None,
        execution_provider: str = "cpu",
        device: int = 0,
        threads: int = 1,
        output: Literal["numpy", "arrow"] = "numpy",
    ) -> None:
        if output not in ("numpy", "arrow"):
            raise ValueError(f'output: expected "numpy" or "arrow", found {output!r}')
        keywords = {
            "oversamples": oversamples,
            "ensembles": ensembles,
            "threshold": threshold,
            "label_thresholds": dict(label_thresholds or {}),
            "allow_labels": None if allow_labels is None else list(allow_labels),
            "deny_labels": None if deny_labels is None else list(deny_labels),
            "silence_threshold": silence_threshold,
            "event_on": event_on,
            "event_off": event_off,
            "event_min_duration": event_min_duration,
            "event_hold": event_hold,
            "execution_provider": execution_provider,
            "device": device,
            "threads": threads,
        }
        self._stream = _soundclassify.Stream(os.fspath(model), keywords)
        self._output = output
        self._labels = tuple(self._stream.labels)
        # Class -1, which is none, finds the last one.
        self._names = np.array([*self._stream.names, ""])
        self._duration = self._stream.window

    @property
    def labels(self) -> tuple[str, ...]:
        """One label per class, in the order of `scores`."""
        return self._labels

    @property
    def model(self) -> str:
        """Name of the model in its manifest."""
        return self._stream.model

    @property
    def oversamples(self) -> int:
        """Windows per second."""
        return self._stream.oversamples

    @property
    def sample_rate(self) -> int:
        """Sample rate of the model, Hz; samples of other rates are converted."""
        return self._stream.sample_rate

    @property
    def window_dtype(self) -> np.dtype[np.void]:
        """Type of the rows of `push` and `finish`:

        - `window` uint64: number in the stream, from 0
        - `start` float64: start of the window, s from the beginning of the stream
        - `duration` float64: length of the window, s
        - `label` str, `index` int32, `probability` float32: the best label that passes the filters; "", -1 and 0
          without one
        - `scores` float32, shape (classes,): moving geometric mean of the probabilities, before the filters
        """
        return np.dtype(
            [
                ("window", np.uint64),
                ("start", np.float64),
                ("duration", np.float64),
                ("label", self._names.dtype),
                ("index", np.int32),
                ("probability", np.float32),
                ("scores", np.float32, (len(self._labels),)),
            ]
        )

    @property
    def event_dtype(self) -> np.dtype[np.void]:
        """Type of the rows of `events`:

        - `event` uint64: number of the event, from 1
        - `label` str, `index` int32: number of the label or group
        - `start`, `end` float64: s from the beginning of the stream
        - `peak` float32: its highest probability
        """
        return np.dtype(
            [
                ("event", np.uint64),
                ("label", self._names.dtype),
                ("index", np.int32),
                ("start", np.float64),
                ("end", np.float64),
                ("peak", np.float32),
            ]
        )

    def push(self, samples: ArrayLike, sample_rate: int) -> Rows:
        """Adds samples and returns the windows that they complete.

        Args:
            samples: Shape (samples,), or (samples, channels), which are averaged. Floats with full scale ±1, or
                integers. NaN and infinities count as 0.
            sample_rate: Hz; it may change from one push to the next.

        Returns:
            Shape (windows,), of `window_dtype`, or a table with the same columns. How the stream is divided into
            pushes affects it only by rounding.

        Raises:
            ValueError: `samples` or `sample_rate` can't be used; the stream is unchanged.
            soundclassify.Error: The network failed; the windows of that run are lost, and the next call returns those before it.
        """
        return self._rows(self._stream.push(mono(samples), sample_rate))

    def finish(self) -> Rows:
        """Ends the stream: returns the remaining windows, like `push`, and ends all events. The next push begins a new stream.

        A stream shorter than one window has one window, padded with silence.
        """
        return self._rows(self._stream.finish())

    def events(self, *, include_open: bool = False) -> Rows:
        """The events that ended since the last call.

        Args:
            include_open: Include open events, with their duration so far; they are returned again later.

        Returns:
            Shape (events,), of `event_dtype`, sorted by start, or a table with the same columns.
        """
        rows = self._stream.events(include_open)
        events = np.empty(len(rows), self.event_dtype)
        columns = list(zip(*rows, strict=True)) if rows else [()] * 5
        for name, column in zip(("event", "index", "start", "end", "peak"), columns, strict=True):
            events[name] = column
        events["label"] = self._names[events["index"]]
        return self._as_wanted(events)

    def reset(self) -> None:
        """Discards the stream and its events."""
        self._stream.reset()

    def _rows(self, columns: _soundclassify.Columns) -> Rows:
        numbers, starts, best, probabilities, scores = columns
        rows = np.empty(len(numbers), self.window_dtype)
        rows["window"], rows["start"], rows["duration"] = numbers, starts, self._duration
        rows["label"], rows["index"], rows["probability"] = self._names[best], best, probabilities
        rows["scores"] = scores.reshape(len(numbers), len(self._labels))
        return self._as_wanted(rows)

    def _as_wanted(self, rows: NDArray[np.void]) -> Rows:
        if self._output == "numpy":
            return rows
        from soundclassify import _arrow

        return _arrow.table(rows, self._labels)

    def __repr__(self) -> str:
        return f"Classifier(model={self.model!r}, {len(self._labels)} labels, {self.oversamples} windows a second)"


def features(
    samples: ArrayLike,
    sample_rate: int,
    model: str | os.PathLike[str] = "default",
    *,
    oversamples: int | None = None,
) -> NDArray[np.float32]:
    """Returns the input of the network for each window.

    Args:
        samples, sample_rate: As in `Classifier.push`, for a whole stream.
        model: As in `Classifier`.
        oversamples: Windows per second, 1-100; None means the default of the manifest, or else 10.

    Returns:
        Shape (windows, *shape of the network's input without its batch axis).
    """
    values, shape = _soundclassify.features(mono(samples), sample_rate, os.fspath(model), oversamples)
    return values.reshape(-1, *shape)


def embed(
    samples: ArrayLike,
    sample_rate: int,
    model: str | os.PathLike[str] = "default",
    *,
    oversamples: int | None = None,
) -> NDArray[np.float32]:
    """What describes each window for other classifiers: the output that the manifest's `output.embedding` names.

    Args:
        samples: Shape (samples,) or (samples, channels), as in `Classifier.push`; all of a stream.
        sample_rate: Of the samples, Hz.
        model: As in `Classifier`; its manifest names an embedding, as those of `default`, `sure` and `audioset` do.
        oversamples: Windows a second, 1-100; None: the manifest's, or else 10.

    Returns:
        Shape (windows, width of the embedding), float32. The windows are those of `features`.

    Raises:
        ValueError: The model has no embedding, or the sample rate can't be converted.
        FileNotFoundError, Error: As in `Classifier`.
    """
    values, width = _soundclassify.embed(mono(samples), sample_rate, os.fspath(model), oversamples)
    return values.reshape(-1, width)
