// SPDX-License-Identifier: MIT OR Apache-2.0
//! Caps, events and buffers of any kind through the element: audio passes unchanged and no error is posted.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use gst::{ClockTime, prelude::*};
use gst_check::Harness;

const MANIFEST: &str = include_str!("../../../tests/element/test-model.toml");
const NETWORK: &[u8] = include_bytes!("../../../tests/data/models/linear.onnx");
const RATES: &[i32] = &[8000, 44_100, 48_000, 96_000, 7350, 1, 2, 100, 192_000, i32::MAX];
const CHANNELS: &[i32] = &[1, 2, 6, 64, 3];
/// Steps of one input: what comes later repeats what came before.
const STEPS: usize = 40;

#[derive(Debug, Arbitrary)]
struct Input {
    wait: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Caps { format: u8, rate: u8, channels: u8, planar: bool },
    Buffer(Buffer),
    Gap { pts: u64, duration: Option<u32> },
    Segment { start: u32, stop: Option<u32>, position: u32, base: u32, rate: i8, bytes: bool },
    Flush { reset: bool },
    StreamStart,
    Tag(u8),
    EndOfStream,
    Oversamples(u8),
    Silence(f64),
    Reset,
    Restart,
}

#[derive(Debug, Arbitrary)]
struct Buffer {
    bytes: u16,
    fill: u8,
    pts: Time,
    duration: Option<u32>,
    flags: u8,
    planar_meta: Option<u16>,
}

#[derive(Debug, Arbitrary)]
enum Time {
    /// Where the buffer before it ended, and so many microseconds more.
    Next(i16),
    At(u64),
    None,
}

/// The bytes are the steps.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(input) = Input::arbitrary(&mut Unstructured::new(bytes)) else { return };
    let mut run = Run::new(input.wait);
    for step in input.steps.iter().take(STEPS) {
        run.step(step);
    }
    run.check_bus();
}

/// The manifest, beside its network, for the whole process.
fn model() -> &'static str {
    static MODEL: OnceLock<(tempfile::TempDir, String)> = OnceLock::new();
    let (_, path) = MODEL.get_or_init(|| {
        gst::init().expect("GStreamer");
        gstsoundclassify::plugin_register_static().expect("the plugin registers once");
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        std::fs::write(folder.path().join("test.onnx"), NETWORK).expect("a file");
        let path = folder.path().join("test.toml");
        std::fs::write(&path, MANIFEST).expect("a file");
        (folder, path.to_str().expect("plain characters").to_owned())
    });
    path
}

struct Run {
    harness: Harness,
    element: gst::Element,
    bus: gst::Bus,
    info: Option<gst_audio::AudioInfo>,
    next: ClockTime,
}

impl Drop for Run {
    // Messages that nobody reads refer to the element, which refers to the bus.
    fn drop(&mut self) {
        self.element.set_bus(None::<&gst::Bus>);
        self.bus.set_flushing(true);
    }
}

