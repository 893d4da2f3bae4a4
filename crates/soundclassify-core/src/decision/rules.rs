// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules for events, per label: levels, durations, cooldown, and labels that suppress all others.

/// The rule for events of one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelRule {
    /// Probability at or above which an event starts.
    pub on: f32,
    /// Probability below which a gap begins; a value above `on` counts as `on`.
    pub off: f32,
    /// Minimum duration of a reported event, ns.
    pub min_duration: u64,
    /// Maximum gap within an event, ns.
    pub hold: u64,
    /// Time after an event without a new event of this label, ns.
    pub cooldown: u64,
}

/// The rules of all labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventRules {
    /// One per label; `None` for labels without events.
    pub labels: Vec<Option<LabelRule>>,
    /// Labels that suppress the events of all other labels, each with the probability at or above which it does so. An
    /// event of such a label also suppresses.
    pub suppressors: Vec<(usize, f32)>,
}

impl EventRules {
    /// The same rule for each of `labels` labels.
    #[must_use]
    pub fn uniform(labels: usize, rule: LabelRule) -> Self {
        Self { labels: vec![Some(rule); labels], suppressors: Vec::new() }
    }

    pub(super) fn is_suppressor(&self, index: usize) -> bool {
        self.suppressors.iter().any(|(label, _)| *label == index)
    }
}

/// Numbers of events that rules prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Because an event of the same label had ended within `cooldown`.
    pub cooldown: u64,
    /// Because of a suppressing label.
    pub suppressed: u64,
}
