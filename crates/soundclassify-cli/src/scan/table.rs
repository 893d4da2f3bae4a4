// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table to which a scan appends, and the rows of an earlier scan.
//!
//! Each row is written in one piece, and the table is its own journal: a file is classified if its row is complete.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions, TryLockError},
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, de::IgnoredAny};
use soundclassify_core::text;

use super::{
    identity::Identities,
    summary::{FileRecord, Status},
};
use crate::{
    address::without_credentials,
    atomic_file::irregular,
    exit::{Failure, Result},
    output::{self, json},
};

const HEADER: [&str; 12] = [
    "file", "status", "error", "duration", "windows", "label", "index", "share", "peak", "labels", "model", "settings",
];
/// How every line of JSON begins.
const ROW_START: &[u8] = br#"{"file":""#;
/// What a power cut may cost: rows of this much time, which are then classified again.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableFormat {
    /// An object per line.
    Jsonl,
    /// A row per file.
    Csv,
}

/// The files that are done, by a hash of their names: 16 bytes a file.
#[derive(Default)]
pub(super) struct Done {
    seen: HashSet<u128>,
    hashers: [RandomState; 2],
    /// Rows of files that failed.
    pub(super) failed: u64,
    /// Rows.
    pub(super) files: u64,
}

impl Done {
    /// Notes a file; `false` if it was noted before.
    pub(super) fn note(&mut self, file: &str) -> bool {
        let file = without_credentials(file);
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(&*file)));
        self.seen.insert(high << 64 | low)
    }
}

/// What the journal needs of a row.
#[derive(Debug, Deserialize)]
struct Row {
    file: String,
    status: Status,
    #[serde(default)]
    settings: String,
}

/// The output, locked; what is written goes to its end.
pub(super) struct Table {
    file: File,
    format: TableFormat,
    path: PathBuf,
    settings: String,
    synced: Instant,
}

impl Table {
    /// Opens or creates the table and reads its rows. An incomplete last row is removed.
    ///
    /// `settings`: hash of model and options, which must equal that of the existing rows.
    pub(super) fn open(path: &Path, settings: &str, restart: bool, retry_failed: bool) -> Result<(Self, Done)> {
        let format = TableFormat::of(path)?;
        let io = |error: std::io::Error| Failure::io("table", path, &error);
        // A device may have no end.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(io(irregular()));
        }
        // Windows can't shorten a file that is open for appending.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        locked(file.try_lock(), path)?;
        if restart {
            file.set_len(0).map_err(io)?;
        }
        // What may take its place takes that of the table, not that of a link to it.
        let place = path.canonicalize().map_err(io)?;
        let mut table = Self { file, format, path: place, settings: settings.to_owned(), synced: Instant::now() };
        let (mut done, mut identities) = (Done::default(), Identities::default());
        table.repair(&mut |row| {
            if row.settings != settings {
                return Err(Failure::Usage(format!(
                    "{}: its rows were made with another model or other options; give the same, another -o, or --restart",
                    path.display()
                )));
            }
            if row.status == Status::Ok || !retry_failed {
                done.files += 1;
                done.failed += u64::from(row.status == Status::Failed);
                // Tables of earlier versions have paths as they were given.
                done.note(&identities.of(&row.file));
            }
            Ok(())
        })?;
        if retry_failed {
            table = table.drop_failed()?;
        }
        if format == TableFormat::Csv && table.length()? == 0 {
            table.write(&csv_line(&HEADER.map(str::to_owned))?)?;
        }
        Ok((table, done))
    }

    /// Adds the row of a file.
    pub(super) fn append(&mut self, record: FileRecord) -> Result<()> {
        let record = FileRecord { settings: self.settings.clone(), ..record };
        let line = match self.format {
            TableFormat::Jsonl => json(&record) + "\n",
            TableFormat::Csv => csv_line(&cells(&record))?,
        };
        self.write(&line)?;
        if self.synced.elapsed() > SYNC_INTERVAL {
            self.sync()?;
        }
        Ok(())
    }

    /// Waits until all rows are on the disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|error| Failure::io("table", &self.path, &error))
    }

    fn write(&mut self, line: &str) -> Result<()> {
        self.file.write_all(line.as_bytes()).map_err(|error| Failure::io("table", &self.path, &error))
    }

    fn length(&self) -> Result<u64> {
        self.file.metadata().map(|data| data.len()).map_err(|error| Failure::io("table", &self.path, &error))
    }

    /// Reads the complete rows and removes the rest. Further rows follow them.
    fn repair(&mut self, on_row: OnRow<'_>) -> Result<()> {
        let io = |error: std::io::Error| Failure::io("table", &self.path, &error);
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        let whole = match self.format {
            TableFormat::Jsonl => whole_lines(&self.file, &self.path, on_row)?,
            TableFormat::Csv => whole_csv(&self.file, &self.path, on_row)?,
        };
        self.file.set_len(whole).map_err(io)?;
        self.file.seek(SeekFrom::Start(whole)).map(drop).map_err(io)
    }

    /// Rewrites the table without the rows of files that failed.
    fn drop_failed(mut self) -> Result<Self> {
        let io = |error: std::io::Error| Failure::io("table", &self.path, &error);
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        let (folder, name) = (self.path.parent(), self.path.file_name());
        let (Some(folder), Some(name)) = (folder, name) else { return Ok(self) };
        // A name of its own: any that could be foreseen may be of a file that is somebody's.
        let mut prefix = name.to_owned();
        prefix.push(".");
        let fresh = tempfile::Builder::new().prefix(&prefix).suffix(".retry").tempfile_in(folder);
        let mut fresh = fresh.map_err(io)?;
        locked(fresh.as_file().try_lock(), &self.path)?;
        for line in kept(&self.file, self.format)? {
            fresh.write_all(line.as_bytes()).map_err(io)?;
        }
        let rights = self.file.metadata().map_err(io)?.permissions();
        fresh.as_file().set_permissions(rights).and_then(|()| fresh.as_file().sync_all()).map_err(io)?;
        // Windows can't replace an open file. Elsewhere the lock is held until the new table is in its place.
        if cfg!(windows) {
            drop(self.file);
        }
        let file = fresh.persist(&self.path).map_err(|error| io(error.error))?;
        Ok(Self { file, ..self })
    }
}

