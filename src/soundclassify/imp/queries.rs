// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers to queries from downstream: the latency, and the time until events are known.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst_base::subclass::prelude::*;

use super::{SoundClassify, lock};
use crate::soundclassify::enums::Sync;
use crate::soundclassify::message::{DelayQuery, Labelled, SourceLabels};
use crate::soundclassify::settings::Settings;
use soundclassify_core::decision::{LOOKBACK, LabelRule};

impl SoundClassify {
    /// Answers a query from downstream.
    pub(super) fn answer(&self, query: &mut gst::QueryRef) -> bool {
        let is_own = match query.view_mut() {
            gst::QueryViewMut::Custom(custom) if SourceLabels::is_asked_by(custom) => {
                self.source_labels().is_some_and(|labels| labels.answer(custom))
            }
            gst::QueryViewMut::Custom(custom) => self.delay().is_some_and(|delay| delay.answer(custom)),
            _ => false,
        };
        // A second soundclassify upstream adds its own delay.
        let answered = BaseTransformImplExt::parent_query(self, gst::PadDirection::Src, query);
        if answered && let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            let (live, min, max) = latency.result();
            let held = if live { self.max_hold() } else { gst::ClockTime::ZERO };
            latency.set(live, min.saturating_add(held), max.map(|max| max.saturating_add(held)));
        }
        answered || is_own
    }

    /// What events may be reported; `None` if none are.
    fn source_labels(&self) -> Option<SourceLabels> {
        let model = lock(&self.loaded).as_ref().map(|loaded| loaded.model.clone())?;
        let settings = lock(&self.settings).clone();
        let names = settings.names(model.manifest());
        let labelled = |(index, label): (usize, &String)| Labelled {
            label: label.as_str().into(),
            groups: names.groups_of(index).map(str::to_owned).collect(),
        };
        let all = names.all.iter().enumerate().zip(settings.reported(&names));
        let labels = all.filter(|(_, reported)| *reported).map(|(name, _)| labelled(name)).collect();
        settings.report.has_events().then(|| SourceLabels { element: self.obj().name().into(), labels })
    }

    /// Maximum time for which a buffer of a live source is held back. A model that keeps up needs at most the time between two
    /// windows for a run.
    fn max_hold(&self) -> gst::ClockTime {
        let settings = lock(&self.settings).clone();
        match settings.sync {
            Sync::Always => gst::ClockTime::from_nseconds(stride(&settings) * u64::from(settings.process_count.get())),
            Sync::Auto | Sync::Never => gst::ClockTime::ZERO,
        }
    }

    /// Maximum time from a sound's onset until its event is known: the window, what lies between the onset and the window
    /// with which the event begins, the longer of minimum duration and hold, a run of the model, and, where the streaming
    /// thread does not wait for that, the next buffer, before which the event is sent. A short buffer comes within the time
    /// that is counted for the run.
    fn delay(&self) -> Option<DelayQuery> {
        let model = lock(&self.loaded).as_ref().map(|loaded| loaded.model.clone())?;
        let settings = lock(&self.settings).clone();
        let manifest = model.manifest();
        let rules = settings.event_rules(manifest, &settings.names(manifest));
        let known_after = |rule: &LabelRule| rule.min_duration.max(rule.hold);
        let longest = rules.labels.iter().flatten().map(known_after).max().unwrap_or(0);
        let features = &manifest.features;
        let window =
            features.window as u64 * gst::ClockTime::SECOND.nseconds() / u64::from(features.sample_rate.max(1));
        let ensemble = settings.event_windows().saturating_sub(1) as u64 * stride(&settings);
        let run = (u64::from(settings.process_count.get()) + 1) * stride(&settings);
        let before = ensemble.max(LOOKBACK);
        let buffer = self.longest_buffer.load(Ordering::Relaxed);
        let next = if buffer > stride(&settings) { buffer } else { 0 };
        let time = [before, longest, run, next].into_iter().fold(window, u64::saturating_add);
        let reports_events = settings.report.has_events();
        Some(DelayQuery { time, reports_events, instances: vec![self.instance.number()] })
    }
}

/// Time from one window to the next, ns.
fn stride(settings: &Settings) -> u64 {
    gst::ClockTime::SECOND.nseconds().div_ceil(settings.oversamples.get().max(1).into())
}
