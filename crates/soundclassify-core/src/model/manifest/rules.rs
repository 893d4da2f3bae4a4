// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables `[rules.X]`.

use std::collections::BTreeMap;

use super::{
    defaults::known_labels,
    section::{Found, Section},
};
use crate::error::Result;

/// The rule for events of one label or group; `None` means the value of the element.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rule {
    /// Probability at or above which an event starts, 0–1.
    pub on: Option<f64>,
    /// Probability below which an event ends, 0–1, at most `on`.
    pub off: Option<f64>,
    /// Minimum duration of a reported event, ns.
    pub min_duration: Option<u64>,
    /// Maximum gap within an event, ns.
    pub hold: Option<u64>,
    /// Time after an event without a new event of the label, ns.
    pub cooldown: Option<u64>,
}

/// The rules by label or group. `names`: all labels and groups.
pub(super) fn read(section: &Section<'_>, names: &[String]) -> Result<BTreeMap<String, Rule>> {
    let mut rules = BTreeMap::new();
    for (Found { value: name, span }, table) in section.entries()? {
        let rule = rule(table)?;
        known_labels(section, &name, vec![Found { value: name.clone(), span }], names)?.for_each(drop);
        rules.insert(name, rule);
    }
    Ok(rules)
}

fn rule(table: Section<'_>) -> Result<Rule> {
    let rule = Rule {
        on: table.float("on", 0.0..=1.0)?,
        off: table.float("off", 0.0..=1.0)?,
        min_duration: table.duration("min-duration")?,
        hold: table.duration("hold")?,
        cooldown: table.duration("cooldown")?,
    };
    if let (Some(on), Some(off)) = (rule.on, rule.off)
        && off > on
    {
        return Err(table.wrong("off", format!("at most on, {on}"), off.to_string()));
    }
    table.finish()?;
    Ok(rule)
}
