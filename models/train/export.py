# SPDX-License-Identifier: MIT OR Apache-2.0
"""A trained network as ONNX with manifest and labels."""
import copy
import hashlib
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


def keep_classes(network, columns):
    """Removes the outputs of all other classes, in place."""
    dense = network.classes
    small = nn.Linear(dense.in_features, len(columns))
    with torch.no_grad():
        small.weight.copy_(dense.weight[columns])
        small.bias.copy_(dense.bias[columns])
    network.classes = small


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


def to_onnx(network, temperature, shape, path, check=None):
    """Writes the ONNX file and returns its largest difference from PyTorch on `check` (or noise)."""
    model = Probabilities(network, temperature).eval()
    torch.onnx.export(model, (torch.zeros(2, *shape),), str(path), dynamo=False, opset_version=17, input_names=["input"],
                      output_names=["probabilities"], dynamic_axes={"input": {0: "N"}, "probabilities": {0: "N"}})
    check = np.random.default_rng(0).normal(-2, 2.6, (64, *shape)).astype(np.float32) if check is None else check
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = model(torch.from_numpy(check)).numpy()
    difference = float(np.abs(session.run(None, {"input": check})[0] - expected).max())
    if not difference <= 1e-4:  # or not a number
        raise RuntimeError(f"{Path(path).name}: ONNX differs from PyTorch by {difference:.2e}, more than 1e-4")
    return difference


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def manifest(name, description, licence, version, onnx, labels, features, layout, normalize, defaults):
    """Text of a manifest. `features`: table of the manifest; `defaults`: oversamples, thresholds and so on."""
    def text(value):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {text(v)}" for key, v in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        return f'"{value}"' if isinstance(value, str) else str(value)

    tables = {
        None: {"name": name, "description": description, "licence": licence, "version": version,
               "onnx": Path(onnx).name, "sha256": sha256(onnx)},
        "input": {"layout": layout, "channel-axis": "first", "normalize": normalize},
        "features": features,
        "output": {"activation": "none"},
        "labels": {"file": Path(labels).name},
        "defaults": defaults,
    }
    lines = ["# SPDX-License-Identifier: MIT OR Apache-2.0"]
    for table, values in tables.items():
        if table:
            lines += ["", f"[{table}]"]
        lines += [f"{key} = {text(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
