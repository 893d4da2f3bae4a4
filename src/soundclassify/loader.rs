// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads new models and frees old ones in the background, so neither audio nor the application waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gst::glib;
use gst::subclass::prelude::*;

use super::settings::Settings;
use crate::panic::{catch, lock, wait};
use soundclassify_core::Error;
use soundclassify_core::frontend::Frontend;
use soundclassify_core::model::{Cancellation, Engine, EngineOptions, Model, Stream};

/// Maximum wait for a load that is no longer needed; with the time that an engine waits for its threads, less than a second.
const STOP_TIMEOUT: Duration = Duration::from_millis(450);

/// A model that is ready to run.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) request: Request,
    pub(crate) model: Model,
    pub(crate) engine: Arc<Engine>,
}

impl Loaded {
    /// Whether both have the same model and engine.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.engine, &other.engine) && self.model.manifest() == other.model.manifest()
    }
}

/// A model with the parts that take long to create.
pub(crate) struct Prepared {
    pub(crate) loaded: Loaded,
    pub(crate) frontend: Frontend,
}

/// The parts of a model that is no longer used. Freeing them may wait for a run in progress.
pub(crate) struct Retired {
    pub(crate) _stream: Arc<Stream>,
    pub(crate) _engine: Arc<Engine>,
}

/// The request for a model.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Name or path of the model.
    pub(crate) name: String,
    pub(crate) options: EngineOptions,
    /// Number of the last load that audio waited for; what an earlier generation loads is too late.
    pub(crate) generation: u64,
}

impl Request {
    /// Whether the settings request this model.
    pub(crate) fn suits(&self, settings: &Settings) -> bool {
        self.name == settings.model && self.options == settings.engine_options()
    }
}

/// Finds, checks and warms up a model, unless cancelled. This can take seconds.
///
/// # Errors
/// Those of [`Model::load`] and [`Engine::shared_unless`].
pub(crate) fn load(request: &Request, cancellation: &Cancellation) -> Result<Loaded, Error> {
    let model = Model::load(&request.name)?;
    let engine = Engine::shared_unless(&model, &request.options, cancellation)?;
    Ok(Loaded { request: request.clone(), model, engine })
}

/// The loader of one element: at most one thread, which ends when it has no more work.
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
    /// Cancels the load in progress.
    cancellation: Cancellation,
}

impl Loader {
    /// Loads a model and passes it to the element. A later request replaces an earlier one and cancels the load in progress.
    pub(crate) fn ask(self: &Arc<Self>, element: &super::SoundClassify, request: Request) {
        let mut work = self.lock();
        work.wanted = Some((glib::clone::Downgrade::downgrade(element), request));
        let before = work.cancellation.clone();
        drop(work);
        before.cancel();
        self.start();
    }

    /// Frees parts that are no longer used.
    pub(crate) fn retire(self: &Arc<Self>, retired: Vec<Retired>) {
        if !retired.is_empty() {
            self.lock().retired.extend(retired);
            self.start();
        }
    }

    /// Cancels all requests and the load in progress, and waits for the thread for a limited time.
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
            work = wait(&self.idle, work, left);
        }
    }

    fn start(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().busy, true) {
            return;
        }
        let own = Arc::clone(self);
        let thread = std::thread::Builder::new().name("soundclassify-load".into()).spawn(move || own.run());
        if thread.is_err() {
            // No thread can be started, so they are freed here.
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
        let outcome = catch(|| load(request, cancellation)).unwrap_or_else(|_| {
            let reason = "loading the model panicked, which is a bug; please report it".into();
            Err(Error::Model { path: request.name.clone().into(), reason })
        });
        if !cancellation.is_cancelled()
            && let Some(element) = element.upgrade()
        {
            // The panic hook has reported the panic. The thread continues with the next request.
            let _ = catch(|| element.imp().loaded(request, outcome));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }
}
