// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify scan`: Parquet, events in other forms, shards, and one identity for a file.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
};

use crate::cli::support::{HIGH, LOW, TONES, objects, program, run, text, tones};
use arrow_array::{Array, Float32Array, Float64Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Two melodies and a file without audio.
fn recordings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("melody.wav"), &[(LOW, 1.5), (0.0, 1.5), (HIGH, 1.5)]);
    tones(&folder.path().join("low.wav"), &[(LOW, 2.0)]);
    std::fs::write(folder.path().join("words.wav"), "no sound at all, only words").unwrap();
    folder
}

/// A scan that is to end with this status.
#[track_caller]
fn scan(input: &Path, output: &Path, more: &[&str], status: i32) -> String {
    let paths = [input, output].map(|path| path.to_str().unwrap());
    let arguments = ["scan", "--model", TONES, paths[0], "-o", paths[1]];
    let scan = run(arguments.iter().chain(more));
    assert_eq!(scan.status.code(), Some(status), "{}", text(&scan.stderr));
    text(&scan.stderr).to_owned()
}

fn rows(path: &Path) -> Vec<serde_json::Value> {
    objects(&std::fs::read_to_string(path).unwrap())
}

fn batch(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1, "a small table is one batch");
    batches.into_iter().next().unwrap()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch[column].as_any().downcast_ref::<StringArray>().unwrap();
    column.iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<f64> {
    let column = batch[column].as_any().downcast_ref::<Float64Array>().unwrap();
    column.iter().map(|number| number.unwrap_or(-1.0)).collect()
}

#[test]
fn parquet_has_a_row_a_window_and_one_with_the_reason_for_a_file_that_failed() {
    let (folder, results) = (recordings(), tempfile::tempdir().unwrap());
    let [parquet, jsonl] = ["out.parquet", "out.jsonl"].map(|name| results.path().join(name));

    scan(folder.path(), &parquet, &["--scores"], 1);

    scan(folder.path(), &jsonl, &[], 1);
    let batch = batch(&parquet);
    let windows: u64 = rows(&jsonl).iter().map(|row| row["windows"].as_u64().unwrap()).sum();
    assert_eq!(batch.num_rows() as u64, windows + 1);
    assert_eq!(batch["error"].null_count() as u64, windows);
    let failed = texts(&batch, "error").iter().position(|why| why != "-").unwrap();
    assert!(texts(&batch, "file")[failed].ends_with("words.wav") && texts(&batch, "label")[failed] == "-");
    let (starts, ends) = (numbers(&batch, "start"), numbers(&batch, "end"));
    let length = |at: &usize| ends[*at] - starts[*at];
    assert!((0..starts.len()).filter(|at| *at != failed).all(|at| (length(&at) - 0.5).abs() < 1e-6));
    assert!(batch.column_by_name("scores").is_some() && batch.column_by_name("probability").is_some());
}

#[test]
fn parquet_of_events_has_those_of_the_table() {
    let (folder, results) = (recordings(), tempfile::tempdir().unwrap());
    let [parquet, jsonl] = ["out.parquet", "out.jsonl"].map(|name| results.path().join(name));
    scan(folder.path(), &jsonl, &["--events"], 1);

    scan(folder.path(), &parquet, &["--events", "--jobs", "1"], 1);

    let batch = batch(&parquet);
    let peaks = batch["peak"].as_any().downcast_ref::<Float32Array>().unwrap();
    let found: BTreeSet<_> = (0..batch.num_rows())
        .filter(|at| peaks.is_valid(*at))
        .map(|at| {
            let (start, end) = (numbers(&batch, "start")[at], numbers(&batch, "end")[at]);
            format!("{} {} {start:.3} {end:.3}", texts(&batch, "file")[at], texts(&batch, "label")[at])
        })
        .collect();
    let mut wanted = BTreeSet::new();
    for row in rows(&jsonl) {
        for event in row["events"].as_array().into_iter().flatten() {
            let start = event["start"].as_f64().unwrap();
            let end = start + event["duration"].as_f64().unwrap();
            wanted.insert(format!(
                "{} {} {start:.3} {end:.3}",
                row["file"].as_str().unwrap(),
                event["label"].as_str().unwrap()
            ));
        }
    }
    assert!(wanted.len() >= 4 && found == wanted, "{found:?} {wanted:?}");
}

#[test]
fn parquet_goes_on_with_new_files_and_leaves_a_foreign_file_alone() {
    let (folder, results) = (recordings(), tempfile::tempdir().unwrap());
    let parquet = results.path().join("out.parquet");
    scan(folder.path(), &parquet, &["--events"], 1);
    let before = batch(&parquet).num_rows();
    tones(&folder.path().join("new.wav"), &[(HIGH, 2.0)]);

    let summary = scan(folder.path(), &parquet, &["--events"], 1);

    assert!(summary.contains("1 file in") && summary.contains("(3 already in the table)"), "{summary}");
    assert!(batch(&parquet).num_rows() > before);
    let foreign = results.path().join("foreign.parquet");
    std::fs::write(&foreign, "mine").unwrap();
    let refused = scan(folder.path(), &foreign, &[], 2);
    assert!(refused.contains("--restart") && std::fs::read_to_string(&foreign).unwrap() == "mine", "{refused}");
}

