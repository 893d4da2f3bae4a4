# SPDX-License-Identifier: MIT OR Apache-2.0
"""Recordings → blocks of mono samples, with PyAV.

PyAV and not GStreamer: its wheel brings FFmpeg with it, so that a worker needs no packages of the system, and it reads
from any object with `read` and `seek`, so that a recording in a bucket is decoded while it is fetched.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from soundclassify.ray import places

# What is fetched from a bucket at a time, bytes.
BUFFER = 4 << 20
# Samples of a block at least: a call for each packet would cost more than it does.
BLOCK = 1 << 16


class DecodeError(Exception):
    """A recording can't be decoded to its end; the text says why."""


def blocks(path: str) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Mono float32 samples, full scale ±1, and their rate, Hz, block by block; channels are averaged.

    Raises:
        DecodeError: The recording can't be opened, has no audio, or is broken.
    """
    try:
        with contextlib.ExitStack() as stack:
            container = stack.enter_context(av.open(_source(path, stack), metadata_errors="ignore"))
            if not container.streams.audio:
                raise DecodeError("it contains no audio")
            yield from _joined(container)
    except (av.error.FFmpegError, OSError, EOFError) as error:
        raise DecodeError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _source(path: str, stack: contextlib.ExitStack) -> Any:
    if not places.is_uri(path):
        return path
    filesystem, inside = places.filesystem(path)
    return io.BufferedReader(stack.enter_context(filesystem.open_input_file(inside)), BUFFER)


def _joined(container: Any) -> Iterator[tuple[NDArray[np.float32], int]]:
    parts: list[NDArray[np.float32]] = []
    count, rate = 0, 0
    for samples, new_rate in _frames(container):
        if parts and (count >= BLOCK or new_rate != rate):
            yield np.concatenate(parts), rate
            parts, count = [], 0
        parts.append(samples)
        count, rate = count + len(samples), new_rate
    if parts:
        yield np.concatenate(parts), rate


def _frames(container: Any) -> Iterator[tuple[NDArray[np.float32], int]]:
    planar, layout = None, None
    for frame in container.decode(container.streams.audio[0]):
        if (frame.layout.name, frame.sample_rate) != layout:
            # Another one for another layout; it changes the type of the samples and nothing else.
            planar, layout = av.AudioResampler(format="fltp"), (frame.layout.name, frame.sample_rate)
        for converted in planar.resample(frame) if planar else []:
            channels = converted.to_ndarray()
            mono = channels[0] if len(channels) == 1 else channels.mean(axis=0, dtype=np.float64)
            yield mono.astype(np.float32), converted.sample_rate
