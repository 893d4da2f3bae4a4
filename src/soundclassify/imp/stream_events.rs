// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of sounds for elements downstream.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{SoundClassify, lock};
use crate::soundclassify::message::{Sender, StreamEvent};
use crate::stream::results::Results;

impl SoundClassify {
    /// Sends waiting events before the next buffer or event.
    pub(super) fn send_events(&self) {
        if let Some(results) = self.results() {
            self.send_events_of(&results);
        }
    }

    pub(super) fn send_events_of(&self, results: &Results) {
        let events = results.take_in_stream();
        if events.is_empty() {
            return;
        }
        let (pads, name) = (self.obj().src_pads(), self.obj().name());
        let Some(pad) = pads.first() else { return };
        let passed = lock(&self.state).as_mut().map(|state| state.analysis.signal().passed());
        let sender = Sender { name: &name, instance: &self.instance, passed };
        for structure in events {
            pad.push_event(StreamEvent::build(structure, &sender));
        }
    }

    /// The last buffer or event was passed on.
    pub(super) fn note_passed(&self) {
        if let Some(state) = lock(&self.state).as_mut() {
            state.analysis.signal().pass();
        }
    }

    /// Discards the stream: its audio, its results, and its events that downstream has not got.
    pub(super) fn flush(&self) {
        self.reset();
        self.longest_buffer.store(0, Ordering::Relaxed);
        let results = lock(&self.state).as_mut().map(|state| {
            state.analysis.signal().flush();
            state.analysis.results()
        });
        if let Some(results) = results {
            drop(results.take_in_stream());
        }
    }
}