/// The result of locking the table. Without locks, other programs can write at the same time.
fn locked(attempt: std::result::Result<(), TryLockError>, path: &Path) -> Result<()> {
    match attempt {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::Failed(format!("{}: another scan is writing this table", path.display())))
        }
        Err(TryLockError::Error(error)) if has_no_locks(&error) => {
            output::note(format_args!(
                "soundclassify: warning: {}: no locks in this file system ({error}); see to it that no other scan \
                 writes this table",
                path.display()
            ));
            Ok(())
        }
        Err(TryLockError::Error(error)) => Err(Failure::io("table can't be locked", path, &error)),
    }
}

/// Whether the file system, and not this file, is the reason.
fn has_no_locks(error: &std::io::Error) -> bool {
    // ENOLCK, which has no kind: NFS without its lock service.
    const NO_LOCKS: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(NO_LOCKS)
}

impl TableFormat {
    /// The format that the extension of a name means.
    pub(super) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Failure::Usage(format!(
                "-o {}: expected a name that ends in .jsonl, .csv or .parquet, or --format",
                path.display()
            ))),
        }
    }
}

type OnRow<'a> = &'a mut dyn FnMut(Row) -> Result<()>;

/// Passes on the whole rows, returns where the last of them ends.
fn whole_lines(file: &File, path: &Path, on_row: OnRow<'_>) -> Result<u64> {
    let (mut whole, mut line) = (0, Vec::new());
    let mut reader = BufReader::new(file);
    for number in 1.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(|error| Failure::io("table", path, &error))?;
        // A power cut may leave zeros where a row was to be.
        if length == 0 || line.last() != Some(&b'\n') || line.contains(&0) {
            if whole == 0 && !is_torn_row(&line) {
                return Err(foreign(path, number));
            }
            break;
        }
        on_row(serde_json::from_slice(&line).map_err(|_| foreign(path, number))?)?;
        whole += length as u64;
    }
    Ok(whole)
}

/// Whether a line without its end may be the first that a scan wrote. One that is whole JSON would be recognised by its end.
fn is_torn_row(line: &[u8]) -> bool {
    let begun = line.len().min(ROW_START.len());
    line[..begun] == ROW_START[..begun]
        && (serde_json::from_slice::<IgnoredAny>(line).is_err() || serde_json::from_slice::<Row>(line).is_ok())
}

