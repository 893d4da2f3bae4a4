// SPDX-License-Identifier: MIT OR Apache-2.0
//! A harness around the gate, events for it, and what comes out.

use std::sync::Once;

use gst::ClockTime;
use gst::prelude::*;
use gst_check::Harness;
use gstsoundclassify::{ClassificationEvent, EventKind, Label};

/// Frames per second.
pub(crate) const RATE: u64 = 8000;
pub(crate) const MS: u64 = 1_000_000;

pub(crate) fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
    });
}

/// An event of a label, ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) source: &'static str,
    pub(crate) id: u64,
    pub(crate) label: &'static str,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

pub(crate) fn event(id: u64, from: u64, to: u64) -> Event {
    Event { source: "a", id, label: "Bark", from, to }
}

/// What `soundclassify` sends when an event begins or ends.
pub(crate) fn in_stream(event: Event, kind: EventKind) -> gst::Event {
    let duration = if kind == EventKind::Start { 0 } else { event.to - event.from };
    let mut structure = ClassificationEvent {
        kind,
        event_id: event.id,
        timestamp: ClockTime::from_nseconds(event.from),
        stream_time: Some(ClockTime::from_nseconds(event.from)),
        running_time: Some(ClockTime::from_nseconds(event.from)),
        duration: ClockTime::from_nseconds(duration),
        utc: None,
        now: Label { label: event.label.into(), index: 0, probability: 0.9 },
        peak: 0.9,
    }
    .to_structure();
    structure.set("source", event.source);
    gst::event::CustomDownstream::new(structure)
}

/// The gate in a harness.
pub(crate) struct Rig {
    pub(crate) harness: Harness,
    pub(crate) gate: gst::Element,
    pub(crate) bus: gst::Bus,
}

/// A buffer that came out: frame of its timestamp, its samples, and whether it is marked as discontinuous.
pub(crate) type Out = (u64, Vec<i16>, bool);

impl Drop for Rig {
    fn drop(&mut self) {
        // A message that stays on the bus keeps its sender, which keeps the bus.
        self.gate.set_bus(None::<&gst::Bus>);
        self.bus.set_flushing(true);
    }
}

impl Rig {
    pub(crate) fn new(setup: impl FnOnce(&gst::Element)) -> Self {
        init();
        let gate = gst::ElementFactory::make("soundgate").property("fade", 0u64).build().unwrap();
        setup(&gate);
        let bus = gst::Bus::new();
        gate.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&gate, Some("sink"), Some("src"));
        harness.set_live(false);
        let mut rig = Self { harness, gate, bus };
        rig.set_caps("S16LE", RATE as i32, 1);
        rig
    }

    pub(crate) fn set_caps(&mut self, format: &str, rate: i32, channels: i32) {
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", format)
            .field("rate", rate)
            .field("channels", channels)
            .field("layout", "interleaved");
        let caps = if channels > 2 { caps.field("channel-mask", gst::Bitmask::new(0)) } else { caps };
        self.harness.set_src_caps(caps.build());
    }

    #[track_caller]
    pub(crate) fn push(&mut self, samples: &[i16], frame: u64) {
        assert_eq!(self.harness.push(buffer(samples, frame)), Ok(gst::FlowSuccess::Ok));
    }

    pub(crate) fn send(&mut self, event: Event, kind: EventKind) {
        assert!(self.harness.push_event(in_stream(event, kind)));
    }

    pub(crate) fn eos(&mut self) {
        assert!(self.harness.push_event(gst::event::Eos::new()));
    }

    /// Pushes audio in buffers of these sizes; each beginning and end of an event comes `lag` ns after it happened.
    pub(crate) fn run(&mut self, signal: &[i16], sizes: &[usize], events: &[Event], lag: u64) {
        let borders = events
            .iter()
            .flat_map(|event| [(event.from, *event, EventKind::Start), (event.to, *event, EventKind::End)]);
        let mut borders: Vec<_> = borders.collect();
        borders.sort_by_key(|(time, event, kind)| (*time, event.id, *kind == EventKind::End));
        let mut borders = borders.into_iter().peekable();
        let mut at = 0;
        for size in sizes.iter().cycle() {
            let end = signal.len().min(at + size);
            while let Some((_, event, kind)) = borders.next_if(|(time, ..)| time + lag <= time_of(end as u64)) {
                self.send(event, kind);
            }
            self.push(&signal[at..end], at as u64);
            at = end;
            if at == signal.len() {
                break;
            }
        }
        borders.for_each(|(_, event, kind)| self.send(event, kind));
        self.eos();
    }

    /// All that came out since the last call.
    pub(crate) fn out(&mut self) -> Vec<Out> {
        let buffers = std::iter::from_fn(|| self.harness.try_pull());
        let read = |buffer: gst::Buffer| {
            let map = buffer.map_readable().unwrap();
            let samples = map.chunks(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
            let frame = (buffer.pts().unwrap().nseconds() * RATE + 500_000_000) / 1_000_000_000;
            (frame, samples, buffer.flags().contains(gst::BufferFlags::DISCONT))
        };
        buffers.map(read).collect()
    }
}

pub(crate) fn time_of(frame: u64) -> u64 {
    frame * 1_000_000_000 / RATE
}

/// The frame next to a time.
pub(crate) fn frame_at(time: u64) -> usize {
    ((u128::from(time) * u128::from(RATE) * 2 + 1_000_000_000) / 2_000_000_000) as usize
}

pub(crate) fn buffer(samples: &[i16], frame: u64) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let unique = buffer.get_mut().unwrap();
    unique.set_pts(ClockTime::from_nseconds(time_of(frame)));
    unique.set_duration(ClockTime::from_nseconds(time_of(frame + samples.len() as u64) - time_of(frame)));
    buffer
}

/// Samples that differ from each other and from silence.
pub(crate) fn signal(frames: usize) -> Vec<i16> {
    (0..frames).map(|frame| (frame * 7919 % 30_000) as i16 + 1).collect()
}

/// What came out, at its frames; `None` where nothing came.
pub(crate) fn laid_out(out: &[Out], frames: usize) -> Vec<Option<i16>> {
    let mut all = vec![None; frames];
    for (first, samples, _) in out {
        for (offset, sample) in samples.iter().enumerate() {
            let place = &mut all[*first as usize + offset];
            assert!(place.is_none(), "frame {} came twice", *first as usize + offset);
            *place = Some(*sample);
        }
    }
    all
}
