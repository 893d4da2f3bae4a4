// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commit, release date and origin for the plugin's description, and the order of its code.

use std::env;

fn main() {
    gst_plugin_version_helper::info();
    let repository = variable("CARGO_PKG_REPOSITORY");
    let origin = if repository.is_empty() { "soundclassify" } else { &repository };
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-env=ORIGIN={origin}");
    order_code();
}

// For GNU's and LLVM's linkers only: others do not know such scripts.
fn order_code() {
    println!("cargo:rerun-if-changed=src/streaming.ld");
    let linker = variable("CARGO_ENCODED_RUSTFLAGS") + &variable("RUSTC_LINKER");
    let knows_scripts = !["mold", "wild", "gold"].iter().any(|name| linker.contains(name));
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("OPT_LEVEL") == "3" && knows_scripts {
        println!("cargo:rustc-cdylib-link-arg=-T{}/src/streaming.ld", variable("CARGO_MANIFEST_DIR"));
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
