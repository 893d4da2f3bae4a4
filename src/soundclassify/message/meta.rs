// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results on buffers.

use gst::glib;
use gst_analytics::AnalyticsRelationMeta;
use gst_analytics::prelude::*;

use super::{Label, Named};

/// Adds a classification for each result, in their order, to the buffer's `GstAnalyticsRelationMeta`, one that it has
/// already or a new one: its labels, best first, with their probabilities.
///
/// # Errors
/// The meta takes no more.
pub(crate) fn add_classifications(buffer: &mut gst::BufferRef, results: &[Vec<Label>]) -> Result<(), glib::BoolError> {
    if buffer.meta::<AnalyticsRelationMeta>().is_none() {
        AnalyticsRelationMeta::add(buffer);
    }
    let Some(mut meta) = buffer.meta_mut::<AnalyticsRelationMeta>() else { return Ok(()) };
    for result in results {
        let labels: Vec<_> = result.iter().map(|label| glib::Quark::from_str(&label.label)).collect();
        // They were f32 in the first place.
        let probabilities: Vec<_> = result.iter().map(|label| label.probability as f32).collect();
        meta.add_cls_mtd(&probabilities, &labels)?;
    }
    Ok(())
}

impl From<Named<'_>> for Label {
    fn from(named: Named<'_>) -> Self {
        Self { label: named.label.to_owned(), index: named.index, probability: named.probability }
    }
}
