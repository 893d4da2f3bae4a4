// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of recordings and their labels.

use std::path::Path;

use super::Truth;
use crate::{
    exit::{Failure, Result},
    source,
};

/// Reads the columns `file` and `label`. Paths are those of the working folder or of the table's own.
pub(super) fn read(path: &Path) -> Result<Truth> {
    let broken = |error: csv::Error| Failure::Failed(format!("{}: {error}", path.display()));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(broken)?;
    let headers = reader.headers().map_err(broken)?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let found = headers.iter().collect::<Vec<_>>().join(", ");
            Failure::Failed(format!("{}: expected the columns file and label, found: {found}", path.display()))
        })
    };
    let (file, label) = (column("file")?, column("label")?);
    let mut truth = Truth::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let labels = record.get(label).unwrap_or_default().split(';').map(str::trim).filter(|label| !label.is_empty());
        let name = located(record.get(file).unwrap_or_default(), path);
        truth.entry(name).or_default().extend(labels.map(str::to_owned));
    }
    if truth.is_empty() {
        return Err(Failure::Failed(format!("{}: no recordings in the table", path.display())));
    }
    Ok(truth)
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

        let truth = read(&path).unwrap();

        assert_eq!(truth["a.wav"].iter().collect::<Vec<_>>(), ["Bark", "Knock", "Meow"]);
        assert!(truth[folder.path().join("b.wav").to_str().unwrap()].is_empty());
    }

    #[test]
    fn a_table_without_the_columns_says_which_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "name,class\na,b\n").unwrap();

        let error = read(&path).unwrap_err().to_string();

        assert!(error.contains("file and label") && error.contains("name, class"), "{error}");
    }
}
