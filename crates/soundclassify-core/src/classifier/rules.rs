// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversions of a manifest's rules and activation to those of decisions.

use crate::{
    decision::{LabelRule, Merge},
    model::{Activation, Rule},
};

impl Rule {
    /// The rule `below` with the values that this rule gives.
    #[must_use]
    pub fn over(&self, below: LabelRule) -> LabelRule {
        LabelRule {
            on: self.on.map_or(below.on, |on| on as f32),
            off: self.off.map_or(below.off, |off| off as f32),
            min_duration: self.min_duration.unwrap_or(below.min_duration),
            hold: self.hold.unwrap_or(below.hold),
            cooldown: self.cooldown.unwrap_or(below.cooldown),
        }
    }
}

impl From<Activation> for Merge {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::None => Self::Automatic,
            Activation::Softmax => Self::Sum,
            Activation::Sigmoid => Self::Greatest,
        }
    }
}
