// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `soundgate`: mutes, keeps, drops or replaces the audio of the events that a `soundclassify` upstream found.
//!
//! ```text
//! … ! soundclassify report=events ! soundgate labels="<Speech>" mode=mute ! …
//! … ! soundclassify report=events ! soundgate labels="<Bark>" mode=keep before=3000000000 after=2000000000 ! …
//! ```
//!
//! Events arrive as serialized events in the stream. Audio is held back until the events about it are known.

mod agreement;
mod cutter;
mod gain;
mod held;
mod imp;
mod joined;
mod report;
pub(crate) mod settings;
mod spans;

use gst::glib;
use gst::prelude::*;

pub use agreement::AgreeBy;
pub use settings::Mode;

glib::wrapper! {
    /// The element.
    pub struct SoundGate(ObjectSubclass<imp::SoundGate>) @extends gst::Element, gst::Object;
}

/// Makes the element known to GStreamer, unless another copy of the plugin did so already.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let known = glib::Type::from_name("GstSoundGate").is_some();
    if known && gst::ElementFactory::find("soundgate").is_some() {
        return Ok(());
    }
    AgreeBy::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Mode::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "soundgate", gst::Rank::NONE, SoundGate::static_type())
}
