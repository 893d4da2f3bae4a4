# SPDX-License-Identifier: MIT OR Apache-2.0
"""Streaming sound classification: samples in, labels and events out.

    >>> import numpy as np, soundclassify
    >>> classifier = soundclassify.Classifier(model="default")
    >>> windows = classifier.push(np.zeros(44_100, np.float32), 44_100)
    >>> windows.dtype.names
    ('window', 'start', 'duration', 'label', 'index', 'probability', 'scores')

ONNX Runtime is the library of the `onnxruntime` wheel, which is loaded with the first model; the environment variable
ORT_DYLIB_PATH selects a different library. Its telemetry is turned off.
"""

from soundclassify import _runtime

_runtime.prepare()

from soundclassify._classifier import Classifier, embed, features  # noqa: E402
from soundclassify._soundclassify import Error, models, runtime_version  # noqa: E402

__all__ = ["Classifier", "Error", "embed", "features", "models", "runtime_version"]
