// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that a network's inputs and outputs fit its manifest.

use super::{
    limits::MAX_VALUES,
    manifest::{Constant, Element, Manifest, Scale, State},
    tensor_info::TensorInfo,
    tensor_name,
};
use crate::frontend::{FeatureSpec, Features};

/// Number of windows of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// Any number.
    Free,
    /// Exactly this number.
    Fixed(usize),
    /// One; the input has no batch axis.
    Absent,
}

/// An input that is the same in every run.
#[derive(Debug, PartialEq)]
pub(crate) struct FittedConstant {
    pub(crate) name: String,
    /// Element type of the input.
    pub(crate) element: String,
    /// Its axes; a free one has 1 value, the first one as many as windows where `per_window`.
    pub(crate) dims: Vec<i64>,
    pub(crate) per_window: bool,
    pub(crate) value: f64,
}

/// A state of f32 or f16 values, its input and its output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FittedState {
    pub(crate) input: TensorInfo,
    pub(crate) output: TensorInfo,
    pub(crate) element: Element,
    /// Axes of the first state; a free one has 1 value.
    pub(crate) dims: Vec<i64>,
}

impl FittedState {
    /// Whether its input takes a state of this shape.
    pub(crate) fn takes(&self, shape: &[i64]) -> bool {
        let fits = |(dim, axis): (&Option<usize>, &i64)| dim.is_none_or(|dim| usize::try_from(*axis) == Ok(dim));
        let dims = &self.input.dims;
        dims.is_empty() || dims.len() == shape.len() && dims.iter().zip(shape).all(fits)
    }
}

/// The inputs and outputs of a run: the window's input, further inputs, and the outputs.
#[derive(Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) batch: Batch,
    /// Index of the input with the window.
    pub(crate) input: usize,
    pub(crate) input_element: Element,
    pub(crate) constants: Vec<FittedConstant>,
    pub(crate) states: Vec<FittedState>,
    /// Index of the output with the scores.
    pub(crate) output: usize,
    /// Index of the output with the weights of attention.
    pub(crate) attention: Option<usize>,
    /// Index of the embedding output.
    pub(crate) embedding: Option<usize>,
}

impl Fit {
    /// Checks everything that is known without a run; the error names the network's and the manifest's values of inputs and
    /// outputs.
    pub(crate) fn of(manifest: &Manifest, inputs: &[TensorInfo], outputs: &[TensorInfo]) -> Result<Self, String> {
        let mut reasons = Vec::new();
        let fit = Self::collect(manifest, inputs, outputs, &mut reasons);
        match fit {
            Some(fit) if reasons.is_empty() => Ok(fit),
            _ => Err(reasons.join("; and ")),
        }
    }

    fn collect(
        manifest: &Manifest,
        inputs: &[TensorInfo],
        outputs: &[TensorInfo],
        reasons: &mut Vec<String>,
    ) -> Option<Self> {
        let states = manifest.states.iter().map(|state| fit_state(state, inputs, outputs));
        let states = states.filter_map(|state| keep(state, reasons)).collect();
        let window = window(manifest, inputs);
        let per_window = !matches!(window, Ok((_, _, Batch::Absent)));
        let constants = manifest.constants.iter().map(|constant| fit_constant(constant, inputs, per_window));
        let constants = constants.filter_map(|constant| keep(constant, reasons)).collect();
        let window = keep(window, reasons);
        let output = keep(output(manifest, outputs), reasons);
        let further = |key: &str, name: &Option<String>, reasons: &mut Vec<String>| {
            let index = name.as_deref().map(|name| choose(key, "output", Some(name), outputs)).transpose();
            let index = index.and_then(|index| {
                index.map_or(Ok(()), |index| expect_float(key, "output", &outputs[index]).map(drop)).map(|()| index)
            });
            keep(index, reasons).flatten()
        };
        let attention = further("output.attention", &manifest.attention_name, reasons);
        if let Some(index) = attention.filter(|_| attention == output) {
            let found = &outputs[index];
            reasons.push(format!("output.attention: expected another output than that of the scores, found {found}"));
        }
        let embedding = further("output.embedding", &manifest.embedding_name, reasons);
        let (input, input_element, batch) = window?;
        let fit = Self { batch, input, input_element, constants, states, output: output?, attention, embedding };
        fit.without_value(manifest, inputs).into_iter().for_each(|reason| reasons.push(reason));
        Some(fit)
    }

