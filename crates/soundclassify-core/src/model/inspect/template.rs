// SPDX-License-Identifier: MIT OR Apache-2.0
//! A manifest to begin with, whose comments say how sure each guess is and why.

use std::path::Path;

use super::{
    clues::{Clues, labels},
    guess::{Confidence, Guess, Window},
};
use crate::model::fit::TensorInfo;

/// Most labels that a template lists; more belong into a file of their own.
const MOST_NAMES: usize = 1000;
/// Classes of AudioSet, and of YAMNet's part of it, of which several may apply at a time.
const AUDIOSET: [usize; 2] = [527, 521];

/// The text of the manifest of the network at `onnx`.
pub(super) fn template(onnx: &Path, inputs: &[TensorInfo], outputs: &[TensorInfo], clues: &Clues) -> String {
    let stem = onnx.file_stem().unwrap_or_default().to_string_lossy();
    let inputs: Vec<_> = inputs.iter().map(|port| clues.info.filled(port)).collect();
    let outputs: Vec<_> = outputs.iter().map(|port| clues.info.filled(port)).collect();
    let input = window_input(&inputs);
    let output = scores_output(&outputs);
    let window = Window::of(inputs.get(input).map_or(&[], |port| &port.dims), clues);
    let classes = outputs.get(output).and_then(|port| port.dims.last().copied().flatten()).unwrap_or(1);
    let activation = activation(outputs.get(output), classes, clues);
    let labels = label_lines(onnx, &stem, classes, clues);
    let range = inputs.get(input).and_then(|port| clues.info.range(&port.name));
    let range =
        range.map(|range| format!("# .modelinfo: values in the range {range}\n").replace(char::is_control, " ") + "\n");
    [
        format!(
            "name = \"{}\"                       # in messages: lower-case letters, digits, hyphens",
            plain_name(&stem)
        ),
        "description = \"What it detects\"".into(),
        "licence = \"unknown\"                 # SPDX".into(),
        "version = \"1\"".into(),
        format!("onnx = {}\n", quoted(&onnx.file_name().unwrap_or_default().to_string_lossy())),
        format!("[input]                             # {}", one_line(&inputs)),
        named(&inputs, input),
        format!("layout = \"{}\"  {}", window.layout.value, window.layout.comment()),
        format!("channel-axis = \"{}\"", window.channel_axis),
        format!("normalize = \"{}\"  {}", window.normalize.value, window.normalize.comment()),
        scale(inputs.get(input)),
        range.unwrap_or_default() + &further(&inputs, input, &outputs),
        format!("\n[features]  {}", window.features.comment()),
        window.features.value,
        format!("[output]                            # {}", one_line(&outputs)),
        named(&outputs, output),
        format!("activation = \"{}\"  {}", activation.value, activation.comment()),
        scale(outputs.get(output)),
        embedding(&outputs, output),
        format!("[labels]  {}", labels.comment()),
        labels.value,
    ]
    .into_iter()
    .filter(|line| !line.is_empty())
    .map(|line| line + "\n")
    .collect()
}

/// The input that most probably takes the window: of floats or bytes, with the most axes.
fn window_input(inputs: &[TensorInfo]) -> usize {
    let is_window = |port: &TensorInfo| ["f32", "f16", "u8", "i8"].contains(&&*port.element);
    let rank = |(_, port): &(usize, &TensorInfo)| (is_window(port), port.dims.len());
    inputs.iter().enumerate().rev().max_by_key(rank).map_or(0, |(index, _)| index)
}

/// The output that most probably has the scores: by its name, or the first one.
fn scores_output(outputs: &[TensorInfo]) -> usize {
    let is_scores = |port: &TensorInfo| {
        let name = port.name.to_lowercase();
        ["prob", "score", "logit", "clipwise", "pred", "class"].iter().any(|part| name.contains(part))
    };
    outputs.iter().position(is_scores).unwrap_or(0)
}

/// The name of one of several ports.
fn named(ports: &[TensorInfo], chosen: usize) -> String {
    if ports.len() < 2 {
        return String::new();
    }
    format!("name = {}  # confidence medium: of {}", quoted(&ports[chosen].name), ports.len())
}

/// Keys of a tensor of integers, to be filled in.
fn scale(port: Option<&TensorInfo>) -> String {
    let is_integer = |port: &&TensorInfo| ["u8", "i8"].contains(&&*port.element);
    let lines = "scale = 1.0  # confidence low: the value of one integer step of the quantisation\nzero-point = 0";
    port.filter(is_integer).map(|_| lines.to_owned()).unwrap_or_default()
}

