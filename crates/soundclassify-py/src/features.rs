// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the network gets, without the network.

use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::{exceptions::PyValueError, prelude::*};
use soundclassify_core::{
    frontend::Windower,
    model::{Manifest, Model},
};

use crate::error::raise;

/// The model's input for each window, and the shape of one window; `oversamples` windows per second, by default the
/// manifest's, or else 10.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands its arguments over")]
pub(crate) fn features<'py>(
    py: Python<'py>,
    samples: PyReadonlyArray1<'py, f32>,
    sample_rate: u32,
    model: &str,
    oversamples: Option<u32>,
) -> PyResult<(Bound<'py, PyArray1<f32>>, Vec<usize>)> {
    let samples = samples.as_slice()?;
    let oversamples = checked(oversamples)?;
    let (values, shape) =
        py.detach(|| compute(samples, sample_rate, model, oversamples)).map_err(|error| raise(&error))?;
    Ok((values.to_pyarray(py), shape))
}

/// The range of `Classifier`'s keyword of that name.
pub(crate) fn checked(oversamples: Option<u32>) -> PyResult<Option<u32>> {
    match oversamples {
        Some(value) if !(1..=100).contains(&value) => {
            let text = format!("oversamples: expected a whole number from 1 to 100, found {value}");
            Err(PyValueError::new_err(text))
        }
        checked => Ok(checked),
    }
}

fn compute(
    samples: &[f32],
    sample_rate: u32,
    model: &str,
    oversamples: Option<u32>,
) -> soundclassify_core::Result<(Vec<f32>, Vec<usize>)> {
    let model = Model::load(model)?;
    let values = windows(samples, sample_rate, model.manifest(), oversamples)?;
    Ok((values, model.manifest().features.shape()))
}

/// The network's input for each window, one after another.
pub(crate) fn windows(
    samples: &[f32],
    sample_rate: u32,
    manifest: &Manifest,
    oversamples: Option<u32>,
) -> soundclassify_core::Result<Vec<f32>> {
    let spec = &manifest.features;
    let oversamples = oversamples.or(manifest.defaults.oversamples).unwrap_or(10);
    let mut windower = Windower::new(spec, oversamples);
    let mut values = Vec::new();
    let mut take = |window: soundclassify_core::frontend::ReadyWindow<'_>| {
        let begin = values.len();
        values.resize(begin + spec.len(), 0.0);
        window.write_to(&mut values[begin..]);
    };
    windower.push(samples, sample_rate, &mut take)?;
    windower.finish(&mut |window, _| take(window));
    Ok(values)
}
