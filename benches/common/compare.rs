// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ratios of two things measured in turns in one run: absolute times mean nothing on a shared machine.

use std::time::{Duration, Instant};

/// Rounds of a comparison; each measures both sides. Many short ones: a preempted round falls out of the median.
const ROUNDS: usize = 101;

/// Medians of a comparison.
pub(crate) struct Comparison {
    /// Time of the thing.
    pub(crate) own: Duration,
    /// Time of what it is compared with.
    pub(crate) other: Duration,
    /// Median of the rounds' ratios.
    pub(crate) ratio: f64,
}

/// Measures both in turns. Each closure does its work once, or a fixed number of times.
pub(crate) fn compare(mut own: impl FnMut(), mut other: impl FnMut()) -> Comparison {
    let rounds: Vec<(Duration, Duration)> = (0..=ROUNDS).map(|_| (time(&mut own), time(&mut other))).skip(1).collect();
    Comparison {
        own: median(rounds.iter().map(|round| round.0)),
        other: median(rounds.iter().map(|round| round.1)),
        ratio: super::rig::median(rounds.iter().map(|round| round.0.as_secs_f64() / round.1.as_secs_f64()).collect()),
    }
}

/// How long one call takes.
pub(crate) fn time(work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The middle one.
pub(crate) fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Head of the table.
pub(crate) fn print_head() {
    println!("| what | against, in the same run | ratio | goal |\n|---|---|---|---|");
}

/// A row of the table; the goal is an upper bound.
pub(crate) fn print_row(what: &str, against: &str, ratio: f64, goal: f64) {
    let verdict = if ratio <= goal { "met" } else { "missed" };
    println!("| {what} | {against} | {ratio:.2} | ≤ {goal} {verdict} |");
}
