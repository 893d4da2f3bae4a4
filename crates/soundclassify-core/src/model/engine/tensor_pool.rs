// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool of tensors.

use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::sync::{Mutex, lock};

/// Maximum size of the idle tensors, bytes.
const IDLE_BYTES: usize = 8 << 20;
/// Maximum number of idle tensors.
const IDLE_TENSORS: usize = 32;

/// Buffers of one window each.
pub(crate) struct Pool {
    window_len: usize,
    max_idle: usize,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Box<[f32]>>,
    made: u64,
}

/// Statistics of an engine's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStats {
    /// Number of idle tensors.
    pub idle: usize,
    /// Number of tensors that were created; constant in steady state.
    pub made: u64,
}

impl Pool {
    pub(crate) fn new(window_len: usize) -> Self {
        let max_idle = IDLE_TENSORS.max(IDLE_BYTES / (window_len.max(1) * size_of::<f32>()));
        let max_idle = max_idle.min(1024);
        let state = State { idle: Vec::with_capacity(max_idle), made: 0 };
        Self { window_len, max_idle, state: Mutex::new(state) }
    }

    pub(crate) fn tensor(self: &Arc<Self>) -> Tensor {
        let mut state = lock(&self.state);
        let values = state.idle.pop();
        state.made += u64::from(values.is_none());
        drop(state);
        let values = values.unwrap_or_else(|| vec![0.0; self.window_len].into_boxed_slice());
        Tensor { values, pool: Arc::clone(self) }
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let state = lock(&self.state);
        PoolStats { idle: state.idle.len(), made: state.made }
    }

    fn give_back(&self, values: Box<[f32]>) {
        let mut state = lock(&self.state);
        if state.idle.len() < self.max_idle {
            state.idle.push(values);
        }
    }
}

/// Values of one window, in the model's layout. It belongs to an engine's pool and returns to it on drop. A new one
/// contains the values of its last user.
pub struct Tensor {
    values: Box<[f32]>,
    pool: Arc<Pool>,
}

impl Drop for Tensor {
    fn drop(&mut self) {
        self.pool.give_back(mem::take(&mut self.values));
    }
}

impl Deref for Tensor {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Tensor {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tensor").field("len", &self.values.len()).finish()
    }
}
