// SPDX-License-Identifier: MIT OR Apache-2.0
//! Model input → scores.
//!
//! [`Model::load`] reads a manifest and finds its ONNX file. [`Engine::shared`] returns the engine that runs it for all
//! streams of the process, and [`Engine::stream`] opens one stream.

mod activation;
pub mod check;
#[doc(hidden)]
pub use soundclassify_models as builtin;
mod engine;
mod exit;
pub mod extend;
mod fit;
mod inspect;
mod limits;
pub mod manifest;
mod network;
mod onnx;
mod operators;
mod provider;
pub mod runtime;
mod source;
mod telemetry;
mod tensor_info;
mod tensor_name;
pub mod weights;

pub(crate) use self::engine::MAX_BATCH;
pub use self::{
    activation::Activation,
    engine::{Engine, EngineOptions, PoolStats, Progress, Reply, Stream, Tensor, load_embedding, load_network},
    inspect::{Inspection, input_element, inspect},
    limits::{Cancellation, MEMORY_VARIABLE, TIME_VARIABLE},
    manifest::{Check, Constant, Defaults, Element, Manifest, Reduce, Rule, Scale, State},
    network::{Canceller, Network, run_windows},
    provider::ExecutionProvider,
    source::Model,
    tensor_info::TensorInfo,
};