    /// Inputs without a value.
    fn without_value(&self, manifest: &Manifest, inputs: &[TensorInfo]) -> Option<String> {
        let further = further_inputs(manifest, inputs);
        let given = |index: &usize| *index == self.input || further.contains(index);
        let missing = inputs.iter().enumerate().filter(|(index, _)| !given(index));
        let missing: Vec<_> = missing.map(|(_, port)| port.clone()).collect();
        let remedy = "a table [[input.constant]] or [[state]] for each input other than the window";
        (!missing.is_empty()).then(|| format!("expected {remedy}, found none for {}", list(&missing)))
    }

    /// Whether the window and the scores are the only tensors, and f32.
    pub(crate) fn is_plain(&self) -> bool {
        self.constants.is_empty() && self.states.is_empty() && self.input_element == Element::F32
    }
}

fn keep<T>(outcome: Result<T, String>, reasons: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|reason| reasons.push(reason)).ok()
}

/// The indices of the inputs that constants and states of the manifest name.
fn further_inputs(manifest: &Manifest, inputs: &[TensorInfo]) -> Vec<usize> {
    let constants = manifest.constants.iter().map(|constant| &constant.name);
    let names = constants.chain(manifest.states.iter().map(|state| &state.input));
    names.filter_map(|name| position(name, inputs)).collect()
}

/// The index of the tensor with this name.
fn position(name: &str, ports: &[TensorInfo]) -> Option<usize> {
    tensor_name::position(name, ports.iter().map(|port| port.name.as_str()))
}

/// The window's input.
fn window(manifest: &Manifest, inputs: &[TensorInfo]) -> Result<(usize, Element, Batch), String> {
    let others = further_inputs(manifest, inputs);
    let mut left = (0..inputs.len()).filter(|index| !others.contains(index));
    let input = match (&manifest.input_name, left.next(), left.next()) {
        (None, Some(only), None) => only,
        (name, ..) => choose("input.name", "input", name.as_deref(), inputs)?,
    };
    let port = &inputs[input];
    if others.contains(&input) {
        return Err(format!("input.name: expected an input without [[input.constant]] and [[state]], found {port}"));
    }
    let element = fit_element("input", port, manifest.input_scale)?;
    if let Some(found) = manifest.input_element.filter(|found| *found != element) {
        let expected = format!("{element}, which the network's input {port} has");
        return Err(format!("input.type: expected {expected}, found {found}; remove or change it"));
    }
    Ok((input, element, fit_input(&manifest.features, port)?))
}

fn output(manifest: &Manifest, outputs: &[TensorInfo]) -> Result<usize, String> {
    let output = choose("output.name", "output", manifest.output_name.as_deref(), outputs)?;
    fit_element("output", &outputs[output], manifest.output_scale)?;
    fit_output(manifest.labels.len(), &outputs[output])?;
    Ok(output)
}

/// The element type of a tensor, which has a scale if and only if it is of integers.
fn fit_element(what: &str, port: &TensorInfo, scale: Option<Scale>) -> Result<Element, String> {
    let Some(element) = Element::of(&port.element) else {
        return Err(format!("expected an {what} of f32, f16, u8 or i8 values, found {port}"));
    };
    match (element.range(), scale) {
        (Some((min, max)), Some(Scale { zero_point, .. })) if !(min..=max).contains(&zero_point) => {
            Err(format!("{what}.zero-point: expected {min} to {max} for the {what} {port}, found {zero_point}"))
        }
        (Some(_), None) => {
            Err(format!("expected {what}.scale and {what}.zero-point for the {what} {port}, found none"))
        }
        (None, Some(_)) => Err(format!("{what}.scale: allowed for u8 and i8 only; the {what} is {port}; remove it")),
        _ => Ok(element),
    }
}

/// Element types that a constant may have.
pub(super) const CONSTANTS: &[&str] = &["f32", "f64", "f16", "i32", "i64"];

fn fit_constant(constant: &Constant, inputs: &[TensorInfo], per_window: bool) -> Result<FittedConstant, String> {
    let index = choose("input.constant", "input", Some(&constant.name), inputs)?;
    let port = &inputs[index];
    if !CONSTANTS.contains(&port.element.as_str()) {
        return Err(format!("input.constant: expected an input of {}, found {port}", CONSTANTS.join(", ")));
    }
    if port.element.starts_with('i') && constant.value.fract() != 0.0 {
        return Err(format!("input.constant: expected a whole number for {port}, found {}", constant.value));
    }
    let max = max_constant(&port.element);
    if constant.value.abs() > max {
        let expected = format!("a number from -{max} to {max} for {port}");
        return Err(format!("input.constant: expected {expected}, found {}", constant.value));
    }
    let per_window = per_window && matches!(port.dims.first(), Some(None));
    let dims = sizes("input.constant", port)?;
    Ok(FittedConstant {
        name: port.name.clone(),
        element: port.element.clone(),
        dims,
        per_window,
        value: constant.value,
    })
}

