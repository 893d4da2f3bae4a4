// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a network takes about the same time for whatever window: it has no operator but those known for that.

/// Operators whose time hangs on the shapes of their inputs alone, and whose output no computed number makes larger. Not
/// among them: loops, branches, trees.
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
    "Concat", "Constant", "DepthToSpace", "Flatten", "Gather", "Reshape", "Shape", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Transpose", "Unsqueeze",
];

/// Those of ONNX and of ONNX Runtime.
const DOMAINS: &[&str] = &["", "ai.onnx", "com.microsoft"];

/// Whether the ONNX file has steady operators only, none made of others, and can be read at all.
pub(super) fn is_steady(onnx: &[u8]) -> bool {
    // `ModelProto.graph`, `ModelProto.functions`; `GraphProto.node`; `NodeProto.op_type`, `NodeProto.domain`.
    let node = |bytes: &[u8]| {
        all_fields(bytes, |field, content| match field {
            4 => STEADY.iter().any(|name| name.as_bytes() == content),
            7 => DOMAINS.iter().any(|name| name.as_bytes() == content),
            _ => true,
        })
    };
    let graph = |bytes: &[u8]| all_fields(bytes, |field, content| field != 1 || node(content));
    all_fields(onnx, |field, content| field != 25 && (field != 7 || graph(content)))
}

/// Whether this is a message of Protocol Buffers and `check` holds for the number and content of every field.
fn all_fields(mut message: &[u8], check: impl Fn(u64, &[u8]) -> bool) -> bool {
    while !message.is_empty() {
        let Some((field, content, rest)) = first_field(message) else { return false };
        if !check(field, content) {
            return false;
        }
        message = rest;
    }
    true
}

/// Number and content of the first field, and what follows; numbers have no content.
fn first_field(message: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (tag, rest) = varint(message)?;
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

    /// A network of one node.
    fn network(operator: &str, domain: &str) -> Vec<u8> {
        let node = [field(1, b"input"), field(4, operator.as_bytes()), field(7, domain.as_bytes())].concat();
        [b"\x08\x08".to_vec(), field(7, &field(1, &node))].concat()
    }

    #[test]
    fn built_in_networks_are_steady_and_those_that_hang_are_not() {
        for name in builtin::names() {
            assert!(is_steady(builtin::find(name).unwrap().onnx), "{name}");
        }
        assert!(is_steady(include_bytes!("../../tests/data/models/linear.onnx")));
        assert!(!is_steady(include_bytes!("../../tests/data/models/hangs.onnx")));
        assert!(!is_steady(include_bytes!("../../tests/data/models/some-frames.onnx")));
    }

    #[test]
    fn every_operator_must_be_known() {
        assert!(is_steady(&network("Relu", "")));
        assert!(is_steady(&network("QLinearAdd", "com.microsoft")));
        for (operator, domain) in
            [("Loop", ""), ("If", ""), ("Relu", "org.example"), ("TreeEnsembleRegressor", "ai.onnx.ml")]
        {
            assert!(!is_steady(&network(operator, domain)), "{operator}");
            assert!(!is_steady(&[network("Relu", ""), network(operator, domain)].concat()), "{operator}");
        }
        assert!(!is_steady(&[network("Relu", ""), vec![25 << 3 & 0x7f | 0x82, 1, 0]].concat()), "a function");
    }

    #[test]
    fn what_is_no_onnx_is_not_steady() {
        let whole = network("Relu", "");
        assert!((1..whole.len()).filter(|end| *end != 2).all(|end| !is_steady(&whole[..end])));
        assert!(!is_steady(b"\x10\0\0\0ORTM and more"));
        assert!(!is_steady(&[0xff; 100]));
    }

    #[test]
    fn numbers_have_up_to_ten_bytes() {
        assert_eq!(varint(b"\x96\x01x"), Some((150, &b"x"[..])));
        assert_eq!(varint(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Some((u64::MAX, &b""[..])));
        assert_eq!(varint(&[0x80; 11]), None);
        assert_eq!(varint(b""), None);
    }
}
