#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes tests/data/tones/tones.onnx: a network without training that distinguishes low, middle and high tones and silence.

    pip install onnx numpy
    python tests/data/make_tones.py

A window is [1, 12, 50] of the manifest beside it. A third of the bands stands for each pitch; its loudest band decides,
silence has a constant.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MELS, FRAMES, GAIN, QUIET = 12, 50, 20.0, 0.3


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def main():
    nodes = [helper.make_node("ReduceMean", ["input"], ["bands"], axes=[1, 3], keepdims=0),
             helper.make_node("Split", ["bands"], ["low", "middle", "high"], axis=1)]
    for pitch in ("low", "middle", "high"):
        nodes.append(helper.make_node("ReduceMax", [pitch], [f"{pitch}_most"], axes=[1], keepdims=1))
    nodes += [helper.make_node("Mul", ["low_most", "zero"], ["none"]),
              helper.make_node("Add", ["none", "quiet"], ["quiet_most"]),
              helper.make_node("Concat", ["quiet_most", "low_most", "middle_most", "high_most"], ["loudness"], axis=1),
              helper.make_node("Mul", ["loudness", "gain"], ["logits"])]
    graph = helper.make_graph(
        nodes, "tones", [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 1, MELS, FRAMES])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [constant("zero", 0.0), constant("quiet", QUIET), constant("gain", GAIN)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    (pathlib.Path(__file__).parent / "tones" / "tones.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
