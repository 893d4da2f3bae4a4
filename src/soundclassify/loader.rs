// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models in the background: loading the next one and freeing the last one, so that neither audio nor the application
//! waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::subclass::prelude::*;

use super::settings::Settings;
use soundclassify_core::Error;
use soundclassify_core::frontend::Frontend;
use soundclassify_core::model::{Cancellation, Engine, EngineOptions, Model, Stream};

/// The longest wait for a load that nobody needs any more; with what an engine waits for its threads less than a second.
const STOP_TIMEOUT: Duration = Duration::from_millis(450);

/// A model that is ready to run.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) request: Request,
    pub(crate) model: Model,
    pub(crate) engine: Arc<Engine>,
}

impl Loaded {
    /// Whether both do the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.engine, &other.engine) && self.model.manifest() == other.model.manifest()
    }
}

/// A model with all that is costly to make for it.
pub(crate) struct Prepared {
    pub(crate) loaded: Loaded,
    pub(crate) frontend: Frontend,
}

/// What is left of a model that is not used any more. Freeing it may wait for a run in progress.
pub(crate) struct Retired {
    pub(crate) _stream: Arc<Stream>,
    pub(crate) _engine: Arc<Engine>,
}

/// A model that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What the application calls it.
    pub(crate) name: String,
    pub(crate) options: EngineOptions,
    /// Time between two loads that audio waits for; what is still loading then comes too late.
    pub(crate) life: u64,
}

impl Request {
    /// Whether these settings ask for it.
    pub(crate) fn suits(&self, settings: &Settings) -> bool {
        self.name == settings.model && self.options == settings.engine_options()
    }
}

/// Finds, checks and warms up a model, unless it is cancelled. It can take seconds.
///
/// # Errors
/// Those of [`Model::load`] and [`Engine::shared_unless`].
pub(crate) fn load(request: &Request, cancellation: &Cancellation) -> Result<Loaded, Error> {
    let model = Model::load(&request.name)?;
    let engine = Engine::shared_unless(&model, &request.options, cancellation)?;
    Ok(Loaded { request: request.clone(), model, engine })
}

/// The background of one element: at most one thread, which ends when nothing is left to do.
#[derive(Default)]
pub(crate) struct Loader {
    work: Mutex<Work>,
    idle: Condvar,
}

#[derive(Default)]
struct Work {
    wanted: Option<(glib::WeakRef<super::SoundClassify>, Request)>,
    retired: Vec<Retired>,
    busy: bool,
    /// Of the load in progress.
    cancellation: Cancellation,
}

impl Loader {
    /// Loads a model and brings it to the element. Asked again meanwhile, only the last one is brought, and the load in
    /// progress is ended.
    pub(crate) fn ask(self: &Arc<Self>, element: &super::SoundClassify, request: Request) {
        let mut work = self.lock();
        work.wanted = Some((glib::clone::Downgrade::downgrade(element), request));
        let before = work.cancellation.clone();
        drop(work);
        before.cancel();
        self.start();
    }

    /// Frees what is not used any more.
    pub(crate) fn retire(self: &Arc<Self>, retired: Vec<Retired>) {
        if !retired.is_empty() {
            self.lock().retired.extend(retired);
            self.start();
        }
    }

    /// Nothing is wanted any more; the load in progress is ended. Waits for the thread, but not long.
    pub(crate) fn cancel(&self) {
        let mut work = self.lock();
        work.wanted = None;
        let before = work.cancellation.clone();
        drop(work);
        before.cancel();
        let mut work = self.lock();
        let deadline = Instant::now() + STOP_TIMEOUT;
        while work.busy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            work = self.idle.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().busy, true) {
            return;
        }
        let own = Arc::clone(self);
        let thread = std::thread::Builder::new().name("soundclassify-load".into()).spawn(move || own.run());
        if thread.is_err() {
            // A system without threads to spare: it has to happen here.
            self.run();
        }
    }

    fn run(&self) {
        loop {
            let mut work = self.lock();
            let retired = std::mem::take(&mut work.retired);
            let wanted = work.wanted.take();
            let cancellation = Cancellation::default();
            work.cancellation = cancellation.clone();
            if wanted.is_none() && retired.is_empty() {
                work.busy = false;
                self.idle.notify_all();
                return;
            }
            drop(work);
            drop(retired);
            if let Some((element, request)) = wanted {
                self.serve(&element, &request, &cancellation);
            }
        }
    }

    fn serve(&self, element: &glib::WeakRef<super::SoundClassify>, request: &Request, cancellation: &Cancellation) {
        let outcome = catch_unwind(AssertUnwindSafe(|| load(request, cancellation)))
            .unwrap_or_else(|_| Err(Error::Inference("loading it failed with a programming error".into())));
        if !cancellation.is_cancelled()
            && let Some(element) = element.upgrade()
        {
            // The panic hook has reported it; the thread has to go on to serve the next request.
            let _ = catch_unwind(AssertUnwindSafe(|| element.imp().loaded(request, outcome)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
