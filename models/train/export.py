# SPDX-License-Identifier: MIT OR Apache-2.0
"""A trained network as ONNX."""
import copy
import inspect
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fused(network):
    """A copy for inference: batch norm folded into the layer before it."""
    network = copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format)
    for block in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        for i in range(len(block) - 1):
            if isinstance(block[i], nn.Conv2d) and isinstance(block[i + 1], nn.BatchNorm2d):
                block[i], block[i + 1] = fuse_conv_bn_eval(block[i], block[i + 1]), nn.Identity()
            elif isinstance(block[i], nn.Linear) and isinstance(block[i + 1], nn.BatchNorm1d):
                block[i], block[i + 1] = fuse_linear_bn_eval(block[i], block[i + 1]), nn.Identity()
    return network


class Probabilities(nn.Module):
    """Softmax of the logits, the calibrated temperature in the last layer's weights."""

    def __init__(self, network, temperature):
        super().__init__()
        self.network = fused(network)
        with torch.no_grad():
            self.network.classes.weight /= temperature
            self.network.classes.bias /= temperature

    def forward(self, x):
        return self.network(x).softmax(1)


# By tracing, which PyTorch before 2.5 does without being asked.
TRACED = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def to_onnx(network, temperature, shape, path, check=None):
    """Writes the ONNX file and returns its largest difference from PyTorch on `check` (or noise)."""
    model = Probabilities(network, temperature).eval()
    torch.onnx.export(model, (torch.zeros(2, *shape),), str(path), opset_version=17 if TRACED else 16, input_names=["input"],
                      output_names=["probabilities"], dynamic_axes={"input": {0: "N"}, "probabilities": {0: "N"}}, **TRACED)
    check = np.random.default_rng(0).normal(-2, 2.6, (64, *shape)).astype(np.float32) if check is None else check
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = model(torch.from_numpy(check)).numpy()
    difference = float(np.abs(session.run(None, {"input": check})[0] - expected).max())
    if not difference <= 1e-4:  # or not a number
        raise RuntimeError(f"{Path(path).name}: ONNX differs from PyTorch by {difference:.2e}, more than 1e-4")
    return difference
