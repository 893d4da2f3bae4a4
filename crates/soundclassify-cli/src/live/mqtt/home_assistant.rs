// SPDX-License-Identifier: MIT OR Apache-2.0
//! Home Assistant's discovery.

use serde_json::json;

use super::topics::{Identity, Topics};

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
            "unique_id": format!("soundclassify_{}_{what}", topics.node),
            "state_topic": topic,
            "availability_topic": topics.of("status"),
            "device_class": class,
            "device": device,
        })
    };
    let config = |kind: &str, what: &str| format!("homeassistant/{kind}/soundclassify_{}/{what}/config", topics.node);
    let sensors = identity.labels.iter().map(|label| {
        let (name, id) = (label.replace('_', " "), topics.label_id(label));
        (config("binary_sensor", &id), common(&id, &name, topics.label(label), "sound").to_string())
    });
    let mut level = common("level", "Level", topics.of("level"), "sound_pressure");
    level["unit_of_measurement"] = "dB".into();
    level["state_class"] = "measurement".into();
    sensors.chain([(config("sensor", "level"), level.to_string())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::mqtt::topics::tests::identity;

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
