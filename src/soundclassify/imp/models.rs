// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's model: loaded in NULL→READY, or in READY→PAUSED if it was changed in READY, and exchanged after that.

use std::sync::atomic::Ordering;
use std::time::Instant;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{CAT, REPLY_TIMEOUT, SoundClassify, lock};
use crate::soundclassify::error_mapping;
use crate::soundclassify::loader::{self, Loaded, Prepared, Request};
use crate::soundclassify::settings::Settings;
use soundclassify_core::frontend::Frontend;
use soundclassify_core::model::Cancellation;
use soundclassify_core::{Error, text};

impl SoundClassify {
    // The state change waits for this load.
    pub(super) fn load(&self) -> Result<(), gst::ErrorMessage> {
        self.outdated.store(false, Ordering::SeqCst);
        let settings = lock(&self.settings).clone();
        crate::soundclassify::report_plugin_directory();
        let begun = Instant::now();
        let request = self.request(&settings, self.next_generation.fetch_add(1, Ordering::Relaxed));
        let loaded = loader::load(&request, &Cancellation::default()).map_err(|error| {
            self.outdated.store(true, Ordering::SeqCst);
            error_mapping::message(&error)
        })?;
        gst::info!(CAT, imp = self, "model {} ready after {:?}", loaded.model.manifest().name, begun.elapsed());
        let settings = self.take_over(&loaded);
        let before = lock(&self.loaded).replace(loaded);
        drop(before);
        self.warn_of_settings(&settings);
        Ok(())
    }

    // A new model or engine that was requested in READY, or is not loaded yet, gets the first window.
    pub(super) fn reload(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let suits = lock(&self.loaded).as_ref().is_some_and(|loaded| loaded.request.suits(&settings));
        if suits && !self.outdated.load(Ordering::SeqCst) { Ok(()) } else { self.load() }
    }

    fn request(&self, settings: &Settings, generation: u64) -> Request {
        Request { name: settings.model.clone(), options: settings.engine_options(), generation }
    }

    // Loads the requested model in the background if a stream exists; otherwise a state change loads it.
    pub(super) fn update_model(&self) {
        if lock(&self.state).is_none() || !self.outdated.swap(false, Ordering::SeqCst) {
            return;
        }
        let generation = lock(&self.loaded).as_ref().map(|loaded| loaded.request.generation);
        if let Some(generation) = generation {
            let settings = lock(&self.settings).clone();
            self.loader.ask(&self.obj(), self.request(&settings, generation));
        }
    }

    fn take_over(&self, loaded: &Loaded) -> Settings {
        let mut settings = lock(&self.settings);
        settings.suggest(&loaded.model.manifest().defaults);
        settings.clone()
    }

    /// Receives a model that was loaded in the background, or the error.
    pub(crate) fn loaded(&self, request: &Request, outcome: Result<Loaded, Error>) {
        let new = match outcome {
            Ok(new) => new,
            Err(error) => return self.keep_model(request, &error),
        };
        let old = {
            let mut loaded = lock(&self.loaded);
            match loaded.as_mut() {
                // The element went to NULL in the meantime.
                None => return,
                Some(old) if old.request.generation != request.generation => return,
                Some(old) if old.is_same(&new) => {
                    old.request = new.request;
                    return;
                }
                Some(old) => std::mem::replace(old, new.clone()),
            }
        };
        gst::info!(CAT, imp = self, "model {} follows {}", new.request.name, old.request.name);
        let settings = self.take_over(&new);
        self.switch_to(new);
        self.warn_of_settings(&settings);
    }

    pub(super) fn switch_to(&self, loaded: Loaded) {
        let settings = lock(&self.settings).clone();
        let next = prepare(loaded, &settings);
        let before = match lock(&self.state).as_mut() {
            Some(state) => state.next.replace(next),
            None => None,
        };
        drop(before);
    }

    fn keep_model(&self, request: &Request, error: &Error) {
        let old = lock(&self.loaded).as_ref().map(|old| old.request.clone());
        let Some(Request { name: kept, .. }) = old.filter(|old| old.generation == request.generation) else { return };
        let mut settings = lock(&self.settings);
        if settings.model == request.name {
            settings.model.clone_from(&kept);
        }
        drop(settings);
        let text = format!("model {} can't be used, {kept} stays in use: {error}", request.name);
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("{}", text::bus_message(&text)),
            ["audio continues with the old model; set the property model again"]
        );
        self.obj().notify("model");
    }

    // Exchanges the model between two buffers.
    pub(super) fn switch(&self) {
        let waits = lock(&self.state).as_ref().is_some_and(|state| state.next.is_some());
        if !waits {
            return;
        }
        let settings = lock(&self.settings).clone();
        self.step(REPLY_TIMEOUT, |state| match state.next.take() {
            Some(next) => state.analysis.switch(next, &settings),
            None => Ok(()),
        });
    }
}

/// The parts of a model that take long to create.
pub(super) fn prepare(loaded: Loaded, settings: &Settings) -> Prepared {
    let frontend = Frontend::new(&loaded.model.manifest().features, settings.oversamples.get());
    Prepared { loaded, frontend }
}
