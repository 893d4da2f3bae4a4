// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scores → predictions and events: ensemble, filters, silence gate, groups, rules. Arithmetic on scores and times only.

mod ensemble;
mod events;
mod filter;
mod gate;
mod groups;
mod names;
mod onset_and_end;
mod rules;

pub use ensemble::Ensemble;
pub use events::{Event, EventKind, EventTime, Events};
pub use filter::{Filter, Prediction, unknown_label_hint};
pub use gate::Gate;
pub use groups::{Groups, Merge};
pub use names::{Group, Names};
pub use onset_and_end::{BorderTime, Borders, LOOKBACK};
pub use rules::{EventRules, LabelRule, LeftOut};
