// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is posted: number, order and content of messages and tags.

use gst::prelude::*;
use gstsoundclassify::Classification;
use proptest::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, WINDOW, buffer, noise, pts, start_of, windows_in};

/// Everything that is posted about a signal, pushed in buffers of these sizes, at a rate that may not be the model's.
fn messages_of(model: &TestModel, signal: &[f32], rate: usize, sizes: &[usize]) -> Vec<Classification> {
    let mut rig = Rig::new(model).caps("F32LE", rate as i32, 1);
    let mut at = 0;
    for size in sizes.iter().cycle() {
        let end = signal.len().min(at + size);
        rig.push(&signal[at..end], Some(pts(at, rate)));
        at = end;
        if at == signal.len() {
            break;
        }
    }
    rig.eos();
    rig.classifications()
}

#[test]
fn one_message_a_window_with_its_number_and_time() {
    let model = TestModel::new("linear");
    for oversamples in [1u64, 3, 10, 62, 100] {
        let mut rig = Rig::with(&model, |element| element.set_property("oversamples", oversamples as u32));
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push(&noise(2 * RATE, 1), Some(gst::ClockTime::from_mseconds(700)));
        let messages = rig.classifications();
        assert_eq!(messages.len() as u64, windows_in(2 * RATE as u64, oversamples), "{oversamples}");
        for (number, reported) in messages.iter().enumerate() {
            let start = pts(start_of(number as u64, oversamples) as usize, RATE);
            assert_eq!(reported.window, number as u64);
            assert_eq!(reported.timestamp, gst::ClockTime::from_mseconds(700) + start);
            assert_eq!(reported.duration, gst::ClockTime::from_mseconds(112));
            assert_eq!(reported.model, "test");
        }
    }
}

#[test]
fn windows_are_reported_as_soon_as_their_last_sample_arrived() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let signal = noise(WINDOW + 900, 1);
    rig.push(&signal[..WINDOW - 1], None);
    assert_eq!(rig.classifications().len(), 0);
    rig.push(&signal[WINDOW - 1..WINDOW], None);
    assert_eq!(rig.classifications().len(), 1);
}

#[test]
fn predictions_are_the_ensemble_best_first() {
    let model = TestModel::new("linear");
    let signal = noise(RATE, 3);
    let raw = |ensembles: u32| {
        let mut rig = Rig::with(&model, |element| element.set_property("ensembles", ensembles));
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push(&signal, None);
        rig.classifications()
    };
    let (single, mean) = (raw(1), raw(3));
    for (number, reported) in mean.iter().enumerate() {
        assert!(reported.predictions.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
        for label in &reported.predictions {
            let logs = single[number.saturating_sub(2)..=number].iter().map(|reported| {
                reported.predictions.iter().find(|other| other.index == label.index).unwrap().probability.ln()
            });
            let logs: Vec<f64> = logs.collect();
            let wanted = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
            assert!((label.probability - wanted).abs() < 1e-6);
        }
    }
}

#[test]
fn process_count_changes_when_and_not_what() {
    let model = TestModel::new("linear");
    let signal = noise(2 * RATE, 3);
    let of = |count: u32| {
        let mut rig = Rig::with(&model, |element| element.set_property("process-count", count));
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push(&signal, None);
        let before_end = rig.classifications();
        assert_eq!(before_end.len() % count as usize, 0);
        rig.eos();
        [before_end, rig.classifications()].concat()
    };
    let one = of(1);
    for count in [2, 5, 64] {
        alike(&of(count), &one);
    }
}

#[track_caller]
fn alike(some: &[Classification], others: &[Classification]) {
    assert_eq!(some.len(), others.len());
    for (one, other) in some.iter().zip(others) {
        assert_eq!(
            (one.window, one.timestamp, &one.best().label),
            (other.window, other.timestamp, &other.best().label)
        );
        assert!((one.best().probability - other.best().probability).abs() < 1e-5);
    }
}

#[test]
fn short_stream_is_classified_once_at_its_end() {
    let model = TestModel::new("linear");
    for samples in [1, 100, WINDOW - 1] {
        let mut rig = Rig::plain(&model);
        rig.push(&noise(samples, 1), Some(gst::ClockTime::from_seconds(5)));
        assert_eq!(rig.classifications().len(), 0);
        rig.eos();
        let messages = rig.classifications();
        assert_eq!(messages.len(), 1, "{samples}");
        assert_eq!((messages[0].window, messages[0].timestamp), (0, gst::ClockTime::from_seconds(5)));
    }
}

#[test]
fn stream_without_audio_reports_nothing() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.eos();
    assert_eq!(rig.classifications(), []);
}

#[test]
fn nothing_is_reported_after_the_end() {
    let model = TestModel::new("linear");
    let mut rig = Rig::not_waiting(&model, 1000);
    rig.push(&noise(4 * RATE, 1), None);
    rig.eos();
    assert_eq!(rig.classifications().len() as u64, windows_in(4 * RATE as u64, 10));
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(rig.classifications(), []);
}

