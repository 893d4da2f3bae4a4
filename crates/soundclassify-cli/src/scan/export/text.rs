// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events as text: one table for all, or labels of each recording for the programs that show them over it.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    path::{Component, Path, PathBuf},
};

use sha2::{Digest, Sha256};
use soundclassify_core::text;

use super::each;
use crate::{
    atomic_file::{AtomicFile, ReservedFile},
    exit::{Failure, Result},
    scan::summary::{EventSummary, FileRecord, Status},
    short_hash::short_hash,
    source,
};

const HEADER: [&str; 8] = ["file", "label", "start", "end", "peak", "model", "settings", "error"];
const SUFFIX: &str = ".txt";
/// Maximum length of a name on the usual file systems, bytes.
const MAX_NAME: usize = 255;
const RAVEN_HEADER: &str =
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tLabel\tPeak\n";

/// Programs that show labels over a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Labels {
    /// A label track: start, end, label.
    Audacity,
    /// A selection table; frequencies reach to half the model's sample rate.
    Raven,
}

/// A row an event, and one with the reason for each file that failed.
pub(crate) fn csv_of_events(journal: &Path, path: &Path) -> Result<()> {
    let (part, file) = AtomicFile::create(path).map_err(|error| Failure::io("table", path, &error))?;
    let broken = |error: csv::Error| Failure::Failed(format!("{}: table: {error}", path.display()));
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(HEADER).map_err(broken)?;
    each(journal, &mut |record| {
        if record.status == Status::Failed {
            return writer.write_record(row(&record, None)).map_err(broken);
        }
        record
            .events
            .iter()
            .flatten()
            .try_for_each(|event| writer.write_record(row(&record, Some(event))))
            .map_err(broken)
    })?;
    writer.flush().and_then(|()| part.keep()).map_err(|error| Failure::io("table", path, &error))
}

fn row(record: &FileRecord, event: Option<&EventSummary>) -> [String; 8] {
    let cell = |text: &str| text::csv_cell(text).into_owned();
    let number = |value: fn(&EventSummary) -> f64| event.map(|event| value(event).to_string()).unwrap_or_default();
    [
        cell(&record.file),
        event.map(|event| cell(&event.label)).unwrap_or_default(),
        number(|event| event.start),
        number(EventSummary::end),
        number(|event| event.peak),
        cell(&record.model),
        record.settings.clone(),
        record.error.as_deref().map(cell).unwrap_or_default(),
    ]
}

/// The labels of one recording below `folder`; none for one that failed. `bandwidth`: highest frequency that was
/// analysed, Hz.
pub(crate) fn labels(folder: &Path, labels: Labels, record: &FileRecord, bandwidth: f64) -> Result<()> {
    if record.status == Status::Failed {
        return Ok(());
    }
    let path = folder.join(place(&record.file));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Failure::io("folder", parent, &error))?;
    }
    let events = record.events.as_deref().unwrap_or_default();
    let text = match labels {
        Labels::Audacity => audacity(events),
        Labels::Raven => raven(events, bandwidth),
    };
    ReservedFile::reserve("labels", &path)?.fill(text.as_bytes())
}

fn audacity(events: &[EventSummary]) -> String {
    let mut text = String::new();
    for EventSummary { label, start, duration, .. } in events {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{start:.6}\t{:.6}\t{}", start + duration, label_cell(label));
    }
    text
}

fn raven(events: &[EventSummary], bandwidth: f64) -> String {
    let mut text = RAVEN_HEADER.to_owned();
    for (number, EventSummary { label, start, duration, peak, .. }) in (1..).zip(events) {
        let (end, label) = (start + duration, label_cell(label));
        let _ = writeln!(text, "{number}\tSpectrogram 1\t1\t{start:.6}\t{end:.6}\t0\t{bandwidth}\t{label}\t{peak:.4}");
    }
    text
}

/// A label on one line and in one column, which no spreadsheet runs.
fn label_cell(label: &str) -> String {
    let line = label.replace(['\t', '\n', '\r'], " ");
    text::csv_cell(&text::visible(&line)).into_owned()
}

