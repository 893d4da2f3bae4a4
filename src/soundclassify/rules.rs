// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads `label-rules` and `label-groups`, and combines labels and groups.

use std::collections::BTreeMap;

use gst::glib;

use super::settings::probability;
use soundclassify_core::decision::{Groups, LabelRule, Merge};
use soundclassify_core::model::{Activation, Manifest};

/// A group's name and its labels.
pub(crate) type Group = (String, Vec<String>);

/// The rule of one label; `None` leaves what holds for all labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rule {
    on: Option<f64>,
    off: Option<f64>,
    min_duration: Option<u64>,
    hold: Option<u64>,
    cooldown: Option<u64>,
    /// What can't be read; it has no effect.
    pub(crate) problems: Vec<String>,
}

impl Rule {
    /// This rule over another one.
    pub(crate) fn over(&self, below: LabelRule) -> LabelRule {
        LabelRule {
            on: self.on.map_or(below.on, |on| on as f32),
            off: self.off.map_or(below.off, |off| off as f32),
            min_duration: self.min_duration.unwrap_or(below.min_duration),
            hold: self.hold.unwrap_or(below.hold),
            cooldown: self.cooldown.unwrap_or(below.cooldown),
        }
    }

    fn read(value: &glib::SendValue) -> Self {
        let mut rule = Self::default();
        let Ok(fields) = value.get::<gst::Structure>() else {
            rule.problems.push(format!("expected a structure, found {}", value.type_()));
            return rule;
        };
        for (name, value) in fields.iter() {
            let read = match name.as_str() {
                "on" => put(&mut rule.on, probability(value)),
                "off" => put(&mut rule.off, probability(value)),
                "min-duration" => put(&mut rule.min_duration, nanoseconds(value)),
                "hold" => put(&mut rule.hold, nanoseconds(value)),
                "cooldown" => put(&mut rule.cooldown, nanoseconds(value)),
                _ => {
                    let known = "on, off, min-duration, hold, cooldown";
                    rule.problems.push(format!("expected one of {known}, found {name}"));
                    continue;
                }
            };
            if !read {
                let expected =
                    if ["on", "off"].contains(&name.as_str()) { "a number from 0 to 1" } else { "nanoseconds" };
                rule.problems.push(format!("{name}: expected {expected}"));
            }
        }
        rule
    }
}

impl From<soundclassify_core::model::Rule> for Rule {
    fn from(rule: soundclassify_core::model::Rule) -> Self {
        let soundclassify_core::model::Rule { on, off, min_duration, hold, cooldown } = rule;
        Self { on, off, min_duration, hold, cooldown, problems: Vec::new() }
    }
}

fn put<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let read = value.is_some();
    *field = value;
    read
}

// Of any number type, as `gst-launch-1.0` makes a 32-bit integer of what is small enough.
fn nanoseconds(value: &glib::Value) -> Option<u64> {
    if let Ok(number) = value.get::<u64>() {
        return Some(number);
    }
    let number = value.transform::<f64>().ok()?.get::<f64>().ok()?;
    (0.0..u64::MAX as f64).contains(&number).then_some(number as u64)
}

/// The rules by label that a `label-rules` holds.
pub(crate) fn rules(structure: &gst::Structure) -> BTreeMap<String, Rule> {
    structure.iter().map(|(label, value)| (label.to_string(), Rule::read(value))).collect()
}

/// The groups that a `label-groups` holds, in its order.
pub(crate) fn groups(structure: &gst::Structure) -> Vec<Group> {
    let strings = |values: &[glib::SendValue]| values.iter().filter_map(|value| value.get::<String>().ok()).collect();
    let members = |value: &glib::SendValue| {
        let array = value.get::<gst::ArrayRef<'_>>().map(|array| strings(array.as_slice()));
        let list = || value.get::<gst::ListRef<'_>>().map(|list| strings(list.as_slice()));
        array.or_else(|_| list()).or_else(|_| value.get::<String>().map(|name| vec![name])).unwrap_or_default()
    };
    structure.iter().map(|(name, value)| (name.to_string(), members(value))).collect()
}

