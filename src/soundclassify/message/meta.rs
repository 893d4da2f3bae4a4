// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results on buffers.

use std::ops::ControlFlow;

use gst::buffer::BufferMetaForeachAction;
use gst::glib;
use gst::meta::CustomMeta;
#[cfg(feature = "v1_24")]
use gst::prelude::MetaAPI;
#[cfg(feature = "v1_24")]
use gst_analytics::AnalyticsRelationMeta;
#[cfg(feature = "v1_24")]
use gst_analytics::prelude::*;

use super::Classification;
use crate::panic::catch;

/// Name of the `GstCustomMeta`.
pub const META: &str = "soundclassify";
const RESULTS: &str = "results";

/// Registers the metadata. It has no tags, so elements that change format or rate keep it. It is already registered if a
/// program has linked the plugin in and a second copy is installed.
pub(crate) fn register() {
    if !CustomMeta::is_registered(META) {
        // Elements that join buffers copy the metadata of all of them.
        CustomMeta::register_with_transform(META, &[], |to, meta, _, _| {
            catch(|| join_results(to, meta)).is_ok_and(|joined| joined.is_ok())
        });
    }
}

/// Adds the results that a buffer does not have yet, so a buffer has one `GstCustomMeta` of this name.
fn join_results(buffer: &mut gst::BufferRef, meta: &CustomMeta) -> Result<(), glib::BoolError> {
    let mut all = structures(buffer);
    let new: Vec<_> = structures_of(meta).into_iter().filter(|result| !all.contains(result)).collect();
    all.extend(new);
    set_results(buffer, all)
}

/// Adds results to a buffer, in order: the structures of their messages.
///
/// # Errors
/// The buffer takes no metadata.
pub(crate) fn add_results(buffer: &mut gst::BufferRef, results: Vec<gst::Structure>) -> Result<(), glib::BoolError> {
    #[cfg(feature = "v1_24")]
    add_classifications(buffer, &results)?;
    // A second soundclassify appends to the results of the first.
    let mut all = structures(buffer);
    all.extend(results);
    set_results(buffer, all)
}

fn set_results(buffer: &mut gst::BufferRef, results: Vec<gst::Structure>) -> Result<(), glib::BoolError> {
    let mut meta = match CustomMeta::from_mut_buffer(buffer, META) {
        Ok(_) => CustomMeta::from_mut_buffer(buffer, META)?,
        Err(_) => CustomMeta::add(buffer, META)?,
    };
    meta.mut_structure().set(RESULTS, gst::Array::new(results));
    Ok(())
}

/// Removes the results: another part of the same buffer has them.
pub(crate) fn remove_results(buffer: &mut gst::BufferRef) {
    if let Ok(mut meta) = CustomMeta::from_mut_buffer(buffer, META) {
        meta.mut_structure().set(RESULTS, gst::Array::default());
    }
    #[cfg(feature = "v1_24")]
    if buffer.meta::<AnalyticsRelationMeta>().is_some() {
        remove_metadata(buffer, AnalyticsRelationMeta::meta_api());
    }
}

/// Removes the metadata of one kind.
pub(crate) fn remove_metadata(buffer: &mut gst::BufferRef, api: glib::Type) {
    buffer.foreach_meta_mut(|meta| {
        let is_wanted = meta.api() != api;
        ControlFlow::Continue(if is_wanted { BufferMetaForeachAction::Keep } else { BufferMetaForeachAction::Remove })
    });
}

fn structures(buffer: &gst::BufferRef) -> Vec<gst::Structure> {
    CustomMeta::from_buffer(buffer, META).map(|meta| structures_of(&meta)).unwrap_or_default()
}

fn structures_of(meta: &CustomMeta) -> Vec<gst::Structure> {
    let Ok(array) = meta.structure().get::<gst::Array>(RESULTS) else { return Vec::new() };
    array.iter().filter_map(|value| value.get().ok()).collect()
}

/// The results that `soundclassify add-meta=true` added to a buffer, in order.
#[must_use]
pub fn results(buffer: &gst::BufferRef) -> Vec<Classification> {
    structures(buffer).iter().filter_map(|structure| Classification::try_from(structure.as_ref()).ok()).collect()
}

/// Adds a classification for each result to the buffer's existing or new `GstAnalyticsRelationMeta`.
#[cfg(feature = "v1_24")]
fn add_classifications(buffer: &mut gst::BufferRef, results: &[gst::Structure]) -> Result<(), glib::BoolError> {
    if buffer.meta::<AnalyticsRelationMeta>().is_none() {
        AnalyticsRelationMeta::add(buffer);
    }
    let Some(mut meta) = buffer.meta_mut::<AnalyticsRelationMeta>() else { return Ok(()) };
    for result in results.iter().filter_map(|result| Classification::try_from(result.as_ref()).ok()) {
        let labels: Vec<_> = result.predictions.iter().map(|label| glib::Quark::from_str(&label.label)).collect();
        // They were f32 originally.
        let probabilities: Vec<_> = result.predictions.iter().map(|label| label.probability as f32).collect();
        meta.add_cls_mtd(&probabilities, &labels)?;
    }
    Ok(())
}
