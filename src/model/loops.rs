// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a network may run for as long as its input says.

/// ONNX Runtime's operators that run a graph of their own again and again.
const LOOPS: [&[u8]; 7] =
    [b"Loop", b"Scan", b"SequenceMap", b"BeamSearch", b"GreedySearch", b"Sampling", b"WhisperBeamSearch"];

/// Tag of a `NodeProto`'s `op_type`.
const OP_TYPE: u8 = 0x22;

/// What ONNX Runtime's own format has in its fifth to eighth byte.
const OTHER_FORMAT: &[u8] = b"ORTM";

/// Whether a node of the ONNX file, at any depth, loops, or may do so for all that can be seen: everything else takes about
/// the same time for any window.
pub(super) fn has_loops(onnx: &[u8]) -> bool {
    let mut tags = onnx.iter().enumerate().filter(|(_, byte)| **byte == OP_TYPE);
    onnx.get(4..).is_some_and(|rest| rest.starts_with(OTHER_FORMAT)) || tags.any(|(at, _)| is_loop(&onnx[at + 1..]))
}

/// Whether a string, after its length, names such an operator.
fn is_loop(string: &[u8]) -> bool {
    let Some((length, rest)) = string.split_first() else { return false };
    LOOPS.iter().any(|name| name.len() == usize::from(*length) && rest.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

    #[test]
    fn networks_that_hang_loop_and_the_built_in_ones_do_not() {
        assert!(has_loops(include_bytes!("../../tests/data/models/hangs.onnx")));
        for name in builtin::names() {
            assert!(!has_loops(builtin::find(name).unwrap().onnx), "{name}");
        }
    }

    #[test]
    fn only_nodes_that_loop_do() {
        assert!(has_loops(b"\x0a\x01x\x22\x04Loop\x3a"));
        assert!(has_loops(b"\x22\x04Relu\x22\x04Scan"));
        assert!(has_loops(b"\x10\0\0\0ORTM and more"));
        assert!(!has_loops(b"\x0a\x06Loop_3\x22\x04Relu"), "a name of another node");
        assert!(!has_loops(b"\x22\x05Loops"));
        assert!(!has_loops(b"\x22\x04Loo"));
        assert!(!has_loops(b"\x22"));
        assert!(!has_loops(b""));
    }
}