fn whole_csv(file: &File, path: &Path, on_row: OnRow<'_>) -> Result<u64> {
    let broken = |error: csv::Error| Failure::Failed(format!("{}: table: {error}", path.display()));
    let last_byte = last_byte(file).map_err(|error| Failure::io("table", path, &error))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(BufReader::new(file));
    let (mut whole, mut record, mut next) = (0, csv::ByteRecord::new(), csv::ByteRecord::new());
    let mut more = reader.read_byte_record(&mut record).map_err(broken)?;
    for number in 1.. {
        if !more {
            break;
        }
        let end = reader.position().byte();
        more = reader.read_byte_record(&mut next).map_err(broken)?;
        let torn = record.len() != HEADER.len() || record.iter().any(|cell| cell.contains(&0));
        if !more && (torn || last_byte != Some(b'\n')) {
            break;
        }
        if number == 1 && record.iter().ne(HEADER.iter().map(|name| name.as_bytes())) {
            return Err(foreign(path, 1));
        }
        if number > 1 {
            on_row(row(&record).ok_or_else(|| foreign(path, number))?)?;
        }
        whole = end;
        std::mem::swap(&mut record, &mut next);
    }
    if whole == 0 && !is_torn_header(file).map_err(|error| Failure::io("table", path, &error))? {
        return Err(foreign(path, 1));
    }
    Ok(whole)
}

/// Whether the file contains only the beginning of a header.
fn is_torn_header(mut file: &File) -> std::io::Result<bool> {
    let header = HEADER.join(",");
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(header.len() as u64 + 1).read_to_end(&mut start)?;
    Ok(header.as_bytes().starts_with(&start))
}

fn last_byte(mut file: &File) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    let found = file.seek(SeekFrom::End(-1)).is_ok() && file.read(&mut byte)? == 1;
    file.seek(SeekFrom::Start(0))?;
    Ok(found.then_some(byte[0]))
}

fn row(cells: &csv::ByteRecord) -> Option<Row> {
    let cell = |column| std::str::from_utf8(cells.get(column)?).ok();
    let status = match cell(1)? {
        "ok" => Status::Ok,
        "failed" => Status::Failed,
        _ => return None,
    };
    Some(Row { file: text::csv_text(cell(0)?).to_owned(), status, settings: cell(11)?.to_owned() })
}

fn foreign(path: &Path, number: usize) -> Failure {
    let path = path.display();
    Failure::Failed(format!(
        "{path}: line {number} is no row of a scan; give another -o, or --restart to write over it"
    ))
}

/// The lines of all rows but those of files that failed.
fn kept(file: &File, format: TableFormat) -> Result<Vec<String>> {
    let broken = |error: &dyn std::fmt::Display| Failure::Failed(format!("table: {error}"));
    match format {
        TableFormat::Jsonl => {
            let mut lines = Vec::new();
            for line in BufReader::new(file).lines() {
                let line = line.map_err(|error| broken(&error))?;
                let row: Row = serde_json::from_str(&line).map_err(|error| broken(&error))?;
                if row.status == Status::Ok {
                    lines.push(line + "\n");
                }
            }
            Ok(lines)
        }
        TableFormat::Csv => {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(BufReader::new(file));
            let mut lines = Vec::new();
            for record in reader.records() {
                let record = record.map_err(|error| broken(&error))?;
                if record.get(1) != Some("failed") {
                    lines.push(csv_line(&record.iter().map(str::to_owned).collect::<Vec<_>>())?);
                }
            }
            Ok(lines)
        }
    }
}

fn cells(record: &FileRecord) -> [String; 12] {
    let cell = |text: &str| text::csv_cell(text).into_owned();
    let best = record.labels.first();
    let labels = record.labels.iter().map(|label| format!("{}={:.3}", label.label, label.peak));
    [
        cell(&record.file),
        if record.status == Status::Ok { "ok" } else { "failed" }.to_owned(),
        record.error.as_deref().map(cell).unwrap_or_default(),
        record.duration.to_string(),
        record.windows.to_string(),
        best.map(|best| cell(&best.label)).unwrap_or_default(),
        best.map(|best| best.index.to_string()).unwrap_or_default(),
        best.map(|best| best.share.to_string()).unwrap_or_default(),
        best.map(|best| best.peak.to_string()).unwrap_or_default(),
        cell(&labels.collect::<Vec<_>>().join(";")),
        cell(&record.model),
        record.settings.clone(),
    ]
}

