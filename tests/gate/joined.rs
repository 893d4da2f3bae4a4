// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sources agree on, and the messages about it.

use gst::prelude::*;
use gstsoundclassify::{EventKind, GateEvent};
use proptest::prelude::*;

use crate::pipelines::{model, run};
use crate::rig::{Event, MS, Rig, frame_at, init, laid_out, signal, time_of};

const DELAY: u64 = 900 * MS;
/// Frames of the audio.
const FRAMES: usize = 20_000;

/// A gate with the group `dog` of `Bark` and `Dog`.
fn gate(agree: u32, by: &str) -> Rig {
    let by = by.to_owned();
    Rig::new(move |gate| {
        gate.set_property("delay", DELAY);
        gate.set_property("agree", agree);
        gate.set_property_from_str("agree-by", &by);
        gate.set_property_from_str("label-groups", "groups,dog=<Bark,Dog>");
    })
}

fn event(source: &'static str, id: u64, label: &'static str, from: u64, to: u64) -> Event {
    Event { source, id, label, from: from * MS, to: to * MS }
}

/// Element messages that wait on the bus.
fn posted(rig: &Rig) -> Vec<GateEvent> {
    let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element]));
    messages.map(|message| GateEvent::try_from(message.structure().unwrap()).unwrap()).collect()
}

/// Kind, number, label, onset and duration, ms, and the names of the sources.
fn short(event: &GateEvent) -> (EventKind, u64, &str, u64, u64, Vec<&str>) {
    let sources = event.sources.iter().map(|source| source.element.as_str()).collect();
    let (from, length) = (event.timestamp.mseconds(), event.duration.mseconds());
    (event.kind, event.event_id, &event.label, from, length, sources)
}

/// Pushes audio in buffers of these sizes; the beginning and the end of each event come this much later, ms.
fn push(rig: &mut Rig, sizes: &[usize], events: &[(Event, u64)]) {
    let audio = signal(FRAMES);
    let borders = events.iter().flat_map(|&(event, lag)| {
        let lag = lag * MS;
        [(event.from + lag, event, EventKind::Start), (event.to + lag, event, EventKind::End)]
    });
    let mut borders: Vec<_> = borders.collect();
    borders.sort_by_key(|(time, ..)| *time);
    let mut borders = borders.into_iter().peekable();
    let mut at = 0;
    for size in sizes.iter().cycle() {
        let end = FRAMES.min(at + size);
        while let Some((_, event, kind)) = borders.next_if(|(time, ..)| *time <= time_of(end as u64)) {
            rig.send(event, kind);
        }
        rig.push(&audio[at..end], at as u64);
        at = end;
        if at == FRAMES {
            break;
        }
    }
    borders.for_each(|(_, event, kind)| rig.send(event, kind));
    rig.eos();
}

/// Whether each frame is muted.
fn muted(rig: &mut Rig) -> Vec<bool> {
    laid_out(&rig.out(), FRAMES).iter().map(|sample| *sample == Some(0)).collect()
}

fn stretches(muted: &[bool]) -> Vec<(u64, u64)> {
    let borders: Vec<u64> = (0..=muted.len())
        .filter(|&at| muted.get(at).copied().unwrap_or(false) != (at > 0 && muted[at - 1]))
        .map(|at| time_of(at as u64) / MS)
        .collect();
    borders.chunks(2).map(|pair| (pair[0], pair[1])).collect()
}

#[test]
fn sources_agree_on_the_same_label_or_group_unless_any_will_do() {
    let events = [
        event("a", 1, "Bark", 100, 600),
        event("b", 1, "Dog", 300, 800),
        event("a", 2, "Rain", 1000, 1400),
        event("b", 2, "Wind", 1200, 1600),
        event("a", 3, "Wind", 1900, 2200),
        event("b", 3, "Wind", 2000, 2400),
    ];
    let events = events.map(|event| (event, 400));
    let muted = |agree, by| {
        let mut rig = gate(agree, by);
        push(&mut rig, &[160], &events);
        stretches(&muted(&mut rig))
    };
    assert_eq!(muted(2, "label"), [(300, 600), (2000, 2200)]);
    assert_eq!(muted(2, "group"), [(300, 600)]);
    assert_eq!(muted(2, "any"), [(300, 600), (1200, 1400), (2000, 2200)]);
    assert_eq!(muted(1, "label"), [(100, 800), (1000, 1600), (1900, 2400)]);
    assert_eq!(muted(1, "group"), [(100, 800)]);
    assert_eq!(muted(3, "any"), []);
}

