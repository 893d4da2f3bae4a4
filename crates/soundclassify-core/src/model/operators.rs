// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a network takes about the same time for any window: it has only operators that are known for this, and all its
//! shapes are fixed.

use std::collections::HashSet;

use super::onnx::{Graph, Network, Node};

/// Operators whose time depends only on the shapes of their inputs. They exclude loops, branches, trees, and operators that
/// compute a shape from values, except for those in [`is_sized`].
#[rustfmt::skip]
const CONSTANT_COST: &[&str] = &[
    // Element by element.
    "Abs", "Add", "And", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor",
    "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual", "Log",
    "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu",
    "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Where", "Xor",
    // Along axes.
    "ArgMax", "ArgMin", "CumSum", "LogSoftmax", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Softmax",
    // Layers.
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gemm", "GlobalAveragePool", "GlobalLpPool",
    "GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN", "LSTM", "LayerNormalization", "LpNormalization",
    "LpPool", "MatMul", "MaxPool", "MeanVarianceNormalization", "RNN",
    // Of 8-bit integers.
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QGemm", "QLinearAdd",
    "QLinearAveragePool", "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMatMul",
    "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear",
    // Fused operators of ONNX Runtime.
    "BiasGelu", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul",
    // Positions and shapes.
    "Concat", "Constant", "DepthToSpace", "Flatten", "Gather", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
];

/// The domains of ONNX and of ONNX Runtime.
const DOMAINS: &[&str] = &["", "ai.onnx", "com.microsoft"];

/// Whether the network has only operators with constant time and fixed shapes, and no functions.
pub(super) fn has_constant_cost(network: &Network) -> bool {
    network.functions.is_empty() && network.graph.as_ref().is_some_and(graph_has_constant_cost)
}

fn graph_has_constant_cost(graph: &Graph) -> bool {
    let constants = graph.nodes.iter().filter(|node| node.operator == b"Constant").flat_map(|node| &node.outputs);
    let initializers = graph.initializers.iter().map(|tensor| &tensor.name);
    let fixed: HashSet<&[u8]> = initializers.chain(constants).map(Vec::as_slice).collect();
    graph.nodes.iter().all(|node| node_has_constant_cost(node, &fixed))
}

/// Whether a node takes the same time for any values, and makes the same shapes, given the names of fixed tensors.
fn node_has_constant_cost(node: &Node, fixed: &HashSet<&[u8]>) -> bool {
    let is_one_of = |names: &[&str], name: &[u8]| names.iter().any(|known| known.as_bytes() == name);
    let has_fixed_sizes =
        || node.inputs.iter().skip(1).all(|input| input.is_empty() || fixed.contains(input.as_slice()));
    is_one_of(CONSTANT_COST, &node.operator)
        && is_one_of(DOMAINS, &node.domain)
        && (!is_sized(&node.operator) || has_fixed_sizes())
}

/// Whether an operator's inputs after the first determine the shape of its output.
fn is_sized(operator: &[u8]) -> bool {
    operator.starts_with(b"Reduce")
        || [&b"Reshape"[..], b"Slice", b"Split", b"Squeeze", b"Unsqueeze"].contains(&operator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

    fn is_constant_cost(onnx: &[u8]) -> bool {
        Network::read(onnx, "tiny.onnx".as_ref()).is_ok_and(|network| has_constant_cost(&network))
    }

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    /// A network of one node with inputs `x` and `size`.
    fn network(operator: &str, domain: &str) -> Vec<u8> {
        graph(&[field(1, &node(operator, domain, "y"))])
    }

    fn node(operator: &str, domain: &str, output: &str) -> Vec<u8> {
        let names = [field(1, b"x"), field(1, b"size"), field(2, output.as_bytes())];
        [names.concat(), field(4, operator.as_bytes()), field(7, domain.as_bytes())].concat()
    }

    fn graph(fields: &[Vec<u8>]) -> Vec<u8> {
        [b"\x08\x08".to_vec(), field(7, &fields.concat())].concat()
    }

    #[test]
    fn built_in_networks_have_constant_cost_and_those_that_hang_do_not() {
        for name in builtin::names() {
            assert!(is_constant_cost(builtin::find(name).unwrap().onnx), "{name}");
        }
        assert!(is_constant_cost(include_bytes!("../../../../tests/data/models/linear.onnx")));
        assert!(!is_constant_cost(include_bytes!("../../../../tests/data/models/hangs.onnx")));
        assert!(!is_constant_cost(include_bytes!("../../../../tests/data/models/some-frames.onnx")));
    }

    #[test]
    fn every_operator_must_be_known() {
        assert!(is_constant_cost(&network("Relu", "")));
        assert!(is_constant_cost(&network("QLinearAdd", "com.microsoft")));
        for (operator, domain) in
            [("Loop", ""), ("If", ""), ("Relu", "org.example"), ("TreeEnsembleRegressor", "ai.onnx.ml")]
        {
            assert!(!is_constant_cost(&network(operator, domain)), "{operator}");
            assert!(!is_constant_cost(&[network("Relu", ""), network(operator, domain)].concat()), "{operator}");
        }
        assert!(!is_constant_cost(&[network("Relu", ""), vec![0xca, 0x01, 0]].concat()), "a function");
    }

    #[test]
    fn shapes_come_from_fixed_tensors_only() {
        for operator in ["Reshape", "Slice", "Split", "Squeeze", "Unsqueeze", "ReduceSum"] {
            let sized = field(1, &node(operator, "", "y"));
            assert!(!is_constant_cost(&graph(std::slice::from_ref(&sized))), "{operator}");
            assert!(!is_constant_cost(&graph(&[sized.clone(), field(1, &node("Mul", "", "size"))])), "{operator}");
            assert!(is_constant_cost(&graph(&[sized.clone(), field(5, &field(8, b"size"))])), "{operator}");
            assert!(is_constant_cost(&graph(&[field(1, &node("Constant", "", "size")), sized])), "{operator}");
        }
    }

    #[test]
    fn tags_have_32_bits() {
        let plain = network("If", "");
        let hidden = [&plain[..2], b"\xba\x80\x80\x80\x10", &plain[3..]].concat();
        assert!(!is_constant_cost(&hidden));
        assert!(!is_constant_cost(&[network("Relu", ""), hidden].concat()));
    }

    #[test]
    fn what_is_no_onnx_has_no_constant_cost() {
        let whole = network("Relu", "");
        assert!((0..whole.len()).all(|end| !is_constant_cost(&whole[..end])));
        assert!(!is_constant_cost(b"\x10\0\0\0ORTM and more"));
        assert!(!is_constant_cost(&[0xff; 100]));
    }

    #[test]
    fn of_two_names_the_last_one_counts() {
        let sized = field(1, &node("Reshape", "", "y"));
        let named = |names: [&[u8]; 2]| field(5, &[field(8, names[0]), field(8, names[1])].concat());
        assert!(!is_constant_cost(&graph(&[sized.clone(), named([b"size", b"other"])])));
        assert!(is_constant_cost(&graph(&[sized, named([b"other", b"size"])])));
    }
}
