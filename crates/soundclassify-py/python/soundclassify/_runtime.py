# SPDX-License-Identifier: MIT OR Apache-2.0
"""Where ONNX Runtime's library is, and what it must know before it is loaded."""

import importlib.util
import os
from pathlib import Path

from soundclassify import _soundclassify


def prepare() -> None:
    """Turns telemetry off, and points the loader at the library of the `onnxruntime` wheel, which is not imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    folder = library_folder()
    if folder is not None:
        _soundclassify.set_runtime_folder(folder)


def library_folder() -> Path | None:
    """The folder with the library of the installed `onnxruntime` wheel (or one of its variants, such as -gpu)."""
    spec = importlib.util.find_spec("onnxruntime")
    for place in (spec and spec.submodule_search_locations) or []:
        folder = Path(place) / "capi"
        if folder.is_dir():
            return folder
    return None