#[test]
fn a_group_is_selected_by_its_name() {
    let mut rig = gate(1, "label");
    rig.gate.set_property("labels", gst::Array::new(["dog"]));
    push(&mut rig, &[160], &[(event("a", 1, "Bark", 100, 600), 400), (event("a", 2, "Rain", 1000, 1400), 400)]);
    assert_eq!(stretches(&muted(&mut rig)), [(100, 600)]);
}

#[test]
fn groups_of_the_models_come_with_their_events() {
    let mut rig = gate(2, "group");
    rig.push(&signal(8000), 0);
    for (source, label) in [("a", "Bark"), ("b", "Cow")] {
        for kind in [EventKind::Start, EventKind::End] {
            let mut sent = crate::rig::in_stream(event(source, 1, label, 500, 700), kind);
            let structure = sent.make_mut().structure_mut();
            structure.set("groups", gst::Array::new(["animal"]));
            assert!(rig.harness.push_event(sent));
        }
    }
    rig.push(&signal(FRAMES)[8000..], 8000);
    rig.eos();
    assert_eq!(stretches(&muted(&mut rig)), [(500, 700)]);
    assert!(posted(&rig).iter().all(|event| event.label == "animal"));
}

#[test]
fn messages_come_when_the_audio_of_an_agreement_leaves() {
    let mut rig = gate(2, "label");
    let audio = signal(FRAMES);
    let one = event("one", 7, "Bark", 200, 800);
    let other = event("other", 9, "Dog", 300, 600);
    let mut times = Vec::new();
    for (index, chunk) in audio.chunks(80).enumerate() {
        let now = index as u64 * 10;
        match now {
            500 => rig.send(one, EventKind::Start),
            600 => rig.send(other, EventKind::Start),
            900 => rig.send(other, EventKind::End),
            1200 => rig.send(one, EventKind::End),
            _ => {}
        }
        rig.push(chunk, index as u64 * 80);
        times.extend(posted(&rig).into_iter().map(|event| (now, event)));
    }
    let both = || vec!["one", "other"];
    let found: Vec<_> = times.iter().map(|(now, event)| (*now, short(event))).collect();
    // The buffer of 10 ms in which it begins or ends leaves when the one 900 ms later comes.
    assert_eq!(
        found,
        [(1200, (EventKind::Start, 1, "dog", 300, 0, both())), (1490, (EventKind::End, 1, "dog", 300, 300, both()))]
    );
    let end = &times[1].1;
    assert_eq!((end.stream_time, end.running_time), (Some(end.timestamp), Some(end.timestamp)));
    assert_eq!((end.utc, end.probability), (None, 0.9));
    assert_eq!(end.sources.iter().map(|source| source.label.as_str()).collect::<Vec<_>>(), ["Bark", "Dog"]);
}

#[test]
fn each_beginning_has_its_end_whatever_ends_the_stream() {
    type Ending = fn(&mut Rig);
    let endings: [(&str, Ending); 3] = [
        ("eos", |rig| rig.eos()),
        ("flush", |rig| {
            rig.harness.push_event(gst::event::FlushStart::new());
            rig.harness.push_event(gst::event::FlushStop::new(true));
        }),
        ("ready", |rig| {
            rig.gate.set_state(gst::State::Ready).unwrap();
        }),
    ];
    for (name, end) in endings {
        let mut rig = gate(2, "label");
        for source in ["a", "b"] {
            rig.send(event(source, 1, "Bark", 100, 9000), EventKind::Start);
        }
        for index in 0..200u64 {
            rig.push(&signal(80), index * 80);
        }
        assert_eq!(posted(&rig).len(), 1, "{name}");
        end(&mut rig);
        let messages = posted(&rig);
        assert_eq!(messages.len(), 1, "{name}: {messages:?}");
        assert_eq!((messages[0].kind, messages[0].event_id), (EventKind::End, 1), "{name}");
        // At the end, all audio has left; otherwise what is held back is lost.
        let length = if name == "eos" { 1900 } else { 1000 };
        assert_eq!(messages[0].duration.mseconds(), length, "{name}");
    }
}

#[test]
fn no_messages_are_posted_where_none_are_wanted() {
    let mut rig = gate(1, "label");
    rig.gate.set_property("post-messages", false);
    push(&mut rig, &[160], &[(event("a", 1, "Bark", 100, 600), 400)]);
    assert_eq!((posted(&rig), stretches(&muted(&mut rig))), (vec![], vec![(100, 600)]));
}

