// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks that carry a state from window to window.

use gst::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, buffer, pts};

/// The softmax of the sum of the scores so far; digital silence has scores that are not 0.
fn summing() -> TestModel {
    let state = "\n[[state]]\ninput = \"h\"\noutput = \"hn\"\n";
    TestModel::with("state", |manifest| {
        let named = manifest.replace("activation =", "name = \"logits\"\nactivation =");
        let named = named.replace("[input]", "[input]\nname = \"input\"");
        named.replace("offset = 0.001", "offset = 0.9") + state
    })
}

/// Probabilities of the windows since the last call.
fn probabilities(rig: &Rig) -> Vec<f64> {
    rig.classifications().iter().map(|message| message.predictions[0].probability).collect()
}

#[test]
fn a_state_goes_on_in_silence_and_begins_anew_with_the_stream() {
    let mut rig =
        Rig::with(&summing(), |element| element.set_property("ensembles", 1u32)).caps("F32LE", RATE as i32, 1);
    let silence = vec![0.0; RATE];
    rig.push(&silence, Some(pts(0, RATE)));
    let first = probabilities(&rig);
    assert!(first.len() > 5 && first.is_sorted_by(|a, b| a < b), "{first:?}");

    // Two seconds are missing: another sequence of windows, which begins with no state.
    let mut later = buffer(&silence, Some(pts(3 * RATE, RATE)));
    later.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    rig.harness.push(later).unwrap();
    assert_eq!(probabilities(&rig), first);

    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    rig.harness.push_event(gst::event::Segment::new(&segment));
    rig.push(&silence, Some(pts(0, RATE)));
    assert_eq!(probabilities(&rig), first);
}
