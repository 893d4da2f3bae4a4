// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values of ONNX Runtime in the element types that networks have.

use std::{borrow::Cow, collections::HashMap, fmt::Debug};

use half::f16;
use ort::value::{DynValue, PrimitiveTensorElementType, Shape, Tensor as OrtTensor};

use crate::{
    error::{Error, Result},
    model::{
        fit::{FittedConstant, FittedState},
        manifest::{Element, Scale},
    },
};

/// An error of a run.
pub(super) fn failed(error: &ort::Error) -> Error {
    Error::Inference(error.to_string())
}

/// A tensor of these numbers.
pub(super) fn encode(dims: &[i64], values: &[f32], element: Element, scale: Option<Scale>) -> Result<DynValue> {
    let scale = scale.unwrap_or(Scale { scale: 1.0, zero_point: 0 });
    let integer = |value: &f32| scale.integer(*value, element).unwrap_or_default();
    match element {
        Element::F32 => tensor(dims, values.to_vec()),
        Element::F16 => tensor(dims, values.iter().map(|value| f16::from_f32(*value)).collect()),
        Element::U8 => tensor(dims, values.iter().map(|value| integer(value) as u8).collect()),
        Element::I8 => tensor(dims, values.iter().map(|value| integer(value) as i8).collect()),
    }
}

/// The shape and the numbers of a tensor.
pub(super) fn decode(value: &DynValue, scale: Option<Scale>) -> Result<(Shape, Cow<'_, [f32]>)> {
    if let Ok((shape, values)) = value.try_extract_tensor::<f32>() {
        return Ok((shape.clone(), Cow::Borrowed(values)));
    }
    if let Ok((shape, values)) = value.try_extract_tensor::<f16>() {
        return Ok((shape.clone(), values.iter().map(|value| value.to_f32()).collect()));
    }
    let Scale { scale, zero_point } = scale.unwrap_or(Scale { scale: 1.0, zero_point: 0 });
    let number = |value: i32| (scale * f64::from(value - zero_point)) as f32;
    if let Ok((shape, values)) = value.try_extract_tensor::<u8>() {
        return Ok((shape.clone(), values.iter().map(|value| number(i32::from(*value))).collect()));
    }
    let (shape, values) = value.try_extract_tensor::<i8>().map_err(|error| failed(&error))?;
    Ok((shape.clone(), values.iter().map(|value| number(i32::from(*value))).collect()))
}

/// A further input, for a run of `windows`.
pub(super) fn constant(constant: &FittedConstant, windows: usize) -> Result<DynValue> {
    let mut dims = constant.dims.clone();
    if let Some(first) = dims.first_mut().filter(|_| constant.per_window) {
        *first = windows as i64;
    }
    let len = dims.iter().product::<i64>() as usize;
    let value = constant.value;
    match constant.element.as_str() {
        "f64" => tensor(&dims, vec![value; len]),
        "f16" => tensor(&dims, vec![f16::from_f64(value); len]),
        "i32" => tensor(&dims, vec![value as i32; len]),
        "i64" => tensor(&dims, vec![value as i64; len]),
        _ => tensor(&dims, vec![value as f32; len]),
    }
}

fn tensor<T: PrimitiveTensorElementType + Clone + Debug + 'static>(dims: &[i64], values: Vec<T>) -> Result<DynValue> {
    OrtTensor::from_array((dims.to_vec(), values)).map(OrtTensor::into_dyn).map_err(|error| failed(&error))
}

/// The states of the streams that a network runs for.
#[derive(Default)]
pub(super) struct States {
    fitted: Vec<FittedState>,
    /// By stream: the sequence of its last window, and one value a state.
    streams: HashMap<usize, (u64, Vec<DynValue>)>,
    current: usize,
}

impl States {
    pub(super) fn new(fitted: Vec<FittedState>) -> Self {
        Self { fitted, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fitted.is_empty()
    }

    pub(super) fn fitted(&self) -> &[FittedState] {
        &self.fitted
    }

    /// The next run is of this stream, whose state begins again with each sequence.
    pub(super) fn select(&mut self, stream: usize, sequence: u64) {
        self.current = stream;
        let held = self.streams.entry(stream).or_default();
        if held.0 != sequence {
            *held = (sequence, Vec::new());
        }
    }

    /// Later runs are of no stream, and each begins with zeros.
    pub(super) fn deselect(&mut self) {
        self.streams.clear();
        self.current = 0;
    }

    /// The states of the selected stream, zeros at first and after a run that failed.
    pub(super) fn take(&mut self) -> Result<Vec<DynValue>> {
        let held = self.streams.get_mut(&self.current).map(|(_, values)| std::mem::take(values)).unwrap_or_default();
        if held.len() == self.fitted.len() {
            return Ok(held);
        }
        let zeros = |state: &FittedState| {
            encode(&state.dims, &vec![0.0; state.dims.iter().product::<i64>() as usize], state.element, None)
        };
        self.fitted.iter().map(zeros).collect()
    }

    /// The states after a run; of no stream, they are dropped.
    ///
    /// # Errors
    /// The next run can't take one of them.
    pub(super) fn keep(&mut self, values: Vec<DynValue>) -> Result<()> {
        self.fitted.iter().zip(&values).try_for_each(|(state, value)| check(state, value))?;
        if let Some((_, held)) = self.streams.get_mut(&self.current) {
            *held = values;
        }
        Ok(())
    }

    /// Shapes of the states of the selected stream.
    pub(super) fn shapes(&self) -> Vec<Vec<i64>> {
        let held = self.streams.get(&self.current).map_or(&[][..], |(_, values)| values);
        held.iter().map(|value| value.dtype().tensor_shape().map_or_else(Vec::new, |shape| shape.to_vec())).collect()
    }

    /// Why a run fails that takes states of these shapes, which the first run returned.
    pub(super) fn misfit(&self, returned: &[Vec<i64>], error: &Error) -> Error {
        let states = self.fitted.iter().zip(returned);
        let states = states.map(|(FittedState { input, output, dims, .. }, shape)| {
            format!("the first run took {dims:?} at the input {input} and returned {shape:?} at the output {output}")
        });
        Error::Inference(format!(
            "state: expected a state that the next run takes, found a second run that fails: {}; {error}; correct \
             state.input or state.output, or export the network with a state of constant shape",
            states.collect::<Vec<_>>().join(", ")
        ))
    }
}

/// Whether the input of a state takes a value of its output; their declared types are the same.
fn check(state: &FittedState, value: &DynValue) -> Result<()> {
    match value.dtype().tensor_shape() {
        Some(shape) if state.takes(shape) => Ok(()),
        shape => Err(Error::Inference(format!(
            "state: expected the shape of the input {} from the output {}, found {:?}; correct state.input or \
             state.output, or export the network with a state of constant shape",
            state.input,
            state.output,
            shape.map_or(&[][..], |shape| &shape[..]),
        ))),
    }
}