#[test]
fn a_start_that_was_posted_has_its_end_whatever_is_wanted_by_then() {
    for (first, kinds) in [(true, vec![EventKind::Start, EventKind::End]), (false, vec![])] {
        let mut rig = gate(1, "label");
        rig.gate.set_property("post-messages", first);
        let audio = signal(FRAMES);
        for (index, chunk) in audio.chunks(80).enumerate() {
            match index as u64 * 10 {
                200 => rig.send(event("a", 1, "Bark", 100, 1500), EventKind::Start),
                1200 => rig.gate.set_property("post-messages", !first),
                1600 => rig.send(event("a", 1, "Bark", 100, 1500), EventKind::End),
                _ => {}
            }
            rig.push(chunk, index as u64 * 80);
        }
        rig.eos();
        assert_eq!(posted(&rig).iter().map(|event| event.kind).collect::<Vec<_>>(), kinds, "{first}");
    }
}

#[test]
fn a_handler_of_messages_may_change_properties() {
    let mut rig = gate(1, "label");
    let gate = rig.gate.clone();
    rig.bus.set_sync_handler(move |_, message| {
        if let Some(event) = message.structure().and_then(|structure| GateEvent::try_from(structure).ok()) {
            gate.set_property_from_str("agree-by", if event.kind == EventKind::Start { "any" } else { "label" });
            assert!(gate.property::<u32>("agree") == 1);
        }
        gst::BusSyncReply::Pass
    });
    push(&mut rig, &[160], &[(event("a", 1, "Bark", 100, 600), 400), (event("a", 2, "Rain", 1000, 1400), 400)]);
    let kinds: Vec<_> = posted(&rig).iter().map(|event| event.kind).collect();
    let (start, end) = (EventKind::Start, EventKind::End);
    assert!(kinds.iter().filter(|kind| **kind == start).count() == kinds.iter().filter(|kind| **kind == end).count());
    assert!(!kinds.is_empty());
}

/// Two elements with the test model, and what the gate warns of.
fn warnings(one: &str, other: &str, gate: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let classify = format!("soundclassify model={} report=events ensembles=1", model(folder.path()).display());
    let second = if other.is_empty() { String::new() } else { format!("{classify} name=other {other} !") };
    let messages = run(
        &format!(
            "audiotestsrc num-buffers=40 samplesperbuffer=800 ! audio/x-raw,rate=8000,channels=1 ! \
             {classify} name=one {one} ! {second} soundgate name=gate {gate} ! fakesink"
        ),
        &[gst::MessageType::Warning],
    );
    let texts = messages.iter().filter_map(|message| match message.view() {
        gst::MessageView::Warning(warning) => {
            Some(format!("{}\n{}", warning.error(), warning.debug().unwrap_or_default()))
        }
        _ => None,
    });
    texts.collect()
}

#[test]
fn what_can_never_agree_is_a_warning() {
    let (bark, meow) = ("allow-labels=<Bark>", "allow-labels=<Meow>");
    let quiet = [
        (bark, bark, "agree=2"),
        (bark, meow, "agree=2 agree-by=any"),
        (bark, meow, "agree=2 label-groups=groups,pet=<Bark,Meow>"),
        (bark, meow, "agree=1"),
        ("label-groups=groups,pet=<Bark>", "label-groups=groups,pet=<Meow>", "agree=2 agree-by=group"),
    ];
    for (one, other, gate) in quiet {
        assert_eq!(warnings(one, other, gate), Vec::<String>::new(), "{one} {other} {gate}");
    }
    let names = warnings(bark, meow, "agree=2");
    assert_eq!(names.len(), 1, "{names:?}");
    for part in ["agree=2 is never reached", "one reports Bark", "other reports Meow", "label-groups", "agree-by=any"] {
        assert!(names[0].contains(part), "{part}: {}", names[0]);
    }
    let alone = warnings(bark, "", "agree=2");
    assert!(alone.len() == 1 && alone[0].contains("only 1 soundclassify upstream reports events"), "{alone:?}");
}

