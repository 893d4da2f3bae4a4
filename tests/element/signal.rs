// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever flows through the element, its windows are those that [`Signal`] and [`Windows`] give by themselves, value
//! for value: `soundclassify features` and the live view's picture are made of these. The network `hands-on` returns its input,
//! and with `ensembles=1` the element posts it with every bit.

use gst::ClockTime;
use gst::prelude::*;
use gstsoundclassify::Classification;
use gstsoundclassify::signal::{Item, Signal, Windows};
use proptest::prelude::*;
use soundclassify_core::frontend::Frontend;
use soundclassify_core::model::{EngineOptions, Model, load_network};

use crate::common::rig::{RATE, Rig, TestModel, noise};

/// Something that flows.
#[derive(Debug, Clone)]
enum Flow {
    /// So many milliseconds of audio, this far from where the last ended, ms, flagged or not, with a timestamp or not.
    Audio {
        length: u64,
        step: i64,
        discont: bool,
        gap: bool,
        timed: bool,
    },
    Gap {
        length: u64,
        step: i64,
    },
    Segment {
        start: u64,
        length: Option<u64>,
        backwards: bool,
    },
    Caps {
        rate: i32,
        channels: i32,
    },
    Stream(u8),
    Flush,
    SegmentDone,
}

fn flow() -> impl Strategy<Value = Flow> {
    let step = prop_oneof![8 => Just(0i64), 2 => -60i64..250, 1 => -1000i64..2000];
    let audio =
        (1u64..700, step.clone(), prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::bool::weighted(0.9));
    prop_oneof![
        20 => audio.prop_map(|(length, step, discont, gap, timed)| Flow::Audio { length, step, discont, gap, timed }),
        3 => (1u64..1500, step).prop_map(|(length, step)| Flow::Gap { length, step }),
        1 => (0u64..2000, prop::option::of(0u64..3000), prop::bool::weighted(0.2)).prop_map(|(start, length, backwards)| Flow::Segment { start, length, backwards }),
        1 => (prop::sample::select(vec![8000, 16_000, 44_100]), 1i32..3).prop_map(|(rate, channels)| Flow::Caps { rate, channels }),
        1 => (0u8..3).prop_map(Flow::Stream),
        1 => Just(Flow::Flush),
        1 => Just(Flow::SegmentDone),
    ]
}

/// The buffers and events of a sequence.
struct Player {
    at: u64,
    rate: i32,
    channels: i32,
    seed: u32,
}

enum Made {
    Buffer(gst::Buffer),
    Events(Vec<gst::Event>),
}

impl Player {
    fn new() -> Self {
        Self { at: 0, rate: RATE as i32, channels: 1, seed: 0 }
    }

    fn begin(&self) -> Vec<gst::Event> {
        vec![gst::event::StreamStart::new("first"), self.caps(), segment(0, None, false)]
    }

    fn caps(&self) -> gst::Event {
        let caps = gst::Caps::builder("audio/x-raw").field("format", "F32LE").field("rate", self.rate);
        let caps = caps.field("channels", self.channels).field("layout", "interleaved").build();
        gst::event::Caps::new(&caps)
    }

    fn make(&mut self, flow: &Flow) -> Made {
        let event = |event| Made::Events(vec![event]);
        match *flow {
            Flow::Audio { length, step, discont, gap, timed } => {
                self.at = self.at.saturating_add_signed(step);
                let pts = timed.then(|| ClockTime::from_mseconds(self.at));
                self.at += length;
                Made::Buffer(self.buffer(length, pts, discont, gap))
            }
            Flow::Gap { length, step } => {
                let start = ClockTime::from_mseconds(self.at.saturating_add_signed(step));
                self.at = start.mseconds() + length;
                event(gst::event::Gap::builder(start).duration(ClockTime::from_mseconds(length)).build())
            }
            Flow::Segment { start, length, backwards } => event(segment(self.at + start / 4, length, backwards)),
            Flow::Caps { rate, channels } => {
                (self.rate, self.channels) = (rate, channels);
                event(self.caps())
            }
            Flow::Stream(id) => {
                let start = gst::event::StreamStart::new(&format!("stream {id}"));
                Made::Events(vec![start, self.caps(), segment(0, None, false)])
            }
            Flow::Flush => {
                let stop = gst::event::FlushStop::new(true);
                Made::Events(vec![gst::event::FlushStart::new(), stop, segment(0, None, false)])
            }
            Flow::SegmentDone => event(gst::event::SegmentDone::new(ClockTime::from_mseconds(self.at))),
        }
    }

