#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes the tiny networks of tests/data/models; each does one thing that the engine has to cope with.

    pip install onnx numpy
    python tests/data/make_models.py

A window is [1, 4, 6] (channel first, 4 mel bands, 6 frames) of the manifest features in tests/engine_onnx.rs, 3 labels.
The weights are drawn from a fixed seed.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "models"
MELS, FRAMES, CLASSES = 4, 6, 3
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
RANDOM = np.random.default_rng(1)
WEIGHTS = RANDOM.normal(size=(MELS * FRAMES, CLASSES)).astype(np.float32)


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def save(name, nodes, inputs, outputs, constants=(), opset=17, whole=True):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if whole:
        onnx.checker.check_model(model)
    path = FOLDER / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    assert path.stat().st_size < 20_000, path


def outside(name, values, location):
    """A constant whose values stand in another file."""
    tensor = constant(name, values)
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    return tensor


def value(name, shape, element=FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def linear_nodes(source="input", target="logits"):
    return [helper.make_node("Flatten", [source], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], [target])]


def linear(name, batch, nodes=None, outputs=None):
    nodes = nodes or linear_nodes()
    save(name, nodes, [value("input", [batch, 1, MELS, FRAMES])],
         outputs or [value("logits", [batch, CLASSES])], [constant("weights", WEIGHTS)])


