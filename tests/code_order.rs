// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions of `src/streaming.ld` exist: the linker says nothing about a name without a match.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Type and function of a name such as `*(.text._*gstsoundclassify*Timing*plan_buffer*)`, for code of this workspace.
fn own_function(line: &str) -> Option<(&str, &str)> {
    let name = line.trim().strip_prefix("*(.text._*")?.strip_suffix("*)")?;
    let mut parts = name.rsplit('*');
    let (function, owner) = (parts.next()?, parts.next()?);
    let is_own = name.starts_with("gstsoundclassify*") || name.starts_with("soundclassify_core*");
    // The suffix of what `multiversion` generates.
    (is_own && !function.ends_with("_version")).then_some((owner, function))
}

#[test]
fn functions_whose_order_is_given_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(root.join("src/streaming.ld")).unwrap();
    let rust = ["src", "crates/soundclassify-core/src"].iter().flat_map(|folder| sources(&root.join(folder)));
    let rust: Vec<String> = rust.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let mut checked = 0;
    for (owner, function) in script.lines().filter_map(own_function) {
        let exists = rust.iter().any(|text| {
            let defines = text.contains(&format!("fn {function}(")) || text.contains(&format!("fn {function}<"));
            defines && text.contains(owner)
        });
        assert!(exists, "src/streaming.ld names {owner}::{function}, which does not exist");
        checked += 1;
    }
    assert!(checked > 20, "only {checked} names were found");
}