/// Tables for the inputs beside the window's.
fn further(inputs: &[TensorInfo], window: usize, outputs: &[TensorInfo]) -> String {
    let others = inputs.iter().enumerate().filter(|(index, _)| *index != window).map(|(_, port)| port);
    let table = |port: &TensorInfo| {
        let name = port.name.to_lowercase();
        let next =
            outputs.iter().find(|output| output.name.contains(&port.name) && output.dims.len() == port.dims.len());
        if let Some(next) = next.filter(|_| port.element == "f32") {
            let names = format!("input = {}\noutput = {}", quoted(&port.name), quoted(&next.name));
            return format!("\n[[state]]  # confidence medium: an output has its shape and name\n{names}");
        }
        let guess = match &name {
            name if name.contains("len") => Guess::new("\"frames\"", Confidence::Medium, "its name has \"len\""),
            name if name.contains("rate") || name == "sr" => {
                Guess::new("\"sample-rate\"", Confidence::Medium, "its name is that of a sample rate")
            }
            _ => Guess::new("0", Confidence::Low, "a further input needs a value"),
        };
        format!("\n[[input.constant]]  {}\nname = {}\nvalue = {}", guess.comment(), quoted(&port.name), guess.value)
    };
    let (mut constants, mut states) = (String::new(), String::new());
    for text in others.map(table) {
        if text.contains("[[state]]") { states += &text } else { constants += &text }
    }
    (constants + &states).trim_end().to_owned()
}

fn activation(port: Option<&TensorInfo>, classes: usize, clues: &Clues) -> Guess {
    let operator = port.and_then(|port| clues.operator(&port.name));
    match operator {
        Some(operator @ ("Softmax" | "Sigmoid")) => {
            Guess::new("none", Confidence::High, format!("the network ends in {operator}"))
        }
        Some(operator @ ("Gemm" | "MatMul" | "Add")) if AUDIOSET.contains(&classes) => Guess::new(
            "sigmoid",
            Confidence::Medium,
            format!("the network ends in {operator}, and {classes} classes are AudioSet's"),
        ),
        Some(operator @ ("Gemm" | "MatMul" | "Add")) => Guess::new(
            "softmax",
            Confidence::Low,
            format!("the network ends in {operator}; use sigmoid if several labels may apply at the same time"),
        ),
        _ => Guess::new("none", Confidence::Low, "softmax or sigmoid if the network returns logits"),
    }
}

/// The output that most probably describes a window.
fn embedding(outputs: &[TensorInfo], scores: usize) -> String {
    let is_embedding =
        |port: &TensorInfo| ["embed", "feature", "hidden"].iter().any(|part| port.name.to_lowercase().contains(part));
    let found = outputs.iter().enumerate().find(|(index, port)| *index != scores && is_embedding(port));
    let line = |port: &TensorInfo| format!("embedding = {}  # confidence medium: by its name", quoted(&port.name));
    found.map(|(_, port)| line(port)).unwrap_or_default() + "\n"
}

/// The keys that say the labels, of `count` classes.
fn label_lines(onnx: &Path, stem: &str, count: usize, clues: &Clues) -> Guess {
    let keys = ["labels", "label", "classes", "class_names", "names", "id2label", "categories"];
    if let Some((key, found)) =
        clues.metadata(&keys).map(|(key, text)| (key, labels(text))).filter(|(_, found)| found.len() == count)
    {
        let names: Vec<_> = found.iter().map(|label| quoted(label)).collect();
        let reason = format!("the metadata {key:?} has {count} of them");
        return Guess::new(format!("names = [{}]", names.join(", ")), Confidence::High, reason);
    }
    let beside = [format!("{stem}.labels.txt"), "labels.txt".into(), "classes.txt".into(), "class_labels.txt".into()];
    let lines =
        |name: &String| std::fs::read_to_string(onnx.with_file_name(name)).map_or(0, |text| text.lines().count());
    if let Some(name) = beside.iter().find(|name| lines(name) == count) {
        let reason = format!("the file beside the network has {count} lines");
        return Guess::new(format!("file = {}", quoted(name)), Confidence::Medium, reason);
    }
    let table = "class_labels_indices.csv";
    if count == AUDIOSET[0] && onnx.with_file_name(table).exists() {
        let reason = "AudioSet has 527 classes, and its table is beside the network";
        return Guess::new(format!("csv = \"{table}\"\ncolumn = \"display_name\""), Confidence::High, reason);
    }
    if count > MOST_NAMES {
        let value = format!("file = {}   # {count} labels, one per line", quoted(&beside[0]));
        return Guess::new(value, Confidence::Low, "to be written in the order of the output");
    }
    let names: Vec<_> = (0..count).map(|class| format!("\"label-{class}\"")).collect();
    let value = format!("names = [{}]   # or file = \"labels.txt\", one per line", names.join(", "));
    Guess::new(value, Confidence::Low, "only their number is known; in the order of the output")
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A file's stem as a manifest's name.
fn plain_name(stem: &str) -> String {
    let lower = stem.to_lowercase();
    let plain: String =
        lower.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    if plain.is_empty() { "model".into() } else { plain }
}

/// Ports on one line, without what could end a comment.
fn one_line(ports: &[TensorInfo]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").replace(char::is_control, " ")
}