    fn buffer(&mut self, length: u64, pts: Option<ClockTime>, discont: bool, gap: bool) -> gst::Buffer {
        self.seed += 1;
        let samples = length as usize * self.rate as usize / 1000 * self.channels as usize;
        let mut buffer = crate::common::rig::buffer(&noise(samples, self.seed), pts);
        let writable = buffer.get_mut().unwrap();
        if discont {
            writable.set_flags(gst::BufferFlags::DISCONT);
        }
        if gap {
            writable.set_flags(gst::BufferFlags::GAP);
        }
        buffer
    }
}

fn segment(start: u64, length: Option<u64>, backwards: bool) -> gst::Event {
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_start(ClockTime::from_mseconds(start));
    segment.set_stop(length.map(|length| ClockTime::from_mseconds(start + length)));
    if backwards && length.is_some() {
        segment.set_rate(-1.0);
    }
    gst::event::Segment::new(&segment)
}

/// Values of a window: 4 bands, 6 frames.
const VALUES: usize = 24;

/// Its scores are the window.
fn hands_on() -> TestModel {
    let names: Vec<String> = (0..VALUES).map(|value| format!("\"{value}\"")).collect();
    TestModel::with("hands-on", |manifest| {
        manifest
            .replace("\"mels-frames\"", "\"frames-mels\"")
            .replace("channel-axis = \"first\"", "channel-axis = \"none\"")
            .replace("normalize = \"none\"", "normalize = \"minmax\"")
            .replace("\"softmax\"", "\"none\"")
            .replace("\"Bark\", \"Meow\", \"Background\"", &names.join(", "))
    })
}

/// Numbers and values of the windows that the element ran.
fn by_the_element(model: &TestModel, flows: &[Flow]) -> Vec<(u64, Vec<f32>)> {
    let mut rig = Rig::with(model, |element| {
        element.set_property("ensembles", 1u32);
        element.set_property("top-k", VALUES as u32);
    });
    let mut player = Player::new();
    player.begin().into_iter().for_each(|event| assert!(rig.harness.push_event(event)));
    for flow in flows {
        match player.make(flow) {
            Made::Buffer(buffer) => assert_eq!(rig.harness.push(buffer), Ok(gst::FlowSuccess::Ok)),
            Made::Events(events) => events.into_iter().for_each(|event| {
                rig.harness.push_event(event);
            }),
        }
        while rig.harness.try_pull().is_some() {}
    }
    rig.eos();
    let values = |reported: &Classification| {
        let mut values = vec![f32::NAN; VALUES];
        reported.predictions.iter().for_each(|prediction| values[prediction.index] = prediction.probability as f32);
        values
    };
    rig.classifications().iter().map(|reported| (reported.window, values(reported))).collect()
}

/// Those of the signal and the network alone.
fn by_the_signal(model: &TestModel, flows: &[Flow]) -> Vec<(u64, Vec<f32>)> {
    let model = Model::load(model.manifest().to_str().unwrap()).unwrap();
    let mut network = load_network(&model, EngineOptions::default()).unwrap();
    let spec = &model.manifest().features;
    let (mut signal, frontend) = (Signal::new(spec.sample_rate, -1), Frontend::new(spec, 10));
    let mut tensor = vec![0.0; frontend.window_len()];
    let mut windows = Windows::new(spec, frontend);
    let (mut scores, mut found) = (vec![0.0; network.classes()], Vec::new());
    let mut take = |item: Item<'_>| {
        let taken = signal.take(item, &mut |piece, _| {
            windows.take(&piece, &mut |window, _| {
                window.write_to(&mut tensor);
                network.run(&[&tensor], &mut scores).unwrap();
                found.push((window.number(), scores.clone()));
            });
        });
        taken.unwrap();
    };
    let mut player = Player::new();
    player.begin().iter().for_each(|event| take(Item::Event(event)));
    for flow in flows {
        match player.make(flow) {
            Made::Buffer(buffer) => take(Item::Buffer(&buffer)),
            Made::Events(events) => events.iter().for_each(|event| take(Item::Event(event))),
        }
    }
    take(Item::Event(&gst::event::Eos::new()));
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_element_runs_the_windows_of_the_signal(flows in prop::collection::vec(flow(), 1..40)) {
        let model = hands_on();
        let (element, signal) = (by_the_element(&model, &flows), by_the_signal(&model, &flows));
        prop_assert_eq!(element.len(), signal.len());
        for (one, other) in element.iter().zip(&signal) {
            prop_assert_eq!(one.0, other.0);
            let is_same = one.1.iter().zip(&other.1).all(|(one, other)| one.to_bits() == other.to_bits());
            prop_assert!(is_same, "{:?} {:?}", one, other);
        }
    }
}