#[test]
fn events_as_csv_audacity_labels_and_raven_tables() {
    let (folder, results) = (recordings(), tempfile::tempdir().unwrap());
    let [csv, audacity, raven] = ["out.csv", "audacity", "raven"].map(|name| results.path().join(name));
    scan(folder.path(), &csv, &["--format", "csv"], 1);
    scan(folder.path(), &audacity, &["--format", "audacity"], 1);
    scan(folder.path(), &raven, &["--format", "raven"], 1);

    let rows: Vec<_> = csv::Reader::from_path(&csv).unwrap().into_records().map(Result::unwrap).collect();
    let of = |name: &str| rows.iter().filter(|row| row[0].ends_with(name)).collect::<Vec<_>>();
    assert!(of("words.wav").len() == 1 && !of("words.wav")[0][7].is_empty(), "{rows:?}");
    let melody: Vec<_> = of("melody.wav").iter().map(|row| row[1].to_owned()).collect();
    assert!(melody.len() >= 3 && melody.contains(&"High, very high".to_owned()), "{melody:?}");
    for (output, columns, heads) in [(&audacity, 3, 0), (&raven, 9, 1)] {
        let files = below(output);
        let files: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
        assert_eq!(files.len(), 2, "{files:?}");
        let labels = files.iter().find(|path| path.ends_with("melody.wav.txt")).unwrap();
        let labels = std::fs::read_to_string(labels).unwrap();
        assert_eq!(labels.lines().count(), melody.len() + heads, "{labels}");
        assert!(labels.lines().all(|line| line.split('\t').count() == columns), "{labels}");
    }
}

#[test]
fn labels_of_a_long_name_are_written_and_a_file_without_its_labels_fails_alone() {
    let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let long = format!("{}.wav", "a".repeat(249));
    for name in [long.as_str(), "b.wav", "c.wav"] {
        tones(&folder.path().join(name), &[(LOW, 1.5)]);
    }
    let output = results.path().join("audacity");
    scan(folder.path(), &output, &["--format", "audacity"], 0);
    let files = below(&output);
    let labels = files.iter().find(|path| path.ends_with("b.wav.txt")).unwrap();
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("aaaa") && name.ends_with(".txt")), "{names:?}");
    // A folder lies in the place of one file's labels.
    std::fs::remove_file(labels).unwrap();
    std::fs::create_dir_all(labels.join("x")).unwrap();

    let summary = scan(folder.path(), &output, &["--format", "audacity", "--restart"], 1);

    assert!(summary.contains("b.wav: ") && summary.contains("; 1 failed;"), "{summary}");
    let rows = rows(&output.join("scan.jsonl"));
    let of = |name: &str| rows.iter().find(|row| row["file"].as_str().unwrap().ends_with(name)).unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!((&of("b.wav")["status"], &of("c.wav")["status"]), (&"failed".into(), &"ok".into()));
    assert!(of("b.wav")["error"].as_str().unwrap().contains("b.wav.txt"), "{}", of("b.wav"));
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[test]
fn outputs_that_do_not_fit_are_refused_before_any_work() {
    let (folder, results) = (recordings(), tempfile::tempdir().unwrap());
    let output = |name: &str| results.path().join(name);

    assert!(scan(folder.path(), &output("a.csv"), &["--events"], 2).contains("--format csv"));
    assert!(scan(folder.path(), &output("a.csv"), &["--windows"], 2).contains(".parquet"));
    assert!(scan(folder.path(), &output("a.txt"), &["--format", "csv"], 2).contains(".csv"));
    assert!(scan(folder.path(), &output("a.doc"), &[], 2).contains(".parquet"));
    assert!(scan(folder.path(), &output("a.jsonl"), &["--shard", "3/2"], 2).contains("from 1 to N"));
    assert_eq!(results.path().read_dir().unwrap().count(), 0);
}

#[test]
fn shards_do_the_whole_together() {
    let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..12 {
        tones(&folder.path().join(format!("{number}.wav")), &[(LOW, 0.6)]);
    }
    let mut files = Vec::new();

    for index in 1..=3 {
        let output = results.path().join(format!("{index}.jsonl"));
        scan(folder.path(), &output, &["--shard", &format!("{index}/3")], 0);
        files.extend(rows(&output).into_iter().map(|row| row["file"].as_str().unwrap().to_owned()));
    }

    assert_eq!(files.len(), 12);
    assert_eq!(files.iter().collect::<BTreeSet<_>>().len(), 12);
}

#[test]
fn a_file_is_the_same_however_its_folder_is_written() {
    let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("in")).unwrap();
    tones(&folder.path().join("in/low.wav"), &[(LOW, 0.6)]);
    let output = results.path().join("out.jsonl");
    let absolute = folder.path().join("in");
    for input in ["in", "./in", "in/low.wav", "../in", absolute.to_str().unwrap()] {
        let from = folder.path().join(if input == "../in" { "in" } else { "" });

        let scan = program()
            .current_dir(from)
            .args(["scan", "--model", TONES, input, "-o", output.to_str().unwrap()])
            .output()
            .unwrap();

        assert!(scan.status.success(), "{input}: {}", text(&scan.stderr));
    }
    let file = absolute.canonicalize().unwrap().join("low.wav");
    assert_eq!(
        rows(&output).iter().map(|row| row["file"].as_str().unwrap()).collect::<Vec<_>>(),
        [file.to_str().unwrap()]
    );
}