#[test]
fn names_that_nothing_reports_are_warned_of_once() {
    let bark = "allow-labels=<Bark>";
    let quiet = ["labels=<Bark>", "labels=<pet> label-groups=groups,pet=<Bark>", "labels=<>"];
    for gate in quiet {
        assert_eq!(warnings(bark, "", gate), Vec::<String>::new(), "{gate}");
    }
    for (gate, wanted) in [
        ("labels=<Bark,Brak>", "labels: no soundclassify upstream reports \"Brak\"; similar: Bark"),
        ("label-groups=groups,pet=<Bark,Miaow>", "label-groups: \"pet\": no soundclassify upstream reports \"Miaow\""),
        ("label-groups=groups,pet=<Bark,3>", "label-groups: \"pet\": expected labels, found gint"),
    ] {
        let found = warnings(bark, "", gate);
        assert!(found.len() == 1 && found[0].contains(wanted), "{gate}: {found:?}");
    }
}

#[test]
fn a_property_that_keeps_its_value_is_not_checked_again() {
    let folder = tempfile::tempdir().unwrap();
    init();
    let pipeline = gst::parse::launch(&format!(
        "audiotestsrc num-buffers=100 samplesperbuffer=800 ! audio/x-raw,rate=8000,channels=1 ! \
         soundclassify model={} report=events ensembles=1 ! soundgate name=gate agree=2 ! fakesink",
        model(folder.path()).display()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let gate = pipeline.by_name("gate").unwrap();
    let (pad, same) = (gate.static_pad("sink").unwrap(), gate.clone());
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        same.set_property("agree", 2u32);
        same.set_property_from_str("agree-by", "label");
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut found = 0;
    for message in pipeline.bus().unwrap().iter_timed(gst::ClockTime::from_seconds(60)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Warning(_) => found += 1,
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(found, 1);
}

fn any_events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let source = prop::sample::select(vec!["a", "b", "c"]);
    let label = prop::sample::select(vec!["Bark", "Dog", "Rain"]);
    let event = (source, label, 0u64..2000, 20u64..800, 0u64..800);
    prop::collection::vec(event, 0..9).prop_map(|events| {
        let numbered = events.into_iter().enumerate();
        numbered.map(|(id, (s, label, from, length, lag))| (event_of(s, id, label, from, length), lag)).collect()
    })
}

fn event_of(source: &'static str, id: usize, label: &'static str, from: u64, length: u64) -> Event {
    event(source, id as u64 + 1, label, from, from + length)
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..1200, 1..6)
}

/// Whether enough sources agree at each frame.
fn agreed(events: &[(Event, u64)], agree: u32, by: &str) -> Vec<bool> {
    let name = |label: &'static str| match (by, label) {
        ("any", _) => Some("any"),
        (_, "Bark" | "Dog") => Some("dog"),
        ("label", label) => Some(label),
        _ => None,
    };
    let mut covered = vec![Vec::new(); FRAMES];
    for (event, _) in events {
        let Some(name) = name(event.label) else { continue };
        let to = frame_at(event.to).min(FRAMES);
        for at in &mut covered[frame_at(event.from).min(to)..to] {
            at.push((name, event.source));
        }
    }
    let is_agreed = |mut now: Vec<(&str, &str)>| {
        now.sort_unstable();
        now.dedup();
        now.chunk_by(|one, next| one.0 == next.0).any(|sources| sources.len() >= agree as usize)
    };
    covered.into_iter().map(is_agreed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sources_agree_whatever_the_sizes_of_buffers_and_the_order_of_events(
        events in any_events(),
        sizes in sizes(),
        agree in 1u32..4,
        by in prop::sample::select(vec!["label", "group", "any"]),
    ) {
        let outcome = |sizes: &[usize], events: &[(Event, u64)]| {
            let mut rig = gate(agree, by);
            push(&mut rig, sizes, events);
            let muted = muted(&mut rig);
            (muted, posted(&rig))
        };
        let (muted, messages) = outcome(&sizes, &events);
        let wanted = agreed(&events, agree, by);
        for at in 0..FRAMES {
            prop_assert_eq!(muted[at], wanted[at], "frame {}", at);
        }
        let brief = |messages: &[GateEvent]| {
            messages.iter().map(|event| format!("{:?}", short(event))).collect::<Vec<_>>()
        };
        for event in &messages {
            prop_assert!(event.sources.len() >= agree as usize, "{:?}", event);
        }
        let starts = messages.iter().filter(|event| event.kind == EventKind::Start).count();
        prop_assert_eq!(starts * 2, messages.len());

        let other_lags: Vec<_> = events.iter().rev().map(|&(event, lag)| (event, 800 - lag)).collect();
        let (other, other_messages) = outcome(&[160], &other_lags);
        prop_assert!(muted == other);
        prop_assert_eq!(brief(&messages), brief(&other_messages));
    }
}
