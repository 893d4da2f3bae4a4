// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules for events, per label: levels, durations, cooldown, and labels that suppress all others.

/// When an event of one label begins and ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelRule {
    /// Probability at or above which an event starts.
    pub on: f32,
    /// Probability below which a gap begins; above `on` it counts as that.
    pub off: f32,
    /// Shorter events are not reported, ns.
    pub min_duration: u64,
    /// Gaps up to this do not end an event, ns.
    pub hold: u64,
    /// After an event's end, none of this label begins for this long, ns.
    pub cooldown: u64,
}

/// The rules of all labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventRules {
    /// Per label; `None` for labels without events.
    pub labels: Vec<Option<LabelRule>>,
    /// Labels that suppress the events of all labels but these, each with the probability at or above which it does so.
    /// Its event, if it has one, does so, too.
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

/// Events that rules left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Because an event of the same label had ended within `cooldown`.
    pub cooldown: u64,
    /// Because of a suppressing label.
    pub suppressed: u64,
}
