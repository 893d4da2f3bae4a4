// SPDX-License-Identifier: MIT OR Apache-2.0
//! The topics of one name, the orders that arrive on them, and Home Assistant's discovery.

use std::collections::BTreeMap;

use serde_json::json;

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
    /// Labels that have a topic.
    pub(in crate::live) labels: Vec<String>,
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
    labels: BTreeMap<String, String>,
}

impl Topics {
    pub(super) fn new(prefix: &str, identity: &Identity) -> Self {
        let labels = identity.labels.iter().map(|label| (label.clone(), label_topic(label))).collect();
        Self { base: format!("{prefix}/{}", segment(&identity.name)), node: id(&identity.name), labels }
    }

    pub(super) fn of(&self, what: &str) -> String {
        format!("{}/{what}", self.base)
    }

    pub(super) fn label(&self, label: &str) -> String {
        self.of(&self.labels.get(label).cloned().unwrap_or_else(|| label_topic(label)))
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
            (None, _) => Err(format!("MQTT: {topic}: no such label")),
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

/// A text as an id of Home Assistant: letters, digits, `_` and `-`.
fn id(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Topics and payloads of Home Assistant's discovery: a binary sensor for each label, a sensor for the level.
pub(super) fn discovery(topics: &Topics, identity: &Identity) -> Vec<(String, String)> {
    let device = json!({
        "identifiers": [format!("soundclassify_{}", topics.node)],
        "name": identity.name,
        "manufacturer": "soundclassify",
        "model": identity.model,
        "sw_version": env!("CARGO_PKG_VERSION"),
    });
    let common = |what: &str, name: &str, topic: String, class: &str| {
        json!({
            "name": name,
            "unique_id": format!("soundclassify_{}_{}", topics.node, id(what)),
            "state_topic": topic,
            "availability_topic": topics.of("status"),
            "device_class": class,
            "device": device,
        })
    };
    let config =
        |kind: &str, what: &str| format!("homeassistant/{kind}/soundclassify_{}/{}/config", topics.node, id(what));
    let sensors = identity.labels.iter().map(|label| {
        let name = label.replace('_', " ");
        (config("binary_sensor", label), common(label, &name, topics.label(label), "sound").to_string())
    });
    let mut level = common("level", "Level", topics.of("level"), "sound_pressure");
    level["unit_of_measurement"] = "dB".into();
    level["state_class"] = "measurement".into();
    sensors.chain([(config("sensor", "level"), level.to_string())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let labels = ["Bark", "High, very high", "status", "a/b+c"].map(str::to_owned).to_vec();
        Identity { name: "Kitchen/mic".to_owned(), labels, model: "test".to_owned(), discovery: true }
    }

    #[test]
    fn labels_are_levels_of_topics() {
        let topics = Topics::new("sound", &identity());

        assert_eq!(topics.of("status"), "sound/Kitchen_mic/status");
        assert_eq!(topics.label("status"), "sound/Kitchen_mic/status_");
        assert_eq!(topics.label("a/b+c"), "sound/Kitchen_mic/a_b_c");
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

    #[test]
    fn home_assistant_finds_labels_and_level() {
        let identity = identity();
        let found = discovery(&Topics::new("sound", &identity), &identity);

        assert_eq!(found.len(), 5);
        let (topic, payload) = &found[1];
        assert_eq!(topic, "homeassistant/binary_sensor/soundclassify_Kitchen_mic/High__very_high/config");
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        assert_eq!(payload["state_topic"], "sound/Kitchen_mic/High, very high");
        assert_eq!(payload["device"]["name"], "Kitchen/mic");
    }
}
