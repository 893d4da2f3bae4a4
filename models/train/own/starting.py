# SPDX-License-Identifier: MIT OR Apache-2.0
"""Networks to start from: another ONNX model's layers as trainable PyTorch, and YAMNet's embedding."""
import tomllib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from ...convert.files import Failure, existing

EMBEDDING = "tower0/network/layer28/reduce_mean_prequant"  # of YAMNet
EMBEDDING_SIZE = 1024
PASSED = ("Identity", "Dropout", "QuantizeLinear", "DequantizeLinear")


def convolution(node, x, weight, bias=None):
    top, left, bottom, right = node.get("pads", [0, 0, 0, 0])
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, [left, right, top, bottom]), 0, 0
    return F.conv2d(x, weight, bias, node.get("strides", 1), (top, left), node.get("dilations", 1), node.get("group", 1))


def sliced(node, x):
    count = len(node["starts"])
    parts = map(slice, node["starts"], node["ends"], node.get("steps", [1] * count))
    for axis, part in zip(node.get("axes", range(count)), parts):
        x = x[(slice(None),) * (axis % x.ndim) + (part,)]
    return x


def unsqueezed(node, x, axes=None):
    for axis in sorted(node.get("axes") or axes.tolist()):
        x = x.unsqueeze(axis)
    return x


OPERATORS = {
    "Conv": convolution,
    "Transpose": lambda n, x: x.permute(n["perm"]),
    "Unsqueeze": unsqueezed,
    "Exp": lambda n, x: torch.exp(x),
    "Log": lambda n, x: torch.log(x),
    "Sub": lambda n, a, b: a - b,
    "Div": lambda n, a, b: a / b,
    "Relu": lambda n, x: F.relu(x),
    "Clip": lambda n, x, low=None, high=None: torch.clamp(x, low, high),
    "Sigmoid": lambda n, x: torch.sigmoid(x),
    "HardSwish": lambda n, x: F.hardswish(x),
    "HardSigmoid": lambda n, x: F.hardsigmoid(x),
    "Add": lambda n, a, b: a + b,
    "Mul": lambda n, a, b: a * b,
    "ReduceMean": lambda n, x, axes=None: x.mean(n.get("axes") or axes.tolist(), keepdim=bool(n.get("keepdims", 1))),
    "ReduceMax": lambda n, x, axes=None: x.amax(n.get("axes") or axes.tolist(), keepdim=bool(n.get("keepdims", 1))),
    "GlobalAveragePool": lambda n, x: x.mean((2, 3), keepdim=True),
    "Flatten": lambda n, x: x.flatten(n.get("axis", 1)),
    "Slice": sliced,
    "Concat": lambda n, *x: torch.cat(x, n["axis"]),
    "Gemm": lambda n, x, w, b=None: F.linear(x, w if n.get("transB") else w.T, b),
    "MatMul": lambda n, x, w: x @ w,
}


class Onnx(nn.Module):
    """The layers of an ONNX classifier up to its last dense layer, trainable, with a new last layer for other labels."""

    def __init__(self, path, classes):
        super().__init__()
        graph = loaded(path).graph
        constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        made_by = {node.output[0]: node for node in graph.node}
        for node in graph.node:
            if node.op_type == "Constant":
                constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
                constants[node.output[0]] = dequantised(node, constants)
        self.source, self.last = graph.input[0].name, last_dense(path, graph, made_by)
        needed = behind(self.last.input[0], made_by, constants)
        self.steps = []
        for node in (node for node in graph.node if node.output[0] in needed):
            if node.op_type not in OPERATORS and node.op_type not in PASSED:
                raise Failure(f"{path}: holds the operator {node.op_type}, which can't be trained on from here; --start scratch needs none")
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            if node.op_type == "Slice":
                attributes |= places(path, node, constants)
            names = [name for name in node.input if name]
            self.steps.append((node.op_type, attributes, names[:1] if node.op_type in (*PASSED, "Slice") else names, node.output[0]))
        used = {name for _, _, names, _ in self.steps for name in names}
        self.weights, self.fixed = nn.ParameterDict(), {}
        for name in used & constants.keys():
            value = torch.from_numpy(np.array(constants[name]))
            if value.is_floating_point() and value.ndim:
                self.weights[key(name)] = nn.Parameter(value.float())
            else:
                self.fixed[name] = value
        with torch.no_grad():
            shape = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim][1:]
            width = self.features(torch.zeros(2, *shape)).shape[1]
        self.shape, self.classes = shape, nn.Linear(width, classes)

    def features(self, x):
        values = {self.source: x}
        for operator, attributes, names, output in self.steps:
            given = [self.value(name, values) for name in names]
            values[output] = given[0] if operator in PASSED else OPERATORS[operator](attributes, *given)
        return values[self.last.input[0]]

    def value(self, name, values):
        if name in values:
            return values[name]
        return self.weights[key(name)] if key(name) in self.weights else self.fixed[name]

    def forward(self, x):
        return self.classes(self.features(x))

    def check(self, path):
        """The layers must give what ONNX Runtime gives: otherwise an operator is not understood."""
        x = np.random.default_rng(0).normal(-2, 2.6, (4, *self.shape)).astype(np.float32)
        model = onnx.load(path)
        model.graph.output.append(helper.make_tensor_value_info(self.last.input[0], TensorProto.FLOAT, None))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        expected = session.run([self.last.input[0]], {self.source: x})[0]
        with torch.no_grad():
            found = self.features(torch.from_numpy(x)).numpy()
        allowed = 0.1 if any(step[0] == "QuantizeLinear" for step in self.steps) else 1e-3
        difference = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
        if not difference <= allowed:
            raise Failure(f"{path}: read as PyTorch its layers differ from ONNX Runtime's by {difference:.1e}; --start scratch needs none")


