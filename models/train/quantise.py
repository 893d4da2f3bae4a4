# SPDX-License-Identifier: MIT OR Apache-2.0
"""An int8 copy of an ONNX model, and speed of models against each other."""
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .predictions import session


class _Windows(CalibrationDataReader):
    def __init__(self, windows, name, batch=32):
        self.parts = iter([{name: windows[i:i + batch]} for i in range(0, len(windows) - batch + 1, batch)])

    def get_next(self):
        return next(self.parts, None)


def quantise(source, target, windows):
    """Static QDQ quantisation of convolutions and dense layers, calibrated on `windows` (N, 1, frames, mels).

    Weights take 7 bits: with 8 the sums of processors without 8-bit dot products (x86 before VNNI) may saturate.
    """
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready))
        name = onnxruntime.InferenceSession(str(ready), providers=["CPUExecutionProvider"]).get_inputs()[0].name
        quantize_static(str(ready), str(target), _Windows(windows, name), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add"])


def speeds(models, rounds=300):
    """Median milliseconds of one window on one thread, the models taking turns. `models`: name to path."""
    ready = {name: session(path) for name, path in models.items()}
    inputs = {name: run.get_inputs()[0] for name, run in ready.items()}
    windows = {name: np.random.default_rng(0).normal(-1, 1, (1, *each.shape[1:])).astype(np.float32) for name, each in inputs.items()}
    times = {name: [] for name in models}
    for _ in range(rounds):
        for name, run in ready.items():
            begun = time.perf_counter()
            run.run(None, {inputs[name].name: windows[name]})
            times[name].append((time.perf_counter() - begun) * 1e3)
    return {name: float(np.median(values)) for name, values in times.items()}
