// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of one network file for several manifests that use different outputs of it, such as `default` and `audioset`: a window
//! that all of them get is run once.

use std::{
    collections::VecDeque,
    convert::Infallible,
    mem,
    sync::{Arc, LazyLock, PoisonError},
    time::Duration,
};

use super::{
    EngineOptions,
    registry::Registry,
    sync::{Condvar, Mutex, lock},
};

/// Maximum number of windows that are kept for the other outputs.
const KEPT: usize = 32;
/// Maximum time to wait for a run on a different thread; after that, the window is run again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Hash of what a run depends on, without outputs; and how it is run.
type Key = ([u8; 32], EngineOptions);

static NETWORKS: LazyLock<Registry<Key, SharedRuns, Infallible>> = LazyLock::new(Registry::new);

/// The recent runs of a network file.
pub(super) struct SharedRuns {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// The output of each network in use.
    outputs: Vec<usize>,
    runs: VecDeque<Run>,
    /// Number of runs so far.
    count: u64,
}

struct Run {
    number: u64,
    /// The output of the network that runs it.
    output: usize,
    window: Vec<f32>,
    /// The values of each other output that no network has taken yet; `None` while it runs.
    rows: Option<Vec<Row>>,
}

/// The values of one output for one window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) output: usize,
    pub(super) values: Vec<f32>,
}

/// Where the scores of a window come from.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    /// From these values, of an earlier run.
    Ready(Vec<f32>),
    /// From the run of this number on a different thread.
    Running(u64),
    /// From the caller's own run.
    Own,
}

/// A network's part in the runs; ends when it is dropped.
pub(super) struct Member {
    runs: Arc<SharedRuns>,
    output: usize,
}

/// Runs that the caller has announced. Those without an end when it is dropped have failed.
pub(super) struct Announced {
    runs: Arc<SharedRuns>,
    numbers: Vec<u64>,
}

impl SharedRuns {
    fn new() -> Self {
        Self { state: Mutex::new(State::default()), ended: Condvar::new() }
    }
}

impl Member {
    /// A network that uses this output of the file. `file`: hash of what a run depends on.
    pub(super) fn join(file: [u8; 32], options: EngineOptions, output: usize) -> Self {
        let Ok(runs) = NETWORKS.get_or_make((file, options), || Ok(Arc::new(SharedRuns::new())));
        Self::of(runs, output)
    }

    fn of(runs: Arc<SharedRuns>, output: usize) -> Self {
        lock(&runs.state).outputs.push(output);
        Self { runs, output }
    }

