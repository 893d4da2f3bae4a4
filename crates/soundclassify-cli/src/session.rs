// SPDX-License-Identifier: MIT OR Apache-2.0
//! One pipeline around the element, and its bus as a series of steps.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gst::{glib, prelude::*};
use gstsoundclassify::signal::Item;
use soundclassify_core::text;

use crate::{
    address::{without_credentials, without_secrets},
    arrival::Arrival,
    exit::{Failure, Result},
    interrupt,
    lock::lock,
    progress::Progress,
    record::{Record, seconds},
    source,
};

/// What the bus of a session reported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SessionStep {
    /// A result.
    Record(Record),
    /// Something that the user should know; the stream continues.
    Warning(String),
    /// The stream broke off, and why; it is opened again.
    Lost(String),
    /// Nothing for a while.
    Idle,
    /// The end of the stream.
    End,
}

/// How long an HTTP source may wait for data before it asks again from where it was, seconds, while it is played: longer
/// than a live stream may stall until it is opened again, since few servers of live streams can continue in the middle.
const PLAYED_TIMEOUT: u32 = 60;
/// What is wrong with a recording without audio.
const NO_SAMPLES: &str = "it contains no audio samples; the file may be damaged or empty";
/// A recording that gives no audio and no message for so long has come to a halt: a demuxer may get lost in a damaged one.
const HALT: Duration = Duration::from_secs(60);
/// A recording of which nothing has come for so long is begun anew: decodebin (1.22) loses the first data of a parser, and
/// the error that follows, when the parser is quicker than its own link.
const LOST: Duration = Duration::from_secs(3);
const MAX_RESTARTS: u32 = 6;
/// How long after an error its reason may come.
const REASON_TIMEOUT: gst::ClockTime = gst::ClockTime::from_mseconds(200);
/// Maximum number of characters of an element's text: some elements print the headers of a stream.
const MAX_TEXT: usize = 300;
/// Kinds of data that never contain sound.
const NEVER: [&str; 2] = ["image/", "text/"];
/// Kinds of streams without sound, once a demuxer has found them.
const SILENT: [&str; 5] = ["video/", "image/", "text/", "subpicture/", "closedcaption/"];

/// Called with all that left the element: buffers, and the events between them.
pub(crate) type Listener = Box<dyn FnMut(Item<'_>) + Send>;

/// A pipeline that ends in a sink that plays nothing.
pub(crate) struct Session {
    pipeline: gst::Pipeline,
    element: gst::Element,
    bus: gst::Bus,
    end: Arc<AtomicU64>,
    /// Whether any audio reached the element.
    arrival: Arc<Arrival>,
    missing: Mutex<Vec<Missing>>,
    name: String,
    /// Address of what `uridecodebin` opens.
    uri: Option<String>,
    /// Whether all of the sound is to be classified, or else the input failed.
    whole: bool,
    /// Warnings of the element that the user has seen already.
    known: Vec<String>,
}

/// Looks whether a recording comes to a halt.
struct Watchdog {
    /// Where its audio ended at the last look, nanoseconds, and since when.
    end: u64,
    moved: Instant,
    restarts: u32,
}

/// A plugin that GStreamer lacks.
struct Missing {
    name: String,
    /// Whether the plugin may be for audio.
    audible: bool,
}

/// The informative value of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Clarity {
    /// The data flow stopped, without a reason.
    Consequence,
    /// What a bin makes of its elements' errors.
    Summary,
    /// What went wrong.
    Reason,
}

