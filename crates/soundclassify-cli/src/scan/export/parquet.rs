// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parquet files: one row per window or event, and one with the reason for each file that failed. The schema describes
//! each column in the field's metadata `description`.

use std::{collections::HashMap, fs::File, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{Float32Builder, Float64Builder, ListBuilder, StringBuilder, StructBuilder},
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties},
};

use super::each;
use crate::{
    atomic_file::AtomicFile,
    exit::{Failure, Result},
    scan::summary::{FileRecord, Status, microseconds},
};

/// Rows that are gathered before they are written.
const BATCH: usize = 32_768;
const WHAT: &str = "table";

/// A row an event.
pub(crate) fn of_events(journal: &Path, path: &Path) -> Result<()> {
    write(
        journal,
        path,
        &Columns::new("peak", "highest probability of the event, 0 to 1", false),
        &mut |record, rows| {
            for event in record.events.iter().flatten() {
                rows.push(record, Some((&event.label, event.start, event.end(), event.peak as f32, None)));
            }
        },
    )
}

/// A row per window in which a label reached its threshold; `scores`: with the probabilities of all labels that did.
pub(crate) fn of_windows(journal: &Path, path: &Path, scores: bool) -> Result<()> {
    let columns = Columns::new("probability", "probability of the label, 0 to 1", scores);
    write(journal, path, &columns, &mut |record, rows| {
        let Some(windows) = &record.per_window else { return };
        for (at, label) in windows.label.iter().enumerate() {
            let (start, scores) = (windows.start[at], windows.scores.as_ref().map(|scores| &scores[at]));
            let end = microseconds(start + windows.duration);
            rows.push(record, Some((label, start, end, windows.probability[at], scores)));
        }
    })
}

type Row<'a> = (&'a str, f64, f64, f32, Option<&'a Vec<(String, f32)>>);

fn write(
    journal: &Path,
    path: &Path,
    columns: &Columns,
    on_record: &mut dyn FnMut(&FileRecord, &mut Rows),
) -> Result<()> {
    let (part, file) = AtomicFile::create(path).map_err(|error| Failure::io(WHAT, path, &error))?;
    let broken = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {WHAT}: {error}", path.display()));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build();
    let writer = ArrowWriter::try_new(file, Arc::clone(&columns.schema), Some(properties));
    let mut writer: ArrowWriter<File> = writer.map_err(|error| broken(&error))?;
    let mut rows = Rows::new(columns);
    each(journal, &mut |record| {
        match record.status {
            Status::Failed => rows.push(&record, None),
            Status::Ok => on_record(&record, &mut rows),
        }
        if rows.count < BATCH { Ok(()) } else { rows.flush(&mut writer).map_err(|error| broken(&error)) }
    })?;
    rows.flush(&mut writer).map_err(|error| broken(&error))?;
    writer.close().map_err(|error| broken(&error))?;
    part.keep().map_err(|error| Failure::io(WHAT, path, &error))
}

/// The schema.
struct Columns {
    schema: SchemaRef,
    scores: bool,
}

impl Columns {
    fn new(value: &str, value_text: &str, scores: bool) -> Self {
        let field = |name: &str, kind: DataType, text: &str, nullable: bool| {
            let metadata = HashMap::from([("description".to_owned(), text.to_owned())]);
            Field::new(name, kind, nullable).with_metadata(metadata)
        };
        let mut fields = vec![
            field("file", DataType::Utf8, "absolute path or address of the recording", false),
            field("label", DataType::Utf8, "label of the model; null if the file failed", true),
            field("start", DataType::Float64, "seconds from the beginning of the recording", true),
            field("end", DataType::Float64, "seconds from the beginning of the recording", true),
            field(value, DataType::Float32, value_text, true),
        ];
        if scores {
            fields.push(field("scores", scores_type(), "labels that reached their thresholds, best first", true));
        }
        fields.extend([
            field("model", DataType::Utf8, "name of the model; empty if the file failed", false),
            field(
                "settings",
                DataType::Utf8,
                "hash of model and options; rows with the same hash are comparable",
                false,
            ),
            field("error", DataType::Utf8, "why the file failed; null if it did not", true),
        ]);
        Self { schema: Arc::new(Schema::new(fields)), scores }
    }
}

fn score_fields() -> Fields {
    Fields::from(vec![Field::new("label", DataType::Utf8, false), Field::new("probability", DataType::Float32, false)])
}

fn scores_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Struct(score_fields()), true)))
}

/// Rows that are not yet written.
struct Rows {
    schema: SchemaRef,
    file: StringBuilder,
    label: StringBuilder,
    start: Float64Builder,
    end: Float64Builder,
    value: Float32Builder,
    scores: Option<ListBuilder<StructBuilder>>,
    model: StringBuilder,
    settings: StringBuilder,
    error: StringBuilder,
    count: usize,
}

