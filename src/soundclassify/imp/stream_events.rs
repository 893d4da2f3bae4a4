// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of sounds for elements downstream.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::SoundClassify;
use crate::soundclassify::message::StreamEvent;
use crate::stream::results::Results;

impl SoundClassify {
    /// Sends waiting events before the next buffer or event.
    pub(super) fn send_events(&self) {
        if let Some(results) = self.results() {
            self.send_events_of(&results);
        }
    }

    pub(super) fn send_events_of(&self, results: &Results) {
        if !results.has_for_stream() {
            return;
        }
        let (pads, source) = (self.obj().src_pads(), self.obj().name());
        let Some(pad) = pads.first() else { return };
        for structure in results.take_in_stream() {
            pad.push_event(StreamEvent::build(structure, &source));
        }
    }
}
