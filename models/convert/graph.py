# SPDX-License-Identifier: MIT OR Apache-2.0
"""Frozen TensorFlow graphs (`.pb`)."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import tensorflow as tf  # noqa: E402
import tf2onnx  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402
from tf2onnx.handler import tf_op  # noqa: E402
from tf2onnx.onnx_opset.signal import ComplexAbsOp  # noqa: E402

from .files import Failure, existing  # noqa: E402
from .folding import PHASE, fold  # noqa: E402

OPSET = 17


@tf_op("ComplexAbs")
class ComplexAbs:
    """tf2onnx 1.17 refuses a Fourier transform whose axes it does not know; it puts real and imaginary part on the first one."""

    @classmethod
    def version_13(cls, graph, node, **options):
        shape = graph.get_shape(node.input[0])
        if shape and shape[0] == -1:
            graph.set_shape(node.input[0], [2, *shape[1:]])
        ComplexAbsOp.version_13(graph, node, **options)


def load(path, tensors):
    """The graph of a file. `tensors`: names of input and output, where they are known."""
    path = existing(path, "graph")
    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise Failure(f"{path}: no frozen TensorFlow graph (a GraphDef): {error}") from error
    if not definition.node:
        raise Failure(f"{path}: no frozen TensorFlow graph: it holds no nodes (a SavedModel? freeze it first)")
    variables = [node.name for node in definition.node if node.op in ("Variable", "VariableV2", "VarHandleOp")]
    if variables:
        raise Failure(f"{path}: the graph is not frozen: its weights, as {variables[0]}, are elsewhere")
    return Graph(path, definition, tensors)


class Graph:
    """A graph with one input and one output, ready to run and to export."""

    def __init__(self, path, definition, tensors):
        names = {node.name for node in definition.node}
        for name in tensors.values():
            if name.split(":")[0] not in names:
                raise Failure(f"{path}: no tensor {name} (the settings or an option name it)")
        self.path, self.tolerance = path, 1e-4
        output = tensors.get("output", "").split(":")[0] or only(path, "output", outputs(definition))
        self.source = definition
        self.folded = fold(definition, output)
        inputs = [node.name for node in self.folded.node if node.op.startswith("Placeholder")]
        self.input = tensors.get("input", "").split(":")[0] or only(path, "input", inputs)
        extra = [name for name in inputs if name != self.input]
        if extra:
            raise Failure(f"{path}: besides {self.input} the output needs the input {extra[0]}")
        self.output = output
        self.session, self.shape, self.classes = self._session()

    def _session(self):
        """Of the graph as it came, not of the folded one: that is what the ONNX network must equal."""
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(self.source, name="")
        shape = graph.get_tensor_by_name(self.input + ":0").shape
        classes = graph.get_tensor_by_name(self.output + ":0").shape
        if shape.rank is None or None in shape.as_list()[1:] or classes.rank is None or classes.as_list()[-1] is None:
            raise Failure(f"{self.path}: the shapes {shape} → {classes} are not fixed")
        return tf.compat.v1.Session(graph=graph), shape.as_list()[1:], classes.as_list()[-1]

    def run(self, windows):
        feed = {self.input + ":0": windows}
        for node in self.source.node:
            if node.op.startswith("Placeholder") and node.name.rsplit("/", 1)[-1].startswith(PHASE):
                feed[node.name + ":0"] = False
        return self.session.run(self.output + ":0", feed)

    def export(self):
        model, _ = tf2onnx.convert.from_graph_def(
            self.folded, input_names=[self.input + ":0"], output_names=[self.output + ":0"], opset=OPSET)
        return model


def outputs(definition):
    """Nodes whose result nothing uses."""
    used = {source.lstrip("^").split(":")[0] for node in definition.node for source in node.input}
    return [node.name for node in definition.node if node.name not in used and node.op not in ("NoOp", "Assert", "Const")
            and not node.op.startswith("Placeholder")]


def only(path, what, names):
    if len(names) != 1:
        raise Failure(f"{path}: which {what}? --{what} takes one of: {', '.join(names) or '(none found)'}")
    return names[0]
