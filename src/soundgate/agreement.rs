// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sources have to agree on: the same label, the same group, or any.

use std::collections::{BTreeMap, BTreeSet};

use gst::glib;

use crate::soundclassify::message::{Labelled, SourceLabels};
use soundclassify_core::decision::{Group, unknown_label_hint};

/// What the events of several sources must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundGateAgreeBy")]
#[repr(i32)]
pub enum AgreeBy {
    /// The same label; labels of `label-groups` count as their group.
    #[default]
    #[enum_value(name = "The same label; labels of 'label-groups' count as their group", nick = "label")]
    Label,
    /// The same group, of `label-groups` or of the models.
    #[enum_value(name = "The same group, of 'label-groups' or of the models", nick = "group")]
    Group,
    /// Nothing: any labels.
    #[enum_value(name = "Any labels", nick = "any")]
    Any,
}

/// The names under which events agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Agreement {
    pub(crate) by: AgreeBy,
    /// Groups of `label-groups`.
    pub(crate) groups: Vec<Group>,
}

impl Agreement {
    /// Calls `take` with each name under which events of this label agree; some names may come twice.
    pub(crate) fn names<'a>(&'a self, event: &'a Labelled, take: &mut dyn FnMut(&'a str)) {
        let own = || self.own_groups(&event.label);
        match self.by {
            AgreeBy::Any => take(""),
            AgreeBy::Label if own().next().is_none() => take(&event.label),
            AgreeBy::Label => own().for_each(take),
            AgreeBy::Group => own().chain(event.groups.iter().map(String::as_str)).for_each(take),
        }
    }

    /// Groups of `label-groups` with this label or name.
    fn own_groups<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a str> {
        let has = move |(name, members): &&Group| name == label || members.iter().any(|member| member == label);
        self.groups.iter().filter(has).map(|(name, _)| name.as_str())
    }

    /// Whether a list of labels and groups selects events of this label; an empty list selects all.
    pub(crate) fn selects(&self, labels: &[String], event: &Labelled) -> bool {
        let is_listed = |name: &str| labels.iter().any(|label| label == name);
        labels.is_empty()
            || is_listed(&event.label)
            || self.own_groups(&event.label).any(is_listed)
            || event.groups.iter().any(|group| is_listed(group))
    }

    /// Names in `labels` and in the groups that none of these sources reports, each as a sentence.
    pub(crate) fn unknown(&self, sources: &[SourceLabels], labels: &[String]) -> Vec<String> {
        let reported = sources.iter().flat_map(|source| &source.labels);
        let names =
            reported.flat_map(|it| std::iter::once(it.label.as_ref()).chain(it.groups.iter().map(String::as_str)));
        let known: BTreeSet<String> = names.map(str::to_owned).collect();
        let own: BTreeSet<String> = self.groups.iter().map(|(name, _)| name.clone()).collect();
        let known: Vec<String> = known.into_iter().collect();
        let listed = labels.iter().filter(|name| !own.contains(*name)).map(|name| ("labels".to_owned(), name));
        let members = self
            .groups
            .iter()
            .flat_map(|(group, members)| members.iter().map(move |name| (format!("label-groups: \"{group}\""), name)));
        let sentence = |(place, name): (String, &String)| {
            let near = unknown_label_hint(name, &known)?;
            let hint =
                if near.is_empty() { "no name is similar".into() } else { format!("similar: {}", near.join(", ")) };
            Some(format!("{place}: no soundclassify upstream reports \"{name}\"; {hint}"))
        };
        listed.chain(members).filter_map(sentence).collect()
    }

    /// Why so many of these sources can never agree; `None` where they can.
    pub(crate) fn obstacle(&self, sources: &[SourceLabels], labels: &[String], count: usize) -> Option<Obstacle> {
        if sources.len() < count {
            return Some(Obstacle::Sources(sources.len()));
        }
        let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
        for source in sources {
            let mut names = BTreeSet::new();
            for event in source.labels.iter().filter(|event| self.selects(labels, event)) {
                self.names(event, &mut |name| {
                    names.insert(name);
                });
            }
            names.into_iter().for_each(|name| *reached.entry(name).or_default() += 1);
        }
        (!reached.values().any(|sources| *sources >= count)).then_some(Obstacle::Names)
    }
}

