# SPDX-License-Identifier: MIT OR Apache-2.0
"""TensorFlow Lite files (`.tflite`)."""
import multiprocessing
import os
import signal
import warnings
from contextlib import suppress

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf2onnx  # noqa: E402
from tf2onnx.handler import tfl_op  # noqa: E402
from tf2onnx.tflite_handlers.tfl_math import TflFullyConnectedOp  # noqa: E402

from .files import Failure, existing  # noqa: E402
from .graph import OPSET  # noqa: E402

# An int8 network rounds after every layer; kernels round halves differently and later layers carry the steps on. TFLite's
# own three sets of kernels differ by up to 23/256 in YAMNet's scores, and so does ONNX Runtime from each; what a lost bias
# did to them was 38/256 and more. See README.md.
INT8_TOLERANCE = 32 / 256


@tfl_op(["TFL_FULLY_CONNECTED"])
class FullyConnected:
    """tf2onnx 1.17 loses the bias of a fully connected layer whose input has more than two axes; this flattens it before."""

    @classmethod
    def to_tf(cls, graph, node, **options):
        if node.attr["keep_num_dims"].i == 0 and graph.get_rank(node.input[0]) != 2:
            width = graph.get_shape(node.input[1])[1]
            shape = graph.make_const(tf2onnx.utils.make_name("shape"), np.array([-1, width], np.int64))
            flat = graph.make_node("Reshape", [node.input[0], shape.output[0]], shapes=[[-1, width]], dtypes=[graph.get_dtype(node.input[0])])
            flat.skip_conversion = True
            graph.replace_inputs(node, [flat.output[0], *node.input[1:]])
        TflFullyConnectedOp.to_tf(graph, node, **options)


def load(path):
    path = existing(path, "TFLite model")
    if path.read_bytes()[4:8] != b"TFL3":
        raise Failure(f"{path}: no TensorFlow Lite file (its bytes 4 to 7 are not TFL3)")
    survive(path)
    return Network(path)


def survive(path):
    """Raises where the interpreter dies of the file, as it does of a broken one: seen in a process of its own."""
    child = multiprocessing.get_context("fork").Process(target=tried, args=(path,))
    child.start()
    child.join()
    if child.exitcode < 0:
        raise Failure(f"{path}: TensorFlow Lite dies of it ({signal.Signals(-child.exitcode).name}): the file is broken; is it whole?")


def tried(path):
    """Loads and runs once; the parent process reports what is raised."""
    with suppress(Exception):
        network = Network(path)
        network.run(np.zeros((1, *network.shape), np.float32))


class Network:
    """A TFLite network with one f32 input and one f32 output, run by the reference kernels."""

    def __init__(self, path):
        self.path = path
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the class will move to another package
                self.interpreter = tf.lite.Interpreter(
                    str(path), experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF)
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise Failure(f"{path}: TensorFlow Lite can't load it: {error}") from error
        inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise Failure(f"{path}: expected one input and one output, found {len(inputs)} and {len(outputs)}")
        for what, details in (("input", inputs[0]), ("output", outputs[0])):
            if details["dtype"] != np.float32:
                raise Failure(f"{path}: expected a float32 {what}, found {details['dtype'].__name__}: the element gives and takes float32")
        self.source, self.sink = inputs[0], outputs[0]
        self.shape, self.classes = self.source["shape"].tolist()[1:], int(self.sink["shape"][-1])
        quantised = any(details["dtype"] == np.int8 for details in self.interpreter.get_tensor_details())
        self.tolerance = INT8_TOLERANCE if quantised else 1e-4

    def run(self, windows):
        scores = []
        for window in windows:
            self.interpreter.set_tensor(self.source["index"], window[np.newaxis])
            self.interpreter.invoke()
            scores.append(self.interpreter.get_tensor(self.sink["index"])[0])
        return np.stack(scores)

    def export(self):
        model, _ = tf2onnx.convert.from_tflite(str(self.path), opset=OPSET)
        return model
