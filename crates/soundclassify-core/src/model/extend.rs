// SPDX-License-Identifier: MIT OR Apache-2.0
//! Adds labels to a network: a linear layer with sigmoid on its embedding. The existing labels are kept.
//!
//! Protobuf defines that the concatenation of two serialised messages is their merge: repeated fields are appended. So the new
//! nodes, weights and the output are a second `ModelProto` after the bytes of the file, which are not changed.

use prost::Message;

use super::{activation::Activation, onnx, tensor_name};

/// A layer for new labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// One row of weights for each new label, each as long as the embedding.
    pub weights: Vec<Vec<f32>>,
    /// One for each new label.
    pub biases: Vec<f32>,
}

/// Name of the output of a network with new labels: the probabilities of its own labels, then those of the new ones. `prefix`
/// as given to [`extended`].
#[must_use]
pub fn output_name(prefix: &str) -> String {
    format!("{prefix}_scores")
}

/// The network `onnx` with one more output of shape (windows, own labels + new labels), probabilities: `activation` of the
/// output `scores`, then `sigmoid(weights · embedding + biases)`. Both outputs have the shape (windows, values); a suffix `:0`
/// of their names may be missing, as in manifests. `prefix` keeps the new names apart from those in the network.
#[must_use]
pub fn extended(
    onnx: &[u8],
    scores: &str,
    embedding: &str,
    activation: Activation,
    layer: &Layer,
    prefix: &str,
) -> Vec<u8> {
    let name = |part: &str| format!("{prefix}_{part}");
    let outputs = output_names(onnx);
    let [scores, embedding] = [scores, embedding].map(|given| {
        let index = tensor_name::position(given, outputs.iter().map(String::as_str));
        index.map_or(given, |index| &outputs[index])
    });
    let own = match activation {
        Activation::None => None,
        Activation::Softmax => Some(node("Softmax", &[scores], &name("own"), Some(1))),
        Activation::Sigmoid => Some(node("Sigmoid", &[scores], &name("own"), None)),
    };
    let own_name = own.as_ref().map_or_else(|| scores.to_owned(), |_| name("own"));
    let nodes = [
        node("Flatten", &[embedding], &name("embedding"), Some(1)),
        node("MatMul", &[&name("embedding"), &name("weights")], &name("products"), None),
        node("Add", &[&name("products"), &name("biases")], &name("logits"), None),
        node("Sigmoid", &[&name("logits")], &name("probabilities"), None),
    ];
    let joined = node("Concat", &[&own_name, &name("probabilities")], &output_name(prefix), Some(1));
    let graph = Graph {
        nodes: own.into_iter().chain(nodes).chain([joined]).collect(),
        initializers: vec![transposed(layer, name("weights")), vector(&layer.biases, name("biases"))],
        outputs: vec![ValueInfo { name: output_name(prefix), kind: Some(float_matrix()) }],
    };
    let mut bytes = onnx.to_vec();
    bytes.extend(Fragment { graph: Some(graph) }.encode_to_vec());
    bytes
}

/// The names of the network's outputs; none of a file that is no network.
fn output_names(onnx: &[u8]) -> Vec<String> {
    let graph = onnx::Network::decode(onnx).ok().and_then(|network| network.graph).unwrap_or_default();
    graph.outputs.iter().map(|output| String::from_utf8_lossy(&output.name).into_owned()).collect()
}

fn node(operator: &str, inputs: &[&str], output: &str, axis: Option<i64>) -> Node {
    let axis = axis.map(|value| Attribute { name: "axis".into(), integer: value, kind: ATTRIBUTE_INT });
    Node {
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
        outputs: vec![output.to_owned()],
        name: output.to_owned(),
        operator: operator.to_owned(),
        attributes: axis.into_iter().collect(),
    }
}

/// (embedding, labels), as the product takes it.
fn transposed(layer: &Layer, name: String) -> Tensor {
    let width = layer.weights.first().map_or(0, Vec::len);
    let values = (0..width).flat_map(|at| layer.weights.iter().map(move |row| row[at]));
    Tensor { dims: vec![width as i64, layer.weights.len() as i64], kind: TENSOR_FLOAT, name, raw: bytes(values) }
}

fn vector(values: &[f32], name: String) -> Tensor {
    Tensor { dims: vec![values.len() as i64], kind: TENSOR_FLOAT, name, raw: bytes(values.iter().copied()) }
}

fn bytes(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

/// Floats of two axes of any length.
fn float_matrix() -> Type {
    let any = || Dimension::default();
    Type { tensor: Some(TensorType { element: TENSOR_FLOAT, shape: Some(Shape { axes: vec![any(), any()] }) }) }
}

const ATTRIBUTE_INT: i32 = 2;
const TENSOR_FLOAT: i32 = 1;

// The fields of onnx.proto3 that are written here.

#[derive(Clone, PartialEq, Message)]
struct Fragment {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializers: Vec<Tensor>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    integer: i64,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    axes: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    length: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_lack_the_suffix_of_converters() {
        let network = include_bytes!("../../../../tests/data/models/suffixes.onnx");
        let layer = Layer { weights: vec![vec![0.0; 24]], biases: vec![0.0] };

        let bytes = extended(network, "logits", "embedding:0", Activation::Softmax, &layer, "new");

        let nodes = onnx::Network::decode(&bytes[..]).unwrap().graph.unwrap().nodes;
        let inputs = |operator: &str| {
            let node = nodes.iter().rfind(|node| node.operator == operator.as_bytes()).unwrap();
            String::from_utf8(node.inputs[0].clone()).unwrap()
        };
        assert_eq!((inputs("Softmax"), inputs("Flatten")), ("logits:0".into(), "embedding:0".into()));
    }
}
