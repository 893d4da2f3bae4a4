// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `soundclassify`.
//!
//! ```text
//! gst-launch-1.0 -m autoaudiosrc ! soundclassify ! fakesink
//! gst-launch-1.0 -m filesrc location=street.ogg ! decodebin ! soundclassify top-k=1 threshold=0.5 ! autoaudiosink
//! ```
//!
//! Audio passes through unchanged: the output buffer is the input buffer. For each window, an element message
//! `soundclassify` is posted on the bus; see [`message::Classification`]. With `report=events` messages
//! `soundclassify-event` report when a sound begins and ends; see [`message::ClassificationEvent`].

pub(crate) mod enums;
pub(crate) mod error_mapping;
mod imp;
pub(crate) mod loader;
pub mod message;
mod properties;
pub(crate) mod rules;
pub(crate) mod settings;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

pub use enums::{Provider, Report, Sync};
pub use rules::groups;

use soundclassify_core::model::runtime::{self, Level};

glib::wrapper! {
    /// The element.
    pub struct SoundClassify(ObjectSubclass<imp::SoundClassify>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Always pads for raw audio of any kind.
pub(crate) fn raw_audio_templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        let caps = gst_audio::AudioCapsBuilder::new()
            .format_list(gst_audio::AudioFormat::iter_raw())
            .layout_list([gst_audio::AudioLayout::Interleaved, gst_audio::AudioLayout::NonInterleaved])
            .build();
        let pad = |name, direction| {
            // Name, direction and caps are constants that GStreamer takes.
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).expect("valid pad template")
        };
        vec![pad("src", gst::PadDirection::Src), pad("sink", gst::PadDirection::Sink)]
    });
    &TEMPLATES
}

/// Registers the element. If a program has linked the plugin in and a second copy of it is already loaded, whose types have
/// the same names, the element of that copy is used.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let known = glib::Type::from_name("GstSoundClassify").is_some();
    if known && gst::ElementFactory::find("soundclassify").is_some() {
        return Ok(());
    }
    runtime::set_logger(|level, line| match level {
        Level::Error => gst::error!(imp::CAT, "{line}"),
        Level::Warning => gst::warning!(imp::CAT, "{line}"),
        Level::Info => gst::info!(imp::CAT, "{line}"),
    });
    #[cfg(feature = "doc")]
    for documented in [Sync::static_type(), Report::static_type(), Provider::static_type()] {
        documented.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "soundclassify", gst::Rank::NONE, SoundClassify::static_type())
}

// ONNX Runtime may be in the folder of the plugin.
fn report_plugin_directory() {
    let plugin = gst::Registry::get().find_plugin("soundclassify");
    let folder = plugin.and_then(|plugin| plugin.filename()).and_then(|file| file.parent().map(Into::into));
    if let Some(folder) = folder {
        runtime::set_plugin_dir(folder);
    }
}
