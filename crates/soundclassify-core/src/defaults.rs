// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the element's properties and [`Options`](crate::Options) are unless the caller or the manifest sets them.

/// Windows per second.
pub const OVERSAMPLES: u32 = 10;
/// Windows in the moving geometric mean.
pub const ENSEMBLES: u32 = 10;
/// Maximum length of the list of predictions.
pub const TOP_K: u32 = 3;
/// Minimum probability of a prediction.
pub const THRESHOLD: f64 = 0.0;
/// Minimum level of a window that is classified, dBFS.
pub const SILENCE_THRESHOLD: f64 = f64::NEG_INFINITY;
/// Probability at which an event starts.
pub const EVENT_ON: f64 = 0.5;
/// Probability below which an event ends.
pub const EVENT_OFF: f64 = 0.35;
/// Minimum duration of an event, nanoseconds.
pub const EVENT_MIN_DURATION: u64 = 200_000_000;
/// Time below `EVENT_OFF` after which an event ends, nanoseconds.
pub const EVENT_HOLD: u64 = 500_000_000;
