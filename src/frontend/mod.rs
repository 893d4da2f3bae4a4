// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples → model input. Knows no model and no pipeline.

mod spec;

pub use spec::{ChannelAxis, FeatureSpec, Features, Layout, Log, LogMel, MelNorm, MelScale, Normalize, Power};
