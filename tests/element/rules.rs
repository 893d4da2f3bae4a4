// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules per label, cooldown, suppressing labels and groups.

use gst::prelude::*;
use gstsoundclassify::EventKind;

use crate::common::rig::{RATE, Rig, TestModel, scene};

/// The ends of events, by label and time, ms, in a scene of loud and quiet parts; and the element after it.
fn ends(parts: &[(usize, f32)], setup: impl FnOnce(&gst::Element)) -> (Vec<(String, u64)>, Rig) {
    let model = TestModel::new("loudness");
    let mut rig = Rig::with(&model, |element| {
        element.set_property("ensembles", 1u32);
        element.set_property_from_str("report", "events");
        setup(element);
    });
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push_in(&scene(parts), &[160]);
    rig.eos();
    let ends = rig.events().into_iter().filter(|event| event.kind == EventKind::End);
    (ends.map(|event| (event.now.label, event.timestamp.mseconds())).collect(), rig)
}

fn labels(ends: &[(String, u64)]) -> Vec<&str> {
    ends.iter().map(|(label, _)| label.as_str()).collect()
}

const BARKS: [(usize, f32); 7] =
    [(1000, 0.0), (1000, 1.0), (1000, 0.0), (1000, 1.0), (1000, 0.0), (1000, 1.0), (1000, 0.0)];

fn only_bark(element: &gst::Element) {
    element.set_property("allow-labels", gst::Array::new(["Bark"]));
}

#[test]
fn a_label_has_a_rule_of_its_own() {
    assert_eq!(ends(&BARKS, only_bark).0.len(), 3);
    let (all, _) = ends(&BARKS, |element| {
        only_bark(element);
        element.set_property_from_str("label-rules", "rules,Bark=(structure)[rule,min-duration=(guint64)1500000000]");
    });
    assert_eq!(all, []);
    let (all, _) = ends(&BARKS, |element| {
        only_bark(element);
        element.set_property_from_str("label-rules", "rules,Bark=(structure)[rule,hold=(guint64)1500000000]");
    });
    assert_eq!(labels(&all), ["Bark"]);
}

#[test]
fn a_rule_may_start_events_below_event_on() {
    let quiet = |rule: bool| {
        let (all, _) = ends(&BARKS, |element| {
            only_bark(element);
            element.set_property("event-on", 1.0);
            if rule {
                element.set_property_from_str("label-rules", "rules,Bark=(structure)[rule,on=0.5]");
            }
        });
        all.len()
    };
    assert_eq!((quiet(false), quiet(true)), (0, 3));
}

#[test]
fn cooldown_leaves_events_out_and_stats_count_them() {
    let (all, rig) = ends(&BARKS, |element| {
        only_bark(element);
        element.set_property("event-cooldown", 60_000_000_000u64);
    });
    assert_eq!(labels(&all), ["Bark"]);
    assert_eq!((rig.count("events-in-cooldown"), rig.count("events-suppressed")), (2, 0));
}

#[test]
fn cooldown_outlasts_live_changes() {
    for change in [
        |element: &gst::Element| {
            element.set_property("post-messages", false);
            element.set_property("post-messages", true);
        },
        |element: &gst::Element| element.set_property_from_str("label-groups", "groups,pet=<Rain>"),
    ] {
        let model = TestModel::new("loudness");
        let mut rig = Rig::with(&model, |element| {
            element.set_property("ensembles", 1u32);
            element.set_property_from_str("report", "events");
            element.set_property("event-cooldown", 3_000_000_000u64);
            only_bark(element);
        });
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push_in(&scene(&[(4000, 0.0), (1000, 1.0), (1000, 0.0)]), &[160]);
        change(&rig.element);
        rig.push_in(&scene(&[(1000, 1.0), (1000, 0.0)]), &[160]);
        rig.eos();
        let ends = rig.events().into_iter().filter(|event| event.kind == EventKind::End);
        assert_eq!((ends.count(), rig.count("events-in-cooldown")), (1, 1));
    }
}

#[test]
fn a_suppressing_label_keeps_all_others_back() {
    let (all, rig) = ends(&BARKS, |element| element.set_property("suppress-while", gst::Array::new(["Bark"])));
    assert!(all.iter().filter(|(label, _)| label == "Bark").count() == 3, "{all:?}");
    // What is open when the label comes ends there, and begins again only after its event.
    for (label, onset) in &all {
        let loud = (1050..2000).contains(onset) || (3050..4000).contains(onset) || (5050..6000).contains(onset);
        assert!(label == "Bark" || !loud, "{all:?}");
    }
    assert_eq!(rig.count("events-in-cooldown"), 0);
}

#[test]
fn a_group_counts_as_one_label() {
    let (all, rig) = ends(&BARKS, |element| {
        element.set_property_from_str("label-groups", "groups,sound=<Bark,Background>");
        element.set_property("allow-labels", gst::Array::new(["sound"]));
    });
    assert!(!all.is_empty() && labels(&all).iter().all(|label| *label == "sound"), "{all:?}");
    assert_eq!(rig.warnings(), [""; 0]);
    let (all, _) = ends(&BARKS, |element| {
        element.set_property_from_str("label-groups", "groups,pet=<Bark>");
    });
    assert!(labels(&all).contains(&"pet") && !labels(&all).contains(&"Bark"), "{all:?}");
}

#[test]
fn unknown_names_and_values_are_warned_of() {
    let model = TestModel::new("loudness");
    let rig = Rig::with(&model, |element| {
        element.set_property("suppress-while", gst::Array::new(["Barks"]));
        element
            .set_property_from_str("label-rules", "rules,Bark=(structure)[rule,on=2.0],Dog=(structure)[rule,on=0.5]");
        element.set_property_from_str("label-groups", "groups,Meow=<Bark>,pet=<Bark,Cat>");
    });
    let warnings = rig.warnings();
    for part in ["suppress-while: \"Barks\"", "\"Dog\"", "on: expected", "\"Meow\" is a label", "\"Cat\""] {
        assert!(warnings.iter().any(|warning| warning.contains(part)), "{part}: {warnings:#?}");
    }
}

#[test]
fn numeric_live_properties_are_controllable() {
    let model = TestModel::new("loudness");
    let rig = Rig::plain(&model);
    for spec in rig.element.list_properties().iter().filter(|spec| spec.owner_type() == rig.element.type_()) {
        let live = spec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING);
        let numeric = [f64::static_type(), u32::static_type(), u64::static_type()].contains(&spec.value_type());
        assert_eq!(spec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE), live && numeric, "{}", spec.name());
    }
}
