# SPDX-License-Identifier: MIT OR Apache-2.0
"""YAMNet as a teacher: embedding and scores of log-mel patches."""
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from .audioset import read_names

EMBEDDING = "tower0/network/layer28/reduce_mean_prequant"
EMBEDDING_SIZE, SCORES = 1024, 521


class Yamnet:
    """Takes (windows, 96, 64); the `yamnet` preset's features, not normalised."""

    def __init__(self, path, threads=1):
        self.names = read_names(path)
        model = onnx.load(path)
        free_batch(model)
        model.graph.output.append(helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, patches, batch=64):
        scores, embeddings = [], []
        for first in range(0, len(patches), batch):
            score, embedding = self.session.run(None, {self.input: np.asarray(patches[first:first + batch], np.float32)})
            scores.append(score)
            embeddings.append(embedding.reshape(len(embedding), -1))
        return np.concatenate(embeddings), np.concatenate(scores)


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
