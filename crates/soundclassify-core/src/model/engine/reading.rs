// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the output of a run becomes the scores of its windows.

use std::borrow::Cow;

use ort::value::{DynValue, Outlet, Shape};

use super::tensors::decode;
use crate::{
    error::{Error, Result},
    model::{
        activation::{Activation, activate_and_reduce},
        fit::{Batch, values_axis},
        manifest::{Manifest, Reduce, Scale},
    },
};

/// How an output becomes scores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) activation: Activation,
    pub(super) reduce: Reduce,
    /// Scores of one window.
    pub(super) classes: usize,
    pub(super) scale: Option<Scale>,
}

/// How the output of the scores is read.
pub(super) fn scores_of(manifest: &Manifest) -> Reading {
    let Manifest { activation, reduce, labels, output_scale, .. } = manifest;
    Reading { activation: *activation, reduce: *reduce, classes: labels.len(), scale: *output_scale }
}

/// How the output of the embedding is read. The first run finds shapes that are not declared.
pub(super) fn embedding_of(output: &Outlet, batch: Batch) -> Reading {
    let classes = output.dtype().tensor_shape().and_then(|shape| embedding_axis(shape, batch));
    let classes = classes.unwrap_or(0);
    Reading { activation: Activation::None, reduce: Reduce::Mean, classes, scale: None }
}

/// Values of an embedding of this shape; `None` where the axis is free.
pub(super) fn embedding_axis(shape: &[i64], batch: Batch) -> Option<usize> {
    let minimum = if batch == Batch::Absent { 1 } else { 2 };
    values_axis(shape, 1, minimum).and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis > 0)
}

/// The scores in the output of a run of `size` windows, and its shape.
pub(super) fn read(
    output: &DynValue,
    weights: Option<&DynValue>,
    size: usize,
    reading: Reading,
    scores: &mut [f32],
) -> Result<Shape> {
    let Reading { activation, reduce, classes, scale } = reading;
    let (shape, raw) = decode(output, scale)?;
    // A declared shape was compared with the labels before.
    let is_last = classes == 1 || [1, 2].map(|minimum| values_axis(&shape, 1, minimum)).contains(&Some(classes as i64));
    if raw.is_empty() || raw.len() % (size * classes) != 0 || !is_last {
        return Err(Error::Inference(format!(
            "expected {size} windows of {classes} classes in the last axis, found an output of shape {:?}",
            &shape[..],
        )));
    }
    let row = raw.len() / size;
    let weights = weights.map(|weights| weights_of(weights, size, row, classes)).transpose()?;
    for (number, (raw, scores)) in raw.chunks_exact(row).zip(scores.chunks_exact_mut(classes)).enumerate() {
        let weights = weights.as_ref().map(|weights| &weights[number * weights.len() / size..][..weights.len() / size]);
        activate_and_reduce(activation, reduce, raw, weights, scores);
    }
    Ok(shape)
}

/// The weights of `size` windows with `row` values each: one per value or one per frame.
fn weights_of(weights: &DynValue, size: usize, row: usize, classes: usize) -> Result<Cow<'_, [f32]>> {
    let (shape, weights) = decode(weights, None)?;
    if weights.len() != size * row && weights.len() != size * row / classes {
        return Err(Error::Inference(format!(
            "the output of output.attention has shape {:?}: expected one weight per frame, or one per frame and \
            class, of {size} windows with {} frames of {classes} classes",
            &shape[..],
            row / classes,
        )));
    }
    Ok(weights)
}