fn csv_line(cells: &[String]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let line = writer.write_record(cells).map_err(|error| error.to_string()).and_then(|()| {
        let bytes = writer.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    });
    line.map_err(|error| Failure::Failed(format!("table: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(file: &str) -> FileRecord {
        FileRecord::failed(file, "no \"sound\",\nin it".to_owned())
    }

    fn rows(path: &Path) -> Vec<String> {
        let (mut table, _) = Table::open(path, "s", false, false).unwrap();
        let mut names = Vec::new();
        table
            .repair(&mut |row| {
                names.push(row.file);
                Ok(())
            })
            .unwrap();
        names
    }

    #[test]
    fn a_table_cut_at_any_byte_is_repaired_to_its_whole_rows() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "a.csv"] {
            let path = folder.path().join(name);
            let (mut table, _) = Table::open(&path, "s", false, false).unwrap();
            let mut ends = vec![table.length().unwrap()];
            for file in ["one", "two, with \"comma\"\nand line", "three"] {
                table.append(record(file)).unwrap();
                ends.push(table.length().unwrap());
            }
            drop(table);
            let whole = std::fs::read(&path).unwrap();
            for cut in 0..=whole.len() {
                std::fs::write(&path, &whole[..cut]).unwrap();

                let (mut table, done) = Table::open(&path, "s", false, false).unwrap();

                let expected = ends.iter().filter(|end| **end <= cut as u64).count().saturating_sub(1);
                assert_eq!(done.files, expected as u64, "{name} cut at {cut}");
                assert_eq!(table.length().unwrap(), ends[expected], "{name} cut at {cut}");
                table.append(record("next")).unwrap();
                drop(table);
                assert_eq!(rows(&path)[done.files as usize..], ["next"], "{name} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, notes) in [
            ("notes.jsonl", "my notes\nmore notes\n"),
            ("notes.csv", "my notes\nmore notes\n"),
            ("torn.jsonl", "my precious notes"),
            ("document.jsonl", "{\"notes\": [1, 2]}"),
            ("near.jsonl", "{\"file\":\"a.wav\",\"mine\":1}"),
            ("zeros.jsonl", "\0\0\0"),
            ("one.csv", "name,grade,remark\n"),
            ("torn.csv", "name,grade"),
            ("near.csv", "file,status,remark\n"),
            ("quoted.csv", "\"my notes\nmore notes\n"),
            ("blank.csv", "\n\n"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, notes).unwrap();

            let error = Table::open(&path, "s", false, false).map(|_| name).unwrap_err();

            let (failed, error) = (matches!(error, Failure::Failed(_)), error.to_string());
            assert!(failed && error.contains("line 1") && error.contains("--restart"), "{name}: {error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), notes, "{name}");
        }
    }

    #[test]
    fn other_options_are_refused_and_failed_files_can_be_retried() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "a.csv"] {
            let path = folder.path().join(name);
            let (mut table, _) = Table::open(&path, "s", false, false).unwrap();
            table.append(record("bad")).unwrap();
            table.append(FileRecord { status: Status::Ok, error: None, ..record("good") }).unwrap();
            drop(table);

            assert!(matches!(Table::open(&path, "t", false, false), Err(Failure::Usage(_))));
            let (table, done) = Table::open(&path, "s", false, true).unwrap();
            drop(table);

            assert_eq!((done.files, done.failed), (1, 0), "{name}");
            assert_eq!(rows(&path), ["good"], "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_no_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();

        let error = Table::open(&path, "s", false, false).err().unwrap().to_string();

        assert!(error.contains("expected a regular file"), "{error}");
    }

    #[test]
    fn two_scans_do_not_share_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let _first = Table::open(&path, "s", false, false).unwrap();

        let error = Table::open(&path, "s", false, false).err().unwrap().to_string();

        assert!(error.contains("another scan"), "{error}");
    }

    #[test]
    fn a_lock_that_is_held_is_reported_from_one_that_there_can_not_be() {
        let path = Path::new("a.jsonl");
        let attempt = |kind: ErrorKind| locked(Err(TryLockError::Error(kind.into())), path);

        assert!(attempt(ErrorKind::Unsupported).is_ok());
        let error = attempt(ErrorKind::PermissionDenied).unwrap_err().to_string();
        assert!(error.contains("permission denied") && !error.contains("another scan"), "{error}");
        assert!(locked(Err(TryLockError::WouldBlock), path).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn failed_files_are_tried_again_beside_files_of_any_name_and_through_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [path, link, mine] = ["a.jsonl", "link.jsonl", "a.retry"].map(|name| folder.path().join(name));
        let (mut table, _) = Table::open(&path, "s", false, false).unwrap();
        table.append(record("bad")).unwrap();
        drop(table);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(&mine, "mine").unwrap();
        symlink("a.jsonl", &link).unwrap();

        let (mut table, _) = Table::open(&link, "s", false, true).unwrap();
        assert!(Table::open(&path, "s", false, false).is_err(), "the new one is locked");
        table.append(record("new")).unwrap();
        drop(table);

        assert!(link.is_symlink());
        assert_eq!(rows(&path), ["new"]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
        assert_eq!(folder.path().read_dir().unwrap().count(), 3);
    }
}
