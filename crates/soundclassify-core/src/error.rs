// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that can go wrong outside of GStreamer.

use std::{path::PathBuf, sync::Arc};

/// An error of the front end, the model or the decision; its text names the file, the expected, the
/// found and the remedy.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is absent.
    #[error("{what} {} not found; {remedy}", path.display())]
    NotFound {
        /// What the file is to the reader: "manifest", "model", "labels".
        what: &'static str,
        /// Path that was tried.
        path: PathBuf,
        /// What to do about it.
        remedy: String,
    },
    /// A file is there but can't be read.
    #[error("{what} {} can't be read: {source}", path.display())]
    Read {
        /// What the file is to the reader.
        what: &'static str,
        /// Path that was tried.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<std::io::Error>,
    },
    /// The manifest, or a file that it names, says something that can't be.
    #[error("{}: {key}: expected {expected}, found {found}", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// Dotted key, such as `input.layout`.
        key: String,
        /// What is allowed, with the remedy where it is not plain.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The network can't be loaded, or its inputs and outputs don't fit the manifest.
    #[error("model {}: {reason}", path.display())]
    Model {
        /// The ONNX file's path.
        path: PathBuf,
        /// What was expected, what was found, what to do.
        reason: String,
    },
    /// ONNX Runtime can't be found or loaded.
    #[error("ONNX Runtime can't be loaded: {reason}; looked at: {}; {remedy}", looked.join(", "))]
    Runtime {
        /// Why the last attempt failed.
        reason: String,
        /// Places looked at, in order.
        looked: Vec<String>,
        /// How to install it.
        remedy: String,
    },
    /// The execution provider is not part of this ONNX Runtime.
    #[error("execution provider {wanted} is not available; this ONNX Runtime has: {}", available.join(", "))]
    Provider {
        /// What the property asked for.
        wanted: String,
        /// What there is.
        available: Vec<String>,
    },
    /// An option is out of its range, or names a label that the model lacks.
    #[error("{name}: expected {expected}, found {found}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Audio of this sample rate can't be converted to the model's.
    #[error("{from} Hz can't be resampled to {to} Hz: {reason}")]
    Rate {
        /// Rate of the audio, Hz.
        from: u32,
        /// Rate of the model, Hz.
        to: u32,
        /// Why not.
        reason: String,
    },
    /// A model run failed.
    #[error("inference failed: {0}")]
    Inference(String),
    /// The model gave a score that is no number.
    #[error("the model's score of class {class} is {value}")]
    NotFinite {
        /// Index of the first such class.
        class: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A model run was given up: the stream was closed or the model did not answer in time.
    #[error("inference cancelled: {0}")]
    Cancelled(String),
}

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
