// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tags with the best label. Tag events are sticky and replace the previous list, so each list contains the tags from
//! upstream and the element's own.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{SoundClassify, lock};

/// The last tag lists of this stream.
#[derive(Debug, Default)]
pub(super) struct Tags {
    upstream: Option<gst::TagList>,
    own: Option<gst::TagList>,
}

impl Tags {
    fn merged(&self) -> Option<gst::TagList> {
        match (&self.upstream, &self.own) {
            (Some(upstream), Some(own)) => Some(upstream.merge(own, gst::TagMergeMode::Replace)),
            (upstream, own) => upstream.as_ref().or(own.as_ref()).cloned(),
        }
    }
}

impl SoundClassify {
    /// Sends waiting tags before the next buffer or event.
    pub(super) fn send_tags(&self) {
        let Some(own) = self.results().and_then(|results| results.take_tags()) else { return };
        let all = {
            let mut tags = lock(&self.tags);
            tags.own = Some(own);
            tags.merged()
        };
        if let (Some(all), Some(pad)) = (all, self.obj().src_pads().first()) {
            pad.push_event(gst::event::Tag::new(all));
        }
    }

    /// The event to pass on: a tag event from upstream gets the element's own tags.
    pub(super) fn with_own_tags(&self, event: gst::Event) -> gst::Event {
        let gst::EventView::Tag(tag) = event.view() else { return event };
        let list = tag.tag_owned();
        if list.scope() != gst::TagScope::Stream {
            return event;
        }
        let wanted = lock(&self.settings).emit_tags;
        let mut tags = lock(&self.tags);
        tags.upstream = Some(list);
        if !wanted {
            tags.own = None;
        }
        match tags.merged().filter(|_| tags.own.is_some()) {
            Some(all) => gst::event::Tag::builder(all).seqnum(event.seqnum()).build(),
            None => event,
        }
    }

    /// A new stream begins.
    pub(super) fn forget_tags(&self) {
        *lock(&self.tags) = Tags::default();
        if let Some(results) = self.results() {
            results.forget_tags();
        }
    }
}
