// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table `[output]`.

use super::{
    section::Section,
    tensors::{self, Scale},
};
use crate::{error::Result, model::activation::Activation};

/// How the scores of several frames become those of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduce {
    /// The mean over the frames.
    #[default]
    Mean,
    /// The highest score of each class.
    Max,
    /// Those of the last frame.
    Last,
    /// Their mean, weighted by a second output of the same shape.
    Attention,
}

const ACTIVATIONS: &[(&str, Activation)] =
    &[("none", Activation::None), ("softmax", Activation::Softmax), ("sigmoid", Activation::Sigmoid)];
const REDUCTIONS: &[(&str, Reduce)] =
    &[("mean", Reduce::Mean), ("max", Reduce::Max), ("last", Reduce::Last), ("attention", Reduce::Attention)];

/// What the table says.
pub(super) struct Output {
    pub(super) name: Option<String>,
    pub(super) activation: Activation,
    pub(super) reduce: Reduce,
    pub(super) attention: Option<String>,
    pub(super) embedding: Option<String>,
    pub(super) scale: Option<Scale>,
}

pub(super) fn read(section: Section<'_>) -> Result<Output> {
    let output = Output {
        name: section.string("name")?,
        activation: section.required_choice("activation", ACTIVATIONS)?,
        reduce: section.choice("reduce", REDUCTIONS)?.unwrap_or_default(),
        attention: section.string("attention")?,
        embedding: section.string("embedding")?,
        scale: tensors::scale(&section)?,
    };
    match (output.reduce, &output.attention) {
        (Reduce::Attention, None) => {
            return Err(
                section.missing("attention", "the name of the output with the weights, for reduce = \"attention\"")
            );
        }
        (Reduce::Attention, Some(_)) | (_, None) => {}
        (_, Some(name)) => {
            return Err(section.wrong("attention", "reduce = \"attention\" with this key", format!("{name:?}")));
        }
    }
    section.finish()?;
    Ok(output)
}
