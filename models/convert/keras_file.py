# SPDX-License-Identifier: MIT OR Apache-2.0
"""Keras files (`.h5`, `.keras`): whole models, and the original project's files of weights alone."""
import json
import os
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["KERAS_BACKEND"] = "tensorflow"
import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402
import tf2onnx  # noqa: E402
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2  # noqa: E402
from tf_keras import layers  # noqa: E402

from .files import Failure, existing  # noqa: E402
from .graph import OPSET  # noqa: E402


def load(path, architecture, shape, classes):
    """The model of a file. Weights alone need `architecture`, `shape` (mels, frames, 1) and the number of classes."""
    path = existing(path, "Keras model")
    if path.suffix == ".keras":
        return Network(path, whole(path, version_in_archive(path)))
    try:
        with h5py.File(path) as file:
            if "model_config" in file.attrs:
                return Network(path, whole(path, text(file.attrs.get("keras_version", ""))))
            groups = file["model_weights"] if "model_weights" in file else file
            if "layer_names" not in groups.attrs:
                raise Failure(f"{path}: an HDF5 file, but not Keras': it has neither model_config nor layer_names")
            arrays = stored(groups)
    except KeyError as error:
        raise Failure(f"{path}: its layer_names or weight_names name what it does not hold: {error.args[0]}; is it whole?") from error
    except OSError as error:
        raise Failure(f"{path}: no HDF5 file: {error}") from error
    if not arrays:
        raise Failure(f"{path}: holds neither a model nor weights: its layer_names name no layer that has some")
    if classes is None or shape is None:
        raise Failure(f"{path}: holds weights alone: give --settings (config.py or .json of the application), which contain shape and labels")
    return Network(path, filled(path, arrays, architecture or guessed(path, arrays), shape, classes))


def version_in_archive(path):
    """Version of Keras that wrote a `.keras` file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json")).get("keras_version", ""))
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError) as error:
        raise Failure(f"{path}: no .keras file (a ZIP archive with metadata.json): {error}") from error


def whole(path, version):
    """A whole model. Keras 3 and its predecessors, which are tf_keras now, don't read each other's files."""
    library = keras if version.startswith("3.") else tf_keras
    try:
        return library.models.load_model(path, compile=False, custom_objects={"relu6": tf.nn.relu6})
    except Exception as error:  # Keras raises whatever its layers raise
        raise Failure(f"{path}: Keras can't load it: {error}") from error


def stored(groups):
    """Arrays of each layer that has some, in the order of the layers."""
    arrays = []
    for layer in groups.attrs["layer_names"]:
        group = groups[text(layer)]
        of_layer = [np.array(group[text(name)]) for name in group.attrs["weight_names"]]
        if of_layer:
            arrays.append(of_layer)
    return arrays


def text(name):
    return name.decode() if isinstance(name, bytes) else name


def guessed(path, arrays):
    shape = arrays[0][0].shape
    if shape[:2] == (11, 11):
        return "alexnet"
    if shape[:2] == (3, 3) and len(arrays) > 50:
        return "mobilenetv2"
    raise Failure(f"{path}: holds weights alone, of neither of the original's networks: save the whole model")


def filled(path, arrays, architecture, shape, classes):
    """A network of the original with the weights of a file, layer by layer: names changed between versions of Keras."""
    for network in candidates(architecture, shape, classes):
        having = [layer for layer in network.layers if layer.weights]
        if [[array.shape for array in of_layer] for of_layer in arrays] == [[tuple(w.shape) for w in layer.weights] for layer in having]:
            for layer, of_layer in zip(having, arrays):
                layer.set_weights(of_layer)
            return network
    last = [tuple(array.shape) for array in arrays[-1]]
    raise Failure(f"{path}: its weights don't fit {architecture} for windows of {shape[0]} mels × {shape[1]} frames and {classes} labels "
                  f"(last layer in the file: {last}); other settings or another --architecture?")


def candidates(architecture, shape, classes):
    """Networks of the original that take windows of this shape; its AlexNet came with two sets of strides."""
    if architecture == "mobilenetv2":
        return [mobilenetv2(shape, classes)]
    fitting = []
    for early, slower in (((3, 2), (1, 1, 1)), ((2, 3), (2, 1, 1))):
        try:
            fitting.append(alexnet(shape, classes, early, slower))
        except ValueError:  # a window too short for these strides
            continue
    return fitting


def alexnet(shape, classes, early, slower):
    """The original's `model_cnn_alexnet`."""
    return tf_keras.Sequential([
        layers.Input(shape),
        layers.Conv2D(48, 11, strides=early, activation="relu", padding="same"), layers.MaxPooling2D(3, strides=(1, 2)), layers.BatchNormalization(),
        layers.Conv2D(128, 5, strides=early, activation="relu", padding="same"), layers.MaxPooling2D(3, strides=2), layers.BatchNormalization(),
        *(layers.Conv2D(width, 3, strides=(1, stride), activation="relu", padding="same") for width, stride in zip((192, 192, 128), slower)),
        layers.MaxPooling2D(3, strides=(1, 2)), layers.BatchNormalization(),
        layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5), layers.Dense(256, activation="relu"), layers.Dropout(0.5),
        layers.Dense(classes, activation="softmax")])


def mobilenetv2(shape, classes):
    """The original's `model_mobilenetv2`; its `depth_multiplier` of 0.5 had no effect in Keras 2.2."""
    body = tf_keras.applications.MobileNetV2(weights=None, input_shape=shape, include_top=False, alpha=0.35)
    x = layers.Dense(1024, activation="relu")(layers.GlobalAveragePooling2D()(body.output))
    return tf_keras.Model(body.input, layers.Dense(classes, activation="softmax")(x))


class Network:
    """A Keras model with one input and one output."""

    def __init__(self, path, model):
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise Failure(f"{path}: expected one input and one output, found {len(model.inputs)} and {len(model.outputs)}")
        self.path, self.model, self.tolerance = path, model, 1e-4
        self.shape, self.classes = list(model.inputs[0].shape[1:]), model.outputs[0].shape[-1]
        if None in self.shape or self.classes is None:
            raise Failure(f"{path}: the shapes {model.inputs[0].shape} → {model.outputs[0].shape} are not fixed")

    def run(self, windows):
        return self.model.predict(windows, verbose=0)

    def export(self):
        signature = tf.TensorSpec([None, *self.shape], tf.float32, name="input")
        function = tf.function(lambda x: self.model(x, training=False)).get_concrete_function(signature)
        frozen = convert_variables_to_constants_v2(function)
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(), input_names=[frozen.inputs[0].name], output_names=[frozen.outputs[0].name], opset=OPSET)
        return model