/// A model's labels and, after them, groups.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names {
    pub(crate) all: Vec<String>,
    members: Vec<Vec<usize>>,
    /// The groups are the manifest's: they replace no label.
    suggested: bool,
}

impl Names {
    /// `groups` replace the manifest's, which are there to be allowed and named in rules. What is no label of
    /// the model has no effect, nor has a group without labels or with the name of one.
    pub(crate) fn new(model: &Manifest, groups: &[Group]) -> Self {
        let suggested: Vec<Group>;
        let (groups, is_suggested) = if groups.is_empty() {
            suggested = model.groups.iter().map(|(name, members)| (name.clone(), members.clone())).collect();
            (suggested.as_slice(), true)
        } else {
            (groups, false)
        };
        let mut names = Self { all: model.labels.clone(), members: Vec::new(), suggested: is_suggested };
        for (name, labels) in groups {
            let class = |label: &String| model.labels.iter().position(|known| known == label);
            let mut members: Vec<usize> = labels.iter().filter_map(class).collect();
            members.sort_unstable();
            members.dedup();
            if !members.is_empty() && !names.all.contains(name) {
                names.all.push(name.clone());
                names.members.push(members);
            }
        }
        names
    }

    /// Number of a label or group.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|known| known == name)
    }

    /// Whether it is reported where nothing says which labels are allowed: the application's groups replace
    /// their labels, those of the manifest of none.
    pub(crate) fn is_reported_by_default(&self, index: usize) -> bool {
        if self.suggested {
            index < self.all.len() - self.members.len()
        } else {
            !self.members.iter().any(|members| members.contains(&index))
        }
    }

    /// How scores become those of the groups.
    pub(crate) fn groups(&self, activation: Activation) -> Groups {
        let merge = match activation {
            Activation::Softmax => Merge::Sum,
            Activation::Sigmoid => Merge::Greatest,
            _ => Merge::Automatic,
        };
        Groups::new(self.members.clone(), merge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: LabelRule = LabelRule { on: 0.5, off: 0.35, min_duration: 1, hold: 2, cooldown: 3 };

    fn read(text: &str) -> BTreeMap<String, Rule> {
        gst::init().unwrap();
        rules(&text.parse::<gst::Structure>().unwrap())
    }

    #[test]
    fn a_rule_is_over_what_holds_for_all() {
        let rules = read("rules,Bark=(structure)[rule,on=1,cooldown=(guint64)60000000000,hold=5]");
        let wanted = LabelRule { on: 1.0, hold: 5, cooldown: 60_000_000_000, ..ALL };
        assert_eq!(rules["Bark"].over(ALL), wanted);
        assert!(rules["Bark"].problems.is_empty());
    }

    #[test]
    fn what_can_not_be_read_is_named_and_has_no_effect() {
        let rules = read("rules,Bark=(structure)[rule,on=2.0,hold=-5,often=1],Meow=0.5");
        assert_eq!(rules["Bark"].over(ALL), ALL);
        assert_eq!(rules["Bark"].problems.len(), 3, "{rules:?}");
        assert_eq!(rules["Meow"].problems.len(), 1);
    }

    #[test]
    fn groups_are_arrays_lists_or_one_name() {
        gst::init().unwrap();
        let text = "groups,alarm=<Siren,Fire_alarm>,pet={Bark,Meow},rain=Rain";
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let wanted =
            [("alarm", owned(&["Siren", "Fire_alarm"])), ("pet", owned(&["Bark", "Meow"])), ("rain", owned(&["Rain"]))];
        assert_eq!(groups(&text.parse().unwrap()), wanted.map(|(name, members)| (name.to_string(), members)));
    }
}
