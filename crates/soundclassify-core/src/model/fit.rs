// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a network's inputs and outputs are what its manifest says.

use std::fmt;

use super::manifest::Manifest;

/// An input or an output of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its element type, `f32` if it is one that fits.
    pub element: String,
    /// Its axes; `None` for one of free length. None at all when the rank is unknown, too.
    pub dims: Vec<Option<usize>>,
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {}", self.name, self.element, Dims(&self.dims))
    }
}

/// Axes as text; a free one is `?`.
struct Dims<'a>(&'a [Option<usize>]);

impl fmt::Display for Dims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<_> = self.0.iter().map(|axis| axis.map_or_else(|| "?".into(), |n| n.to_string())).collect();
        write!(f, "[{}]", axes.join(", "))
    }
}

/// How many windows one run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// Any number.
    Free,
    /// This many.
    Fixed(usize),
    /// One; the input has no axis for it.
    Absent,
}

/// What to run: the only input, and these outputs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) batch: Batch,
    /// Index of the output with the scores.
    pub(crate) output: usize,
    /// Index of the output with the weights of attention.
    pub(crate) attention: Option<usize>,
    /// Index of the output that describes a window.
    pub(crate) embedding: Option<usize>,
}

impl Fit {
    /// Checks everything that can be known without a run; the error names both sides, of inputs and outputs.
    pub(crate) fn of(manifest: &Manifest, inputs: &[TensorInfo], outputs: &[TensorInfo]) -> Result<Self, String> {
        let further = |key: &str, name: &Option<String>| {
            let index = name.as_deref().map(|name| choose(key, "output", Some(name), outputs)).transpose()?;
            index.map_or(Ok(()), |index| expect_f32("output", &outputs[index])).map(|()| index)
        };
        let batch = batch(manifest, inputs);
        let output = output(manifest, outputs);
        let attention = further("output.attention", &manifest.attention_name);
        let embedding = further("output.embedding", &manifest.embedding_name);
        let reasons = [batch.as_ref().err(), output.as_ref().err(), attention.as_ref().err(), embedding.as_ref().err()];
        let reasons = reasons.into_iter().flatten().cloned().collect::<Vec<_>>().join("; and ");
        match (batch, output, attention, embedding) {
            (Ok(batch), Ok(output), Ok(attention), Ok(embedding)) => Ok(Self { batch, output, attention, embedding }),
            _ => Err(reasons),
        }
    }
}

fn batch(manifest: &Manifest, inputs: &[TensorInfo]) -> Result<Batch, String> {
    let input = choose("input.name", "input", manifest.input_name.as_deref(), inputs)?;
    if inputs.len() > 1 {
        return Err(format!("expected a network with one input, found {}", list(inputs)));
    }
    fit_input(&manifest.features.shape(), &inputs[input])
}

fn output(manifest: &Manifest, outputs: &[TensorInfo]) -> Result<usize, String> {
    let output = choose("output.name", "output", manifest.output_name.as_deref(), outputs)?;
    fit_output(manifest.labels.len(), &outputs[output])?;
    Ok(output)
}

/// The port of that name, or the only one. Converters append `:0` to names; that is forgiven.
fn choose(key: &str, what: &str, name: Option<&str>, ports: &[TensorInfo]) -> Result<usize, String> {
    match name {
        Some(name) => {
            let named = |wanted: &str| ports.iter().position(|port| port.name == wanted);
            named(name).or_else(|| named(&format!("{name}:0"))).ok_or_else(|| {
                format!("{key}: expected one of the network's {what}s ({}), found {name:?}", list(ports))
            })
        }
        None if ports.len() == 1 => Ok(0),
        None => Err(format!("expected one {what}, or {key} in the manifest; the network has {}", list(ports))),
    }
}

fn list(ports: &[TensorInfo]) -> String {
    if ports.is_empty() {
        return "none".into();
    }
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn fit_input(shape: &[usize], port: &TensorInfo) -> Result<Batch, String> {
    expect_f32("input", port)?;
    let fits = |dims: &[Option<usize>]| {
        dims.len() == shape.len() && dims.iter().zip(shape).all(|(dim, axis)| dim.is_none_or(|dim| dim == *axis))
    };
    if port.dims.is_empty() {
        return Ok(Batch::Free);
    }
    match port.dims.split_first() {
        Some((None, rest)) if fits(rest) => Ok(Batch::Free),
        Some((Some(size), rest)) if *size > 0 && fits(rest) => Ok(Batch::Fixed(*size)),
        _ if fits(&port.dims) => Ok(Batch::Absent),
        _ => Err(format!(
            "the manifest's features and input give windows of shape {shape:?}, which with a batch axis before it \
             can't fill the input {port}; check input.layout, input.channel-axis, features.n-mels and features.frames"
        )),
    }
}

fn fit_output(labels: usize, port: &TensorInfo) -> Result<(), String> {
    expect_f32("output", port)?;
    let mut dims = port.dims.as_slice();
    while let [front @ .., Some(1)] = dims {
        if labels == 1 || front.len() < 2 {
            break;
        }
        dims = front;
    }
    match dims.last() {
        Some(Some(classes)) if *classes != labels => {
            Err(format!("the manifest has {labels} labels, the output {port} has {classes} classes"))
        }
        _ => Ok(()),
    }
}

fn expect_f32(what: &str, port: &TensorInfo) -> Result<(), String> {
    if port.element == "f32" {
        return Ok(());
    }
    Err(format!("expected an {what} of f32 values, found {port}"))
}