def main():
    FOLDER.mkdir(exist_ok=True)
    linear("linear", "batch")
    linear("linear-1", 1)
    linear("linear-4", 4)
    # Says that its batch axis is free, and reshapes to a single window.
    save("linear-pretends", [helper.make_node("Reshape", ["input", "one"], ["flat"]),
                             helper.make_node("MatMul", ["flat", "weights"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS), constant("one", [1, MELS * FRAMES], np.int64)])
    # Mixes the windows of a batch.
    save("mixes", [*linear_nodes(target="own"), helper.make_node("ReduceMean", ["own"], ["mean"], axes=[0]),
                   helper.make_node("Add", ["own", "mean"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS)])
    # The same, by a ten-thousandth.
    save("mixes-little", [*linear_nodes(target="own"), helper.make_node("ReduceMean", ["own"], ["mean"], axes=[0]),
                          helper.make_node("Mul", ["mean", "part"], ["little"]),
                          helper.make_node("Add", ["own", "little"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS), constant("part", 1e-4)])
    # Mixes the last window of a batch into all others.
    save("mixes-last", [*linear_nodes(target="own"), helper.make_node("Gather", ["own", "end"], ["last"], axis=0),
                        helper.make_node("Mean", ["own", "last"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS), constant("end", [-1], np.int64)])
    # [mels, frames] without a batch axis.
    save("no-batch", [helper.make_node("Reshape", ["input", "one"], ["flat"]),
                      helper.make_node("MatMul", ["flat", "weights"], ["logits"])],
         [value("input", [1, MELS, FRAMES])], [value("logits", [1, CLASSES])],
         [constant("weights", WEIGHTS), constant("one", [1, MELS * FRAMES], np.int64)])
    # One row a frame.
    save("time-axis", [helper.make_node("Squeeze", ["input", "axis"], ["plane"]),
                       helper.make_node("Transpose", ["plane"], ["frames"], perm=[0, 2, 1]),
                       helper.make_node("MatMul", ["frames", "weights"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", FRAMES, CLASSES])],
         [constant("weights", WEIGHTS[:MELS]), constant("axis", [1], np.int64)])
    # One row a frame, of the frames whose first band is above a half: another shape for each window.
    save("some-frames", [helper.make_node("Squeeze", ["input", "axis"], ["plane"]),
                         helper.make_node("Transpose", ["plane"], ["frames"], perm=[0, 2, 1]),
                         helper.make_node("Slice", ["plane", "start", "end", "axis"], ["band"]),
                         helper.make_node("Greater", ["band", "half"], ["places"]),
                         helper.make_node("Reshape", ["places", "line"], ["chosen"]),
                         helper.make_node("Compress", ["frames", "chosen"], ["some"], axis=1),
                         helper.make_node("MatMul", ["some", "weights"], ["logits"])],
         [value("input", [1, 1, MELS, FRAMES])], [value("logits", [1, None, CLASSES])],
         [constant("weights", WEIGHTS[:MELS]), constant("axis", [1], np.int64), constant("half", 0.5),
          constant("start", [0], np.int64), constant("end", [1], np.int64), constant("line", [-1], np.int64)])
    # Scores and something else.
    linear("two-outputs", "batch", [*linear_nodes(), helper.make_node("Identity", ["flat"], ["embedding"])],
           [value("embedding", ["batch", MELS * FRAMES]), value("logits", ["batch", CLASSES])])
    # Two outputs with the same scores, which differ in every run.
    save("random", [*linear_nodes(target="sum"), helper.make_node("RandomUniformLike", ["sum"], ["random"]),
                    helper.make_node("Add", ["sum", "random"], ["first"]), helper.make_node("Identity", ["first"], ["second"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value(name, ["batch", CLASSES]) for name in ("first", "second")],
         [constant("weights", WEIGHTS)])
    # Shapes that only a run can show, and a class too many.
    save("unknown-shapes", [helper.make_node("NonZero", ["input"], ["places"]),
                            helper.make_node("Cast", ["places"], ["cast"], to=FLOAT),
                            helper.make_node("Flatten", ["cast"], ["flat"], axis=0),
                            helper.make_node("Slice", ["flat", "start", "end", "axis"], ["logits"])],
         [value("input", [None] * 4)], [value("logits", [None] * 2)],
         [constant("start", [0], np.int64), constant("end", [4], np.int64), constant("axis", [1], np.int64)])
    save("rank-2", [helper.make_node("MatMul", ["input", "weights"], ["logits"])],
         [value("input", ["batch", MELS * FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS)])
    save("int-input", [helper.make_node("Cast", ["input"], ["cast"], to=FLOAT), *linear_nodes("cast")],
         [value("input", ["batch", 1, MELS, FRAMES], INT64)], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS)])
    save("half-input", [helper.make_node("Cast", ["input"], ["cast"], to=FLOAT), *linear_nodes("cast")],
         [value("input", ["batch", 1, MELS, FRAMES], TensorProto.FLOAT16)], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS)])
    save("int-output", [*linear_nodes(target="own"), helper.make_node("Cast", ["own"], ["logits"], to=INT64)],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES], INT64)],
         [constant("weights", WEIGHTS)])
    save("two-inputs", [helper.make_node("Add", ["input", "other"], ["sum"]), *linear_nodes("sum")],
         [value("input", ["batch", 1, MELS, FRAMES]), value("other", ["batch", 1, MELS, FRAMES])],
         [value("logits", ["batch", CLASSES])], [constant("weights", WEIGHTS)])
    save("four-classes", [helper.make_node("Flatten", ["input"], ["flat"], axis=1),
                          helper.make_node("MatMul", ["flat", "weights"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES + 1])],
         [constant("weights", RANDOM.normal(size=(MELS * FRAMES, CLASSES + 1)))])
    # log(−1).
    save("nan", [*linear_nodes(target="own"), helper.make_node("Mul", ["own", "zero"], ["zeros"]),
                 helper.make_node("Add", ["zeros", "minus"], ["negative"]),
                 helper.make_node("Log", ["negative"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS), constant("zero", [0.0]), constant("minus", [-1.0])])
    # How loud it is: the window's mean and twice its negative, against nothing.
    save("loudness", [helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=1),
                      helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
                      helper.make_node("Add", ["flat", "middle"], ["loud"]),
                      helper.make_node("MatMul", ["loud", "signs"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("middle", [3.0]), constant("signs", [[2.0, -2.0, 0.0]])])
    # Hands its input on: scores are the window's values. See tests/features.rs.
    save("hands-on", [helper.make_node("Flatten", ["input"], ["scores"], axis=1)],
         [value("input", ["batch", "rows", "columns"])], [value("scores", ["batch", "values"])])
    # An operator that no ONNX Runtime has.
    unknown = helper.make_node("Hearken", ["input"], ["logits"], domain="org.example")
    graph = helper.make_graph([unknown], "unknown", [value("input", ["batch", 1, MELS, FRAMES])],
                              [value("logits", ["batch", CLASSES])])
    (FOLDER / "unknown-operator.onnx").write_bytes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)],
        ir_version=8).SerializeToString())
    # An opset from the future.
    graph = helper.make_graph(linear_nodes(), "future", [value("input", ["batch", 1, MELS, FRAMES])],
                              [value("logits", ["batch", CLASSES])], [constant("weights", WEIGHTS)])
    (FOLDER / "future-opset.onnx").write_bytes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 999)], ir_version=8).SerializeToString())
    # Turns for ever once a window's first value is above 1, else not at all.
    first = [helper.make_node("Slice", ["input", "starts", "ends"], ["first"]),
             helper.make_node("ReduceMax", ["first"], ["greatest"], keepdims=0),
             helper.make_node("Greater", ["greatest", "limit"], ["hang"])]
    body = helper.make_graph(
        [helper.make_node("Identity", ["condition_in"], ["condition_out"]),
         helper.make_node("Add", ["state_in", "limit"], ["state_out"])], "body",
        [value("iteration", [], INT64), value("condition_in", [], BOOL), value("state_in", [])],
        [value("condition_out", [], BOOL), value("state_out", [])])
    save("hangs", [*first, helper.make_node("Loop", ["", "hang", "greatest"], ["turned"], body=body),
                   *linear_nodes(target="own"), helper.make_node("Mul", ["turned", "zero"], ["nothing"]),
                   helper.make_node("Add", ["own", "nothing"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [constant("weights", WEIGHTS), constant("limit", 1.0), constant("zero", 0.0),
          constant("starts", [0, 0, 0, 0], np.int64), constant("ends", [2**31, 1, 1, 1], np.int64)])
    # The weights are in weights.bin, which the tests write.
    save("outside", linear_nodes(), [value("input", ["batch", 1, MELS, FRAMES])], [value("logits", ["batch", CLASSES])],
         [outside("weights", WEIGHTS, "weights.bin")], whole=False)
    # About 200 ms of matrix products once a window's first value is above 1, else none.
    size = 128
    body = helper.make_graph(
        [helper.make_node("Identity", ["condition_in"], ["condition_out"]),
         helper.make_node("MatMul", ["state_in", "turn"], ["state_out"])], "body",
        [value("iteration", [], INT64), value("condition_in", [], BOOL), value("state_in", [size, size])],
        [value("condition_out", [], BOOL), value("state_out", [size, size])])
    # The same only for loud windows, these one by one, and for every one: that one is slow to load, too.
    for name, limit, batch in [("slow", 1.0, "batch"), ("slow-1", 1.0, 1), ("slow-start", -1.0, "batch")]:
        save(name, [*first, helper.make_node("ConstantOfShape", ["shape"], ["square"]),
                      helper.make_node("EyeLike", ["square"], ["turn"]),
                      helper.make_node("Loop", ["trips", "hang", "square"], ["turned"], body=body),
                      helper.make_node("ReduceMax", ["turned"], ["nothing"], keepdims=0),
                      *linear_nodes(target="own"), helper.make_node("Add", ["own", "nothing"], ["logits"])],
             [value("input", [batch, 1, MELS, FRAMES])], [value("logits", [batch, CLASSES])],
             [constant("weights", WEIGHTS), constant("limit", limit), constant("trips", 1500, np.int64),
              constant("shape", [size, size], np.int64),
              constant("starts", [0, 0, 0, 0], np.int64), constant("ends", [2**31, 1, 1, 1], np.int64)])
    frames()


def frames():
    """One row a frame, and a weight for each of its values, which is its own square; one weight a frame is their sum."""
    nodes = [helper.make_node("Squeeze", ["input", "axis"], ["plane"]),
             helper.make_node("Transpose", ["plane"], ["rows"], perm=[0, 2, 1]),
             helper.make_node("MatMul", ["rows", "matrix"], ["logits"]),
             helper.make_node("Mul", ["logits", "logits"], ["weights"]),
             helper.make_node("ReduceSum", ["weights", "last"], ["sums"], keepdims=0)]
    save("attention", nodes, [value("input", ["batch", 1, MELS, FRAMES])],
         [value("logits", ["batch", FRAMES, CLASSES]), value("weights", ["batch", FRAMES, CLASSES]),
          value("sums", ["batch", FRAMES])],
         [constant("matrix", WEIGHTS[:MELS]), constant("axis", [1], np.int64), constant("last", [2], np.int64)])
    hostile()
    tensors()


def hostile():
    """Networks that crash ONNX Runtime 1.31, never end or take more memory than there is, when they are loaded or run."""
    folder = FOLDER / "hostile"
    folder.mkdir(exist_ok=True)
    window, scores = value("input", ["batch", 1, MELS, FRAMES]), value("logits", ["batch", CLASSES])
    weights = constant("weights", WEIGHTS)

    def write(name, nodes, constants=(), functions=(), outputs=(scores,), opsets=(("", 17), ("com.microsoft", 1))):
        graph = helper.make_graph(nodes, name, [window], list(outputs), [weights, *constants])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*opset) for opset in opsets],
                                  functions=list(functions), ir_version=8)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())

    def added(nodes, constants, source):
        """The linear scores, and the greatest value of `source` added to them."""
        return [*nodes, helper.make_node("ReduceMax", [source], ["most"], keepdims=0), *linear_nodes(target="own"),
                helper.make_node("Add", ["own", "most"], ["logits"])], constants

    # An empty name takes the place of an optional input, and the shape of the output is not looked for with care.
    write("crash-load", [helper.make_node("LayerNormalization", ["input", "scale", ""], ["logits"])],
          [constant("scale", np.ones(FRAMES))], opsets=(("ai.onnx.ml", 3),))
    write("crash-run",
          [helper.make_node("Squeeze", ["input", "axis"], ["plane"]),
           helper.make_node("Attention", ["plane", "square", ""], ["seen"], domain="com.microsoft", num_heads=3),
           helper.make_node("ReduceMax", ["seen"], ["most"], keepdims=0), *linear_nodes(target="own"),
           helper.make_node("Add", ["own", "most"], ["logits"])],
          [constant("axis", [1], np.int64), constant("square", np.ones((FRAMES, 3 * FRAMES)))])
    # What is constant is computed when the network is loaded.
    square = [helper.make_node("ConstantOfShape", ["shape"], ["square"])]
    write("load-memory", *added(square, [constant("shape", [50_000, 40_000], np.int64)], "square"))
    products = [helper.make_node("MatMul", [f"square{n}", f"square{n}"], [f"square{n + 1}"]) for n in range(8)]
    many = [helper.make_node("ConstantOfShape", ["shape"], ["square0"]), *products]
    write("load-time", *added(many, [constant("shape", [6_000, 6_000], np.int64)], "square8"))
    # The same, of a shape that only a run can show.
    shape = [helper.make_node("ReduceMin", ["input"], ["least"], keepdims=0),
             helper.make_node("Cast", ["least"], ["whole"], to=INT64), helper.make_node("Mul", ["whole", "zero"], ["none"]),
             helper.make_node("Add", ["fixed", "none"], ["shape"])]
    zero = constant("zero", 0, np.int64)
    write("run-memory", *added([*shape, *square], [zero, constant("fixed", [50_000, 40_000], np.int64)], "square"))
    write("run-time", *added([*shape, *many], [zero, constant("fixed", [6_000, 6_000], np.int64)], "square8"))
    write("huge-output", [*shape, helper.make_node("ConstantOfShape", ["shape"], ["logits"])],
          [zero, constant("fixed", [1 << 30, CLASSES], np.int64)], outputs=[value("logits", [None, CLASSES])])

    # Functions that call others: one itself, the others each the next one twice.
    def function(name, nodes):
        return helper.make_function("own", name, ["x"], ["y"], nodes,
                                    [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)])

    def call(name, source, target):
        return helper.make_node(name, [source], [target], domain="own")

    opsets = (("", 17), ("own", 1))
    calls = [*linear_nodes(target="own"), call("F0", "own", "logits")]
    write("endless-function", calls, functions=[function("F0", [call("F0", "x", "y")])], opsets=opsets)
    doubling = [function(f"F{n}", [call(f"F{n + 1}", "x", "m"), call(f"F{n + 1}", "m", "y")]) for n in range(30)]
    write("many-functions", calls, opsets=opsets,
          functions=[*doubling, function("F30", [helper.make_node("Relu", ["x"], ["y"])])])


