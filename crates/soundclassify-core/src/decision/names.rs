// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may be reported: a model's labels and, after them, groups.

use super::{Groups, Merge};

/// A group's name and its labels.
pub type Group = (String, Vec<String>);

/// A model's labels and, after them, groups. A label's number is its class; groups follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// All names.
    pub all: Vec<String>,
    members: Vec<Vec<usize>>,
    /// The groups are the manifest's: they take the place of no label.
    suggested: bool,
}

impl Names {
    /// Names of a model with `labels`. `groups` take the place of those that its manifest has, `suggested`, which can be
    /// allowed and named in rules. What is no label of the model has no effect, nor has a group without labels or with the
    /// name of one.
    #[must_use]
    pub fn new<'a>(
        labels: &[String],
        suggested: impl IntoIterator<Item = (&'a String, &'a Vec<String>)>,
        groups: &'a [Group],
    ) -> Self {
        let is_suggested = groups.is_empty();
        let mut names = Self { all: labels.to_vec(), members: Vec::new(), suggested: is_suggested };
        if is_suggested {
            suggested.into_iter().for_each(|(name, members)| names.add(labels, name, members));
        } else {
            groups.iter().for_each(|(name, members)| names.add(labels, name, members));
        }
        names
    }

    fn add(&mut self, labels: &[String], name: &String, members: &[String]) {
        let class = |label: &String| labels.iter().position(|known| known == label);
        let mut members: Vec<usize> = members.iter().filter_map(class).collect();
        members.sort_unstable();
        members.dedup();
        if !members.is_empty() && !self.all.contains(name) {
            self.all.push(name.clone());
            self.members.push(members);
        }
    }

    /// Number of a label or group.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|known| known == name)
    }

    /// Whether each name may be reported. `allow` empty: all, but for the labels of one of the application's groups, which
    /// are reported by its name, and for the manifest's groups, which take the place of none.
    #[must_use]
    pub fn reported(&self, allow: &[String], deny: &[String]) -> Vec<bool> {
        let is_reported = |(index, name): (usize, &String)| {
            let allowed = if allow.is_empty() { self.is_reported_by_default(index) } else { allow.contains(name) };
            allowed && !deny.contains(name)
        };
        self.all.iter().enumerate().map(is_reported).collect()
    }

    fn is_reported_by_default(&self, index: usize) -> bool {
        if self.suggested {
            index < self.all.len() - self.members.len()
        } else {
            !self.members.iter().any(|members| members.contains(&index))
        }
    }

    /// Names of the groups that contain a label; a group is in itself.
    pub fn groups_of(&self, index: usize) -> impl Iterator<Item = &str> {
        let names = self.all.iter().enumerate().skip(self.all.len() - self.members.len());
        let has =
            move |((group, _), members): &((usize, &String), &Vec<usize>)| *group == index || members.contains(&index);
        names.zip(&self.members).filter(has).map(|((_, name), _)| name.as_str())
    }

    /// How scores become those of the groups.
    #[must_use]
    pub fn groups(&self, merge: Merge) -> Groups {
        Groups::new(self.members.clone(), merge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn groups_of_the_manifest_are_reported_where_they_are_allowed() {
        let suggested = [("pet".to_owned(), owned(&["Bark", "Meow"]))];
        let names =
            Names::new(&owned(&["Bark", "Meow", "Rain"]), suggested.iter().map(|(name, members)| (name, members)), &[]);

        assert_eq!(names.all, owned(&["Bark", "Meow", "Rain", "pet"]));
        assert_eq!(names.reported(&[], &[]), [true, true, true, false]);
        assert_eq!(names.reported(&owned(&["pet"]), &[]), [false, false, false, true]);
        assert_eq!(names.index("pet"), Some(3));
        let groups = |index| names.groups_of(index).collect::<Vec<_>>();
        assert_eq!((groups(1), groups(2), groups(3)), (vec!["pet"], vec![], vec!["pet"]));
    }

    #[test]
    fn groups_of_the_application_take_the_place_of_their_labels() {
        let groups =
            [("pet".to_owned(), owned(&["Meow", "Bark", "Bark", "Cow"])), ("Rain".to_owned(), owned(&["Bark"]))];
        let names = Names::new(&owned(&["Bark", "Meow", "Rain"]), [], &groups);

        assert_eq!(names.all, owned(&["Bark", "Meow", "Rain", "pet"]));
        assert_eq!(names.reported(&[], &owned(&["Rain"])), [false, false, false, true]);
        assert_eq!(names.groups(Merge::Sum).extend(&[0.25, 0.5, 0.25])[3], 0.75);
    }
}
