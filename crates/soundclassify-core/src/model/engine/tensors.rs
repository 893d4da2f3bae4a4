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
    let step = |value: &f32, min: f64, max: f64| {
        let Scale { scale, zero_point } = scale.unwrap_or(Scale { scale: 1.0, zero_point: 0 });
        (f64::from(*value) / scale + f64::from(zero_point)).round_ties_even().clamp(min, max)
    };
    match element {
        Element::F32 => tensor(dims, values.to_vec()),
        Element::F16 => tensor(dims, values.iter().map(|value| f16::from_f32(*value)).collect()),
        Element::U8 => tensor(dims, values.iter().map(|value| step(value, 0.0, 255.0) as u8).collect()),
        Element::I8 => tensor(dims, values.iter().map(|value| step(value, -128.0, 127.0) as i8).collect()),
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
    pub(super) fn keep(&mut self, values: Vec<DynValue>) {
        if let Some((_, held)) = self.streams.get_mut(&self.current) {
            *held = values;
        }
    }
}
