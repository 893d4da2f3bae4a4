// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends runs that take too long on a thread that is not the engine's: that one must get back to its audio.

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::model::network::Canceller;

/// A run that was expected to be quick may take this long.
const LONGEST: Duration = Duration::from_millis(250);
/// How often runs are looked at while there are any.
const TICK: Duration = Duration::from_millis(125);

static WATCH: LazyLock<Watch> = LazyLock::new(Watch::default);

/// The process's watch over such runs: a thread that sleeps while there are none.
#[derive(Default)]
struct Watch {
    all: Mutex<Vec<Weak<Watched>>>,
    /// Runs begun so far.
    begun: AtomicU64,
    sleeps: AtomicBool,
    thread: OnceLock<Option<Thread>>,
}

/// A network whose runs may be watched.
pub(super) struct Watched {
    canceller: Canceller,
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    since: Option<Instant>,
    /// The watch ended it.
    ended: bool,
}

impl Watched {
    pub(super) fn new(canceller: Canceller) -> Arc<Self> {
        let watched = Arc::new(Self { canceller, run: Mutex::default() });
        let mut all = lock(&WATCH.all);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&watched));
        watched
    }

    /// A run begins. `false` when nobody can watch it.
    pub(super) fn begin(&self) -> bool {
        lock(&self.run).since = Some(Instant::now());
        WATCH.look()
    }

    /// The run is over; whether the watch ended it.
    pub(super) fn end(&self) -> bool {
        std::mem::take(&mut *lock(&self.run)).ended
    }

    /// Ends a run that takes too long; whether there is one at all.
    fn check(&self) -> bool {
        let mut run = lock(&self.run);
        let Some(since) = run.since else { return false };
        if !run.ended && since.elapsed() > LONGEST {
            run.ended = true;
            self.canceller.cancel();
        }
        true
    }
}

impl Watch {
    /// Sees to it that the thread looks; `false` when there is none.
    fn look(&'static self) -> bool {
        self.begun.fetch_add(1, SeqCst);
        let start = || thread::Builder::new().name("soundclassify-watch".into()).spawn(|| self.work()).ok();
        let Some(thread) = self.thread.get_or_init(|| start().map(|handle| handle.thread().clone())) else {
            return false;
        };
        if self.sleeps.swap(false, SeqCst) {
            thread.unpark();
        }
        true
    }

    fn work(&self) {
        let mut seen = self.begun.load(SeqCst);
        loop {
            thread::park_timeout(TICK);
            let now = self.begun.load(SeqCst);
            let busy = lock(&self.all).iter().filter_map(Weak::upgrade).filter(|watched| watched.check()).count() > 0;
            if now == seen && !busy {
                self.sleeps.store(true, SeqCst);
                // One that begins now sees that it sleeps, or is seen here.
                while self.begun.load(SeqCst) == seen && self.sleeps.load(SeqCst) {
                    thread::park();
                }
            }
            seen = now;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