impl Run {
    fn new(wait: bool) -> Self {
        let model = model();
        let element = gst::ElementFactory::make("soundclassify")
            .property("model", model)
            .property_from_str("sync", if wait { "always" } else { "never" })
            .build()
            .expect("the element exists");
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let harness = Harness::with_element(&element, Some("sink"), Some("src"));
        let mut run = Self { harness, element, bus, info: None, next: ClockTime::ZERO };
        run.caps(0, 0, 0, false);
        run
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Caps { format, rate, channels, planar } => self.caps(*format, *rate, *channels, *planar),
            Step::Buffer(buffer) => self.buffer(buffer),
            Step::Gap { pts, duration } => {
                let duration = duration.map(|ms| ClockTime::from_mseconds(ms.into()));
                self.event(gst::event::Gap::builder(time(*pts)).duration(duration).build());
            }
            Step::Segment { start, stop, position, base, rate, bytes } => {
                self.segment([*start, *position, *base], *stop, *rate, *bytes);
            }
            Step::Flush { reset } => {
                self.event(gst::event::FlushStart::new());
                self.event(gst::event::FlushStop::new(*reset));
                self.event(gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new()));
            }
            Step::StreamStart => self.event(gst::event::StreamStart::new("another")),
            Step::Tag(value) => {
                let mut tags = gst::TagList::new();
                let title = value.to_string();
                tags.make_mut().add::<gst::tags::Title>(&title.as_str(), gst::TagMergeMode::Append);
                self.event(gst::event::Tag::new(tags));
            }
            Step::EndOfStream => {
                self.event(gst::event::Eos::new());
                self.event(gst::event::StreamStart::new("after the end"));
                self.caps(0, 0, 0, false);
            }
            Step::Oversamples(value) => self.element.set_property("oversamples", u32::from(value % 16) + 1),
            Step::Silence(value) if value.is_finite() && (-200.0..=0.0).contains(value) => {
                self.element.set_property("silence-threshold", *value);
            }
            Step::Silence(_) => {}
            Step::Reset => self.element.emit_by_name::<()>("reset", &[]),
            Step::Restart => {
                self.element.set_state(gst::State::Ready).expect("READY");
                self.element.set_state(gst::State::Playing).expect("PLAYING");
                self.info = None;
                self.event(gst::event::StreamStart::new("restarted"));
                self.caps(0, 0, 0, false);
            }
        }
        while self.harness.try_pull_event().is_some() {}
    }

    fn event(&mut self, event: gst::Event) {
        self.harness.push_event(event);
    }

    fn caps(&mut self, format: u8, rate: u8, channels: u8, planar: bool) {
        let format = gst_audio::AUDIO_FORMATS_ALL.get(usize::from(format)).unwrap_or(&gst_audio::AudioFormat::F32le);
        let rate = RATES[usize::from(rate) % RATES.len()];
        let channels = CHANNELS[usize::from(channels) % CHANNELS.len()];
        let layout = if planar { "non-interleaved" } else { "interleaved" };
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", format.to_str())
            .field("rate", rate)
            .field("channels", channels)
            .field("layout", layout)
            .field("channel-mask", gst::Bitmask::new(if channels == 2 { 3 } else { 0 }))
            .build();
        self.event(gst::event::Caps::new(&caps));
        self.info = gst_audio::AudioInfo::from_caps(&caps).ok();
        let segment = gst::FormattedSegment::<ClockTime>::new();
        self.event(gst::event::Segment::new(&segment));
    }

    fn segment(&mut self, [start, position, base]: [u32; 3], stop: Option<u32>, rate: i8, bytes: bool) {
        if bytes {
            let mut segment = gst::FormattedSegment::<gst::format::Bytes>::new();
            segment.set_start(gst::format::Bytes::from_u64(start.into()));
            return self.event(gst::event::Segment::new(&segment));
        }
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_start(ClockTime::from_mseconds(start.into()));
        segment.set_time(ClockTime::from_mseconds(start.into()));
        segment.set_position(ClockTime::from_mseconds(position.into()));
        segment.set_base(ClockTime::from_mseconds(base.into()));
        let stop = stop.map(|length| ClockTime::from_mseconds(u64::from(start) + u64::from(length)));
        segment.set_stop(stop);
        if rate != 0 && (rate > 0 || stop.is_some()) {
            segment.set_rate(f64::from(rate) / 16.0);
        }
        self.event(gst::event::Segment::new(&segment));
    }

    fn buffer(&mut self, step: &Buffer) {
        let mut buffer = gst::Buffer::from_mut_slice(vec![step.fill; usize::from(step.bytes)]);
        let pts = match step.pts {
            Time::Next(more) => {
                let more = i64::from(more) * 1000;
                Some(time(self.next.nseconds().saturating_add_signed(more)))
            }
            Time::At(at) => Some(time(at)),
            Time::None => None,
        };
        let content = buffer.get_mut().expect("a buffer of our own");
        content.set_pts(pts);
        content.set_duration(step.duration.map(|us| ClockTime::from_useconds(us.into())));
        content.set_flags(flags(step.flags));
        if let (Some(info), Some(samples)) = (&self.info, step.planar_meta)
            && info.layout() == gst_audio::AudioLayout::NonInterleaved
        {
            // Refused where it contradicts the buffer.
            let _ = gst_audio::AudioMeta::add(content, info, samples.into(), &[]);
        }
        self.advance(pts, step.bytes);
        let before = buffer.copy_deep().expect("memory");
        if self.harness.push(buffer).is_ok() {
            self.check_passed(&before);
        }
    }

    /// Where a buffer without holes begins next.
    fn advance(&mut self, pts: Option<ClockTime>, bytes: u16) {
        let Some(info) = &self.info else { return };
        let samples = u64::from(bytes) / u64::from(info.bpf().max(1));
        let length = ClockTime::SECOND.mul_div_floor(samples, info.rate().max(1).into()).unwrap_or_default();
        self.next = ClockTime::from_nseconds(
            pts.unwrap_or(self.next).nseconds().saturating_add(length.nseconds()).min(ClockTime::MAX.nseconds()),
        );
    }

    fn check_passed(&mut self, before: &gst::BufferRef) {
        // The elements that follow may drop a buffer outside the segment, but not change it.
        while let Some(after) = self.harness.try_pull() {
            assert_eq!(
                after.map_readable().expect("readable").as_slice(),
                before.map_readable().expect("readable").as_slice()
            );
            assert_eq!((after.pts(), after.flags()), (before.pts(), before.flags()));
        }
    }

    fn check_bus(&self) {
        while let Some(message) = self.bus.pop() {
            if let gst::MessageView::Error(error) = message.view() {
                panic!("audio was interrupted: {error:?}");
            }
        }
    }
}

fn time(nanoseconds: u64) -> ClockTime {
    ClockTime::from_nseconds(nanoseconds.min(ClockTime::MAX.nseconds()))
}

fn flags(bits: u8) -> gst::BufferFlags {
    let all = [
        gst::BufferFlags::DISCONT,
        gst::BufferFlags::GAP,
        gst::BufferFlags::RESYNC,
        gst::BufferFlags::CORRUPTED,
        gst::BufferFlags::DROPPABLE,
        gst::BufferFlags::HEADER,
        gst::BufferFlags::DELTA_UNIT,
        gst::BufferFlags::MARKER,
    ];
    all.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, flag)| flag).collect()
}
