# SPDX-License-Identifier: MIT OR Apache-2.0
"""PyTorch networks saved as TorchScript (`.pt`): the one form that holds the network itself and runs no code on loading."""
import inspect
import io

import numpy as np
import onnx
import torch

from .files import Failure, existing

OPSET = 17
# By tracing, which PyTorch before 2.5 does without being asked.
TRACED = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def load(path, shape):
    """The network of a file; `shape` of one window, which TorchScript does not store."""
    path = existing(path, "TorchScript network")
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise Failure(f"{path}: no TorchScript ({reason}); save it with torch.jit.script(network).save(…), weights alone are not enough") from error
    if shape is None:
        raise Failure(f"{path}: which shape has a window? Give --shape, as in 1,96,64")
    return Network(path, module, shape)


class Network:
    """A network that takes (N, *shape)."""

    def __init__(self, path, module, shape):
        self.path, self.module, self.shape, self.tolerance = path, module, list(shape), 1e-4
        self.classes = self.run(np.zeros((2, *shape), np.float32)).shape[-1]

    @torch.no_grad()
    def run(self, windows):
        try:
            scores = self.module(torch.from_numpy(np.asarray(windows, np.float32)))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise Failure(f"{self.path}: can't run on windows of shape {self.shape}: {reason}") from error
        if not isinstance(scores, torch.Tensor) or scores.ndim < 2:
            found = f"a tensor of shape {tuple(scores.shape)}" if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise Failure(f"{self.path}: expected one tensor (windows, classes) of scores, found {found}: save a network that gives the scores alone")
        return scores.numpy()

    def export(self):
        file = io.BytesIO()
        try:
            torch.onnx.export(self.module, (torch.zeros(2, *self.shape),), file, opset_version=OPSET, input_names=["input"],
                              output_names=["scores"], dynamic_axes={"input": {0: "N"}, "scores": {0: "N"}}, **TRACED)
        except Exception as error:  # PyTorch raises classes of its own and RuntimeError
            raise Failure(f"{self.path}: PyTorch can't export it to ONNX: {str(error).strip().splitlines()[0]}") from error
        return onnx.load_from_string(file.getvalue())