/// Where the audio comes from.
pub(crate) enum Source<'a> {
    /// An address that `uridecodebin` opens, as fast as possible.
    Uri(&'a str),
    /// An address that `uridecodebin` opens, in real time.
    Played(&'a str),
    /// An element with a source pad for raw audio.
    Element(gst::Element),
}

impl Session {
    /// A pipeline from a source through `element`. `name`: what the user calls the source.
    pub(crate) fn new(
        name: &str,
        source: Source<'_>,
        element: &gst::Element,
        listener: Option<Listener>,
    ) -> Result<Self> {
        let pipeline = gst::Pipeline::new();
        let sink = make("fakesink")?;
        sink.set_property("sync", matches!(source, Source::Played(_)));
        let live = matches!(source, Source::Element(_));
        let whole = matches!(source, Source::Uri(_));
        let tail = if live { tail(&pipeline, &sink)? } else { add(&pipeline, &sink).map(|()| sink.clone())? };
        add(&pipeline, element)?;
        element.link(&tail).map_err(|error| Failure::Failed(error.to_string()))?;
        let mut address = None;
        match source {
            Source::Uri(uri) | Source::Played(uri) => {
                add_decoder(&pipeline, uri, element, !whole)?;
                address = Some(uri.to_owned());
            }
            Source::Element(source) => {
                add(&pipeline, &source)?;
                source
                    .link(element)
                    .map_err(|_| Failure::Failed(format!("{name}: this device delivers no raw audio")))?;
            }
        }
        let end = Arc::new(AtomicU64::new(0));
        let arrival = Arc::new(Arrival::default());
        admit(element, Arc::clone(&arrival));
        listen(&sink, Arc::clone(&end), listener);
        let bus = pipeline.bus().ok_or_else(|| Failure::Failed("the pipeline has no bus".to_owned()))?;
        let (element, name) = (element.clone(), without_credentials(name).into_owned());
        let (uri, missing, known) = (address, Mutex::default(), Vec::new());
        Ok(Self { pipeline, element, bus, end, arrival, missing, name, uri, whole, known })
    }

    /// Keeps quiet about warnings of the element that the user has seen already.
    pub(crate) fn knows(mut self, warnings: &[String]) -> Self {
        self.known = warnings.to_vec();
        self
    }

    /// Starts the flow of audio.
    pub(crate) fn play(&self) -> Result<()> {
        self.set_state(gst::State::Playing)
    }

    /// Halts the flow of audio.
    pub(crate) fn pause(&self) -> Result<()> {
        self.set_state(gst::State::Paused)
    }

    /// Clears audio and results of the element; open events end.
    pub(crate) fn reset(&self) {
        self.element.emit_by_name::<()>("reset", &[]);
    }

    /// The classifying element.
    pub(crate) fn element(&self) -> &gst::Element {
        &self.element
    }

    /// Whether the bus has messages.
    pub(crate) fn waiting(&self) -> bool {
        self.bus.have_pending()
    }

    /// Where the audio that left the element ends, nanoseconds of stream time.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Length of the source, where it has one.
    pub(crate) fn length(&self) -> Option<gst::ClockTime> {
        self.pipeline.query_duration()
    }

    fn watch(&self, watchdog: &mut Watchdog, idle: bool) -> Result<()> {
        if !idle || self.end() != watchdog.end {
            (watchdog.end, watchdog.moved) = (self.end(), Instant::now());
            return Ok(());
        }
        let silent = watchdog.moved.elapsed();
        if silent > LOST && watchdog.restarts < MAX_RESTARTS && self.arrival.hold() {
            (watchdog.moved, watchdog.restarts) = (Instant::now(), watchdog.restarts + 1);
            return self.restart();
        }
        if silent > HALT {
            let (name, seconds) = (text::visible(&self.name), HALT.as_secs());
            let why = format!("{name}: no audio came for {seconds} s; is it damaged?");
            return Err(Failure::Failed(self.unanswered().unwrap_or(why)));
        }
        Ok(())
    }

    /// Begins a held stream anew.
    fn restart(&self) -> Result<()> {
        self.set_state(gst::State::Ready)?;
        self.forget_end();
        self.arrival.release();
        self.play()
    }

    /// Takes off the bus how the interrupted stream ended.
    fn forget_end(&self) {
        let messages: Vec<_> = std::iter::from_fn(|| self.bus.pop()).collect();
        for message in messages {
            if !matches!(message.type_(), gst::MessageType::Error | gst::MessageType::Eos) {
                // The bus accepts messages while the session exists.
                let _ = self.bus.post(message);
            }
        }
    }

    fn set_state(&self, state: gst::State) -> Result<()> {
        match self.pipeline.set_state(state) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.pending_error()),
        }
    }

    /// The error that a refused state change left on the bus.
    fn pending_error(&self) -> Failure {
        while let Some(message) = self.bus.pop() {
            match message.view() {
                gst::MessageView::Error(error) => return self.cause(error),
                _ => self.note_missing(&message),
            }
        }
        Failure::Failed(format!("{}: the pipeline can't be started; run `soundclassify doctor`", self.name))
    }

    /// Waits at most `timeout` for the next step.
    pub(crate) fn step(&self, timeout: gst::ClockTime) -> Result<SessionStep> {
        interrupt::check()?;
        let Some(message) = self.bus.timed_pop(timeout) else { return Ok(SessionStep::Idle) };
        match message.view() {
            gst::MessageView::Eos(_) => self.ended(),
            gst::MessageView::Error(error) => Err(self.cause(error)),
            gst::MessageView::Warning(warning) => self.warned(warning),
            gst::MessageView::Latency(_) => {
                // An error here means that the pipeline is being stopped.
                let _ = self.pipeline.recalculate_latency();
                Ok(SessionStep::Idle)
            }
            gst::MessageView::Element(_) => {
                self.note_missing(&message);
                match Record::of(&message) {
                    Some(Ok(record)) => Ok(SessionStep::Record(record)),
                    Some(Err(why)) => Ok(SessionStep::Warning(format!("{}: {why}", self.name))),
                    None => Ok(SessionStep::Idle),
                }
            }
            _ => Ok(SessionStep::Idle),
        }
    }

    /// The end of a stream without any result is a failure.
    fn ended(&self) -> Result<SessionStep> {
        let name = text::visible(&self.name);
        if !self.arrival.has_come() {
            return Err(Failure::Failed(format!("{name}: {NO_SAMPLES}")));
        }
        if self.windows() == Some(0) {
            let length = seconds(self.end());
            return Err(Failure::Failed(format!(
                "{name}: no window in its {length:.3} s of audio; GST_DEBUG=soundclassify:5 shows why"
            )));
        }
        Ok(SessionStep::End)
    }

    /// Number of windows of the element so far; `None` for a different element.
    fn windows(&self) -> Option<u64> {
        self.element.find_property("stats")?;
        self.element.property::<gst::Structure>("stats").get("windows").ok()
    }

    /// A recording of which the element leaves something out was not classified as a whole; a live stream continues.
    fn warned(&self, warning: &gst::message::Warning) -> Result<SessionStep> {
        let error = warning.error();
        // Without any microphone it continues, with silence.
        if warning.src().is_some_and(|source| source.type_().name() == "GstAutoAudioSrc") {
            return Err(Failure::Failed(described(&self.name, &error, warning.debug().as_deref())));
        }
        if warning.src() != Some(self.element.upcast_ref()) {
            return Ok(SessionStep::Warning(described(&self.name, &error, warning.debug().as_deref())));
        }
        match error.message() {
            message if self.known.iter().any(|known| known == message) => Ok(SessionStep::Idle),
            message if self.whole && !is_hint(warning) => Err(Failure::Failed(format!("{}: {message}", self.name))),
            message => Ok(SessionStep::Warning(format!("{}: {message}", self.name))),
        }
    }

    /// The failure that caused an error. The cause may be reported a little later than its consequences.
    fn cause(&self, error: &gst::message::Error) -> Failure {
        let (mut best, mut failure) = (clarity(error), self.failure(error));
        let kinds = [gst::MessageType::Error, gst::MessageType::Element];
        while best < Clarity::Reason
            && let Some(next) = self.bus.timed_pop_filtered(REASON_TIMEOUT, &kinds)
        {
            self.note_missing(&next);
            if let gst::MessageView::Error(next) = next.view()
                && clarity(next) > best
            {
                (best, failure) = (clarity(next), self.failure(next));
            }
        }
        self.unanswered().map_or(failure, Failure::Failed)
    }

    /// Why no audio came from the network, if its host does not answer: GStreamer's own errors rarely say it. A played stream
    /// may be lost and found again, which must not wait for an answer.
    fn unanswered(&self) -> Option<String> {
        let uri = self.uri.as_deref().filter(|_| self.whole && !self.arrival.has_come())?;
        source::unreachable(uri)
    }

    /// What to say of data in which GStreamer recognises no audio. `is_text`: whether it recognises text.
    fn unrecognised(&self, is_text: bool) -> Failure {
        let (uri, name) = (self.uri.as_deref().unwrap_or_default(), text::visible(&self.name));
        let why = if uri.starts_with("fd:") {
            "no audio was recognised in what was read; expected a recording, such as WAV, FLAC, Ogg, MP3 or M4A"
        } else if source::is_remote(uri) {
            "no audio was recognised in what the server sent; check the address"
        } else if source::is_empty(uri) {
            "the file is empty; expected a recording"
        } else if is_text {
            "it is a text file; expected a recording, such as WAV, FLAC, Ogg, MP3 or M4A"
        } else {
            "no audio was recognised in this file; expected a recording, such as WAV, FLAC, Ogg, MP3 or M4A"
        };
        Failure::Failed(format!("{name}: {why}"))
    }

    fn note_missing(&self, message: &gst::Message) {
        let Some(missing) = message.structure().filter(|structure| structure.name() == "missing-plugin") else {
            return;
        };
        let silent = missing.get::<gst::Caps>("detail").is_ok_and(|caps| self.is_silent(&caps));
        if let (Ok(name), Ok(mut list)) = (missing.get("name"), self.missing.lock()) {
            list.push(Missing { name, audible: !silent });
        }
    }

    /// Whether caps belong to a stream without audio. Data that no demuxer produced may contain streams.
    fn is_silent(&self, caps: &gst::Caps) -> bool {
        let kind = caps.structure(0).map(|structure| structure.name().as_str()).unwrap_or_default();
        let is_one_of = |kinds: &[&str]| kinds.iter().any(|silent| kind.starts_with(silent));
        is_one_of(&NEVER) || is_one_of(&SILENT) && self.is_demuxed()
    }

    fn is_demuxed(&self) -> bool {
        self.pipeline.iterate_recurse().into_iter().flatten().any(|element| is_demuxer(&element))
    }

    fn failure(&self, error: &gst::message::Error) -> Failure {
        let missing = lock(&self.missing);
        let unused = self.element.static_pad("sink").is_none_or(|pad| !pad.is_linked());
        if error.error().matches(gst::CoreError::MissingPlugin) && unused && !missing.iter().any(|it| it.audible) {
            if !missing.is_empty() && !self.is_demuxed() {
                return self.unrecognised(false);
            }
            return Failure::Failed(format!("{}: it contains no audio", self.name));
        }
        // decodebin recognises text, and no more.
        let is_text = error.debug().is_some_and(|debug| debug.contains("cannot decode plain text"));
        if error.error().matches(gst::StreamError::TypeNotFound) || is_text {
            return self.unrecognised(is_text);
        }
        if self.has_no_samples(error) {
            return Failure::Failed(format!("{}: {NO_SAMPLES}", text::visible(&self.name)));
        }
        let mut text = described(&self.name, &error.error(), error.debug().as_deref());
        if !missing.is_empty() {
            let names = missing.iter().map(|missing| &*missing.name).collect::<Vec<_>>().join(", ");
            text.push_str(&format!(
                "; missing in GStreamer: {names}; on Debian: apt install gstreamer1.0-plugins-good \
                gstreamer1.0-plugins-bad gstreamer1.0-libav"
            ));
        }
        Failure::Failed(text)
    }

    /// Whether a file ended before its first sample: a parser or decodebin says it.
    fn has_no_samples(&self, error: &gst::message::Error) -> bool {
        let text = format!("{} {}", error.error(), error.debug().unwrap_or_default());
        let ends_early = ["No valid input found", "all streams without buffers"].iter().any(|end| text.contains(end));
        let is_file = self.uri.as_deref().is_some_and(|uri| !source::is_remote(uri));
        is_file && !self.arrival.has_come() && ends_early
    }

    /// Stops the flow of audio and returns the remaining messages of the element: open events end.
    pub(crate) fn close(self) -> Vec<SessionStep> {
        // A pipeline that can't go to READY posts no more messages.
        let _ = self.pipeline.set_state(gst::State::Ready);
        let mut steps = Vec::new();
        while let Some(message) = self.bus.pop() {
            if let Some(Ok(record)) = Record::of(&message) {
                steps.push(SessionStep::Record(record));
            }
        }
        steps
    }

    /// Runs to the end of the stream.
    pub(crate) fn run(&self, on_step: &mut dyn FnMut(SessionStep) -> Result<()>) -> Result<()> {
        self.run_with(None, on_step)
    }

    /// Runs to the end of the stream and shows the progress.
    pub(crate) fn run_with(
        &self,
        mut progress: Option<Progress>,
        on_step: &mut dyn FnMut(SessionStep) -> Result<()>,
    ) -> Result<()> {
        self.play()?;
        let mut watchdog = Watchdog { end: self.end(), moved: Instant::now(), restarts: 0 };
        loop {
            let step = self.step(gst::ClockTime::from_mseconds(100))?;
            self.watch(&mut watchdog, step == SessionStep::Idle)?;
            if let Some(progress) = &mut progress {
                progress.update(self.end(), || self.length().map(gst::ClockTime::nseconds));
            }
            match (step, &mut progress) {
                (SessionStep::End, _) => return Ok(()),
                (SessionStep::Warning(why), Some(progress)) => {
                    progress.suspend(|| on_step(SessionStep::Warning(why)))?;
                }
                (SessionStep::Record(record), Some(progress)) => {
                    progress.result(|| on_step(SessionStep::Record(record)))?;
                }
                (step, _) => on_step(step)?,
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // If going to NULL fails, no remedy exists.
        let _ = self.pipeline.set_state(gst::State::Null);
        self.bus.set_flushing(true);
    }
}

fn clarity(error: &gst::message::Error) -> Clarity {
    if error.debug().is_some_and(|debug| debug.contains("streaming stopped")) {
        return Clarity::Consequence;
    }
    if error.src().is_some_and(ObjectExt::is::<gst::Bin>) { Clarity::Summary } else { Clarity::Reason }
}

/// Whether all audio is classified in spite of a warning.
fn is_hint(warning: &gst::message::Warning) -> bool {
    warning.details().is_some_and(|details| details.name() == "soundclassify-hint")
}

fn is_demuxer(element: &gst::Element) -> bool {
    element.factory().is_some_and(|factory| factory.metadata("klass").is_some_and(|klass| klass.contains("Demux")))
}

/// A branch with a separate queue, so its elements do not delay soundclassify.
fn tail(pipeline: &gst::Pipeline, sink: &gst::Element) -> Result<gst::Element> {
    let queue = make("queue")?;
    queue.set_property_from_str("leaky", "downstream");
    add(pipeline, &queue)?;
    add(pipeline, sink)?;
    queue.link(sink).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(queue)
}

fn add_decoder(pipeline: &gst::Pipeline, uri: &str, element: &gst::Element, played: bool) -> Result<()> {
    let decoder = make("uridecodebin")?;
    decoder.set_property("uri", uri);
    decoder.set_property("caps", gst::Caps::new_empty_simple("audio/x-raw"));
    decoder.set_property("expose-all-streams", false);
    if played {
        decoder.connect("source-setup", false, |arguments| {
            let source = arguments.get(1).and_then(|source| source.get::<gst::Element>().ok());
            if let Some(source) = source.filter(|source| source.type_().name() == "GstSoupHTTPSrc") {
                source.set_property("timeout", PLAYED_TIMEOUT);
            }
            None
        });
    }
    add(pipeline, &decoder)?;
    let linked = Arc::new(AtomicBool::new(false));
    let (target, done) = (element.downgrade(), Arc::clone(&linked));
    decoder.connect_pad_added(move |_, pad| {
        let sink = target.upgrade().and_then(|element| element.static_pad("sink"));
        let audio = pad.current_caps().or_else(|| Some(pad.query_caps(None)));
        let audio = audio.is_some_and(|caps| caps.structure(0).is_some_and(|s| s.name() == "audio/x-raw"));
        if let Some(sink) = sink.filter(|sink| audio && !sink.is_linked()) {
            done.store(pad.link(&sink).is_ok(), Ordering::SeqCst);
        }
    });
    decoder.connect_no_more_pads(move |decoder| {
        if !linked.load(Ordering::SeqCst) {
            gst::element_error!(decoder, gst::StreamError::WrongType, ("it contains no audio"));
        }
    });
    Ok(())
}

/// Holds back what comes while the pipeline is started anew.
fn admit(element: &gst::Element, arrival: Arc<Arrival>) {
    let Some(pad) = element.static_pad("sink") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let audio = info.buffer().is_some_and(|buffer| buffer.size() > 0);
        if audio && !arrival.admits() { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
    });
}

