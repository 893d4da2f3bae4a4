// SPDX-License-Identifier: MIT OR Apache-2.0
//! The topics of one name, and the orders that arrive on them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::short_hash::short_hash;

/// Topics beside those of labels.
const RESERVED: [&str; 5] = ["status", "event", "level", "threshold", "enabled"];

/// An order of a client of the broker.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::live) enum Order {
    /// A new threshold of a label.
    Threshold(String, f64),
    /// Listen or pause.
    Enable(bool),
}

/// What is published, and how it is called.
pub(in crate::live) struct Identity {
    /// Name of this microphone or stream.
    pub(in crate::live) name: String,
    /// Labels and groups that have a topic.
    pub(in crate::live) labels: Vec<String>,
    /// All labels and groups of the model.
    pub(in crate::live) all: Vec<String>,
    /// Name of the model.
    pub(in crate::live) model: String,
    /// Whether to publish Home Assistant's discovery.
    pub(in crate::live) discovery: bool,
}

/// The topics of one name.
#[derive(Clone)]
pub(super) struct Topics {
    base: String,
    /// Name in topics and ids of Home Assistant.
    pub(super) node: String,
    /// The last level of the topic of each label.
    labels: BTreeMap<String, String>,
    /// Id of each label, of Home Assistant.
    ids: BTreeMap<String, String>,
}

impl Topics {
    pub(super) fn new(prefix: &str, identity: &Identity) -> Self {
        let reported = |written: fn(&str) -> String| {
            let all = distinct(&identity.all, written).into_iter();
            all.filter(|(label, _)| identity.labels.contains(label)).collect()
        };
        Self {
            base: format!("{prefix}/{}", segment(&identity.name)),
            node: id(&identity.name),
            labels: reported(label_topic),
            ids: reported(id),
        }
    }

    pub(super) fn of(&self, what: &str) -> String {
        format!("{}/{what}", self.base)
    }

    pub(super) fn label(&self, label: &str) -> String {
        self.of(&self.labels.get(label).cloned().unwrap_or_else(|| label_topic(label)))
    }

    /// The id of a label, of Home Assistant.
    pub(super) fn label_id(&self, label: &str) -> String {
        self.ids.get(label).cloned().unwrap_or_else(|| id(label))
    }

    /// The order that a publication on a topic contains.
    pub(super) fn order(&self, topic: &str, payload: &[u8]) -> std::result::Result<Order, String> {
        let payload = std::str::from_utf8(payload).unwrap_or_default().trim();
        let rest = topic.strip_prefix(&self.base).map(|rest| rest.trim_start_matches('/')).unwrap_or_default();
        if rest == "enabled/set" {
            return match payload.to_ascii_lowercase().as_str() {
                "on" | "true" | "1" => Ok(Order::Enable(true)),
                "off" | "false" | "0" => Ok(Order::Enable(false)),
                _ => Err(format!("MQTT: {topic}: expected ON or OFF, found {payload:?}")),
            };
        }
        let label = rest.strip_prefix("threshold/").and_then(|rest| rest.strip_suffix("/set")).unwrap_or_default();
        let known = self.labels.iter().find(|(name, segment)| *name == label || *segment == label);
        match (known, payload.parse::<f64>()) {
            (Some((label, _)), Ok(value)) if (0.0..=1.0).contains(&value) => Ok(Order::Threshold(label.clone(), value)),
            (Some(_), _) => Err(format!("MQTT: {topic}: expected a number from 0 to 1, found {payload:?}")),
            (None, _) => Err(format!("MQTT: {topic}: no label with this name is reported")),
        }
    }
}

/// A text as one level of a topic.
fn segment(text: &str) -> String {
    let segment = text.replace(['/', '+', '#', '\0'], "_");
    if segment.is_empty() { "_".to_owned() } else { segment }
}

fn label_topic(label: &str) -> String {
    let segment = segment(label);
    if RESERVED.contains(&segment.as_str()) { format!("{segment}_") } else { segment }
}

/// How each label is written. Labels that would be the same get a hash of the label, except for one that needs no change.
fn distinct(labels: &[String], written: fn(&str) -> String) -> BTreeMap<String, String> {
    let mut counts = BTreeMap::<String, usize>::new();
    for label in labels {
        *counts.entry(written(label)).or_default() += 1;
    }
    let unique = |label: &String| {
        let text = written(label);
        if counts.get(&text).is_none_or(|count| *count < 2) || text == *label {
            return text;
        }
        format!("{text}_{}", short_hash(&Sha256::digest(label)))
    };
    labels.iter().map(|label| (label.clone(), unique(label))).collect()
}

/// A text as an id of Home Assistant: letters, digits, `_` and `-`.
fn id(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::live::mqtt) fn identity() -> Identity {
        with_labels(&["Bark", "High, very high", "status", "a/b+c"])
    }

    fn with_labels(labels: &[&str]) -> Identity {
        let labels: Vec<_> = labels.iter().map(|&label| label.to_owned()).collect();
        let all = labels.iter().cloned().chain(["Not reported".to_owned()]).collect();
        Identity { name: "Kitchen/mic".to_owned(), labels, all, model: "test".to_owned(), discovery: true }
    }

    #[test]
    fn labels_are_levels_of_topics() {
        let topics = Topics::new("sound", &identity());

        assert_eq!(topics.of("status"), "sound/Kitchen_mic/status");
        assert_eq!(topics.label("status"), "sound/Kitchen_mic/status_");
        assert_eq!(topics.label("a/b+c"), "sound/Kitchen_mic/a_b_c");
    }

    #[test]
    fn labels_that_would_share_a_topic_are_kept_apart() {
        let topics =
            Topics::new("sound", &with_labels(&["a/b", "a_b", "a+b", "status", "status_", "c d", "c,d", "e/f"]));

        let segments = ["a/b", "a_b", "a+b", "status", "status_", "e/f"].map(|label| topics.label(label));
        let ids = ["a/b", "a_b", "a+b", "c d", "c,d", "e/f"].map(|label| topics.label_id(label));
        for all in [&segments, &ids] {
            assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
        }
        assert_eq!(
            [&segments[1], &segments[4], &segments[5]],
            ["sound/Kitchen_mic/a_b", "sound/Kitchen_mic/status_", "sound/Kitchen_mic/e_f"]
        );
        // The same in every run.
        assert_eq!(segments[0], "sound/Kitchen_mic/a_b_c14cddc0");
        let order = |segment: &str| topics.order(&topics.of(&format!("threshold/{segment}/set")), b"0.5");
        assert_eq!(order("a_b_c14cddc0"), Ok(Order::Threshold("a/b".to_owned(), 0.5)));
        assert_eq!(order("a_b"), Ok(Order::Threshold("a_b".to_owned(), 0.5)));
    }

    #[test]
    fn orders_are_checked() {
        let topics = Topics::new("sound", &identity());
        let order = |topic: &str, payload: &str| topics.order(&topics.of(topic), payload.as_bytes());

        assert_eq!(order("threshold/a_b_c/set", "0.5"), Ok(Order::Threshold("a/b+c".to_owned(), 0.5)));
        assert_eq!(order("enabled/set", "OFF"), Ok(Order::Enable(false)));
        for (topic, payload) in [("threshold/Bark/set", "2"), ("threshold/Meow/set", "0.5"), ("enabled/set", "x")] {
            assert!(order(topic, payload).is_err(), "{topic}");
        }
    }
}
