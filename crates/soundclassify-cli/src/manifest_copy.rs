// SPDX-License-Identifier: MIT OR Apache-2.0
//! Edits of the copy of a manifest; comments and order stay.

use std::path::Path;

use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use crate::exit::{Failure, Result};

/// The first line of a manifest that a command wrote.
const SIGNATURE: &str = "# Written by soundclassify ";

/// Text of the manifest, with the name of the command that writes it.
pub(crate) fn signed(document: &DocumentMut, command: &str) -> String {
    let text = document.to_string();
    let text = if text.starts_with(SIGNATURE) { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    format!("{SIGNATURE}{command}\n{text}")
}

/// Refuses to replace a manifest that `command` did not write, unless it is that of the `model` itself.
pub(crate) fn check_replaceable(path: &Path, command: &str, model: &Path) -> Result<()> {
    let is_model = || path.canonicalize().is_ok_and(|path| model.canonicalize().is_ok_and(|model| path == model));
    let is_own = |text: String| text.lines().next() == Some(&*format!("{SIGNATURE}{command}"));
    if !path.exists() || std::fs::read_to_string(path).is_ok_and(is_own) || is_model() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "-o {}: this file exists, and `soundclassify {command}` did not write it; choose a different name, or remove it",
        path.display()
    )))
}

/// The copy is a different model, so it gets the name of its file.
pub(crate) fn rename(document: &mut DocumentMut, path: &Path) {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    let name = name.trim_matches('-');
    document["name"] = value(if name.is_empty() { "model" } else { name });
}

/// Sets the thresholds of these labels. Other labels keep theirs.
pub(crate) fn set_thresholds<'a>(document: &mut DocumentMut, new: impl IntoIterator<Item = (&'a str, f64)>) {
    let defaults = document.entry("defaults").or_insert(Item::Table(Table::new()));
    let Some(defaults) = defaults.as_table_like_mut() else { return };
    let thresholds = defaults.entry("thresholds").or_insert(value(InlineTable::new()));
    if let Some(thresholds) = thresholds.as_table_like_mut() {
        for (label, threshold) in new {
            thresholds.insert(label, value(threshold));
        }
    }
}

/// Raises the start of events in the rules of these labels, which replaces their thresholds.
pub(crate) fn raise_rules<'a>(document: &mut DocumentMut, new: impl IntoIterator<Item = (&'a str, f64)>) {
    let Some(rules) = document.get_mut("rules").and_then(Item::as_table_like_mut) else { return };
    for (label, threshold) in new {
        let on = rules.get_mut(label).and_then(Item::as_table_like_mut).and_then(|rule| rule.get_mut("on"));
        if let Some(on) = on.filter(|on| on.as_float().is_some_and(|on| on < threshold)) {
            *on = value(threshold);
        }
    }
}

/// Makes these labels reported ones, whatever the lists of allowed and denied labels are.
pub(crate) fn report(document: &mut DocumentMut, labels: &[&str]) {
    let Some(defaults) = document.get_mut("defaults").and_then(Item::as_table_like_mut) else { return };
    if let Some(allowed) = defaults.get_mut("allow-labels").and_then(Item::as_array_mut)
        && !allowed.is_empty()
    {
        allowed.extend(labels.iter().copied());
    }
    if let Some(denied) = defaults.get_mut("deny-labels").and_then(Item::as_array_mut) {
        denied.retain(|label| label.as_str().is_none_or(|label| !labels.contains(&label)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_go_into_the_copy_and_comments_stay() {
        let mut document: DocumentMut = "name = \"a\" # mine\n[defaults]\ntop-k = 2\n".parse().unwrap();

        set_thresholds(&mut document, [("Bark, loud", 0.6)]);
        rename(&mut document, Path::new("out/My model.toml"));

        let text = document.to_string();
        assert!(text.starts_with("name = \"my-model\"") && text.contains("top-k = 2"), "{text}");
        assert!(text.contains("thresholds = { \"Bark, loud\" = 0.6 }"), "{text}");
    }

    #[test]
    fn only_a_manifest_of_the_same_command_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [own, tuned, other] = ["own.toml", "tuned.toml", "other.toml"].map(|name| folder.path().join(name));
        let document: DocumentMut = "name = \"a\" # mine\n".parse().unwrap();
        let text = signed(&document, "learn");
        std::fs::write(&own, &text).unwrap();
        std::fs::write(&tuned, signed(&text.parse().unwrap(), "tune")).unwrap();
        std::fs::write(&other, document.to_string()).unwrap();

        assert_eq!(std::fs::read_to_string(&tuned).unwrap(), "# Written by soundclassify tune\nname = \"a\" # mine\n");
        let none = Path::new("default");
        for (path, command, model, is_allowed) in [
            (&own, "learn", none, true),
            (&tuned, "learn", none, false),
            (&tuned, "tune", none, true),
            (&other, "learn", none, false),
            (&other, "learn", &*other, true),
            (&folder.path().join("new.toml"), "learn", none, true),
        ] {
            assert_eq!(check_replaceable(path, command, model).is_ok(), is_allowed, "{path:?} {command}");
        }
    }

    #[test]
    fn thresholds_of_other_labels_stay() {
        for text in
            ["[defaults]\nthresholds = { Meow = 0.3, Bark = 0.1 }\n", "[defaults.thresholds]\nMeow = 0.3\nBark = 0.1\n"]
        {
            let mut document: DocumentMut = text.parse().unwrap();

            set_thresholds(&mut document, [("Bark", 0.6)]);

            let thresholds = &document["defaults"]["thresholds"];
            assert_eq!((thresholds["Meow"].as_float(), thresholds["Bark"].as_float()), (Some(0.3), Some(0.6)));
        }
    }

    #[test]
    fn rules_start_no_event_below_the_new_threshold() {
        let mut document: DocumentMut = "[rules]\nBark = { on = 0.6 }\nMeow = { on = 0.9 }\n".parse().unwrap();
        raise_rules(&mut document, [("Bark", 0.8), ("Meow", 0.8), ("Cow", 0.8)]);
        assert_eq!(document.to_string(), "[rules]\nBark = { on = 0.8 }\nMeow = { on = 0.9 }\n");
    }

    #[test]
    fn new_labels_are_reported() {
        let text = "[defaults]\nallow-labels = [\"Bark\"]\ndeny-labels = [\"Kettle\", \"Meow\"]\n";
        let mut document: DocumentMut = text.parse().unwrap();
        report(&mut document, &["Kettle"]);
        let text = document.to_string();
        assert!(text.contains("[\"Bark\", \"Kettle\"]") && text.contains("deny-labels = [ \"Meow\"]"), "{text}");

        let mut document: DocumentMut = "[defaults]\nallow-labels = []\n".parse().unwrap();
        report(&mut document, &["Kettle"]);
        assert_eq!(document.to_string(), "[defaults]\nallow-labels = []\n");
    }

    #[test]
    fn a_name_without_letters_is_replaced() {
        let mut document = DocumentMut::new();
        rename(&mut document, Path::new("ü.toml"));
        assert_eq!(document["name"].as_str(), Some("model"));
    }
}
