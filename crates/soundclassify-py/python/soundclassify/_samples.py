# SPDX-License-Identifier: MIT OR Apache-2.0
"""Any array of samples → mono float32, full scale ±1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Maximum number of channels; more are samples along the wrong axis.
MAX_CHANNELS = 1024


def mono(samples: ArrayLike) -> NDArray[np.float32]:
    """One channel of float32.

    `samples`: shape (samples,) or (samples, channels), which are averaged. Floats have full scale ±1; signed integers
    their own, unsigned ones theirs around the middle. Mono float32 is used as it is, without a copy.
    """
    array = np.asarray(samples)
    if array.ndim not in (1, 2):
        raise ValueError(f"samples: expected shape (samples,) or (samples, channels), found {array.shape}")
    if array.ndim == 2 and array.shape[1] > MAX_CHANNELS:
        raise ValueError(f"samples: expected shape (samples, channels), found {array.shape}; transpose it?")
    if array.ndim == 1 and array.dtype == np.float32:
        return np.ascontiguousarray(array)
    wide = _floats(array)
    if wide.ndim == 2:
        wide = wide.mean(axis=1) if wide.shape[1] != 1 else wide[:, 0]
    return np.ascontiguousarray(wide, dtype=np.float32)


def _floats(array: NDArray[np.generic]) -> NDArray[np.float64]:
    if array.dtype.kind not in "fiu":
        raise TypeError(f"samples: expected floats or integers, found {array.dtype}")
    wide = array.astype(np.float64)
    if array.dtype.kind == "i":
        wide /= 2.0 ** (8 * array.dtype.itemsize - 1)
    elif array.dtype.kind == "u":
        half = 2.0 ** (8 * array.dtype.itemsize - 1)
        wide = (wide - half) / half
    return wide
