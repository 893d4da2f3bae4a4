// SPDX-License-Identifier: MIT OR Apache-2.0
//! The compiled half of the Python package `soundclassify`: arrays of plain numbers in and out. Names, labels and tables
//! are made in Python, beside it.

mod embed;
mod error;
mod features;
mod options;
mod stream;

use pyo3::prelude::*;

#[pymodule]
mod _soundclassify {
    use std::path::PathBuf;

    use pyo3::prelude::*;
    use soundclassify_core::model::{builtin, runtime};

    #[pymodule_export]
    use crate::{embed::embed, error::Error, features::features, stream::Stream};

    /// The folder where ONNX Runtime's library is looked for, unless ORT_DYLIB_PATH names another.
    #[pyfunction]
    fn set_runtime_folder(folder: PathBuf) {
        runtime::set_plugin_dir(folder);
    }

    /// Version and build of ONNX Runtime; loads it.
    #[pyfunction]
    fn runtime_version() -> PyResult<&'static str> {
        runtime::version().map_err(|error| crate::error::raise(&error))
    }

    /// Names of the built-in models.
    #[pyfunction]
    fn models() -> Vec<&'static str> {
        builtin::names().collect()
    }
}
