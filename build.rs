// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commit, release date and origin for the plugin's description.

fn main() {
    gst_plugin_version_helper::info();
    let repository = std::env::var("CARGO_PKG_REPOSITORY").unwrap_or_default();
    let origin = if repository.is_empty() { "soundclassify" } else { &repository };
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-env=ORIGIN={origin}");
}
