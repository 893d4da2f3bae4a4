// SPDX-License-Identifier: MIT OR Apache-2.0
//! A manifest to begin with, whose comments say how sure each guess is and why.

use std::{collections::HashSet, path::Path};

use super::{
    clues::Clues,
    guess::{Confidence, Guess, Window},
    label_list::labels,
    roles::{Roles, StatePair, is_embedding},
};
use crate::model::{
    fit::{CONSTANTS, values_axis},
    manifest::section::is_plain,
    tensor_info::TensorInfo,
};

/// Maximum number of labels that a template lists; more belong into a separate file.
const MAX_NAMES: usize = 1000;
/// Classes of AudioSet, and of YAMNet's part of it, of which several may apply at a time.
const AUDIOSET: [usize; 2] = [527, 521];

/// The text of the manifest of the network at `onnx`.
pub(super) fn template(onnx: &Path, inputs: &[TensorInfo], outputs: &[TensorInfo], clues: &Clues) -> String {
    let stem = onnx.file_stem().unwrap_or_default().to_string_lossy();
    let inputs: Vec<_> = inputs.iter().map(|port| clues.info.filled(port)).collect();
    let outputs: Vec<_> = outputs.iter().map(|port| clues.info.filled(port)).collect();
    let roles = Roles::of(&inputs, &outputs);
    let (input, output) = (roles.window, roles.scores);
    let window = Window::of(inputs.get(input).map_or(&[], |port| &port.dims), clues);
    let classes = outputs.get(output).and_then(|port| values_axis(&port.dims, Some(1), 2).flatten()).unwrap_or(1);
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
        range.unwrap_or_default() + &further(&inputs, &outputs, &roles),
        format!("\n[features]  {}", window.features.comment()),
        window.features.value,
        format!("[output]                            # {}", one_line(&outputs)),
        named(&outputs, output),
        format!("activation = \"{}\"  {}", activation.value, activation.comment()),
        scale(outputs.get(output)),
        embedding(&outputs, &roles),
        format!("[labels]  {}", labels.comment()),
        labels.value,
    ]
    .into_iter()
    .filter(|line| !line.is_empty())
    .map(|line| line + "\n")
    .collect()
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

/// Tables for the inputs beside the window's: constants, then states.
fn further(inputs: &[TensorInfo], outputs: &[TensorInfo], roles: &Roles) -> String {
    let is_state = |input: usize| roles.states.iter().any(|pair| pair.input == input);
    let others = inputs.iter().enumerate().filter(|(input, _)| *input != roles.window && !is_state(*input));
    let constants: String = others.map(|(_, port)| constant(port)).collect();
    let state = |StatePair { input, output, guess }: &StatePair| {
        let [input, output] = [&inputs[*input].name, &outputs[*output].name].map(|name| quoted(name));
        format!("\n[[state]]  {}\ninput = {input}\noutput = {output}", guess.comment())
    };
    let states: String = roles.states.iter().map(state).collect();
    (constants + &states).trim_end().to_owned()
}

/// The table of an input that is the same for every window, or the reason why it has none.
fn constant(port: &TensorInfo) -> String {
    if !CONSTANTS.contains(&port.element.as_str()) {
        let port = one_line(std::slice::from_ref(port));
        return format!(
            "\n# No [[input.constant]] for {port}: constants are of {}; export the network without this input",
            CONSTANTS.join(", ")
        );
    }
    let name = port.name.to_lowercase();
    let guess = match &name {
        name if name.contains("len") => Guess::new("\"frames\"", Confidence::Medium, "its name has \"len\""),
        name if name.contains("rate") || name == "sr" => {
            Guess::new("\"sample-rate\"", Confidence::Medium, "its name is that of a sample rate")
        }
        _ => Guess::new("0", Confidence::Low, "a further input needs a value"),
    };
    format!("\n[[input.constant]]  {}\nname = {}\nvalue = {}", guess.comment(), quoted(&port.name), guess.value)
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
fn embedding(outputs: &[TensorInfo], roles: &Roles) -> String {
    let is_free = |output: usize| output != roles.scores && roles.states.iter().all(|pair| pair.output != output);
    let found = outputs.iter().enumerate().find(|(output, port)| is_free(*output) && is_embedding(port));
    let line = |(_, port): (usize, &TensorInfo)| {
        format!("embedding = {}  # confidence medium: by its name", quoted(&port.name))
    };
    found.map(line).unwrap_or_default() + "\n"
}

/// The keys that say the labels, of `count` classes.
fn label_lines(onnx: &Path, stem: &str, count: usize, clues: &Clues) -> Guess {
    let keys = ["labels", "label", "classes", "class_names", "names", "id2label", "categories"];
    let stated = clues.metadata(&keys).map(|(key, text)| (key, labels(text)));
    let misfit =
        stated.as_ref().and_then(|(key, found)| Some(format!("the metadata {key:?} {}", misfit(found, count)?)));
    if let Some((key, found)) = stated.filter(|_| misfit.is_none()) {
        let names: Vec<_> = found.iter().map(|label| quoted(label)).collect();
        let reason = format!("the metadata {key:?} has {count} of them");
        return Guess::new(format!("names = [{}]", names.join(", ")), Confidence::High, reason);
    }
    let beside = [format!("{stem}.labels.txt"), "labels.txt".into(), "classes.txt".into(), "class_labels.txt".into()];
    let fits = |name: &&String| {
        let text = std::fs::read_to_string(onnx.with_file_name(name)).unwrap_or_default();
        let lines: Vec<_> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
        self::misfit(&lines, count).is_none()
    };
    if let Some(name) = beside.iter().find(fits) {
        let reason = format!("the file beside the network has {count} lines");
        return Guess::new(format!("file = {}", quoted(name)), Confidence::Medium, reason);
    }
    let table = "class_labels_indices.csv";
    if count == AUDIOSET[0] && onnx.with_file_name(table).exists() {
        let reason = "AudioSet has 527 classes, and its table is beside the network";
        return Guess::new(format!("csv = \"{table}\"\ncolumn = \"display_name\""), Confidence::High, reason);
    }
    let but = misfit.map(|why| format!("; {why}")).unwrap_or_default();
    if count > MAX_NAMES {
        let value = format!("file = {}   # {count} labels, one per line", quoted(&beside[0]));
        return Guess::new(value, Confidence::Low, format!("to be written in the order of the output{but}"));
    }
    let names: Vec<_> = (0..count).map(|class| format!("\"label-{class}\"")).collect();
    let value = format!("names = [{}]   # or file = \"labels.txt\", one per line", names.join(", "));
    Guess::new(value, Confidence::Low, format!("only their number is known; in the order of the output{but}"))
}

/// Why these can't be the labels of `count` classes.
fn misfit(labels: &[String], count: usize) -> Option<String> {
    let mut seen = HashSet::with_capacity(labels.len());
    let mut wrong = labels.iter().filter_map(|label| match seen.insert(label) {
        _ if !is_plain(label) => Some(format!("has {label:?}, which is empty or has control characters")),
        true => None,
        false => Some(format!("has {label:?} twice")),
    });
    if labels.len() == count { wrong.next() } else { Some(format!("has {} labels, not {count}", labels.len())) }
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