#[test]
fn filters_shape_the_list() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| {
        element.set_property("deny-labels", gst::Array::new(["Meow"]));
        element.set_property("top-k", 1u32);
    });
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 1), None);
    let messages = rig.classifications();
    assert!(!messages.is_empty());
    assert!(messages.iter().all(|reported| reported.predictions.len() == 1 && reported.best().label != "Meow"));
    rig.element.set_property("threshold", 1.0);
    rig.push(&noise(RATE, 1), None);
    assert_eq!(rig.classifications(), []);
}

#[test]
fn no_messages_when_they_are_not_wanted() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| element.set_property("post-messages", false));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 1), None);
    assert_eq!(rig.classifications(), []);
    assert_eq!(rig.count("classified"), windows_in(RATE as u64, 10));
}

#[test]
fn tags_go_downstream_when_the_best_label_changes() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| {
        element.set_property("emit-tags", true);
        element.set_property("ensembles", 1u32);
    });
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    let signal: Vec<f32> =
        (0..4).flat_map(|part| noise(RATE / 2, part).into_iter().map(move |s| s * (part % 2) as f32)).collect();
    rig.push_in(&signal, &[400]);
    rig.eos();
    let mut changes: Vec<String> = rig.classifications().iter().map(|reported| reported.best().label.clone()).collect();
    changes.dedup();
    assert!(changes.len() > 2, "the signal should change the label: {changes:?}");
    let mut tags = Vec::new();
    while let Some(event) = rig.harness.try_pull_event() {
        if let gst::EventView::Tag(tag) = event.view() {
            let label = tag.tag().generic("soundclassify-label").unwrap().get::<String>().unwrap();
            assert!(tag.tag().generic("soundclassify-probability").unwrap().get::<f64>().unwrap() > 0.0);
            tags.push(label);
        }
    }
    assert_eq!(tags, changes);
}

#[test]
fn every_stream_gets_its_tags() {
    let model = TestModel::new("loudness");
    let mut rig = Rig::with(&model, |element| element.set_property("emit-tags", true));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
    rig.harness.push_event(gst::event::StreamStart::new("next"));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
    rig.eos();
    let events = std::iter::from_fn(|| rig.harness.try_pull_event());
    assert_eq!(events.filter(|event| event.type_() == gst::EventType::Tag).count(), 2);
}

#[test]
fn tags_of_late_results_do_not_leave_in_the_next_stream() {
    let model = TestModel::new("loudness");
    let mut rig = Rig::not_waiting(&model, 1000);
    rig.element.set_property("emit-tags", true);
    rig.harness.push_event(gst::event::StreamStart::new("one"));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    for second in 0..5 {
        rig.push(&noise(RATE, 1), Some(gst::ClockTime::from_seconds(second)));
    }
    while rig.harness.try_pull_event().is_some() {}
    rig.harness.push_event(gst::event::StreamStart::new("two"));
    let mut waiting = 0;
    while rig.stats().get::<u32>("pending").unwrap() > 0 && waiting < 500 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        waiting += 1;
    }
    while rig.harness.try_pull_event().is_some_and(|event| event.type_() != gst::EventType::StreamStart) {}
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    rig.push(&noise(100, 1), Some(gst::ClockTime::ZERO));
    assert_eq!(tags_of(&mut rig), []);
}

fn tags_of(rig: &mut Rig) -> Vec<(Option<String>, Option<String>)> {
    let events = std::iter::from_fn(|| rig.harness.try_pull_event());
    let text = |tags: &gst::TagListRef, name: &str| tags.generic(name).and_then(|value| value.get::<String>().ok());
    let tags = events.filter_map(|event| match event.view() {
        gst::EventView::Tag(tag) => Some((text(tag.tag(), "title"), text(tag.tag(), "soundclassify-label"))),
        _ => None,
    });
    tags.collect()
}

#[test]
fn tags_of_upstream_and_the_element_leave_together() {
    let model = TestModel::new("loudness");
    let mut rig = Rig::with(&model, |element| element.set_property("emit-tags", true));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    let title = |rig: &mut Rig, title: &str| {
        let mut tags = gst::TagList::new();
        tags.get_mut().unwrap().add::<gst::tags::Title>(&title, gst::TagMergeMode::Replace);
        rig.harness.push_event(gst::event::Tag::new(tags));
    };
    title(&mut rig, "one");
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::SECOND));
    title(&mut rig, "two");
    let reported = |title: &str, label: Option<&str>| (Some(title.to_owned()), label.map(str::to_owned));
    let expected = [reported("one", None), reported("one", Some("Bark")), reported("two", Some("Bark"))];
    assert_eq!(tags_of(&mut rig), expected);
}