/// Maximum absolute value of a constant of this type.
fn max_constant(element: &str) -> f64 {
    match element {
        "f16" => 65_504.0,
        "i32" => f64::from(i32::MAX),
        // Beyond it, a number of the manifest is not exact.
        "i64" => 9_007_199_254_740_992.0,
        _ => f64::from(f32::MAX),
    }
}

fn fit_state(state: &State, inputs: &[TensorInfo], outputs: &[TensorInfo]) -> Result<FittedState, String> {
    let input = &inputs[choose("state.input", "input", Some(&state.input), inputs)?];
    let output = &outputs[choose("state.output", "output", Some(&state.output), outputs)?];
    let element = expect_float("state.input", "input", input)?;
    let next = expect_float("state.output", "output", output)?;
    if element != next {
        return Err(format!("state: expected the same type of the input {input} and the output {output}"));
    }
    let same = |(a, b): (&Option<usize>, &Option<usize>)| a.is_none() || b.is_none() || a == b;
    let unknown = input.dims.is_empty() || output.dims.is_empty();
    let fits = unknown || input.dims.len() == output.dims.len() && input.dims.iter().zip(&output.dims).all(same);
    if !fits {
        return Err(format!("state: expected the same shape of the input {input} and the output {output}"));
    }
    let dims = sizes("state.input", input)?;
    Ok(FittedState { input: input.clone(), output: output.clone(), element, dims })
}

/// The axes of a further input, of which a free one has 1 value.
fn sizes(key: &str, port: &TensorInfo) -> Result<Vec<i64>, String> {
    let values = port.dims.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.unwrap_or(1)));
    if values.is_none_or(|values| values > MAX_VALUES) {
        return Err(format!("{key}: expected at most {MAX_VALUES} values, found {port}"));
    }
    Ok(port.dims.iter().map(|axis| axis.unwrap_or(1) as i64).collect())
}

/// The port with this name, or the only one.
fn choose(key: &str, what: &str, name: Option<&str>, ports: &[TensorInfo]) -> Result<usize, String> {
    match name {
        Some(name) => position(name, ports)
            .ok_or_else(|| format!("{key}: expected one of the network's {what}s ({}), found {name:?}", list(ports))),
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

fn fit_input(features: &FeatureSpec, port: &TensorInfo) -> Result<Batch, String> {
    let shape = features.shape();
    let fits = |dims: &[Option<usize>]| {
        dims.len() == shape.len() && dims.iter().zip(&shape).all(|(dim, axis)| dim.is_none_or(|dim| dim == *axis))
    };
    if port.dims.is_empty() {
        return Ok(Batch::Free);
    }
    match port.dims.split_first() {
        Some((None, rest)) if fits(rest) => Ok(Batch::Free),
        Some((Some(size), rest)) if *size > 0 && fits(rest) => Ok(Batch::Fixed(*size)),
        _ if fits(&port.dims) => Ok(Batch::Absent),
        _ => Err(format!(
            "the manifest's features and input give windows of shape {shape:?}, which do not fit the input {port} \
            (with a batch axis in front); check {}",
            shape_keys(features)
        )),
    }
}

/// The keys that decide the shape of a window.
fn shape_keys(features: &FeatureSpec) -> &'static str {
    match features.features {
        Features::LogMel(_) => "input.layout, input.channel-axis, features.n-mels and features.frames",
        Features::Mfcc(_) => "input.layout, input.channel-axis, features.n-mfcc and features.frames",
        Features::Waveform => "input.channel-axis, features.window and features.sample-rate",
    }
}

fn fit_output(labels: usize, port: &TensorInfo) -> Result<(), String> {
    match values_axis(&port.dims, Some(1), 2).filter(|_| labels > 1).or(port.dims.last().copied()) {
        Some(Some(classes)) if classes != labels => Err(format!(
            "labels: the manifest has {labels} labels, the output {port} has {classes} classes; change labels.file, \
             labels.names or output.name"
        )),
        _ => Ok(()),
    }
}

/// The axis of the values: the last one, without axes of length `one` behind it as long as `minimum` remain.
pub(crate) fn values_axis<T: Copy + PartialEq>(mut dims: &[T], one: T, minimum: usize) -> Option<T> {
    while let [front @ .., last] = dims {
        if *last != one || front.len() < minimum {
            break;
        }
        dims = front;
    }
    dims.last().copied()
}

fn expect_float(key: &str, what: &str, port: &TensorInfo) -> Result<Element, String> {
    match Element::of(&port.element) {
        Some(element @ (Element::F32 | Element::F16)) => Ok(element),
        _ => Err(format!("{key}: expected an {what} of f32 or f16 values, found {port}")),
    }
}