def tensors():
    """Networks with further inputs, other element types and a state; the scores are those of `linear`, but for that."""
    window, scores = value("input", ["batch", 1, MELS, FRAMES]), value("logits", ["batch", CLASSES])
    weights = constant("weights", WEIGHTS)
    half = TensorProto.FLOAT16
    save("half", [helper.make_node("Cast", ["input"], ["wide"], to=FLOAT), *linear_nodes("wide", "own"),
                  helper.make_node("Cast", ["own"], ["logits"], to=half)],
         [value("input", ["batch", 1, MELS, FRAMES], half)], [value("logits", ["batch", CLASSES], half)], [weights])
    save("quantised", [helper.make_node("DequantizeLinear", ["input", "input_scale", "input_zero"], ["wide"]),
                       *linear_nodes("wide", "own"),
                       helper.make_node("QuantizeLinear", ["own", "scale", "zero"], ["logits"])],
         [value("input", ["batch", 1, MELS, FRAMES], TensorProto.UINT8)],
         [value("logits", ["batch", CLASSES], TensorProto.INT8)],
         [weights, constant("input_scale", 0.01), constant("input_zero", 10, np.uint8), constant("scale", 0.1),
          constant("zero", 5, np.int8)])
    # The scores times `lengths`.
    save("lengths", [helper.make_node("Cast", ["lengths"], ["factors"], to=FLOAT),
                     helper.make_node("Unsqueeze", ["factors", "one"], ["column"]), *linear_nodes(target="own"),
                     helper.make_node("Mul", ["own", "column"], ["logits"])],
         [window, value("lengths", ["batch"], INT64)], [scores], [weights, constant("one", [1], np.int64)])
    # The sum of the scores so far.
    save("state", [*linear_nodes(target="own"), helper.make_node("Add", ["own", "h"], ["logits"]),
                   helper.make_node("Identity", ["logits"], ["hn"]), helper.make_node("Identity", ["flat"], ["wide"])],
         [value("input", [1, 1, MELS, FRAMES]), value("h", [1, CLASSES])],
         [value("logits", [1, CLASSES]), value("hn", [1, CLASSES]), value("wide", [1, MELS * FRAMES])], [weights])
    # The same with a state of 16 bits, and an embedding of 16 bits with axes of length 1 behind its values.
    save("half-state", [helper.make_node("Cast", ["h"], ["before"], to=FLOAT), *linear_nodes(target="own"),
                        helper.make_node("Add", ["own", "before"], ["logits"]),
                        helper.make_node("Cast", ["logits"], ["hn"], to=half),
                        helper.make_node("Cast", ["flat"], ["narrow"], to=half),
                        helper.make_node("Reshape", ["narrow", "axes"], ["embedding"])],
         [value("input", [1, 1, MELS, FRAMES]), value("h", [1, CLASSES], half)],
         [value("logits", [1, CLASSES]), value("hn", [1, CLASSES], half),
          value("embedding", [1, MELS * FRAMES, 1, 1], half)],
         [weights, constant("axes", [1, MELS * FRAMES, 1, 1], np.int64)])
    # States with free axes: one grows by the scores of each run, and its mean is added to the scores;
    save("growing-state", [*linear_nodes(target="own"), helper.make_node("Concat", ["h", "own"], ["hn"], axis=1),
                           helper.make_node("ReduceMean", ["h"], ["mean"], axes=[1], keepdims=1),
                           helper.make_node("Add", ["own", "mean"], ["logits"])],
         [value("input", [1, 1, MELS, FRAMES]), value("h", [1, "length"])], [value("logits", [1, CLASSES]), value("hn", [1, "next"])], [weights])
    # one is returned twice as tall, which only a run can show;
    save("tall-state", [*linear_nodes(target="own"), helper.make_node("Mul", ["own", "zero"], ["nothing"]),
                        helper.make_node("ReduceMax", ["nothing"], ["none"], keepdims=0),
                        helper.make_node("Add", ["none", "repeats"], ["floats"]),
                        helper.make_node("Cast", ["floats"], ["counts"], to=INT64),
                        helper.make_node("Tile", ["h", "counts"], ["hn"]),
                        helper.make_node("Add", ["own", "h"], ["logits"])],
         [value("input", [1, 1, MELS, FRAMES]), value("h", [1, CLASSES])], [value("logits", [1, CLASSES]), value("hn", ["rows", "columns"])],
         [weights, constant("zero", 0.0), constant("repeats", [2.0, 1.0])])
    # and one grows although the network takes a single row.
    save("outgrown-state", [*linear_nodes(target="own"), helper.make_node("Reshape", ["h", "row"], ["before"]),
                            helper.make_node("Add", ["own", "before"], ["logits"]),
                            helper.make_node("Concat", ["h", "own"], ["hn"], axis=0)],
         [value("input", [1, 1, MELS, FRAMES]), value("h", ["rows", CLASSES])], [value("logits", [1, CLASSES]), value("hn", ["next", CLASSES])],
         [weights, constant("row", [1, CLASSES], np.int64)])
    # Names with the suffix that converters from TensorFlow append; the scores times `lengths:0`.
    save("suffixes", [helper.make_node("Cast", ["lengths:0"], ["factors"], to=FLOAT),
                      helper.make_node("Unsqueeze", ["factors", "one"], ["column"]), *linear_nodes("input:0", "own"),
                      helper.make_node("Mul", ["own", "column"], ["logits:0"]),
                      helper.make_node("Identity", ["flat"], ["embedding:0"])],
         [value("input:0", ["batch", 1, MELS, FRAMES]), value("lengths:0", ["batch"], INT64)],
         [value("logits:0", ["batch", CLASSES]), value("embedding:0", ["batch", MELS * FRAMES])],
         [weights, constant("one", [1], np.int64)])
    # Classes before frames, which only a run can show.
    save("classes-first", [helper.make_node("Squeeze", ["input", "axis"], ["plane"]),
                           helper.make_node("Slice", ["plane", "start", "end", "axis"], ["rows"]),
                           helper.make_node("Compress", ["rows", "all"], ["logits"], axis=2)],
         [window], [value("logits", [None] * 3)],
         [constant("axis", [1], np.int64), constant("all", [True] * FRAMES, bool), constant("start", [0], np.int64), constant("end", [CLASSES], np.int64)])


if __name__ == "__main__":
    main()