fn listen(sink: &gst::Element, end: Arc<AtomicU64>, listener: Option<Listener>) {
    let Some(pad) = sink.static_pad("sink") else { return };
    let listener = Mutex::new(listener);
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(kinds, move |pad, info| {
        if let Some(buffer) = info.buffer()
            && let (Some(pts), Some(length)) = (buffer.pts(), buffer.duration())
        {
            let segment = pad.sticky_event::<gst::event::Segment>(0);
            let until = pts + length;
            let time = segment.as_ref().and_then(|event| event.segment().downcast_ref::<gst::ClockTime>());
            let time = time.and_then(|segment| segment.to_stream_time(until)).unwrap_or(until);
            end.fetch_max(time.nseconds(), Ordering::Relaxed);
        }
        if let Ok(mut listener) = listener.lock()
            && let Some(listener) = listener.as_mut()
        {
            match info.data {
                Some(gst::PadProbeData::Buffer(ref buffer)) => listener(Item::Buffer(buffer)),
                Some(gst::PadProbeData::Event(ref event)) => listener(Item::Event(event)),
                _ => {}
            }
        }
        gst::PadProbeReturn::Ok
    });
}

fn add(pipeline: &gst::Pipeline, element: &gst::Element) -> Result<()> {
    pipeline.add(element).map_err(|error| Failure::Failed(error.to_string()))
}

