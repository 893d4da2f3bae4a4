// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a network takes about the same time for whatever window: it has no operator but those known for that, and all
//! its shapes are fixed.

use std::collections::HashSet;

/// Operators whose time hangs on the shapes of their inputs alone. Not among them: loops, branches, trees, and what makes a
/// shape out of values, but for those in [`is_sized`].
#[rustfmt::skip]
const STEADY: &[&str] = &[
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
    // Of 8 bits.
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QGemm", "QLinearAdd",
    "QLinearAveragePool", "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMatMul",
    "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear",
    // What ONNX Runtime fuses.
    "BiasGelu", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul",
    // Places and shapes.
    "Concat", "Constant", "DepthToSpace", "Flatten", "Gather", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
];

/// Those of ONNX and of ONNX Runtime.
const DOMAINS: &[&str] = &["", "ai.onnx", "com.microsoft"];

/// What ONNX Runtime's own format has in its fifth to eighth byte.
const OTHER_FORMAT: &[u8] = b"ORTM";

/// Whether the ONNX file has steady operators and fixed shapes only, no functions, and can be read at all.
pub(super) fn has_constant_cost(onnx: &[u8]) -> bool {
    // `ModelProto.graph` and `ModelProto.functions`.
    let mut graphs = 0;
    let whole = all_fields(onnx, |field, content| {
        graphs += usize::from(field == 7);
        field != 25 && (field != 7 || is_steady_graph(content))
    });
    whole && graphs > 0 && onnx.get(4..8) != Some(OTHER_FORMAT)
}

fn is_steady_graph(graph: &[u8]) -> bool {
    // `GraphProto.initializer` with `TensorProto.name`; `GraphProto.node` with `NodeProto.output`.
    let mut fixed = HashSet::new();
    let found = all_fields(graph, |field, content| match field {
        5 => all_fields(content, |field, name| {
            fixed.extend((field == 8).then_some(name));
            true
        }),
        1 => match Node::read(content) {
            Some(node) if node.operator == b"Constant" => {
                fixed.extend(node.outputs);
                true
            }
            node => node.is_some(),
        },
        _ => true,
    });
    found
        && all_fields(graph, |field, content| {
            field != 1 || Node::read(content).is_some_and(|node| node.has_constant_cost(&fixed))
        })
}

/// A `NodeProto`.
#[derive(Default)]
struct Node<'a> {
    inputs: Vec<&'a [u8]>,
    outputs: Vec<&'a [u8]>,
    operator: &'a [u8],
    domain: &'a [u8],
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut node = Self::default();
        let whole = all_fields(bytes, |field, content| {
            match field {
                1 => node.inputs.push(content),
                2 => node.outputs.push(content),
                4 => node.operator = content,
                7 => node.domain = content,
                _ => {}
            }
            true
        });
        whole.then_some(node)
    }

    /// Whether it takes the same time for any values, and makes the same shapes, given the names of fixed tensors.
    fn has_constant_cost(&self, fixed: &HashSet<&[u8]>) -> bool {
        let is_one_of = |names: &[&str], name: &[u8]| names.iter().any(|known| known.as_bytes() == name);
        let has_fixed_sizes = || self.inputs.iter().skip(1).all(|input| input.is_empty() || fixed.contains(input));
        is_one_of(STEADY, self.operator)
            && is_one_of(DOMAINS, self.domain)
            && (!is_sized(self.operator) || has_fixed_sizes())
    }
}

/// Whether an operator's inputs from the second on say which shape its output has.
fn is_sized(operator: &[u8]) -> bool {
    operator.starts_with(b"Reduce")
        || [&b"Reshape"[..], b"Slice", b"Split", b"Squeeze", b"Unsqueeze"].contains(&operator)
}

/// Whether this is a message of Protocol Buffers and `check` holds for the number and content of every field.
fn all_fields<'a>(mut message: &'a [u8], mut check: impl FnMut(u64, &'a [u8]) -> bool) -> bool {
    while !message.is_empty() {
        let Some((field, content, rest)) = first_field(message) else { return false };
        if !check(field, content) {
            return false;
        }
        message = rest;
    }
    true
}

