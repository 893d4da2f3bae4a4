# SPDX-License-Identifier: MIT OR Apache-2.0
# The compiled half: columns of plain numbers.
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers, starts s, best classes (-1: none), their probabilities, probabilities of all classes window after window.
Columns = tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]
# Number, class, start s, end s, peak.
EventRow = tuple[int, int, float, float, float]

class Error(RuntimeError): ...

class Stream:
    labels: list[str]
    names: list[str]
    model: str
    oversamples: int
    sample_rate: int
    window: float
    def __new__(cls, model: str, keywords: Mapping[str, Any]) -> Stream: ...
    def push(self, samples: NDArray[np.float32], sample_rate: int) -> Columns: ...
    def finish(self) -> Columns: ...
    def reset(self) -> None: ...
    def events(self, include_open: bool) -> list[EventRow]: ...

def features(
    samples: NDArray[np.float32], sample_rate: int, model: str, oversamples: int | None
) -> tuple[NDArray[np.float32], list[int]]: ...
def embed(
    samples: NDArray[np.float32], sample_rate: int, model: str, oversamples: int | None
) -> tuple[NDArray[np.float32], int]: ...
def set_runtime_folder(folder: Path) -> None: ...
def runtime_version() -> str:
    """Version and build of ONNX Runtime; loads it."""

def models() -> list[str]:
    """Names of the built-in models."""
