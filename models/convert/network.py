# SPDX-License-Identifier: MIT OR Apache-2.0
"""The ONNX network that comes out: free number of windows, what it ends in, and its comparison with the source."""
import re

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from .files import Failure

ENDS = {"Softmax": "none", "Sigmoid": "none"}  # already probabilities
CARRIERS = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear", "Cast")


def with_free_batch(model, shape, tolerance):
    """The model with a free first axis where the source fixed it to 1, so that windows can go through together; the same model where they can't."""
    freed = onnx.ModelProto.FromString(model.SerializeToString())
    if not free_batch(freed):
        return model
    pair = np.random.default_rng(1).random((2, *shape), np.float32)
    try:
        session = opened(freed.SerializeToString())
        name = session.get_inputs()[0].name
        together, second = (session.run(None, {name: windows})[0] for windows in (pair, pair[1:]))
    except Exception:  # ONNX Runtime has no common class for its errors
        return model
    return freed if together.shape[0] == 2 and np.abs(together[1:] - second).max() <= tolerance else model


def opened(model):
    """A session of a file, or of the bytes of one. The caller reports what fails."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def free_batch(model):
    """Makes the first axis of ports and of new shapes free; whether the source had fixed it."""
    ports = [*model.graph.input, *model.graph.output]
    if all(port.type.tensor_type.shape.dim[0].dim_value != 1 for port in ports):
        return False
    for port in ports:
        port.type.tensor_type.shape.dim[0].dim_param = "N"
    targets = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for constant in model.graph.initializer:
        if constant.name in targets:
            shape = numpy_helper.to_array(constant).copy()
            if len(shape) and shape[0] == 1 and -1 not in shape:
                shape[0] = -1
                constant.CopyFrom(numpy_helper.from_array(shape, constant.name))
    del model.graph.value_info[:]
    return True


def tidy(model):
    """Numbers generated names anew in the order of their use: tf2onnx' own differ from run to run, and so would the file's hash."""
    graph, numbers, order = model.graph, {}, {}  # `order` is a set that keeps its order

    def renamed(name):
        stem, *generated = re.split(r"__\d+", name, maxsplit=1)
        return f"{stem}__{numbers.setdefault(name, len(numbers) + 1)}" if generated else name

    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        order |= dict.fromkeys(name for name in node.input if name in constants)
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]
        node.name = renamed(node.name)
    for port in (*graph.input, *graph.output):
        port.name = renamed(port.name)
    kept = [onnx.TensorProto.FromString(constants[name].SerializeToString()) for name in order]
    for constant in kept:
        constant.name = renamed(constant.name)
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(kept)


def unsupported(model):
    """Names of operators in the result that ONNX does not have: those that tf2onnx could not convert."""
    return sorted({node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type)})


def activation(model):
    """What is left to do to make probabilities of the output: "none", or None when that can't be seen."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    node = made_by.get(model.graph.output[0].name)
    while node is not None and node.op_type in CARRIERS:
        node = made_by.get(node.input[0])
    return ENDS.get(node.op_type) if node is not None else None


def probabilities(scores, kind, reduce="mean"):
    """Scores of windows after the activation, and reduced over a time axis."""
    if kind == "softmax":
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
    elif kind == "sigmoid":
        scores = 1 / (1 + np.exp(-scores))
    over_time = {"mean": np.mean, "max": np.max, "last": lambda frames, axis: frames.take(-1, axis)}[reduce]
    return over_time(scores.reshape(len(scores), -1, scores.shape[-1]), axis=1)


def check_windows(shape, recorded, normalize, given):
    """Windows to compare with: those of a recording, noise and edges of the features' range, or those of a `.npy` file."""
    if given is not None:
        try:
            array = np.load(given)
            windows = array.astype(np.float32) if isinstance(array, np.ndarray) else None
        except (OSError, EOFError, ValueError) as error:
            raise Failure(f"{given}: no .npy array of numbers: {error}") from error
        if windows is None:
            raise Failure(f"{given}: expected one array (.npy), found an archive of arrays")
        if windows.size == 0 or windows.size % int(np.prod(shape)):
            raise Failure(f"{given}: holds {windows.shape}, the network takes windows of {tuple(shape)}")
        return windows.reshape(-1, *shape)
    rng = np.random.default_rng(0)
    if normalize.startswith("minmax"):
        generated = [rng.random((14, *shape), np.float32), np.zeros((1, *shape), np.float32), np.ones((1, *shape), np.float32)]
    else:
        middle, spread, lowest = recorded.mean(), max(recorded.std(), 1e-3), recorded.min()
        generated = [rng.normal(middle, spread, (15, *shape)).astype(np.float32), np.full((1, *shape), lowest, np.float32)]
    return np.concatenate([recorded, *generated])


def compare(source, path, windows, tolerance):
    """Largest difference between the source's scores and ONNX Runtime's; more than `tolerance` is a failure."""
    try:
        session = opened(str(path))
        source_port = session.get_inputs()[0]
        is_alone = source_port.shape[0] == 1
        batches = [window[np.newaxis] for window in (windows if is_alone else windows[:3])]
        alone = np.concatenate([session.run(None, {source_port.name: batch})[0] for batch in batches])
        together = alone if is_alone else session.run(None, {source_port.name: windows})[0]
    except Exception as error:  # ONNX Runtime has no common class for its errors
        raise Failure(f"{source.path}: ONNX Runtime can't run the result: {error}") from error
    expected = source.run(windows)
    if together.shape != expected.shape or not np.isfinite(together).all():
        raise Failure(f"{source.path}: the source gives {expected.shape} finite scores, the result {together.shape} or such that are not finite")
    difference = float(np.abs(together - expected).max())
    print(f"{len(windows)} windows: largest difference {difference:.2e} (allowed {tolerance:.1e}), mean {np.abs(together - expected).mean():.2e}, "
          f"best class the same in {np.mean(together.argmax(-1) == expected.argmax(-1)):.0%}")
    if not difference <= tolerance:  # or not a number
        raise Failure(f"{source.path}: the result differs from the source by {difference:.2e}, more than {tolerance:.1e}")
    apart = float(np.abs(alone[:3] - together[:3]).max())
    if not apart <= tolerance:
        raise Failure(f"{source.path}: windows that go through together give other scores than one by one (by {apart:.2e})")
    return difference