/// Path of a recording's labels below their folder: that of the recording below the current folder, or else from the
/// root on.
fn place(file: &str) -> PathBuf {
    let path = source::path(file);
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let inside = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf)).unwrap_or(path);
    let parts = inside.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        _ => None,
    });
    let mut place: PathBuf = parts.collect::<PathBuf>();
    let name = file_name(place.file_name().unwrap_or_default());
    place.set_file_name(name);
    place
}

/// The name of the labels of a recording with this name. One that would be too long is shortened and gets a hash of the
/// whole name.
fn file_name(recording: &OsStr) -> OsString {
    if recording.len() + SUFFIX.len() <= MAX_NAME {
        return [recording, SUFFIX.as_ref()].into_iter().collect();
    }
    let hash = short_hash(&Sha256::digest(recording.as_encoded_bytes()));
    let name = recording.to_string_lossy();
    let room = MAX_NAME - SUFFIX.len() - hash.len() - 1;
    let start =
        name.char_indices().map(|(at, character)| at + character.len_utf8()).take_while(|end| *end <= room).last();
    format!("{}-{hash}{SUFFIX}", &name[..start.unwrap_or(0)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<EventSummary> {
        let event =
            |label: &str, start| EventSummary { label: label.into(), index: 0, start, duration: 0.25, peak: 0.5 };
        vec![event("Bark", 1.0), event("Child speech,\tkid", 2.5)]
    }

    #[test]
    fn no_cell_is_a_formula() {
        let event = EventSummary { label: "=1+2".into(), ..events().remove(0) };
        let record = FileRecord::failed("@a.wav", "-why".into());
        let record = FileRecord { model: "+model".into(), ..record };

        let row = row(&record, Some(&event));

        assert_eq!([&row[0], &row[1], &row[5], &row[7]], ["'@a.wav", "'=1+2", "'+model", "'-why"]);
        assert!(audacity(std::slice::from_ref(&event)).ends_with("\t'=1+2\n"));
        assert!(raven(&[event], 1.0).contains("\t'=1+2\t"));
        assert_eq!(label_cell("\u{1b}[2J"), "\\u{1b}[2J");
    }

    #[test]
    fn ends_have_no_digits_below_the_microsecond() {
        let event = EventSummary { start: 0.1, duration: 0.2, ..events().remove(0) };
        let record = FileRecord::failed("a.wav", String::new());

        assert_ne!((event.start + event.duration).to_string(), "0.3", "what a sum of binary fractions is");
        assert_eq!(row(&record, Some(&event))[3], "0.3");
    }

    #[test]
    fn a_label_track_of_audacity() {
        assert_eq!(audacity(&events()), "1.000000\t1.250000\tBark\n2.500000\t2.750000\tChild speech, kid\n");
        assert_eq!(audacity(&[]), "");
    }

    #[test]
    fn a_selection_table_of_raven_has_as_many_cells_in_each_row() {
        let table = raven(&events(), 8000.0);

        assert!(table.lines().all(|line| line.split('\t').count() == 9), "{table}");
        assert!(table.contains("\n1\tSpectrogram 1\t1\t1.000000\t1.250000\t0\t8000\tBark\t0.5000\n"), "{table}");
    }

    #[test]
    fn labels_lie_below_their_folder_whatever_the_recording_is_called() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();

        assert_eq!(place(here.join("in/a.wav").to_str().unwrap()), Path::new("in/a.wav.txt"));
        assert_eq!(place("/data/../etc/a.wav"), Path::new("data/etc/a.wav.txt"));
        assert_eq!(place("https://host/a.wav"), Path::new("https:/host/a.wav.txt"));
    }

    #[test]
    fn a_long_name_is_shortened_and_stays_unique() {
        let names = ["a", "b"].map(|end| file_name(format!("{}{end}.wav", "ä".repeat(124)).as_ref()));
        let names = names.map(|name| name.into_string().unwrap());

        assert!(names[0] != names[1] && names.iter().all(|name| (253..=255).contains(&name.len())), "{names:?}");
        assert!(names[0].starts_with("ää") && names[0].ends_with(".txt"), "{names:?}");
        let longest = "a".repeat(251);
        assert_eq!(file_name(longest.as_ref()), *format!("{longest}.txt"));
    }
}
