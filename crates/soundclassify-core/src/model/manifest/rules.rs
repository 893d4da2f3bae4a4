// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables `[rules.X]`.

use std::collections::BTreeMap;

use super::{
    defaults::known_labels,
    section::{Found, Section},
};
use crate::error::Result;

/// When an event of one label, or of one group, begins and ends; `None` leaves what the element has for all labels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rule {
    /// An event starts at or above, 0–1.
    pub on: Option<f64>,
    /// An event ends below, 0–1, at most `on`.
    pub off: Option<f64>,
    /// Shorter events are not reported, ns.
    pub min_duration: Option<u64>,
    /// Gaps up to this do not end an event, ns.
    pub hold: Option<u64>,
    /// No event of the label begins for this long after the end of one, ns.
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
