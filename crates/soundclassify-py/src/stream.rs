// SPDX-License-Identifier: MIT OR Apache-2.0
//! A classifier behind a lock, and what it found as columns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use soundclassify_core::{
    Classifier, Found,
    decision::{Event, EventKind},
    model::Model,
};

use crate::{error::raise, options::Keywords};

/// Seconds of audio between two looks at Python's signals.
const SIGNAL_INTERVAL: usize = 10;

/// One stream. Its calls release the GIL; those of several threads take turns.
#[pyclass(module = "soundclassify._soundclassify", frozen)]
pub(crate) struct Stream {
    classifier: Mutex<Classifier>,
    /// Windows of a call that failed or was interrupted; the next call returns them.
    unreturned: Mutex<Windows>,
    /// Events that ended since they were last taken.
    ended: Mutex<Vec<EventRow>>,
    /// Events that have not ended.
    open: Mutex<Vec<EventRow>>,
}

/// Number, class, start s, end s, peak.
type EventRow = (u64, usize, f64, f64, f32);

/// Numbers, starts s, best classes (-1: none), their probabilities, probabilities of all classes window after window.
type Columns<'py> = (
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<f32>>,
);

#[derive(Default)]
struct Windows {
    numbers: Vec<u64>,
    starts: Vec<f64>,
    best: Vec<i32>,
    probabilities: Vec<f32>,
    scores: Vec<f32>,
}

#[pymethods]
impl Stream {
    #[new]
    fn new(py: Python<'_>, model: &str, keywords: Keywords) -> PyResult<Self> {
        let options = keywords.options()?;
        let classifier =
            py.detach(|| Classifier::new(&Model::load(model)?, &options)).map_err(|error| raise(&error))?;
        Ok(Self {
            classifier: Mutex::new(classifier),
            unreturned: Mutex::default(),
            ended: Mutex::default(),
            open: Mutex::default(),
        })
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands its arguments over")]
    fn push<'py>(
        &self,
        py: Python<'py>,
        samples: PyReadonlyArray1<'py, f32>,
        sample_rate: u32,
    ) -> PyResult<Columns<'py>> {
        let samples = samples.as_slice()?;
        if samples.is_empty() {
            // The rate is checked all the same.
            self.collect(py, |classifier, on_found| classifier.push(samples, sample_rate, on_found))?;
        }
        for part in samples.chunks(SIGNAL_INTERVAL.saturating_mul(sample_rate as usize).max(1)) {
            self.collect(py, |classifier, on_found| classifier.push(part, sample_rate, on_found))?;
            py.check_signals()?;
        }
        Ok(self.returned().columns(py))
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Columns<'py>> {
        self.collect(py, Classifier::finish)?;
        Ok(self.returned().columns(py))
    }

    fn reset(&self, py: Python<'_>) {
        py.detach(|| {
            lock(&self.classifier).reset();
            drop(self.returned());
            lock(&self.ended).clear();
            lock(&self.open).clear();
        });
    }

    /// Events that ended since the last call and, if `include_open`, those that have not.
    fn events(&self, include_open: bool) -> Vec<EventRow> {
        let mut events = std::mem::take(&mut *lock(&self.ended));
        if include_open {
            events.extend_from_slice(&lock(&self.open));
        }
        events.sort_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(&b.0)));
        events
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        lock(&self.classifier).manifest().labels.clone()
    }

    /// Labels and, after them, groups: names by the numbers of best labels and events.
    #[getter]
    fn names(&self) -> Vec<String> {
        lock(&self.classifier).names().to_vec()
    }

    #[getter]
    fn model(&self) -> String {
        lock(&self.classifier).manifest().name.clone()
    }

    #[getter]
    fn oversamples(&self) -> u32 {
        lock(&self.classifier).oversamples()
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        lock(&self.classifier).manifest().features.sample_rate
    }

    /// Length of a window, s.
    #[getter]
    fn window(&self) -> f64 {
        let classifier = lock(&self.classifier);
        let features = &classifier.manifest().features;
        features.window as f64 / f64::from(features.sample_rate)
    }
}

impl Stream {
    /// Does one part of a call without the GIL, and keeps what it finds.
    fn collect(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Classifier, &mut dyn FnMut(Found<'_>)) -> soundclassify_core::Result<()> + Send,
    ) -> PyResult<()> {
        py.detach(|| {
            let mut classifier = lock(&self.classifier);
            let mut windows = lock(&self.unreturned);
            work(&mut classifier, &mut |found| self.take(&mut windows, found))
        })
        .map_err(|error| raise(&error))
    }

    fn returned(&self) -> Windows {
        std::mem::take(&mut *lock(&self.unreturned))
    }

    fn take(&self, windows: &mut Windows, found: Found<'_>) {
        match found {
            Found::Window(window) => {
                windows.numbers.push(window.number);
                windows.starts.push(window.start.as_secs_f64());
                let best = window.predictions.first();
                windows.best.push(best.map_or(-1, |best| best.index as i32));
                windows.probabilities.push(best.map_or(0.0, |best| best.probability));
                windows.scores.extend_from_slice(window.mean);
            }
            Found::Event(event) => self.note(&event),
        }
    }

    fn note(&self, event: &Event<std::time::Duration>) {
        let start = event.onset.as_secs_f64();
        let row = (event.id, event.index, start, start + event.duration as f64 / 1e9, event.peak);
        let mut open = lock(&self.open);
        open.retain(|(id, ..)| *id != event.id);
        match event.kind {
            EventKind::End => lock(&self.ended).push(row),
            EventKind::Start | EventKind::Update => open.push(row),
        }
    }
}

impl Windows {
    fn columns<'py>(&self, py: Python<'py>) -> Columns<'py> {
        (
            self.numbers.to_pyarray(py),
            self.starts.to_pyarray(py),
            self.best.to_pyarray(py),
            self.probabilities.to_pyarray(py),
            self.scores.to_pyarray(py),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
