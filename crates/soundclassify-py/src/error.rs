// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors of the core as Python's exceptions.

use pyo3::{
    PyErr, create_exception,
    exceptions::{PyFileNotFoundError, PyOSError, PyRuntimeError, PyValueError},
};
use soundclassify_core::Error as CoreError;

create_exception!(
    soundclassify,
    Error,
    PyRuntimeError,
    "A model, ONNX Runtime or a run failed; the text names the file, what was expected, what was found and what to do."
);

/// The exception that fits; its text is the core's.
pub(crate) fn raise(error: &CoreError) -> PyErr {
    let text = error.to_string();
    match error {
        CoreError::NotFound { .. } => PyFileNotFoundError::new_err(text),
        CoreError::Read { .. } => PyOSError::new_err(text),
        CoreError::Option { .. } | CoreError::Rate { .. } | CoreError::Manifest { .. } => PyValueError::new_err(text),
        _ => Error::new_err(text),
    }
}
