// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that a report tells of one recording.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use gstsoundclassify::frontend::FeatureSpec;

use super::spectrogram::Spectrogram;
use crate::{
    events::{Events, Rules},
    exit::{Failure, Result},
    keeper::Keeper,
    mel::{Mel, MelStream},
    record::{Event, EventKind, Record, Window, seconds},
    session::{Listener, Session, Source, Step},
    source,
};

/// One recording, classified.
pub(super) struct Recording {
    /// As the user called it.
    pub(super) name: String,
    /// Its address.
    pub(super) uri: String,
    /// Length, seconds.
    pub(super) duration: f64,
    /// Its log-mel picture.
    pub(super) spectrogram: Spectrogram,
    /// Starts of the windows, seconds.
    pub(super) starts: Vec<f64>,
    /// Length of a window, seconds.
    pub(super) window: f64,
    /// The labels shown, the one with the highest peak first.
    pub(super) curves: Vec<Curve>,
    /// In order of onset.
    pub(super) events: Vec<Event>,
    /// What the element warned of.
    pub(super) warnings: Vec<String>,
}

/// One label's probability in each window; 0 where it was not among the predictions.
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) index: i32,
    pub(super) values: Vec<f32>,
}

impl Curve {
    /// The highest probability.
    pub(super) fn peak(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }
}

/// Classifies one input; at most `labels` curves.
pub(super) fn recording(input: &str, keeper: &Keeper, spec: &FeatureSpec, labels: usize) -> Result<Recording> {
    let uri = source::uri(input)?;
    let channel = keeper.settings().property::<i32>("channel");
    let stream = MelStream::new(spec, channel);
    let spectrogram = Spectrogram::new(stream.bands());
    let shared = Arc::new(Mutex::new((stream, spectrogram)));
    let session = Session::new(input, Source::Uri(&uri), &keeper.element()?, Some(listener(&shared)))?;
    let mut windows = Windows::default();
    let mut machine = Events::new(Rules::default(), keeper.stride());
    let (mut events, mut warnings) = (Vec::new(), Vec::new());
    session.run(&mut |step| {
        match step {
            Step::Record(Record::Window(window)) => {
                events.extend(machine.push(&window));
                windows.push(window);
            }
            Step::Warning(why) => warnings.push(why),
            _ => {}
        }
        Ok(())
    })?;
    events.extend(machine.finish());
    events.retain(|event| event.kind == EventKind::End);
    events.sort_by_key(Event::start);
    let end = session.end();
    drop(session);
    let mut shared = shared.lock().map_err(|_| Failure::Failed(format!("{input}: the picture gave up")))?;
    let (stream, spectrogram) = &mut *shared;
    let decibels = stream.decibels();
    stream.finish(&mut |mel| draw(spectrogram, &mel, decibels));
    Ok(Recording {
        name: input.to_owned(),
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
    Box::new(move |heard| {
        if let Ok(mut shared) = shared.lock() {
            let (stream, spectrogram) = &mut *shared;
            let decibels = stream.decibels();
            // A format that can't be read is reported by the element.
            let _ = stream.hear(heard, &mut |mel| draw(spectrogram, &mel, decibels));
        }
    })
}

fn draw(spectrogram: &mut Spectrogram, mel: &Mel<'_>, decibels: f32) {
    if let Mel::Frame(frame) = mel {
        spectrogram.push(frame.iter().map(|value| value * decibels));
    }
}

/// Curves in the making.
#[derive(Default)]
struct Windows {
    starts: Vec<f64>,
    length: f64,
    curves: BTreeMap<i32, Curve>,
}

impl Windows {
    fn push(&mut self, window: Window) {
        let before = self.starts.len();
        self.starts.push(seconds(window.start()));
        self.length = seconds(window.duration);
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

    fn curves(&mut self, most: usize) -> Vec<Curve> {
        let mut curves: Vec<_> = std::mem::take(&mut self.curves).into_values().collect();
        curves.sort_by(|a, b| b.peak().total_cmp(&a.peak()));
        curves.truncate(most);
        for curve in &mut curves {
            curve.values.resize(self.starts.len(), 0.0);
        }
        curves
    }
}