    /// The other outputs in use.
    pub(super) fn others(&self) -> Vec<usize> {
        // Without others, this allocates nothing.
        let mut others: Vec<_> =
            lock(&self.runs.state).outputs.iter().copied().filter(|output| *output != self.output).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Where the scores of each window come from; the caller runs the own ones, in this order.
    pub(super) fn plan(&self, windows: &[&[f32]]) -> (Vec<Origin>, Announced) {
        let mut state = lock(&self.runs.state);
        let mut announced = Announced { runs: Arc::clone(&self.runs), numbers: Vec::new() };
        let origins = windows
            .iter()
            .map(|window| {
                let origin = state.find(window, self.output);
                if origin == Origin::Own {
                    announced.numbers.push(state.announce(window, self.output));
                }
                origin
            })
            .collect();
        (origins, announced)
    }

    /// The values of a run on a different thread, when it ends; `None` if it fails or takes long.
    pub(super) fn wait(&self, number: u64) -> Option<Vec<f32>> {
        let mut state = lock(&self.runs.state);
        while state.is_running(number) {
            let waited = self.runs.ended.wait_timeout(state, PATIENCE);
            let (held, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = held;
            if timeout.timed_out() {
                return None;
            }
        }
        state.take(number, self.output)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = lock(&self.runs.state);
        if let Some(at) = state.outputs.iter().position(|output| *output == self.output) {
            state.outputs.swap_remove(at);
        }
        state.forget_unused();
    }
}

impl Announced {
    /// The runs have ended; `rows`: for each, the values of the other outputs.
    pub(super) fn end(mut self, rows: impl IntoIterator<Item = Vec<Row>>) {
        let mut state = lock(&self.runs.state);
        for (number, rows) in mem::take(&mut self.numbers).into_iter().zip(rows) {
            if let Some(run) = state.runs.iter_mut().find(|run| run.number == number) {
                run.rows = Some(rows);
            }
        }
        state.forget_unused();
        drop(state);
        self.runs.ended.notify_all();
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if !self.numbers.is_empty() {
            lock(&self.runs.state).runs.retain(|run| !self.numbers.contains(&run.number));
            self.runs.ended.notify_all();
        }
    }
}

impl State {
    /// Drops the values of outputs that no network uses, and the runs of which nothing is left.
    fn forget_unused(&mut self) {
        let Self { outputs, runs, .. } = self;
        runs.retain_mut(|run| {
            let Some(rows) = &mut run.rows else { return true };
            rows.retain(|row| outputs.contains(&row.output));
            !rows.is_empty()
        });
    }

    fn find(&mut self, window: &[f32], output: usize) -> Origin {
        let serves = |run: &Run| match &run.rows {
            None => run.output != output,
            Some(rows) => rows.iter().any(|row| row.output == output),
        };
        match self.runs.iter().find(|run| run.window == window && serves(run)) {
            None => Origin::Own,
            Some(run) if run.rows.is_none() => Origin::Running(run.number),
            Some(run) => {
                let number = run.number;
                self.take(number, output).map_or(Origin::Own, Origin::Ready)
            }
        }
    }

    fn announce(&mut self, window: &[f32], output: usize) -> u64 {
        if self.runs.len() == KEPT {
            self.runs.pop_front();
        }
        self.count += 1;
        self.runs.push_back(Run { number: self.count, output, window: window.to_vec(), rows: None });
        self.count
    }

    fn is_running(&self, number: u64) -> bool {
        self.runs.iter().any(|run| run.number == number && run.rows.is_none())
    }

    /// Takes the values of this output out of a run, and drops a run of which nothing is left.
    fn take(&mut self, number: u64, output: usize) -> Option<Vec<f32>> {
        let at = self.runs.iter().position(|run| run.number == number)?;
        let rows = self.runs[at].rows.as_mut()?;
        let row = rows.iter().position(|row| row.output == output)?;
        let values = rows.swap_remove(row).values;
        if rows.is_empty() {
            self.runs.remove(at);
        }
        Some(values)
    }
}

#[cfg(test)]
fn members() -> [Member; 2] {
    let runs = Arc::new(SharedRuns::new());
    [0, 1].map(|output| Member::of(Arc::clone(&runs), output))
}

#[cfg(test)]
fn row(output: usize, value: f32) -> Vec<Row> {
    vec![Row { output, values: vec![value] }]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    const WINDOWS: [&[f32]; 2] = [&[1.0, 2.0], &[1.0, 3.0]];

    #[test]
    fn a_window_is_run_for_both_outputs_and_taken_once() {
        let [first, second] = members();
        assert_eq!((first.others(), second.others()), (vec![1], vec![0]));

        let (origins, announced) = first.plan(&WINDOWS);
        assert_eq!(origins, [Origin::Own, Origin::Own]);
        announced.end([row(1, 0.5), row(1, 0.7)]);

        assert_eq!(first.plan(&WINDOWS[..1]).0, [Origin::Own], "its own output is not kept");
        let (origins, _) = second.plan(&[WINDOWS[1], WINDOWS[0]]);
        assert_eq!(origins, [Origin::Ready(vec![0.7]), Origin::Ready(vec![0.5])]);
        assert_eq!(second.plan(&WINDOWS).0, [Origin::Own, Origin::Own]);
    }

    #[test]
    fn a_run_on_another_thread_is_waited_for() {
        let [first, second] = members();
        let (_, announced) = first.plan(&WINDOWS[..1]);
        let (origins, _) = second.plan(&WINDOWS[..1]);
        let [Origin::Running(number)] = origins[..] else { panic!("{origins:?}") };

        thread::scope(|scope| {
            let waiting = scope.spawn(|| second.wait(number));
            announced.end([row(1, 0.5)]);
            assert_eq!(waiting.join().unwrap(), Some(vec![0.5]));
        });
    }

    #[test]
    fn a_run_that_fails_leaves_the_window_to_the_others() {
        let [first, second] = members();
        let (_, announced) = first.plan(&WINDOWS[..1]);
        let (origins, _) = second.plan(&WINDOWS[..1]);
        let [Origin::Running(number)] = origins[..] else { panic!("{origins:?}") };

        drop(announced);

        assert_eq!(second.wait(number), None);
        assert_eq!(second.plan(&WINDOWS[..1]).0, [Origin::Own]);
    }

    #[test]
    fn nothing_is_kept_for_outputs_that_are_no_longer_in_use() {
        let [first, second] = members();
        first.plan(&WINDOWS).1.end([row(1, 0.5), row(1, 0.7)]);
        assert_eq!(lock(&first.runs.state).runs.len(), 2);

        drop(second);

        assert_eq!(first.others(), []);
        assert_eq!(lock(&first.runs.state).runs.len(), 0);
    }

    #[test]
    fn few_windows_are_kept() {
        let [first, second] = members();
        for value in 0..100 {
            first.plan(&[&[value as f32]]).1.end([row(1, 0.5)]);
        }
        assert_eq!(lock(&first.runs.state).runs.len(), KEPT);
        assert_eq!(second.plan(&[&[0.0], &[99.0]]).0, [Origin::Own, Origin::Ready(vec![0.5])]);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::*;

    /// What a network does with one window; its values are 10 times its output.
    fn run(member: &Member) -> f32 {
        let window: &[f32] = &[1.0];
        let (mut origins, announced) = member.plan(&[window]);
        let other = 1 - member.output;
        let own = 10.0 * member.output as f32;
        match origins.remove(0) {
            Origin::Ready(values) => values[0],
            Origin::Running(number) => member.wait(number).map_or(own, |values| values[0]),
            Origin::Own => {
                announced.end([row(other, 10.0 * other as f32)]);
                own
            }
        }
    }

    #[test]
    fn loom_two_outputs_at_once_get_their_values() {
        loom::model(|| {
            let [first, second] = members();
            let thread = thread::spawn(move || assert_eq!(run(&second), 10.0));
            assert_eq!(run(&first), 0.0);
            thread.join().unwrap();
        });
    }
}