impl Rows {
    fn new(columns: &Columns) -> Self {
        let scores = || ListBuilder::new(StructBuilder::from_fields(score_fields(), 0));
        Self {
            schema: Arc::clone(&columns.schema),
            file: StringBuilder::new(),
            label: StringBuilder::new(),
            start: Float64Builder::new(),
            end: Float64Builder::new(),
            value: Float32Builder::new(),
            scores: columns.scores.then(scores),
            model: StringBuilder::new(),
            settings: StringBuilder::new(),
            error: StringBuilder::new(),
            count: 0,
        }
    }

    fn push(&mut self, record: &FileRecord, row: Option<Row<'_>>) {
        self.count += 1;
        self.file.append_value(&record.file);
        self.label.append_option(row.map(|row| row.0));
        self.start.append_option(row.map(|row| row.1));
        self.end.append_option(row.map(|row| row.2));
        self.value.append_option(row.map(|row| row.3));
        if let Some(list) = &mut self.scores {
            append_scores(list, row.and_then(|row| row.4));
        }
        self.model.append_value(&record.model);
        self.settings.append_value(&record.settings);
        self.error.append_option(record.error.as_deref());
    }

    fn flush(&mut self, writer: &mut ArrowWriter<File>) -> parquet::errors::Result<()> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.label.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.end.finish()),
            Arc::new(self.value.finish()),
        ];
        if let Some(list) = &mut self.scores {
            columns.push(Arc::new(list.finish()));
        }
        columns.push(Arc::new(self.model.finish()));
        columns.push(Arc::new(self.settings.finish()));
        columns.push(Arc::new(self.error.finish()));
        self.count = 0;
        writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn append_scores(list: &mut ListBuilder<StructBuilder>, scores: Option<&Vec<(String, f32)>>) {
    let values = list.values();
    for (label, probability) in scores.into_iter().flatten() {
        if let Some(labels) = values.field_builder::<StringBuilder>(0) {
            labels.append_value(label);
        }
        if let Some(probabilities) = values.field_builder::<Float32Builder>(1) {
            probabilities.append_value(*probability);
        }
        values.append(true);
    }
    list.append(scores.is_some());
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, RecordBatchReader};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::{
        output::json,
        scan::summary::{EventSummary, Summary, WindowColumns},
    };

    fn records(count: usize) -> Vec<FileRecord> {
        let event = |start| EventSummary { label: "Bark".into(), index: 1, start, duration: 0.5, peak: 0.75 };
        let windows = WindowColumns {
            duration: 1.0,
            start: vec![0.0, 0.1],
            label: vec!["Bark".into(), "Rain".into()],
            probability: vec![0.5, 0.25],
            scores: Some(vec![vec![("Bark".into(), 0.5)], vec![]]),
        };
        let mut records: Vec<_> = (0..count)
            .map(|number| FileRecord {
                events: Some(vec![event(1.0), event(2.0)]),
                per_window: Some(Box::new(windows.clone())),
                ..Summary::default().finish(&format!("/{number}.wav"), 3_000_000_000)
            })
            .collect();
        records.push(FileRecord::failed("/bad.wav", "it contains no audio".into()));
        records
    }

    fn written(count: usize, make: impl FnOnce(&Path, &Path) -> Result<()>) -> Vec<RecordBatch> {
        let folder = tempfile::tempdir().unwrap();
        let [journal, path] = ["a.jsonl", "a.parquet"].map(|name| folder.path().join(name));
        let lines: String = records(count).iter().map(|record| json(record) + "\n").collect();
        std::fs::write(&journal, lines).unwrap();
        make(&journal, &path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().build().unwrap();
        assert!(reader.schema().fields().iter().all(|field| field.metadata().contains_key("description")));
        reader.map(|batch| batch.unwrap()).collect()
    }

    #[test]
    fn events_are_rows_and_a_file_that_failed_is_one_with_its_reason() {
        let batches = written(20_000, of_events);

        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_001);
        let failed: usize = batches.iter().map(|batch| batch.num_rows() - batch["error"].null_count()).sum();
        assert_eq!(failed, 1);
        let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["file", "label", "start", "end", "peak", "model", "settings", "error"]);
    }

    #[test]
    fn windows_are_rows_with_scores_if_they_are_wanted() {
        let [plain, scored] = [false, true].map(|scores| written(3, |from, to| of_windows(from, to, scores)));

        assert_eq!((plain[0].num_rows(), scored[0].num_rows()), (7, 7));
        assert!(plain[0].column_by_name("scores").is_none());
        assert_eq!(scored[0]["scores"].null_count(), 1);
    }
}