/// Number and content of the first field, and what follows; numbers have no content. Tags have 32 bits, and no field is 0.
fn first_field(message: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (tag, rest) = varint(message).filter(|(tag, _)| (8..=u64::from(u32::MAX)).contains(tag))?;
    let (content, rest) = match tag & 7 {
        0 => (&[][..], varint(rest)?.1),
        1 => (&[][..], rest.get(8..)?),
        2 => {
            let (length, rest) = varint(rest)?;
            rest.split_at_checked(usize::try_from(length).ok()?)?
        }
        5 => (&[][..], rest.get(4..)?),
        _ => return None,
    };
    Some((tag >> 3, content, rest))
}

/// A number of seven bits a byte, the lowest first, and what follows.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 + bytes.iter().take(10).position(|byte| *byte < 0x80)?;
    let (number, rest) = bytes.split_at(length);
    Some((number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

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
    fn built_in_networks_are_steady_and_those_that_hang_are_not() {
        for name in builtin::names() {
            assert!(has_constant_cost(builtin::find(name).unwrap().onnx), "{name}");
        }
        assert!(has_constant_cost(include_bytes!("../../../../tests/data/models/linear.onnx")));
        assert!(!has_constant_cost(include_bytes!("../../../../tests/data/models/hangs.onnx")));
        assert!(!has_constant_cost(include_bytes!("../../../../tests/data/models/some-frames.onnx")));
    }

    #[test]
    fn every_operator_must_be_known() {
        assert!(has_constant_cost(&network("Relu", "")));
        assert!(has_constant_cost(&network("QLinearAdd", "com.microsoft")));
        for (operator, domain) in
            [("Loop", ""), ("If", ""), ("Relu", "org.example"), ("TreeEnsembleRegressor", "ai.onnx.ml")]
        {
            assert!(!has_constant_cost(&network(operator, domain)), "{operator}");
            assert!(!has_constant_cost(&[network("Relu", ""), network(operator, domain)].concat()), "{operator}");
        }
        assert!(!has_constant_cost(&[network("Relu", ""), vec![0xca, 0x01, 0]].concat()), "a function");
    }

    #[test]
    fn shapes_come_from_fixed_tensors_only() {
        for operator in ["Reshape", "Slice", "Split", "Squeeze", "Unsqueeze", "ReduceSum"] {
            let sized = field(1, &node(operator, "", "y"));
            assert!(!has_constant_cost(&graph(std::slice::from_ref(&sized))), "{operator}");
            assert!(!has_constant_cost(&graph(&[sized.clone(), field(1, &node("Mul", "", "size"))])), "{operator}");
            assert!(has_constant_cost(&graph(&[sized.clone(), field(5, &field(8, b"size"))])), "{operator}");
            assert!(has_constant_cost(&graph(&[field(1, &node("Constant", "", "size")), sized])), "{operator}");
        }
    }

    #[test]
    fn tags_have_32_bits() {
        let plain = network("If", "");
        let hidden = [&plain[..2], b"\xba\x80\x80\x80\x10", &plain[3..]].concat();
        assert!(!has_constant_cost(&hidden));
        assert!(!has_constant_cost(&[network("Relu", ""), hidden].concat()));
    }

    #[test]
    fn what_is_no_onnx_is_not_steady() {
        let whole = network("Relu", "");
        assert!((0..whole.len()).all(|end| !has_constant_cost(&whole[..end])));
        assert!(!has_constant_cost(b"\x10\0\0\0ORTM and more"));
        assert!(!has_constant_cost(&[0xff; 100]));
    }

    #[test]
    fn numbers_have_up_to_ten_bytes() {
        assert_eq!(varint(b"\x96\x01x"), Some((150, &b"x"[..])));
        assert_eq!(varint(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Some((u64::MAX, &b""[..])));
        assert_eq!(varint(&[0x80; 11]), None);
        assert_eq!(varint(b""), None);
    }
}
