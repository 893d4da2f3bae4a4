// SPDX-License-Identifier: MIT OR Apache-2.0
//! What leaves with the buffers.

use gst::subclass::prelude::*;

use super::{CAT, SoundClassify};
use crate::soundclassify::message::add_results;

impl SoundClassify {
    // Another buffer is made only where results wait for one and others hold this one, too; both have the same memory.
    pub(super) fn mark(&self, mut buffer: gst::Buffer) -> gst::Buffer {
        let results = self.results().map(|results| results.take_for_buffer()).unwrap_or_default();
        if !results.is_empty()
            && let Err(error) = add_results(buffer.make_mut(), results)
        {
            gst::warning!(CAT, imp = self, "{error}; a buffer lacks results");
        }
        buffer
    }
}
