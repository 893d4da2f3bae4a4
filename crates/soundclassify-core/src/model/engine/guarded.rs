// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network that is not used, and not even dropped, once the process ends.

use std::{mem, sync::Once};

use super::{
    EngineOptions,
    session::{OrtNetwork, Target},
};
use crate::{
    error::{Error, Result},
    model::{
        exit::{self, Call},
        network::{Canceller, Network},
        source::Model,
    },
};

const ENDING: &str = "the process is about to end";

/// A network of ONNX Runtime whose calls the end of the process waits for.
pub(super) struct GuardedNetwork {
    /// `None` only during the drop.
    network: Option<OrtNetwork>,
    /// Size of the ONNX file and its weights, bytes.
    pub(super) bytes: usize,
}

impl GuardedNetwork {
    /// Loads, checks and warms up.
    pub(super) fn load(model: &Model, options: EngineOptions, target: Target) -> Result<Self> {
        static FIRST: Once = Once::new();
        let _call = exit::enter().ok_or_else(|| Error::Inference(ENDING.into()))?;
        let network = OrtNetwork::load(model, options, target)?;
        // Once more, for what ONNX Runtime creates for its first network.
        FIRST.call_once(exit::wait_for_calls);
        Ok(Self { bytes: network.bytes, network: Some(network) })
    }

    fn network(&self) -> &OrtNetwork {
        self.network.as_ref().expect("only the drop takes it")
    }

    fn enter(&mut self) -> Result<(Call, &mut OrtNetwork)> {
        let call = exit::enter().ok_or_else(|| Error::Cancelled(ENDING.into()))?;
        Ok((call, self.network.as_mut().expect("only the drop takes it")))
    }
}

impl Network for GuardedNetwork {
    fn window_len(&self) -> usize {
        self.network().window_len()
    }

    fn classes(&self) -> usize {
        self.network().classes()
    }

    fn max_batch(&self) -> usize {
        self.network().max_batch()
    }

    fn run(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()> {
        let (_call, network) = self.enter()?;
        network.run(windows, scores)
    }

    fn select(&mut self, stream: usize, sequence: u64) {
        if let Some(network) = &mut self.network {
            network.select(stream, sequence);
        }
    }

    fn has_state(&self) -> bool {
        self.network().has_state()
    }

    fn canceller(&self) -> Option<Canceller> {
        self.network().canceller()
    }

    fn is_portable(&self) -> bool {
        self.network().is_portable()
    }

    fn run_uncancellable(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()> {
        let (_call, network) = self.enter()?;
        network.run_uncancellable(windows, scores)
    }
}

impl Drop for GuardedNetwork {
    fn drop(&mut self) {
        match exit::enter() {
            Some(_call) => self.network = None,
            // Its memory returns with the process.
            None => mem::forget(self.network.take()),
        }
    }
}
