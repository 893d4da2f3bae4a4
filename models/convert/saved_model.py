# SPDX-License-Identifier: MIT OR Apache-2.0
"""TensorFlow's SavedModel: a folder with `saved_model.pb` and `variables`."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf2onnx  # noqa: E402
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2  # noqa: E402

from .files import Failure, existing  # noqa: E402
from .graph import OPSET, only  # noqa: E402

SIGNATURE = "serving_default"


def load(path, tensors):
    """The network of a folder. `tensors`: names of input and output in its signature, where they are known."""
    existing(path / "saved_model.pb", "SavedModel")
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow has no common class for its errors
        raise Failure(f"{path}: TensorFlow can't load it: {error}") from error
    if SIGNATURE not in loaded.signatures:
        raise Failure(f"{path}: expected the signature {SIGNATURE}, found {', '.join(loaded.signatures) or 'none'}; save it with signatures")
    return Network(path, loaded, tensors)


class Network:
    """The signature `serving_default` with one f32 input; one of its outputs is used."""

    def __init__(self, path, loaded, tensors):
        self.path, self.tolerance, self.loaded = path, 1e-4, loaded  # the variables live as long as `loaded`
        self.function = loaded.signatures[SIGNATURE]
        inputs, outputs = self.function.structured_input_signature[1], self.function.structured_outputs
        self.input, self.output = chosen(path, "input", inputs, tensors), chosen(path, "output", outputs, tensors)
        if len(inputs) != 1:
            raise Failure(f"{path}: expected one input, found {len(inputs)}: {', '.join(inputs)}")
        source, sink = inputs[self.input], outputs[self.output]
        if source.dtype != tf.float32:
            raise Failure(f"{path}: expected a float32 input, found {source.dtype.name}")
        shapes = [None if port.shape.rank is None else port.shape.as_list() for port in (source, sink)]
        if None in shapes or None in shapes[0][1:] or not shapes[1] or shapes[1][-1] is None:
            raise Failure(f"{path}: the shapes {source.shape} → {sink.shape} are not fixed")
        self.shape, self.classes, self.together = shapes[0][1:], shapes[1][-1], shapes[0][0] is None

    def run(self, windows):
        batches = [windows] if self.together else [window[np.newaxis] for window in windows]
        return np.concatenate([self.function(**{self.input: tf.constant(batch)})[self.output].numpy() for batch in batches])

    def export(self):
        frozen = convert_variables_to_constants_v2(self.function)
        # A function's outputs are in the order of their names.
        output = frozen.outputs[sorted(self.function.structured_outputs).index(self.output)]
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(), input_names=[frozen.inputs[0].name], output_names=[output.name], opset=OPSET)
        return model


def chosen(path, what, ports, tensors):
    """Name of the input or output: the one that an option or the settings name, else the only one."""
    name = tensors.get(what)
    if name is None:
        return only(path, what, list(ports))
    if name not in ports:
        raise Failure(f"{path}: no {what} {name}; the signature {SIGNATURE} has {', '.join(ports)}")
    return name
