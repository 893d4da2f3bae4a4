// SPDX-License-Identifier: MIT OR Apache-2.0
//! What describes each window for other classifiers.

use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use soundclassify_core::model::{EngineOptions, Model, load_embedding, run_windows};

use crate::{
    error::raise,
    features::{checked, windows},
};

/// The embedding of each window, one after another, and its width; `oversamples` windows a second, by default the manifest's, or
/// else 10.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands its arguments over")]
pub(crate) fn embed<'py>(
    py: Python<'py>,
    samples: PyReadonlyArray1<'py, f32>,
    sample_rate: u32,
    model: &str,
    oversamples: Option<u32>,
) -> PyResult<(Bound<'py, PyArray1<f32>>, usize)> {
    let samples = samples.as_slice()?;
    let oversamples = checked(oversamples)?;
    let (values, width) =
        py.detach(|| compute(samples, sample_rate, model, oversamples)).map_err(|error| raise(&error))?;
    Ok((values.to_pyarray(py), width))
}

fn compute(
    samples: &[f32],
    sample_rate: u32,
    model: &str,
    oversamples: Option<u32>,
) -> soundclassify_core::Result<(Vec<f32>, usize)> {
    let model = Model::load(model)?;
    let mut network = load_embedding(&model, EngineOptions::default())?;
    network.select(0, 0);
    let inputs = windows(samples, sample_rate, model.manifest(), oversamples)?;
    Ok((run_windows(&mut *network, &inputs)?, network.classes()))
}