#[test]
fn tags_of_audio_before_a_flush_do_not_leave_after_it() {
    let model = TestModel::new("loudness");
    let mut rig = Rig::with(&model, |element| element.set_property("emit-tags", true));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    rig.push(&noise(100, 1), Some(gst::ClockTime::ZERO));
    assert_eq!(tags_of(&mut rig), []);
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
    rig.eos();
    assert_eq!(tags_of(&mut rig), [(None, Some("Bark".to_owned()))]);
}

#[test]
fn streams_share_one_model_and_keep_apart() {
    let model = TestModel::new("linear");
    let signals = [noise(RATE, 1), noise(RATE, 2)];
    let alone: Vec<_> = signals.iter().map(|signal| messages_of(&model, signal, RATE, &[333])).collect();
    let mut rigs = [Rig::plain(&model), Rig::plain(&model)];
    for at in (0..RATE).step_by(200) {
        for (rig, signal) in rigs.iter_mut().zip(&signals) {
            rig.push(&signal[at..at + 200], Some(pts(at, RATE)));
        }
    }
    for (rig, alone) in rigs.iter_mut().zip(&alone) {
        rig.eos();
        alike(&rig.classifications(), alone);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn streams_that_run_together_are_reported_as_alone(
        seeds in prop::collection::vec(1u32..1000, 2..7),
        turns in prop::collection::vec((0usize..6, 1usize..4000), 1..60),
    ) {
        let model = TestModel::new("linear");
        let signals: Vec<_> = seeds.iter().map(|seed| noise(2 * RATE, *seed)).collect();
        let mut streams: Vec<_> = signals.iter().map(|signal| (Rig::not_waiting(&model, 1000), signal.as_slice())).collect();
        let rest = (0..streams.len()).map(|stream| (stream, 2 * RATE));
        for (stream, size) in turns.into_iter().chain(rest) {
            let count = streams.len();
            let (rig, left) = &mut streams[stream % count];
            let (part, after) = left.split_at(size.min(left.len()));
            if !part.is_empty() {
                rig.push(part, Some(pts(2 * RATE - left.len(), RATE)));
            }
            *left = after;
        }
        for ((rig, _), signal) in streams.iter_mut().zip(&signals) {
            rig.eos();
            alike(&rig.classifications(), &messages_of(&model, signal, RATE, &[333]));
        }
    }
}

#[test]
fn long_buffer_is_reported_as_short_ones_are() {
    let model = TestModel::new("linear");
    let signal = noise(10 * RATE, 9);
    assert_eq!(messages_of(&model, &signal, RATE, &[10 * RATE]), messages_of(&model, &signal, RATE, &[80]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn chunking_changes_nothing(
        sizes in prop::collection::vec(1usize..4000, 1..8),
        rate in prop::sample::select(vec![8000usize, 11025, 16000, 44100, 48000]),
        seed in 1u32..1000,
    ) {
        let model = TestModel::new("linear");
        let signal = noise(rate, seed);
        prop_assert_eq!(messages_of(&model, &signal, rate, &sizes), messages_of(&model, &signal, rate, &[rate]));
    }
}

#[test]
fn invalid_samples_count_as_silence() {
    let model = TestModel::new("linear");
    let mut signal = noise(RATE, 1);
    let mut silenced = signal.clone();
    for (at, bad) in [(5, f32::NAN), (1000, f32::INFINITY), (5000, f32::NEG_INFINITY)] {
        signal[at] = bad;
        silenced[at] = 0.0;
    }
    let mut rig = Rig::plain(&model);
    rig.push(&signal, Some(gst::ClockTime::ZERO));
    assert_eq!(rig.count("invalid-samples"), 3);
    let messages = rig.classifications();
    let mut rig = Rig::plain(&model);
    rig.harness.push(buffer(&silenced, Some(gst::ClockTime::ZERO))).unwrap();
    assert_eq!(messages, rig.classifications());
}

#[test]
fn invalid_samples_of_one_channel_leave_the_others() {
    let model = TestModel::new("linear");
    let right = noise(RATE, 1);
    let of = |left: f32| {
        let stereo: Vec<f32> = right.iter().flat_map(|right| [left, *right]).collect();
        let mut rig = Rig::new(&model).caps("F32LE", RATE as i32, 2);
        rig.push(&stereo, None);
        (rig.count("invalid-samples"), rig.classifications())
    };
    let (none, wanted) = of(0.0);
    assert_eq!(none, 0);
    for bad in [f32::NAN, f32::INFINITY] {
        assert_eq!(of(bad), (RATE as u64, wanted.clone()));
    }
}

#[test]
fn incomplete_batch_is_reported_when_the_segment_is_done() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| element.set_property("process-count", 64u32));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 1), None);
    assert_eq!(rig.classifications(), []);
    rig.harness.push_event(gst::event::SegmentDone::new(gst::ClockTime::SECOND));
    assert_eq!(rig.classifications().len() as u64, windows_in(RATE as u64, 10));
}
