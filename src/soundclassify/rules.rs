// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads `label-rules` and `label-groups`.

use std::collections::BTreeMap;

use gst::glib;

use super::settings::probability;
use soundclassify_core::decision::Group;
use soundclassify_core::model::Rule;

/// The rule of one label in `label-rules`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct GivenRule {
    pub(crate) rule: Rule,
    /// What can't be read; it has no effect.
    pub(crate) problems: Vec<String>,
}

impl GivenRule {
    fn read(value: &glib::SendValue) -> Self {
        let (mut rule, mut problems) = (Rule::default(), Vec::new());
        let Ok(fields) = value.get::<gst::Structure>() else {
            problems.push(format!("expected a structure, found {}", value.type_()));
            return Self { rule, problems };
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
                    problems.push(format!("expected one of {known}, found {name}"));
                    continue;
                }
            };
            if !read {
                let expected =
                    if ["on", "off"].contains(&name.as_str()) { "a number from 0 to 1" } else { "nanoseconds" };
                problems.push(format!("{name}: expected {expected}"));
            }
        }
        Self { rule, problems }
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
pub(crate) fn rules(structure: &gst::Structure) -> BTreeMap<String, GivenRule> {
    structure.iter().map(|(label, value)| (label.to_string(), GivenRule::read(value))).collect()
}

/// The groups that a `label-groups` holds, in its order: each an array, a list or one label. What is no text is left out.
#[must_use]
pub fn groups(structure: &gst::Structure) -> Vec<Group> {
    let labels = |value| members(value).into_iter().filter_map(|value| value.get::<String>().ok()).collect();
    structure.iter().map(|(name, value)| (name.to_string(), labels(value))).collect()
}

/// What `label-groups` holds that is no label, by group.
pub(crate) fn group_problems(structure: &gst::Structure) -> Vec<(String, String)> {
    let wrong = |(name, value): (&glib::GStr, _)| {
        let unreadable = members(value).into_iter().filter(|value| value.get::<String>().is_err());
        let types: Vec<_> = unreadable.map(|value| value.type_().name()).collect();
        let found = if members(value).is_empty() { "nothing".into() } else { types.join(", ") };
        (!found.is_empty()).then(|| (name.to_string(), format!("expected labels, found {found}")))
    };
    structure.iter().filter_map(wrong).collect()
}

/// The values of an array or a list, or a single one.
fn members(value: &glib::SendValue) -> Vec<&glib::SendValue> {
    let array = value.get::<gst::ArrayRef<'_>>().map(|array| array.as_slice());
    let list = || value.get::<gst::ListRef<'_>>().map(|list| list.as_slice());
    array.or_else(|_| list()).map_or_else(|_| vec![value], |values| values.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use soundclassify_core::decision::LabelRule;

    const ALL: LabelRule = LabelRule { on: 0.5, off: 0.35, min_duration: 1, hold: 2, cooldown: 3 };

    fn read(text: &str) -> BTreeMap<String, GivenRule> {
        gst::init().unwrap();
        rules(&text.parse::<gst::Structure>().unwrap())
    }

    #[test]
    fn a_rule_is_over_what_holds_for_all() {
        let rules = read("rules,Bark=(structure)[rule,on=1,cooldown=(guint64)60000000000,hold=5]");
        let wanted = LabelRule { on: 1.0, hold: 5, cooldown: 60_000_000_000, ..ALL };
        assert_eq!(rules["Bark"].rule.over(ALL), wanted);
        assert!(rules["Bark"].problems.is_empty());
    }

    #[test]
    fn what_can_not_be_read_is_named_and_has_no_effect() {
        let rules = read("rules,Bark=(structure)[rule,on=2.0,hold=-5,often=1],Meow=0.5");
        assert_eq!(rules["Bark"].rule.over(ALL), ALL);
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
    #[test]
    fn what_is_no_label_in_a_group_is_named() {
        gst::init().unwrap();
        let problems = |text: &str| group_problems(&text.parse().unwrap());
        assert_eq!(problems("groups,alarm=<Siren,Fire_alarm>,rain=Rain"), []);
        let found = problems("groups,dog=<Bark,5>,cat=3,bird=<>");
        assert_eq!(found.iter().map(|(group, _)| group.as_str()).collect::<Vec<_>>(), ["dog", "cat", "bird"]);
        assert_eq!(found[0].1, "expected labels, found gint");
    }
}
