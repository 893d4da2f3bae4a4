// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recordings and their labels: a table, or a folder with a folder for each label.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use walkdir::WalkDir;

use crate::{
    exit::{Failure, Result},
    source,
};

/// The labels of each recording.
pub(super) type Truth = BTreeMap<String, BTreeSet<String>>;

/// Names that columns of recordings go by.
const FILE_COLUMNS: [&str; 6] = ["file", "filename", "path", "name", "recording", "fname"];
/// Names that columns of labels go by.
const LABEL_COLUMNS: [&str; 7] = ["label", "labels", "class", "category", "tags", "tag", "target"];

/// Reads a table (CSV; TSV by its extension) or a folder. Paths in a table are those of the working folder or of the
/// table's own. Columns that are not named are found by the usual names.
pub(super) fn read(path: &Path, file_column: Option<&str>, label_column: Option<&str>) -> Result<Truth> {
    let truth = if path.is_dir() { folders(path)? } else { table(path, file_column, label_column)? };
    if truth.values().all(BTreeSet::is_empty) {
        let expected = if path.is_dir() {
            "a subfolder of recordings for each label"
        } else {
            "one row per recording, with a label"
        };
        let found = if truth.is_empty() { "no recordings" } else { "recordings without a label" };
        return Err(Failure::Failed(format!("{}: expected {expected}, found {found}", path.display())));
    }
    Ok(truth)
}

/// The folder's name is the label; files beside the folders have none.
fn folders(path: &Path) -> Result<Truth> {
    let mut truth = Truth::new();
    for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden || !entry.file_type().is_file() || !crate::scan::list::has_sound(entry.path()) {
            continue;
        }
        let inside = entry.path().strip_prefix(path).unwrap_or(entry.path());
        let label =
            inside.parent().and_then(|folder| folder.iter().next()).map(|label| label.to_string_lossy().into_owned());
        truth.entry(source::name(entry.path())).or_default().extend(label);
    }
    Ok(truth)
}

fn table(path: &Path, file_column: Option<&str>, label_column: Option<&str>) -> Result<Truth> {
    let broken = |error: csv::Error| Failure::Failed(format!("{}: table of recordings: {error}", path.display()));
    let mut file = File::open(path).map(BufReader::new).map_err(|error| broken(error.into()))?;
    let delimiter = delimiter(path, file.fill_buf().map_err(|error| broken(error.into()))?);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).delimiter(delimiter).from_reader(file);
    let headers = reader.headers().map_err(broken)?.clone();
    if headers.is_empty() {
        return Err(Failure::Failed(format!(
            "{}: expected a table of recordings, found an empty file",
            path.display()
        )));
    }
    let column = |what: &str, wanted: Option<&str>, usual: &[&str]| {
        let usual = wanted.as_ref().map_or(usual, std::slice::from_ref);
        let find = |name: &&str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
        usual.iter().find_map(find).ok_or_else(|| {
            let found = headers.iter().collect::<Vec<_>>().join(", ");
            let usual = usual.join(", ");
            Failure::Failed(format!(
                "{}: expected a column of {what}s ({usual}), found: {found}; select it with --{what}-column",
                path.display()
            ))
        })
    };
    let (file, label) = (column("file", file_column, &FILE_COLUMNS)?, column("label", label_column, &LABEL_COLUMNS)?);
    let mut truth = Truth::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let labels = record.get(label).unwrap_or_default().split(';').map(str::trim).filter(|label| !label.is_empty());
        let name = located(record.get(file).unwrap_or_default(), path);
        truth.entry(name).or_default().extend(labels.map(str::to_owned));
    }
    Ok(truth)
}

/// Tabs in `.tsv`; in other files semicolons, as spreadsheets of many languages write, if the first line of what the file
/// `begins` with has them and no commas.
fn delimiter(path: &Path, begins: &[u8]) -> u8 {
    let line = begins.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("tsv")) {
        b'\t'
    } else if line.contains(&b';') && !line.contains(&b',') {
        b';'
    } else {
        b','
    }
}

fn located(name: &str, table: &Path) -> String {
    let beside = table.parent().map(|folder| folder.join(name)).filter(|beside| beside.exists());
    match beside {
        Some(beside) if !source::is_uri(name) && !Path::new(name).exists() => beside.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_in_one_row_or_in_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(folder.path().join("b.wav"), "").unwrap();
        std::fs::write(&path, "id,label,file\n1,Bark; Meow,a.wav\n2,Knock,a.wav\n3,,b.wav\n").unwrap();

        let truth = read(&path, None, None).unwrap();

        assert_eq!(truth["a.wav"].iter().collect::<Vec<_>>(), ["Bark", "Knock", "Meow"]);
        assert!(truth[folder.path().join("b.wav").to_str().unwrap()].is_empty());
    }

    #[test]
    fn semicolons_separate_columns_where_no_comma_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "\u{feff}file;label\na, b.wav;\"Bark; Meow\"\nc.wav;Knock\n").unwrap();

        let truth = read(&path, None, None).unwrap();

        assert_eq!(truth["a, b.wav"].iter().collect::<Vec<_>>(), ["Bark", "Meow"]);
        assert_eq!(truth["c.wav"].iter().collect::<Vec<_>>(), ["Knock"]);
    }

    #[test]
    fn a_table_without_the_columns_says_which_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "sound,meaning\na,b\n").unwrap();

        let error = read(&path, None, None).unwrap_err().to_string();
        let named = read(&path, Some("sound"), Some("meaning")).unwrap();

        assert!(error.contains("--file-column") && error.contains("sound, meaning"), "{error}");
        assert!(named["a"].contains("b"));
    }

    #[test]
    fn a_folder_for_each_label_is_a_table() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("Bark/old")).unwrap();
        for file in ["Bark/old/a.wav", "Bark/notes.txt", "quiet.wav"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }

        let truth = read(folder.path(), None, None).unwrap();

        let labels: Vec<_> =
            truth.values().map(|labels| labels.iter().map(String::as_str).collect::<Vec<_>>()).collect();
        assert_eq!(labels, [vec!["Bark"], vec![]]);
    }
}
