// SPDX-License-Identifier: MIT OR Apache-2.0
//! Embeddings of recordings, and the table of embeddings that comes with a model.

use std::sync::{Arc, Mutex};

use gstsoundclassify::signal::{Item, Signal, Windows};
use half::f16;
use soundclassify_core::{
    frontend::{FeatureSpec, Frontend},
    model::{Model, Network, builtin},
};

use super::judge::Clip;
use crate::{
    exit::{Failure, Result},
    session::{Listener, Session, Source, make},
    source,
};

/// Windows per second: few of one sound say as much as many.
const OVERSAMPLES: u32 = 4;
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

/// Windows of a recording so far.
struct Gathered {
    signal: Signal,
    windows: Windows,
    found: Vec<Window>,
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
        let windows = self.windows(file)?;
        let loudest = windows.iter().map(|window| window.level).fold(0.0, f32::max);
        if loudest == 0.0 {
            return Err(Failure::Failed(format!("{file}: expected a recording of a sound, found digital silence")));
        }
        self.embed(windows.iter().filter(|window| window.level >= QUIET * loudest))
    }

    /// Embeddings of all windows.
    pub(super) fn all(&mut self, file: &str) -> Result<Vec<Vec<f32>>> {
        let windows = self.windows(file)?;
        self.embed(windows.iter())
    }

    fn embed<'a>(&mut self, windows: impl Iterator<Item = &'a Window>) -> Result<Vec<Vec<f32>>> {
        let run = |window: &Window| {
            let mut vector = vec![0.0; self.network.classes()];
            self.network.run(&[&window.values], &mut vector)?;
            Ok(vector)
        };
        windows.map(run).collect()
    }

    fn windows(&self, file: &str) -> Result<Vec<Window>> {
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
        if found.is_empty() {
            return Err(Failure::Failed(format!("{file}: no window in its audio")));
        }
        Ok(found)
    }
}

impl Gathered {
    fn new(spec: &FeatureSpec) -> Self {
        let windows = Windows::new(spec, Frontend::new(spec, OVERSAMPLES));
        Self { signal: Signal::new(spec.sample_rate, -1), windows, found: Vec::new(), length: spec.len(), error: None }
    }

    fn take(&mut self, item: Item<'_>) {
        let Self { signal, windows, found, error, length } = self;
        let taken = signal.take(item, &mut |piece, _| {
            windows.take(&piece, &mut |window, _| {
                let mut values = vec![0.0; *length];
                window.write_to(&mut values);
                found.push(Window { values, level: window.rms() });
            });
        });
        if let Err(why) = taken {
            error.get_or_insert(why.to_string());
        }
    }
}

/// Embeddings of clips of the model's own labels: those that are built in, or the file `NAME.embeddings.npy` beside the manifest. Float16,
/// one row a clip: the label's number, then its embedding.
pub(super) fn table(model: &Model) -> Result<Vec<Clip>> {
    let manifest = model.manifest();
    let beside = manifest.path.with_extension("embeddings.npy");
    let bytes = match &*manifest.name {
        "default" | "sure" if !manifest.path.exists() => builtin::DEFAULT_EMBEDDINGS.to_vec(),
        _ if beside.exists() => {
            std::fs::read(&beside).map_err(|error| Failure::io("table of embeddings", &beside, &error))?
        }
        _ => Vec::new(),
    };
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    rows(&bytes, &manifest.labels).map_err(|why| Failure::Failed(format!("{}: {why}", beside.display())))
}

fn rows(bytes: &[u8], labels: &[String]) -> std::result::Result<Vec<Clip>, String> {
    let array = npyz::NpyFile::new(bytes).map_err(|error| error.to_string())?;
    let &[_, width] = array.shape() else { return Err("expected an array of two axes".into()) };
    let values: Vec<f16> = array.into_vec().map_err(|error| error.to_string())?;
    let clip = |row: &[f16]| {
        let number = row[0].to_f32() as usize;
        let name = labels.get(number).cloned().ok_or_else(|| format!("label {number} does not exist in the model"))?;
        Ok(Clip { name, vectors: vec![row[1..].iter().map(|value| value.to_f32()).collect()] })
    };
    values.chunks_exact((width as usize).max(2)).map(clip).collect()
}