def loaded(path):
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own
        raise Failure(f"{path}: no ONNX file: {error}") from error


def key(name):
    """Parameter names take no dots."""
    return name.replace(".", "/")


def places(path, node, constants):
    """Where a Slice cuts, as attributes, as ONNX had them once."""
    found = {name: constants.get(value) for name, value in zip(("starts", "ends", "axes", "steps"), node.input[1:]) if value}
    if any(value is None for value in found.values()) or np.min(found.get("steps", 1)) < 1:
        raise Failure(f"{path}: holds a Slice that runs backwards or whose places are computed, which can't be trained on from here; "
                      "--start scratch needs none")
    return {name: value.tolist() for name, value in found.items()}


def dequantised(node, constants):
    value, scale = constants[node.input[0]].astype(np.float32), constants[node.input[1]]
    zero = constants[node.input[2]].astype(np.float32) if len(node.input) > 2 else np.float32(0)
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    shape = [-1 if i == axis and scale.ndim else 1 for i in range(value.ndim)]
    return (value - zero.reshape(shape)) * scale.reshape(shape) if scale.ndim else (value - zero) * scale


def last_dense(path, graph, made_by):
    node = made_by.get(graph.output[0].name)
    while node is not None and node.op_type in (*PASSED, "Softmax", "Sigmoid", "Add"):
        node = made_by.get(node.input[0])
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        raise Failure(f"{path}: expected a network that ends in a dense layer and softmax; found {node.op_type if node else 'none'} there")
    return node


def behind(name, made_by, constants):
    waiting, needed = [name], set()
    while waiting:
        name = waiting.pop()
        if name in made_by and name not in needed and name not in constants:
            needed.add(name)
            waiting += made_by[name].input
    return needed


def model_manifest(path):
    """Manifest of the model to start from, and its ONNX file."""
    path = existing(path, "manifest of the model to start from")
    try:
        table = tomllib.loads(path.read_text())
        network, given = path.parent / table["onnx"], table["input"]
        found = [given[name] for name in ("layout", "channel-axis", "normalize")]
        table["features"].keys()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: no manifest: {error}") from error
    except KeyError as error:
        raise Failure(f"{path}: no manifest: {error} is missing") from error
    except (TypeError, AttributeError) as error:
        raise Failure(f"{path}: no manifest: expected onnx as text, [input] and [features] as tables") from error
    if found[:2] != ["frames-mels", "first"]:
        raise Failure(f"{path}: expected windows (1, frames, mels), found {given}")
    return table, existing(network, "network to start from")


class Embedding:
    """YAMNet up to its embedding of 1024 values: takes (windows, 96, 64), the features of preset yamnet."""

    def __init__(self, path):
        self.path = existing(path, "YAMNet (fetch and convert it: models/convert/README.md)")
        model = loaded(path)
        if EMBEDDING not in {name for node in model.graph.node for name in node.output}:
            raise Failure(f"{path}: holds no tensor {EMBEDDING}: expected YAMNet that takes spectra, as models/convert makes it")
        if model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1:
            free_batch(model)
        self.model = trimmed(model)
        self.session = onnxruntime.InferenceSession(self.model.SerializeToString(), providers=["CPUExecutionProvider"])

    def __call__(self, windows, batch=64):
        name = self.session.get_inputs()[0].name
        parts = [self.session.run(None, {name: np.array(windows[i:i + batch], np.float32)})[0] for i in range(0, len(windows), batch)]
        return np.concatenate(parts).reshape(len(windows), EMBEDDING_SIZE)

    def with_head(self, matrix, bias):
        """Backbone and head as one network that ends in softmax. `matrix` (1024, labels) on the raw embedding."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        graph = model.graph
        graph.initializer.extend(numpy_helper.from_array(values.astype(np.float32), name)
                                 for name, values in (("head.weight", matrix), ("head.bias", bias)))
        graph.node.extend([
            helper.make_node("Flatten", [EMBEDDING], ["head.embedding"], axis=1),
            helper.make_node("Gemm", ["head.embedding", "head.weight", "head.bias"], ["head.logits"]),
            helper.make_node("Softmax", ["head.logits"], ["probabilities"], axis=1)])
        graph.output[0].CopyFrom(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(bias)]))
        return model


def trimmed(model):
    """The network up to the embedding, nothing beside it."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    needed = behind(EMBEDDING, made_by, {})
    nodes = [node for node in model.graph.node if needed & set(node.output)]
    used = {name for node in nodes for name in node.input}
    constants = [each for each in model.graph.initializer if each.name in used]
    output = helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "yamnet-embedding", model.graph.input[:1], [output], constants)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def free_batch(model):
    """Makes the first dimension of inputs, outputs and reshapes free."""
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for constant in model.graph.initializer:
        if constant.name in shapes:
            shape = numpy_helper.to_array(constant).copy()
            shape[0] = -1
            constant.CopyFrom(numpy_helper.from_array(shape, constant.name))
    del model.graph.value_info[:]
