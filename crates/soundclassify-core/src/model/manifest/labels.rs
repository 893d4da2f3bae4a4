// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table `[labels]`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use super::{
    Files,
    defaults::known_labels,
    section::{Section, is_plain},
};
use crate::{
    error::{Error, Result},
    model::limits::MAX_LABELS,
};

/// Groups of labels by name.
pub(super) type Groups = BTreeMap<String, Vec<String>>;

/// The labels, and their groups.
pub(super) fn read(section: Section<'_>, files: &dyn Files) -> Result<(Vec<String>, Groups)> {
    let file = section.string("file")?;
    let csv = section.string("csv")?;
    let column = section.string("column")?;
    let names = section.strings("names")?;
    let groups_table = section.table("groups")?;
    section.refuse_unknown()?;
    let labels = match (file, csv, column, names) {
        (Some(file), None, None, None) => lines(&files.labels(&section, "file", &file)?)?,
        (None, Some(csv), Some(column), None) => column_of(&files.labels(&section, "csv", &csv)?, &column)?,
        (None, None, None, Some(names)) => Labels {
            path: section.source().path,
            at: "labels.names",
            entries: names.into_iter().map(|found| (section.source().line_number(&found.span), found.value)).collect(),
        }
        .checked()?,
        (None, Some(_), None, None) => return Err(section.missing("column", "the column's name in the CSV file")),
        _ => {
            let expected = "one of file = \"…\", names = […], or csv = \"…\" with column = \"…\"";
            return Err(section.source().error("labels", None, expected, "none or several of them"));
        }
    };
    let groups = groups_table.map(|table| groups(&table, &labels)).transpose()?.unwrap_or_default();
    section.finish()?;
    Ok((labels, groups))
}

/// The table `[labels.groups]`: each group has a name that is no label, and labels, each once.
fn groups(table: &Section<'_>, labels: &[String]) -> Result<Groups> {
    let mut groups = Groups::new();
    for (name, members) in table.lists()? {
        if !is_plain(&name.value) {
            let expected = "a name, not empty and without control characters";
            return Err(table.wrong(&name.value, expected, format!("{:?}", name.value)));
        }
        if labels.contains(&name.value) {
            let expected = "a name that is not a label; choose a different name";
            return Err(table.wrong(&name.value, expected, format!("the label {:?}", name.value)));
        }
        if members.is_empty() {
            return Err(table.wrong(&name.value, "at least one label", "an empty list"));
        }
        let members: Vec<_> = known_labels(table, &name.value, members, labels)?.collect();
        if let Some(twice) =
            members.iter().enumerate().find_map(|(i, label)| members[..i].contains(label).then_some(label))
        {
            return Err(table.wrong(&name.value, "every label once", format!("{twice:?} twice")));
        }
        groups.insert(name.value, members);
    }
    Ok(groups)
}

/// A file of labels.
pub(crate) struct LabelFile {
    pub(crate) path: std::path::PathBuf,
    pub(crate) text: String,
}

/// Labels as they were read, with line numbers.
struct Labels<'a> {
    path: &'a Path,
    at: &'a str,
    entries: Vec<(usize, String)>,
}

impl Labels<'_> {
    fn error(&self, line: usize, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let key = format!("{} (line {line})", self.at);
        Error::Manifest { path: self.path.to_path_buf(), key, expected: expected.into(), found: found.into() }
    }

    /// The labels, when each is plain text and stands there once.
    fn checked(self) -> Result<Vec<String>> {
        if self.entries.is_empty() {
            return Err(self.error(1, "at least one label", "none"));
        }
        if self.entries.len() > MAX_LABELS {
            return Err(self.error(1, format!("at most {MAX_LABELS} labels"), self.entries.len().to_string()));
        }
        let mut seen = HashMap::with_capacity(self.entries.len());
        for (line, label) in &self.entries {
            if !is_plain(label) {
                let expected = "a label, not empty and without control characters";
                return Err(self.error(*line, expected, format!("{label:?}")));
            }
            if let Some(first) = seen.insert(label.as_str(), line) {
                return Err(self.error(*line, "every label once", format!("{label:?}, as in line {first}")));
            }
        }
        drop(seen);
        Ok(self.entries.into_iter().map(|(_, label)| label).collect())
    }
}

/// One label per line; lines at the end may be empty.
fn lines(file: &LabelFile) -> Result<Vec<String>> {
    let text = file.text.trim_end();
    let lines = text.lines().filter(|_| !text.is_empty()).map(str::trim);
    let entries = lines.enumerate().map(|(index, line)| (index + 1, line.to_owned())).collect();
    Labels { path: &file.path, at: "label", entries }.checked()
}

/// A column of a CSV file with a head line.
fn column_of(file: &LabelFile, column: &str) -> Result<Vec<String>> {
    let broken = |error: csv::Error| Error::Manifest {
        path: file.path.clone(),
        key: error.position().map_or_else(|| "head line".into(), |at| format!("line {}", at.line())),
        expected: "CSV".into(),
        found: error.to_string(),
    };
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let head = reader.headers().map_err(broken)?.clone();
    let index = head.iter().position(|name| name.trim() == column).ok_or_else(|| Error::Manifest {
        path: file.path.clone(),
        key: "head line".into(),
        expected: format!("the column {column:?} that labels.column names"),
        found: head.iter().collect::<Vec<_>>().join(", "),
    })?;
    let entry = |record: csv::Result<csv::StringRecord>| {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line) as usize;
        Ok((line, record.get(index).unwrap_or_default().trim().to_owned()))
    };
    let entries = reader.records().map(entry).collect::<csv::Result<_>>().map_err(broken)?;
    Labels { path: &file.path, at: "label", entries }.checked()
}
