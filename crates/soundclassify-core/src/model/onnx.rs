// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of an ONNX file that are read without ONNX Runtime: operators, names, metadata, and the files of weights. The
//! values of tensors are skipped.
//!
//! The messages are those of ONNX's `onnx.proto`, with the fields that matter here. Names are bytes, because ONNX Runtime
//! does not ask whether they are UTF-8.

use std::path::Path;

use prost::Message;

use crate::error::{Error, Result};

/// Bytes five to eight of ONNX Runtime's own format.
const OTHER_FORMAT: &[u8] = b"ORTM";

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Network {
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<Graph>,
    #[prost(message, repeated, tag = "14")]
    pub(super) metadata: Vec<Entry>,
    #[prost(message, repeated, tag = "25")]
    pub(super) functions: Vec<Function>,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(super) nodes: Vec<Node>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) name: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    pub(super) initializers: Vec<Tensor>,
    #[prost(message, repeated, tag = "12")]
    pub(super) outputs: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "15")]
    pub(super) sparse_initializers: Vec<SparseTensor>,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfo {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) name: Vec<u8>,
}

/// `FunctionProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Function {
    #[prost(message, repeated, tag = "7")]
    pub(super) nodes: Vec<Node>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) inputs: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) outputs: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) operator: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    pub(super) attributes: Vec<Attribute>,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) domain: Vec<u8>,
}

/// `AttributeProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Attribute {
    #[prost(message, optional, tag = "5")]
    pub(super) tensor: Option<Tensor>,
    #[prost(message, optional, tag = "6")]
    pub(super) graph: Option<Graph>,
    #[prost(message, repeated, tag = "10")]
    pub(super) tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub(super) graphs: Vec<Graph>,
    #[prost(message, optional, tag = "22")]
    pub(super) sparse_tensor: Option<SparseTensor>,
    #[prost(message, repeated, tag = "23")]
    pub(super) sparse_tensors: Vec<SparseTensor>,
}

/// `SparseTensorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SparseTensor {
    #[prost(message, optional, tag = "1")]
    pub(super) values: Option<Tensor>,
    #[prost(message, optional, tag = "2")]
    pub(super) indices: Option<Tensor>,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(bytes = "vec", tag = "8")]
    pub(super) name: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub(super) external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub(super) data_location: i32,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

impl Network {
    /// Reads the bytes of an ONNX file, which is at `path`.
    ///
    /// # Errors
    /// [`Error::Model`] for other files.
    pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Self> {
        Self::parse(bytes).map_err(|reason| Error::Model { path: path.to_path_buf(), reason })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.get(4..8) == Some(OTHER_FORMAT) {
            return Err(
                "can't load it: expected ONNX, found ONNX Runtime's own format (.ort); use the ONNX file from which \
                it was made"
                    .into(),
            );
        }
        let wrong = |what: &str| format!("can't load it: the file is not an ONNX network, or incomplete: {what}");
        let network = Self::decode(bytes).map_err(|error| wrong(&error.to_string()))?;
        if network.graph.is_none() {
            return Err(wrong("it has no graph"));
        }
        Ok(network)
    }

    /// The locations of external values, as written in the file, in any order and possibly repeated.
    pub(super) fn external_locations(&self) -> Vec<&[u8]> {
        let mut locations = Vec::new();
        let mut visit = |tensor| external(tensor, &mut locations);
        if let Some(graph) = &self.graph {
            visit_graph(graph, &mut visit);
        }
        self.functions.iter().for_each(|function| visit_nodes(&function.nodes, &mut visit));
        locations
    }
}

fn external<'a>(tensor: &'a Tensor, locations: &mut Vec<&'a [u8]>) {
    if tensor.data_location == EXTERNAL {
        let named = tensor.external_data.iter().filter(|entry| entry.key == b"location");
        locations.extend(named.map(|entry| entry.value.as_slice()));
    }
}

// As deep as `prost` reads messages within messages, which is a hundred at most.
fn visit_graph<'a>(graph: &'a Graph, visit: &mut impl FnMut(&'a Tensor)) {
    graph.initializers.iter().for_each(&mut *visit);
    graph.sparse_initializers.iter().for_each(|tensor| visit_sparse(tensor, visit));
    visit_nodes(&graph.nodes, visit);
}

fn visit_nodes<'a>(nodes: &'a [Node], visit: &mut impl FnMut(&'a Tensor)) {
    for attribute in nodes.iter().flat_map(|node| &node.attributes) {
        attribute.tensor.iter().chain(&attribute.tensors).for_each(&mut *visit);
        attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors).for_each(|tensor| visit_sparse(tensor, visit));
        attribute.graph.iter().chain(&attribute.graphs).for_each(|graph| visit_graph(graph, visit));
    }
}

fn visit_sparse<'a>(tensor: &'a SparseTensor, visit: &mut impl FnMut(&'a Tensor)) {
    tensor.values.iter().chain(&tensor.indices).for_each(visit);
}
