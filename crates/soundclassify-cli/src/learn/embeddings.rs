// SPDX-License-Identifier: MIT OR Apache-2.0
//! Embeddings of recordings.

use std::sync::{Arc, Mutex};

use gstsoundclassify::signal::{Item, Signal, Windows};
use soundclassify_core::{
    frontend::{FeatureSpec, Frontend},
    model::{Model, Network},
};

use crate::{
    exit::{Failure, Result},
    session::{Listener, Session, Source, make},
    source,
};

/// Windows per second: few of one sound say as much as many.
const OVERSAMPLES: u32 = 4;
/// Maximum size of the windows of a recording, bytes: ten minutes of the default model. Windows of a longer recording
/// are further apart.
const MAX_BYTES: usize = 128 << 20;
/// Length of the pieces of a background, s: that of two clips of ESC-50.
const PIECE: usize = 10;
/// Windows this much quieter than the loudest one of a recording, as a factor of the level, have nothing of its sound.
const QUIET: f32 = 0.1;

/// Recordings → embeddings.
pub(super) struct Embedder {
    spec: FeatureSpec,
    network: Box<dyn Network>,
}

/// A window's input for the network and its level.
struct Window {
    values: Vec<f32>,
    level: f32,
}

/// Windows of a recording, evenly spread.
#[derive(Default)]
struct Found {
    found: Vec<Window>,
    /// One window of this many was kept.
    apart: usize,
    number: usize,
    max: usize,
}

/// Windows of a recording so far.
struct Gathered {
    signal: Signal,
    windows: Windows,
    found: Found,
    /// Values of one window.
    length: usize,
    error: Option<String>,
}

impl Embedder {
    pub(super) fn new(model: &Model, network: Box<dyn Network>) -> Self {
        Self { spec: model.manifest().features.clone(), network }
    }

    /// Embeddings of the windows that are not much quieter than the loudest.
    pub(super) fn loud(&mut self, file: &str) -> Result<Vec<Vec<f32>>> {
        let windows = self.windows(file)?.found;
        let loudest = windows.iter().map(|window| window.level).fold(0.0, f32::max);
        if loudest == 0.0 {
            return Err(Failure::Failed(format!("{file}: expected a recording of a sound, found digital silence")));
        }
        self.embed(windows.iter().filter(|window| window.level >= QUIET * loudest))
    }

    /// Embeddings of all windows of a recording that may be long, in pieces.
    pub(super) fn pieces(&mut self, file: &str) -> Result<Vec<Vec<Vec<f32>>>> {
        let windows = self.windows(file)?;
        let each = (PIECE * OVERSAMPLES as usize / windows.apart).max(1);
        windows.found.chunks(each).map(|piece| self.embed(piece.iter())).collect()
    }

    /// Values of an embedding.
    pub(super) fn width(&self) -> usize {
        self.network.classes()
    }

    fn embed<'a>(&mut self, windows: impl Iterator<Item = &'a Window>) -> Result<Vec<Vec<f32>>> {
        let run = |window: &Window| {
            let mut vector = vec![0.0; self.network.classes()];
            self.network.run(&[&window.values], &mut vector)?;
            Ok(vector)
        };
        windows.map(run).collect()
    }

    fn windows(&self, file: &str) -> Result<Found> {
        let uri = source::uri(file)?;
        let gathered = Arc::new(Mutex::new(Gathered::new(&self.spec)));
        let inner = Arc::clone(&gathered);
        let listener: Listener = Box::new(move |item| {
            if let Ok(mut gathered) = inner.lock() {
                gathered.take(item);
            }
        });
        let session = Session::new(file, Source::Uri(&uri), &make("identity")?, Some(listener))?;
        session.run(&mut |_| Ok(()))?;
        drop(session);
        let mut gathered = gathered.lock().map_err(|_| Failure::Failed(format!("{file}: the analysis failed")))?;
        if let Some(error) = gathered.error.take() {
            return Err(Failure::Failed(format!("{file}: {error}")));
        }
        let found = std::mem::take(&mut gathered.found);
        if found.found.is_empty() {
            return Err(Failure::Failed(format!("{file}: no window in its audio")));
        }
        Ok(found)
    }
}

impl Found {
    /// For windows of `length` values.
    fn new(length: usize) -> Self {
        Self { apart: 1, max: (MAX_BYTES / (4 * length.max(1))).max(2), ..Self::default() }
    }

    /// Keeps the next window; when the maximum is reached, every second window is dropped.
    fn offer(&mut self, window: impl FnOnce() -> Window) {
        if self.number.is_multiple_of(self.apart) {
            if self.found.len() == self.max {
                let mut number = 0;
                self.found.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.apart *= 2;
            }
            if self.number.is_multiple_of(self.apart) {
                self.found.push(window());
            }
        }
        self.number += 1;
    }
}

impl Gathered {
    fn new(spec: &FeatureSpec) -> Self {
        let windows = Windows::new(spec, Frontend::new(spec, OVERSAMPLES));
        Self {
            signal: Signal::new(spec.sample_rate, -1),
            windows,
            found: Found::new(spec.len()),
            length: spec.len(),
            error: None,
        }
    }

    fn take(&mut self, item: Item<'_>) {
        let Self { signal, windows, found, error, length } = self;
        let taken = signal.take(item, &mut |piece, _| {
            windows.take(&piece, &mut |window, _| {
                found.offer(|| {
                    let mut values = vec![0.0; *length];
                    window.write_to(&mut values);
                    Window { values, level: window.rms() }
                });
            });
        });
        if let Err(why) = taken {
            error.get_or_insert(why.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_recording_has_evenly_spread_windows() {
        let mut found = Found::new(MAX_BYTES / 400);
        assert_eq!(found.max, 100);
        for number in 0..300 {
            found.offer(|| Window { values: vec![number as f32], level: 1.0 });
        }

        assert_eq!(found.apart, 4);
        let kept: Vec<_> = found.found.iter().map(|window| window.values[0]).collect();
        let wanted: Vec<_> = (0..300).step_by(4).map(|number| number as f32).collect();
        assert_eq!(kept, wanted);
    }
}
