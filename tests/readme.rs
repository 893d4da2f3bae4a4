// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README quotes files that are tested, and the pages name files that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

#[test]
fn code_is_quoted_from_the_examples() {
    let mut quoted = 0;
    for (language, path) in
        [("python", "examples/listen.py"), ("c", "examples/listen.c"), ("rust", "examples/listen.rs")]
    {
        let file = read(path);
        for block in blocks(language) {
            assert!(file.contains(&block), "not in {path}:\n{block}");
            quoted += 1;
        }
    }
    assert!(quoted > 0, "the README quotes no example");
}

/// Pages for readers, by their paths.
const PAGES: [&str; 16] = [
    "crates/soundclassify-core/README.md",
    "README.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "benches/README.md",
    "crates/soundclassify-py/README.md",
    "docs/ARCHITECTURE.md",
    "docs/INSTALL.md",
    "docs/NETWORKS.md",
    "docs/SCALE.md",
    "docs/program.md",
    "docs/soundclassify.md",
    "docs/soundgate.md",
    "models/README.md",
    "models/train/README.md",
    "pipelines/README.md",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Words of a page that are names of files: letters, digits and `._-`, with at least a point within.
fn file_names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && !"._-".contains(it));
    words.map(|word| word.trim_matches('.')).filter(|word| word.contains('.'))
}

#[test]
fn every_script_that_the_readme_names_exists() {
    let readme = read("README.md");
    let after = readme.split("pipelines/").skip(1).filter(|rest| rest.starts_with(|it: char| it.is_ascii_lowercase()));
    let names = after.map(|rest| rest.split([')', '`', ' ', '\n', '/']).next().unwrap_or_default());
    let missing: Vec<_> = names.filter(|name| !top().join("pipelines").join(name).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_of_the_pipelines_names_every_script() {
    let page = read("pipelines/README.md");
    let named: BTreeSet<&str> = file_names(&page).filter(|name| name.ends_with(".sh")).collect();
    let folder = fs::read_dir(top().join("pipelines")).unwrap();
    let files: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // The scripts source common.sh; it runs nothing itself.
    let scripts: BTreeSet<&str> =
        files.iter().map(String::as_str).filter(|name| name.ends_with(".sh") && *name != "common.sh").collect();
    assert_eq!(named, scripts);
}

/// Targets of the links `[text](target)` and pictures on a page that are files of this project.
fn local_links(page: &str) -> Vec<(String, PathBuf)> {
    let text = read(page);
    let folder = top().join(page).parent().unwrap().to_path_buf();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.map(|target| (target.to_owned(), folder.join(target.split('#').next().unwrap_or_default()))).collect()
}

#[test]
fn every_link_between_pages_leads_to_a_file() {
    for page in PAGES {
        for (target, path) in local_links(page) {
            assert!(path.exists(), "{page} links {target}");
        }
    }
}

/// The anchor that the title of a section gets.
fn anchor(title: &str) -> String {
    let kept = title.trim_start_matches('#').trim().chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_to_a_section_leads_to_one() {
    for page in PAGES {
        for (target, path) in local_links(page) {
            let Some((_, wanted)) = target.split_once('#') else { continue };
            let text = fs::read_to_string(&path).unwrap();
            let mut anchors = text.lines().filter(|line| line.starts_with('#')).map(anchor);
            assert!(anchors.any(|anchor| anchor == wanted), "{page} links {target}");
        }
    }
}
