// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of one size whose input and output were made before.

use ort::{
    session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionOutputs},
    value::Tensor,
};

/// The tensors of runs of one size. A run allocates nothing in Rust, and cannot be ended from another thread: `ort` lets
/// threads share run options only where it makes the output, or its handle, in each run.
pub(super) struct Bound {
    input: Tensor<f32>,
    options: RunOptions<HasSelectedOutputs>,
}

impl Bound {
    /// For an input of shape `input`, and an output of this name and shape.
    pub(super) fn new(input: &[i64], name: &str, output: &[i64]) -> ort::Result<Self> {
        let outputs = OutputSelector::no_default().with(name).preallocate(name, zeros(output)?);
        Ok(Self { input: zeros(input)?, options: RunOptions::new()?.with_outputs(outputs) })
    }

    /// Runs with these windows, and zeros for those that are missing. The output is the only one.
    pub(super) fn run<'a>(
        &'a mut self,
        session: &'a mut Session,
        windows: &[&[f32]],
    ) -> ort::Result<SessionOutputs<'a>> {
        let (_, mut rest) = self.input.extract_tensor_mut();
        for window in windows {
            let (values, others) = rest.split_at_mut(window.len());
            values.copy_from_slice(window);
            rest = others;
        }
        rest.fill(0.0);
        session.run_with_options(ort::inputs![&self.input], &self.options)
    }
}

fn zeros(shape: &[i64]) -> ort::Result<Tensor<f32>> {
    let len = shape.iter().map(|axis| usize::try_from(*axis).unwrap_or(0)).product();
    Tensor::from_array((shape.to_vec(), vec![0.0; len]))
}
