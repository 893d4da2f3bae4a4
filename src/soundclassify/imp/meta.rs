// SPDX-License-Identifier: MIT OR Apache-2.0
//! Metadata on buffers.

use std::sync::atomic::Ordering;

use gst::subclass::prelude::*;

use super::{CAT, SoundClassify};
use crate::soundclassify::message::add_results;

impl SoundClassify {
    // The buffer is copied only if results wait for it and it has other references; both copies share the memory.
    pub(super) fn mark(&self, mut buffer: gst::Buffer) -> gst::Buffer {
        if !self.adds_meta.load(Ordering::Relaxed) {
            return buffer;
        }
        let results = self.results().map(|results| results.take_for_buffer()).unwrap_or_default();
        if !results.is_empty()
            && let Err(error) = add_results(buffer.make_mut(), results)
        {
            gst::warning!(CAT, imp = self, "{error}; a buffer has no results");
        }
        buffer
    }
}
