// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that a report shows of one recording.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use gstsoundclassify::{Classification, ClassificationEvent, EventKind};
use soundclassify_core::frontend::FeatureSpec;

use super::spectrogram::Spectrogram;
use crate::{
    address::without_credentials,
    exit::{Failure, Result},
    mel_stream::{Mel, MelStream},
    progress::Progress,
    record::{Record, seconds},
    session::{Listener, SessionStep, Source},
    source,
    warm_engine::WarmEngine,
};

/// One recording, classified.
pub(super) struct Recording {
    /// As the user called it, without a password.
    pub(super) name: String,
    /// Address of the recording.
    pub(super) uri: String,
    /// Length, seconds.
    pub(super) duration: f64,
    /// Log-mel picture of the recording.
    pub(super) spectrogram: Spectrogram,
    /// Starts of the windows, seconds.
    pub(super) starts: Vec<f64>,
    /// Length of a window, seconds.
    pub(super) window: f64,
    /// The labels shown, the one with the highest peak first.
    pub(super) curves: Vec<Curve>,
    /// In order of onset.
    pub(super) events: Vec<ClassificationEvent>,
    /// What the element warned of.
    pub(super) warnings: Vec<String>,
}

/// One label's probability in each window; 0 where it was not among the predictions.
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) index: usize,
    pub(super) values: Vec<f32>,
}

impl Curve {
    /// The highest probability.
    pub(super) fn peak(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }
}

/// Classifies one input; at most `labels` curves.
pub(super) fn recording(input: &str, warm_engine: &WarmEngine, spec: &FeatureSpec, labels: usize) -> Result<Recording> {
    let uri = source::uri(input)?;
    let channel = warm_engine.settings().property::<i32>("channel");
    let stream = MelStream::new(spec, channel);
    let spectrogram = Spectrogram::new(stream.bands());
    let shared = Arc::new(Mutex::new((stream, spectrogram)));
    let session = warm_engine.session(input, Source::Uri(&uri), Some(listener(&shared)))?;
    let mut windows = Windows::new(warm_engine.settings().property("oversamples"));
    let (mut events, mut warnings) = (Vec::new(), warm_engine.warnings().to_vec());
    session.run_with(Some(Progress::new(input)), &mut |step| {
        match step {
            SessionStep::Record(Record::Window(window)) => windows.push(window),
            SessionStep::Record(Record::Event(event)) if event.kind == EventKind::End => events.push(event),
            SessionStep::Warning(why) => warnings.push(why),
            _ => {}
        }
        Ok(())
    })?;
    events.sort_by_key(ClassificationEvent::start);
    let end = session.end();
    windows.finish(seconds(end));
    drop(session);
    let mut shared =
        shared.lock().map_err(|_| Failure::Failed(format!("{input}: the spectrogram can't be computed")))?;
    let (_, spectrogram) = &mut *shared;
    Ok(Recording {
        name: without_credentials(input).into_owned(),
        uri,
        duration: seconds(end),
        spectrogram: std::mem::replace(spectrogram, Spectrogram::new(1)),
        window: windows.length,
        curves: windows.curves(labels),
        starts: windows.starts,
        events,
        warnings,
    })
}

fn listener(shared: &Arc<Mutex<(MelStream, Spectrogram)>>) -> Listener {
    let shared = Arc::clone(shared);
    Box::new(move |item| {
        if let Ok(mut shared) = shared.lock() {
            let (stream, spectrogram) = &mut *shared;
            let decibels = stream.decibels();
            // A format that can't be read is reported by the element.
            let _ = stream.take(item, &mut |mel| draw(spectrogram, &mel, decibels));
        }
    })
}

fn draw(spectrogram: &mut Spectrogram, mel: &Mel<'_>, decibels: f32) {
    if let Mel::Frame(frame) = mel {
        spectrogram.push(frame.iter().map(|value| value * decibels));
    }
}

/// Curves in the making.
struct Windows {
    starts: Vec<f64>,
    length: f64,
    /// Seconds from one window to the next.
    stride: f64,
    /// Number of the window that is due.
    next: u64,
    curves: BTreeMap<usize, Curve>,
}

impl Windows {
    fn new(oversamples: u32) -> Self {
        let stride = 1.0 / f64::from(oversamples.max(1));
        Self { starts: Vec::new(), length: 0.0, stride, next: 0, curves: BTreeMap::new() }
    }

    fn push(&mut self, window: Classification) {
        let start = window.start().seconds_f64();
        if window.window > self.next {
            self.gap(start);
        }
        self.next = window.window + 1;
        let before = self.starts.len();
        self.starts.push(start);
        self.length = window.duration.seconds_f64();
        for prediction in window.predictions {
            let curve = self.curves.entry(prediction.index).or_insert_with(|| Curve {
                label: prediction.label,
                index: prediction.index,
                values: Vec::new(),
            });
            curve.values.resize(before, 0.0);
            curve.values.push(prediction.probability as f32);
        }
    }

    /// Windows before `start` in which no label passed the filters: all curves are at 0 from the gap's first to its last.
    fn gap(&mut self, start: f64) {
        let first = self.starts.last().map_or(0.0, |last| last + self.stride);
        self.starts.extend([first, start - self.stride]);
    }

    /// The sound ended at `end` seconds; what was reported last may lie long before.
    fn finish(&mut self, end: f64) {
        let last = end - self.length;
        if self.starts.last().is_some_and(|reported| reported + 1.5 * self.stride < last) {
            self.gap(last + self.stride);
        }
    }

    fn curves(&mut self, max: usize) -> Vec<Curve> {
        let mut curves: Vec<_> = std::mem::take(&mut self.curves).into_values().collect();
        curves.sort_by(|a, b| b.peak().total_cmp(&a.peak()));
        curves.truncate(max);
        for curve in &mut curves {
            curve.values.resize(self.starts.len(), 0.0);
        }
        curves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::ClockTime;
    use gstsoundclassify::Label;

    fn window(number: u64, label: &str, index: usize) -> Classification {
        Classification {
            timestamp: ClockTime::from_mseconds(number * 500),
            stream_time: None,
            running_time: None,
            duration: ClockTime::SECOND,
            utc: None,
            rms: -20.0,
            peak: -10.0,
            window: number,
            predictions: vec![Label { label: label.to_owned(), index, probability: 0.75 }],
            model: "test".to_owned(),
        }
    }

    #[test]
    fn windows_without_a_label_are_at_zero() {
        let mut windows = Windows::new(2);
        for (number, label, index) in [(2, "Bark", 1), (3, "Meow", 2), (8, "Bark", 1)] {
            windows.push(window(number, label, index));
        }
        windows.finish(8.0);

        let curves = windows.curves(8);

        assert_eq!(windows.starts, [0.0, 0.5, 1.0, 1.5, 2.0, 3.5, 4.0, 4.5, 7.0]);
        assert_eq!(curves[0].values, [0.0, 0.0, 0.75, 0.0, 0.0, 0.0, 0.75, 0.0, 0.0]);
        assert_eq!(curves[1].values, [0.0, 0.0, 0.0, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
