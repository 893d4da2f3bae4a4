// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keyword arguments → options of a classifier.

use std::{collections::BTreeMap, time::Duration};

use pyo3::{FromPyObject, PyResult, exceptions::PyValueError};
use soundclassify_core::{
    Options,
    model::{EngineOptions, ExecutionProvider},
};

/// What Python passes on: a mapping with these keys, all of them optional.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Keywords {
    oversamples: Option<u32>,
    ensembles: Option<u32>,
    threshold: Option<f64>,
    label_thresholds: BTreeMap<String, f64>,
    allow_labels: Option<Vec<String>>,
    deny_labels: Option<Vec<String>>,
    silence_threshold: Option<f64>,
    event_on: Option<f64>,
    event_off: Option<f64>,
    event_min_duration: Option<f64>,
    event_hold: Option<f64>,
    execution_provider: String,
    device: i32,
    threads: u32,
}

impl Keywords {
    /// The core's options.
    ///
    /// # Errors
    /// `ValueError` for a duration that is none or a provider of an unknown name.
    pub(crate) fn options(self) -> PyResult<Options> {
        let provider = self.execution_provider.parse::<ExecutionProvider>().map_err(|_| {
            let known = ExecutionProvider::ALL.map(ExecutionProvider::name).join(", ");
            PyValueError::new_err(format!(
                "execution_provider: expected one of {known}, found {:?}",
                self.execution_provider
            ))
        })?;
        Ok(Options {
            oversamples: self.oversamples,
            ensembles: self.ensembles,
            top_k: Some(1),
            threshold: self.threshold,
            label_thresholds: self.label_thresholds,
            allow_labels: self.allow_labels,
            deny_labels: self.deny_labels,
            silence_threshold: self.silence_threshold,
            event_on: self.event_on,
            event_off: self.event_off,
            event_min_duration: duration("event_min_duration", self.event_min_duration)?,
            event_hold: duration("event_hold", self.event_hold)?,
            engine: EngineOptions { provider, device: self.device, threads: self.threads },
        })
    }
}

fn duration(name: &str, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let checked = seconds.map(Duration::try_from_secs_f64).transpose();
    checked.map_err(|_| {
        let found = seconds.unwrap_or_default();
        PyValueError::new_err(format!("{name}: expected seconds, at least 0, found {found}"))
    })
}