/// Creates an element of a different plugin; the error names its package.
pub(crate) fn make(factory: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        let package = match factory {
            "fakesink" | "filesink" | "identity" | "queue" => "libgstreamer1.0-0",
            "audioconvert" | "audiotestsrc" | "uridecodebin" => "gstreamer1.0-plugins-base",
            _ => "gstreamer1.0-plugins-good",
        };
        Failure::Failed(format!("GStreamer has no element {factory}; on Debian: apt install {package}"))
    })
}

/// The text of an error, with the debug text if it adds information.
fn described(name: &str, error: &glib::Error, debug: Option<&str>) -> String {
    let name = text::visible(name);
    // Some elements print the address.
    let (message, debug) = (without_secrets(error.message()), without_secrets(debug.unwrap_or_default()));
    let message = brief(message.trim_end_matches('.'));
    // Between what the element added stand lines that say where in its source.
    let best = |line: &&str| !line.is_empty() && !line.contains(".c(") && !line.contains("streaming stopped");
    let lines = debug.lines().skip(1).map(str::trim).filter(best);
    let detail = lines.collect::<Vec<_>>().join(" ");
    if detail.is_empty() || error.message().contains(&detail) {
        return format!("{name}: {message}");
    }
    format!("{name}: {message} ({})", brief(&detail))
}

fn brief(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