/// Why sources can't agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Only so many exist.
    Sources(usize),
    /// They have no name in common.
    Names,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(label: &str, groups: &[&str]) -> Labelled {
        Labelled { label: label.into(), groups: groups.iter().map(ToString::to_string).collect() }
    }

    fn agreement(by: AgreeBy, groups: &[(&str, &[&str])]) -> Agreement {
        let owned = |labels: &[&str]| labels.iter().map(ToString::to_string).collect();
        Agreement { by, groups: groups.iter().map(|(name, labels)| (name.to_string(), owned(labels))).collect() }
    }

    fn names(agreement: &Agreement, event: &Labelled) -> Vec<String> {
        let mut names = Vec::new();
        agreement.names(event, &mut |name| names.push(name.to_string()));
        names
    }

    #[test]
    fn a_label_counts_as_itself_or_as_its_groups() {
        let own = agreement(AgreeBy::Label, &[("dog", &["Bark", "Dog"]), ("pet", &["Bark", "Meow"])]);
        assert_eq!(names(&own, &labelled("Rain", &["water"])), ["Rain"]);
        assert_eq!(names(&own, &labelled("Dog", &[])), ["dog"]);
        assert_eq!(names(&own, &labelled("Bark", &["animal"])), ["dog", "pet"]);
        assert_eq!(names(&own, &labelled("dog", &["dog"])), ["dog"]);
    }

    #[test]
    fn groups_are_those_of_the_gate_and_of_the_model() {
        let own = agreement(AgreeBy::Group, &[("dog", &["Bark"])]);
        assert_eq!(names(&own, &labelled("Bark", &["animal"])), ["dog", "animal"]);
        assert!(names(&own, &labelled("Rain", &[])).is_empty());
        assert_eq!(names(&agreement(AgreeBy::Any, &[]), &labelled("Rain", &[])), [""]);
    }

    #[test]
    fn a_list_selects_labels_and_groups() {
        let own = agreement(AgreeBy::Label, &[("dog", &["Bark", "Dog"])]);
        let listed = |name: &str, event: &Labelled| own.selects(&[name.to_string()], event);
        assert!(own.selects(&[], &labelled("Rain", &[])));
        assert!(listed("Dog", &labelled("Dog", &[])) && listed("dog", &labelled("Dog", &[])));
        assert!(listed("animal", &labelled("Bark", &["animal"])));
        assert!(!listed("Bark", &labelled("Dog", &["animal"])));
    }

    #[test]
    fn names_that_no_source_reports_are_found() {
        let labels = vec![labelled("Bark", &["animal"]), labelled("Rain", &[])];
        let sources = [SourceLabels { element: "classify".into(), labels }];
        let own = agreement(AgreeBy::Label, &[("dog", &["Bark", "Growl"])]);
        let given = ["animal", "dog", "Rain", "Brak"].map(String::from);
        let found = own.unknown(&sources, &given);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], "labels: no soundclassify upstream reports \"Brak\"; similar: Bark");
        assert!(
            found[1].starts_with("label-groups: \"dog\": no soundclassify upstream reports \"Growl\""),
            "{found:?}"
        );
    }

    #[test]
    fn what_can_never_agree_is_found() {
        let source = |labels: &[&str]| SourceLabels {
            element: "classify".into(),
            labels: labels.iter().map(|label| labelled(label, &["animal"])).collect(),
        };
        let sources = [source(&["Bark", "Rain"]), source(&["Dog", "Wind"])];
        let by = |by, groups| agreement(by, groups).obstacle(&sources, &[], 2);
        assert_eq!(by(AgreeBy::Label, &[]), Some(Obstacle::Names));
        assert_eq!(by(AgreeBy::Label, &[("dog", &["Bark", "Dog"])]), None);
        assert_eq!(by(AgreeBy::Group, &[]), None);
        assert_eq!(by(AgreeBy::Any, &[]), None);
        let any = agreement(AgreeBy::Any, &[]);
        assert_eq!(any.obstacle(&sources, &["Bark".into()], 2), Some(Obstacle::Names));
        assert_eq!(any.obstacle(&sources[..1], &[], 2), Some(Obstacle::Sources(1)));
    }
}
