# SPDX-License-Identifier: MIT OR Apache-2.0
"""Structured arrays as tables of pyarrow."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def table(rows: NDArray[np.void], labels: Sequence[str]) -> pa.Table:
    """A column a field; `label` is a dictionary of `labels`, null where there is none, and `scores` a list of fixed size."""
    names = rows.dtype.names or ()
    return pa.table({name: _column(rows, name, labels) for name in names})


def _column(rows: NDArray[np.void], name: str, labels: Sequence[str]) -> pa.Array:
    if name == "label":
        index = rows["index"]
        return pa.DictionaryArray.from_arrays(pa.array(index, mask=index < 0), pa.array(labels, pa.string()))
    values = np.ascontiguousarray(rows[name])
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    return pa.array(values)
