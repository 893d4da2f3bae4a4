// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters and times of the property `stats`.

use std::time::Duration;

use hdrhistogram::Histogram;
use soundclassify_core::decision::LeftOut;

use super::analysis::Tally;

/// Maximum time of the histograms, microseconds.
const MAX_MICROSECONDS: u64 = 60_000_000;

/// Statistics of one stream since READY→PAUSED.
#[derive(Debug)]
pub(crate) struct Stats {
    /// Windows in total.
    pub(crate) windows: u64,
    /// Windows with scores.
    pub(crate) classified: u64,
    /// Windows below the silence threshold.
    pub(crate) gated: u64,
    /// Windows dropped because too many waited.
    pub(crate) dropped: u64,
    /// Windows without scores because the model failed.
    pub(crate) errors: u64,
    /// Events that rules prevented.
    pub(crate) left_out: LeftOut,
    /// Windows that the network ran; scores of digital silence are known without it.
    run: u64,
    runs: f64,
    inference: Duration,
    run_times: Histogram<u32>,
    latencies: Histogram<u32>,
}

impl Default for Stats {
    fn default() -> Self {
        // The crate allows these bounds.
        let histogram = || Histogram::new_with_bounds(1, MAX_MICROSECONDS, 2).expect("valid bounds");
        Self {
            windows: 0,
            classified: 0,
            gated: 0,
            dropped: 0,
            errors: 0,
            left_out: LeftOut::default(),
            run: 0,
            runs: 0.0,
            inference: Duration::ZERO,
            run_times: histogram(),
            latencies: histogram(),
        }
    }
}

impl Stats {
    /// Adds a window of a run of `batch` windows that took `time`.
    pub(crate) fn run(&mut self, time: Duration, batch: usize) {
        self.classified += 1;
        self.run += 1;
        self.runs += 1.0 / batch as f64;
        self.inference += time / u32::try_from(batch).unwrap_or(u32::MAX);
        self.run_times.saturating_record(microseconds(time));
    }

    /// Adds the time from the arrival of a window's last sample to its message.
    pub(crate) fn latency(&mut self, time: Duration) {
        self.latencies.saturating_record(microseconds(time));
    }

    /// The longest model run so far.
    pub(crate) fn longest_run(&self) -> Duration {
        Duration::from_micros(self.run_times.max())
    }

    /// The property's value, with the number of pending windows and the streaming thread's part.
    pub(crate) fn to_structure(&self, pending: usize, tally: Tally) -> gst::Structure {
        let inference_mean = self.inference.as_nanos() as u64 / self.run.max(1);
        let busy = (tally.analysis + self.inference).as_secs_f64();
        gst::Structure::builder("soundclassify-stats")
            .field("windows", self.windows)
            .field("classified", self.classified)
            .field("gated", self.gated)
            .field("dropped", self.dropped)
            .field("breaks", tally.breaks)
            .field("invalid-samples", tally.invalid_samples)
            .field("errors", self.errors)
            .field("events-in-cooldown", self.left_out.cooldown)
            .field("events-suppressed", self.left_out.suppressed)
            .field("inference-time-mean", inference_mean)
            .field("inference-time-p99", p99(&self.run_times))
            .field("latency-p99", p99(&self.latencies))
            .field("pending", u32::try_from(pending).unwrap_or(u32::MAX))
            .field("batch-mean", if self.runs > 0.0 { self.run as f64 / self.runs } else { 0.0 })
            .field("real-time-factor", if tally.audio > 0.0 { busy / tally.audio } else { 0.0 })
            .build()
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn p99(times: &Histogram<u32>) -> u64 {
    if times.is_empty() { 0 } else { times.value_at_quantile(0.99) * 1000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_quantiles() {
        gst::init().unwrap();
        let mut stats = Stats::default();
        for _ in 0..4 {
            stats.run(Duration::from_millis(8), 4);
        }
        // Digital silence, without a run.
        stats.classified += 1;
        stats.latency(Duration::from_millis(20));
        let structure = stats.to_structure(3, Tally { audio: 0.4, ..Tally::default() });
        assert_eq!(structure.get::<f64>("batch-mean"), Ok(4.0));
        assert_eq!(structure.get::<u64>("inference-time-mean"), Ok(2_000_000));
        assert_eq!(structure.get::<u32>("pending"), Ok(3));
        let p99 = structure.get::<u64>("latency-p99").unwrap();
        assert!((19_500_000..20_500_000).contains(&p99), "{p99}");
        assert!((structure.get::<f64>("real-time-factor").unwrap() - 0.02).abs() < 1e-9);
    }

    #[test]
    fn nothing_yet_is_zero() {
        gst::init().unwrap();
        let structure = Stats::default().to_structure(0, Tally::default());
        assert_eq!(structure.get::<u64>("inference-time-p99"), Ok(0));
        assert_eq!(structure.get::<f64>("batch-mean"), Ok(0.0));
    }
}
