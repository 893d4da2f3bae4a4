// SPDX-License-Identifier: MIT OR Apache-2.0
//! The errors of the core.

use std::{path::PathBuf, sync::Arc};

/// An error of the front end, the model or the decision. Its text names the file, what was expected, what was found, and
/// the remedy.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file does not exist.
    #[error("{what} {} not found; {remedy}", path.display())]
    NotFound {
        /// Kind of file: "manifest", "model", "labels".
        what: &'static str,
        /// Path that was tried.
        path: PathBuf,
        /// The remedy.
        remedy: String,
    },
    /// A file exists but can't be read.
    #[error("{what} {} can't be read: {source}", path.display())]
    Read {
        /// Kind of file.
        what: &'static str,
        /// Path that was tried.
        path: PathBuf,
        /// The error of the operating system.
        source: Arc<std::io::Error>,
    },
    /// The manifest, or a file that it names, has a wrong value.
    #[error("{}: {key}: expected {expected}, found {found}", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// Dotted key, such as `input.layout`.
        key: String,
        /// What is allowed, with the remedy if it is not obvious.
        expected: String,
        /// The value in the file.
        found: String,
    },
    /// The network can't be loaded, or its inputs and outputs don't fit the manifest.
    #[error("model {}: {reason}", path.display())]
    Model {
        /// The ONNX file's path.
        path: PathBuf,
        /// What was expected, what was found, and the remedy.
        reason: String,
    },
    /// ONNX Runtime can't be found or loaded.
    #[error("ONNX Runtime can't be loaded: {reason}; tried: {}; {remedy}", looked.join(", "))]
    Runtime {
        /// Why the last attempt failed.
        reason: String,
        /// Places that were tried, in order.
        looked: Vec<String>,
        /// How to install it.
        remedy: String,
    },
    /// The execution provider is not part of this ONNX Runtime.
    #[error("execution provider {wanted} is not available; this ONNX Runtime has: {}", available.join(", "))]
    Provider {
        /// The requested provider.
        wanted: String,
        /// The providers of this ONNX Runtime.
        available: Vec<String>,
    },
    /// An option is out of its range, or names a label that the model does not have.
    #[error("{name}: expected {expected}, found {found}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// The given value.
        found: String,
    },
    /// Audio of this sample rate can't be converted to the model's.
    #[error("{from} Hz can't be resampled to {to} Hz: {reason}")]
    Rate {
        /// Rate of the audio, Hz.
        from: u32,
        /// Rate of the model, Hz.
        to: u32,
        /// The reason.
        reason: String,
    },
    /// A model run failed.
    #[error("inference failed: {0}")]
    Inference(String),
    /// A thread can't be started.
    #[error("can't start a thread: {0}")]
    Thread(Arc<std::io::Error>),
    /// The model returned a score that is not finite.
    #[error("the model's score of class {class} is {value}")]
    NotFinite {
        /// Index of the first such class.
        class: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A model run was cancelled: the stream was closed, or the model did not reply in time.
    #[error("inference cancelled: {0}")]
    Cancelled(String),
}

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
