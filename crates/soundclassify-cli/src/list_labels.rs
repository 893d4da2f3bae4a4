// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify labels`: a model's labels with index, threshold and groups.

use serde::Serialize;
use soundclassify_core::model::{Manifest, Model};

use crate::{
    args::LabelsArgs,
    exit::{Exit, Result},
    output::{Form, Printer, json},
};

/// A label, or a group of labels, which has no index.
#[derive(Debug, PartialEq, Serialize)]
struct Line<'a> {
    index: Option<usize>,
    label: &'a str,
    /// Minimum probability that is reported; `None` without one.
    threshold: Option<f64>,
    /// Groups that a label belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<&'a str>>,
    /// Labels of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<&'a str>>,
    /// Whether it is reported, as far as the manifest says.
    reported: bool,
}

/// Prints a line a label, then a line a group.
pub(crate) fn run(args: &LabelsArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    let lines = lines(model.manifest());
    let mut printer = Printer::stdout(Form::Plain, false);
    let width = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
    for line in &lines {
        printer.line(&if args.json { json(line) } else { line.plain(width) })?;
    }
    Ok(Exit::Success)
}

fn lines(manifest: &Manifest) -> Vec<Line<'_>> {
    let defaults = &manifest.defaults;
    let threshold = |label: &str| defaults.thresholds.get(label).copied().or(defaults.threshold);
    let allowed = |label: &String| defaults.allow_labels.is_empty() || defaults.allow_labels.contains(label);
    let reported = |label: &String| allowed(label) && !defaults.deny_labels.contains(label);
    let labels = manifest.labels.iter().enumerate().map(|(index, label)| {
        let groups = manifest.groups.iter().filter(|(_, members)| members.contains(label));
        Line {
            index: Some(index),
            label,
            threshold: threshold(label),
            groups: Some(groups.map(|(group, _)| group.as_str()).collect()),
            members: None,
            reported: reported(label),
        }
    });
    let groups = manifest.groups.iter().map(|(group, members)| Line {
        index: None,
        label: group,
        threshold: threshold(group),
        groups: None,
        members: Some(members.iter().map(String::as_str).collect()),
        reported: reported(group),
    });
    labels.chain(groups).collect()
}

impl Line<'_> {
    fn plain(&self, width: usize) -> String {
        let index = self.index.map_or_else(|| "group".to_owned(), |index| index.to_string());
        let threshold = self.threshold.map_or_else(|| "-".to_owned(), |threshold| threshold.to_string());
        let reported = if self.reported { "" } else { "(not reported) " };
        let names = self.groups.iter().chain(&self.members).flatten().copied().collect::<Vec<_>>().join(", ");
        format!("{index:>5}  {:<width$}  {threshold:<6} {reported}{names}", self.label).trim_end().to_owned()
    }
}
