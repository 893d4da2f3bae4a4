// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entry point of the plugin.
#![expect(missing_docs, reason = "the functions that plugin_define! makes have no documentation of their own")]

use gst::glib;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    crate::soundclassify::message::register_tags();
    crate::soundclassify::message::register_meta();
    crate::soundclassify::register(plugin)?;
    crate::soundgate::register(plugin)
}

gst::plugin_define!(
    soundclassify,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("ORIGIN"),
    env!("BUILD_REL_DATE")
);
