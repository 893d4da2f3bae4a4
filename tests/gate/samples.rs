// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of what comes out: exact to the sample, whatever the sizes of buffers.

use gst::prelude::*;
use proptest::prelude::*;

use crate::rig::{Event, MS, Out, Rig, event, frame_at, laid_out, signal};

const DELAY: u64 = 700 * MS;
const LAG: u64 = 400 * MS;

fn gate(mode: &str, margins: (u64, u64, u64)) -> Rig {
    Rig::new(|gate| {
        gate.set_property_from_str("mode", mode);
        gate.set_property("delay", DELAY);
        gate.set_property("before", margins.0);
        gate.set_property("after", margins.1);
        gate.set_property("fade", margins.2);
    })
}

fn run(mode: &str, margins: (u64, u64, u64), audio: &[i16], sizes: &[usize], events: &[Event]) -> Vec<Out> {
    let mut rig = gate(mode, margins);
    rig.run(audio, sizes, events, LAG);
    rig.out()
}

/// Whether each frame lies in an event with its margins; `fade` widens.
fn inside(frames: usize, events: &[Event], margins: (u64, u64, u64), widen: usize) -> Vec<bool> {
    let mut inside = vec![false; frames];
    for event in events {
        let from = frame_at(event.from.saturating_sub(margins.0)).saturating_sub(widen);
        let to = (frame_at(event.to + margins.1) + widen).min(frames);
        inside[from.min(frames)..to].fill(true);
    }
    inside
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0u64..2_500_000_000, 1u64..900_000_000), 0..5).prop_map(|events| {
        let numbered = events.into_iter().enumerate();
        numbered.map(|(id, (from, length))| event(id as u64 + 1, from, from + length)).collect()
    })
}

fn any_margins() -> impl Strategy<Value = (u64, u64, u64)> {
    (0u64..200, 0u64..400, 0u64..20).prop_map(|(before, after, fade)| (before * MS, after * MS, fade * MS))
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..1200, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn mute_and_replace_change_nothing_outside_and_no_count_and_no_time(
        events in any_events(),
        margins in any_margins(),
        sizes in sizes(),
        mode in prop::sample::select(vec!["mute", "replace"]),
    ) {
        let audio = signal(20_000);
        let out = run(mode, margins, &audio, &sizes, &events);
        prop_assert_eq!(out.iter().map(|(_, samples, _)| samples.len()).collect::<Vec<_>>(), {
            let mut left = audio.len();
            let lengths = sizes.iter().cycle().map(|size| { let now = left.min(*size); left -= now; now });
            lengths.take_while(|length| *length > 0).collect::<Vec<_>>()
        });
        let got = laid_out(&out, audio.len());
        let ramp = (margins.2 * 8000 / 1_000_000_000) as usize;
        let (full, wide) = (inside(audio.len(), &events, margins, 0), inside(audio.len(), &events, margins, ramp));
        for frame in 0..audio.len() {
            let sample = got[frame].expect("every frame comes out");
            if !wide[frame] {
                prop_assert_eq!(sample, audio[frame], "frame {}", frame);
            }
            if full[frame] && mode == "mute" {
                prop_assert_eq!(sample, 0, "frame {}", frame);
            }
            if full[frame] && mode == "replace" {
                prop_assert!(sample.unsigned_abs() <= 3277, "frame {}: {}", frame, sample);
            }
        }
    }

    #[test]
    fn keep_and_drop_are_slices_cut_by_hand(
        events in any_events(),
        margins in any_margins(),
        sizes in sizes(),
        keep in any::<bool>(),
    ) {
        let audio = signal(20_000);
        let margins = (margins.0, margins.1, 0);
        let out = run(if keep { "keep" } else { "drop" }, margins, &audio, &sizes, &events);
        let inside = inside(audio.len(), &events, margins, 0);
        let wanted: Vec<Option<i16>> = (0..audio.len()).map(|frame| (inside[frame] == keep).then_some(audio[frame])).collect();
        prop_assert_eq!(laid_out(&out, audio.len()), wanted);
    }

    #[test]
    fn sizes_of_buffers_make_no_difference(
        events in any_events(),
        margins in any_margins(),
        sizes in sizes(),
        mode in prop::sample::select(vec!["mute", "keep", "drop", "replace"]),
    ) {
        let audio = signal(20_000);
        let one = laid_out(&run(mode, margins, &audio, &sizes, &events), audio.len());
        let other = laid_out(&run(mode, margins, &audio, &[160], &events), audio.len());
        prop_assert!(one == other);
    }
}

#[test]
fn kept_pieces_are_discontinuous_and_gaps_lie_between_them() {
    let audio = signal(24_000);
    let mut rig = gate("keep", (0, 0, 0));
    rig.run(&audio, &[160], &[event(1, 1000 * MS, 1500 * MS), event(2, 2000 * MS, 2500 * MS)], LAG);
    let starts: Vec<u64> = rig.out().iter().filter(|(.., discont)| *discont).map(|(frame, ..)| *frame).collect();
    assert_eq!(starts, [8000, 16_000]);
    let events = std::iter::from_fn(|| rig.harness.try_pull_event());
    let mut gaps = std::collections::BTreeMap::new();
    for event in events {
        if let gst::EventView::Gap(gap) = event.view() {
            let (start, duration) = gap.get();
            gaps.insert(start.nseconds(), (start + duration.unwrap()).nseconds());
        }
    }
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in gaps {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    assert_eq!(joined, [(0, 1000 * MS), (1500 * MS, 2000 * MS), (2500 * MS, 3000 * MS)]);
}

#[test]
fn only_the_labels_that_count_are_acted_on() {
    let mut rig = gate("mute", (0, 0, 0));
    rig.gate.set_property("labels", gst::Array::new(["Meow"]));
    let audio = signal(24_000);
    let meow = Event { label: "Meow", ..event(2, 2000 * MS, 2500 * MS) };
    rig.run(&audio, &[160], &[event(1, 1000 * MS, 1500 * MS), meow], LAG);
    let got = laid_out(&rig.out(), audio.len());
    let muted: Vec<usize> = (0..audio.len()).filter(|frame| got[*frame] == Some(0)).collect();
    assert_eq!((muted.len(), muted[0]), (4000, 16_000));
}

#[test]
fn agreement_is_where_both_sources_have_an_event() {
    let mut rig = gate("mute", (0, 0, 0));
    rig.gate.set_property("agree", 2u32);
    rig.gate.set_property_from_str("label-groups", "groups,dog=<Bark,Dog>");
    let audio = signal(24_000);
    let other = Event { source: "b", label: "Dog", ..event(1, 1200 * MS, 2000 * MS) };
    rig.run(&audio, &[160], &[event(1, 1000 * MS, 1500 * MS), other, event(2, 2200 * MS, 2400 * MS)], LAG);
    let got = laid_out(&rig.out(), audio.len());
    let muted: Vec<usize> = (0..audio.len()).filter(|frame| got[*frame] == Some(0)).collect();
    assert_eq!((muted.len(), muted[0]), (2400, 9600));
}
