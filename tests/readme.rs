// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README quotes files that are tested: what it shows is what runs.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Contents of the README's fenced blocks in `language`.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let fenced = readme.split("\n```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).map(str::to_owned).collect()
}

#[track_caller]
fn assert_quoted(language: &str, path: &str) {
    let (blocks, file) = (blocks(language), read(path));
    assert!(!blocks.is_empty(), "the README has no block in {language}");
    for block in blocks {
        assert!(file.contains(&block), "not in {path}:\n{block}");
    }
}

#[test]
fn python_is_quoted() {
    assert_quoted("python", "examples/listen.py");
}

#[test]
fn c_is_quoted() {
    assert_quoted("c", "examples/listen.c");
}

#[test]
fn rust_is_quoted() {
    assert_quoted("rust", "examples/listen.rs");
}

#[test]
fn every_script_that_the_readme_names_exists() {
    let readme = read("README.md");
    let names = readme.split("pipelines/").skip(1).map(|rest| {
        rest.split(|it: char| !it.is_ascii_alphanumeric() && !"._-".contains(it)).next().unwrap_or_default()
    });
    let missing: Vec<_> = names
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| !name.is_empty() && !Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
