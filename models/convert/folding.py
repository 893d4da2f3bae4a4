# SPDX-License-Identifier: MIT OR Apache-2.0
"""Removes what only training needs from a frozen TensorFlow 1 graph: the learning phase and the branches it chooses.

Keras asks a boolean input `…keras_learning_phase` at every batch norm and dropout: `Switch` sends the data into one of two
branches, `Merge` takes what arrives. With the phase set to "not training" every choice is known, so both become wires.
"""
import tensorflow as tf

from .files import Failure

PHASE = "keras_learning_phase"


def fold(definition, output):
    """A copy of the graph that holds only what `output` needs when not training."""
    folder = Folder(definition)
    folder.follow(output)
    return folder.result(output)


class Folder:
    def __init__(self, definition):
        self.nodes = {node.name: node for node in definition.node}
        self.library = definition
        self.kept = {}  # name to rewritten node

    def follow(self, name):
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self.kept:
                continue
            if name not in self.nodes:
                raise Failure(f"the graph refers to {name}, which it does not hold")
            copy = tf.compat.v1.NodeDef()
            copy.CopyFrom(self.nodes[name])
            del copy.input[:]
            # Control edges order the steps of training; results don't need them.
            copy.input.extend(self.wire(source) for source in self.nodes[name].input if not source.startswith("^"))
            self.kept[name] = copy
            waiting += [tensor.split(":")[0] for tensor in copy.input]

    def wire(self, tensor):
        """The tensor that arrives when all choices are made."""
        while True:
            name, _, port = tensor.partition(":")
            node = self.nodes.get(name)
            if node is None or node.op not in ("Switch", "Merge", "RefSwitch", "RefMerge"):
                return tensor
            if node.op.endswith("Switch"):
                tensor = node.input[0]
            else:
                living = [source for source in node.input if not source.startswith("^") and not self.dead(source)]
                if len(living) != 1 or port == "1":
                    raise Failure(f"{name}: the branch that it takes is unknown")
                tensor = living[0]

    def dead(self, tensor):
        """Whether the tensor lies behind a `Switch` that sends its data the other way."""
        waiting, seen = [tensor], set()
        while waiting:
            tensor = waiting.pop()
            name, _, port = tensor.lstrip("^").partition(":")
            if (name, port) in seen or name not in self.nodes:
                continue
            seen.add((name, port))
            node = self.nodes[name]
            if node.op.endswith("Switch"):
                chosen = self.truth(node.input[1])
                if chosen is None:
                    raise Failure(f"{name}: depends on {node.input[1]}, which is not the learning phase")
                if (port == "1") != chosen:
                    return True
                waiting.append(node.input[0])
            elif node.op.endswith("Merge"):
                continue  # some branch arrives
            else:
                waiting += node.input
        return False

    def truth(self, tensor):
        """Value of a boolean, None when it is not certain."""
        name = tensor.split(":")[0]
        node = self.nodes.get(name)
        if node is None:
            return None
        if node.op.startswith("Placeholder"):
            return False if node.name.rsplit("/", 1)[-1].startswith(PHASE) else None
        if node.op == "Const":
            return bool(tf.make_ndarray(node.attr["value"].tensor))
        if node.op in ("Identity", "Switch"):
            return self.truth(node.input[0])
        if node.op == "LogicalNot":
            inner = self.truth(node.input[0])
            return None if inner is None else not inner
        return None

    def result(self, output):
        folded = tf.compat.v1.GraphDef()
        folded.versions.CopyFrom(self.library.versions)
        folded.library.CopyFrom(self.library.library)
        for name in self.nodes:
            if name not in self.kept:
                continue
            node = self.kept[name]
            if node.op.startswith("Placeholder") and self.truth(name) is False:
                node = tf.compat.v1.NodeDef(name=name, op="Const")
                node.attr["dtype"].type = tf.bool.as_datatype_enum
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(False))
            folded.node.append(node)
        return folded
