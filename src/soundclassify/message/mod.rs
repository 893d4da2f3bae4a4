// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed results ↔ element messages and tags.

use gst::ClockTime;
use gst::glib;
use gst::prelude::*;

use crate::signal::Level;
use crate::signal::clock::Times;

mod event;
mod gate_event;
#[cfg(feature = "serde")]
mod json;
mod meta;
mod stream_event;

pub use event::{ClassificationEvent, EVENT};
pub(crate) use event::{is_border, structure as event};
pub use gate_event::{GATE_EVENT, GateEvent, GateSource};
pub use meta::{META, results};
pub(crate) use meta::{add_results, register as register_meta, remove_metadata, remove_results};
pub(crate) use stream_event::{
    DelayQuery, Instance, Labelled, Sender, SourceLabels, StreamEvent, remove_place, set_place,
};

/// Name of the element message of one window.
pub const CLASSIFICATION: &str = "soundclassify";
const PREDICTION: &str = "prediction";

/// One label with its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Name of the class.
    pub label: String,
    /// Number of the class in the model, from 0.
    pub index: usize,
    /// Probability, 0…1: the moving geometric mean over the last windows.
    pub probability: f64,
}

/// The element message `soundclassify`: the labels of one window. With the feature `serde` it implements `Serialize`, with the
/// message's fields: times in ns, unknown ones null, `utc` only if known.
///
/// ```
/// # gst::init().unwrap();
/// # use gstsoundclassify::Classification;
/// fn listen(message: &gst::Message) {
///     let Some(structure) = message.structure() else { return };
///     if let Ok(classification) = Classification::try_from(structure) {
///         println!("{} {:.2}", classification.best().label, classification.best().probability);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Presentation time of the window's start; counts from 0 in streams without timestamps.
    pub timestamp: ClockTime,
    /// Stream time of the window's start; `None` in streams without timestamps.
    pub stream_time: Option<ClockTime>,
    /// Running time of the window's start; `None` in streams without timestamps.
    pub running_time: Option<ClockTime>,
    /// Length of the window; the field `endtime` is `timestamp` and this.
    pub duration: ClockTime,
    /// Time of the window's start since 1970, UTC; `None` unless the source is live.
    pub utc: Option<ClockTime>,
    /// Root mean square of the window, dBFS: of the analysed channel mix, before resampling; -350 in digital silence.
    pub rms: f64,
    /// Greatest absolute value in the window, dBFS, likewise.
    pub peak: f64,
    /// Number of the window since the last reset.
    pub window: u64,
    /// Predictions that pass the filters, best first; never empty.
    pub predictions: Vec<Label>,
    /// Name of the model.
    pub model: String,
}

/// A structure is not the expected message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The structure has a different name.
    #[error("expected a structure {expected}, found {found}")]
    Name {
        /// Name of the message.
        expected: &'static str,
        /// Name of the structure.
        found: String,
    },
    /// A field is missing or has a different type.
    #[error("field {0} is missing or of another type")]
    Field(&'static str),
}

impl Classification {
    /// The best prediction.
    #[must_use]
    pub fn best(&self) -> &Label {
        &self.predictions[0]
    }

    /// The window's start in stream time, or `timestamp` in streams without timestamps.
    #[must_use]
    pub fn start(&self) -> ClockTime {
        self.stream_time.unwrap_or(self.timestamp)
    }

    /// The message's structure.
    #[must_use]
    pub fn to_structure(&self) -> gst::Structure {
        let Self { timestamp, stream_time, running_time, utc, duration, rms, peak, .. } = *self;
        let span = Span { times: Times { timestamp, stream_time, running_time, utc, place: 0 }, duration };
        let predictions = self.predictions.iter().map(Label::named);
        classification(span, self.window, Level { rms, peak }, self.best().named(), predictions, &self.model)
    }
}

impl TryFrom<&gst::StructureRef> for Classification {
    type Error = ParseError;

    fn try_from(structure: &gst::StructureRef) -> Result<Self, ParseError> {
        expect_name(structure, CLASSIFICATION)?;
        let array: gst::Array = field(structure, "predictions")?;
        let predictions: Vec<Label> = array
            .iter()
            .map(|value| {
                let prediction = value.get::<gst::Structure>().map_err(|_| ParseError::Field("predictions"))?;
                Label::try_from(prediction.as_ref())
            })
            .collect::<Result<_, _>>()?;
        if predictions.is_empty() {
            return Err(ParseError::Field("predictions"));
        }
        Ok(Self {
            timestamp: time(structure, "timestamp")?.ok_or(ParseError::Field("timestamp"))?,
            stream_time: time(structure, "stream-time")?,
            running_time: time(structure, "running-time")?,
            duration: time(structure, "duration")?.ok_or(ParseError::Field("duration"))?,
            utc: utc(structure)?,
            rms: field(structure, "rms")?,
            peak: field(structure, "peak")?,
            window: field(structure, "window")?,
            predictions,
            model: field(structure, "model")?,
        })
    }
}

/// A [`Label`] that borrows its name.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) label: &'a str,
    pub(crate) index: usize,
    pub(crate) probability: f64,
}

impl Label {
    fn named(&self) -> Named<'_> {
        Named { label: &self.label, index: self.index, probability: self.probability }
    }
}

impl Named<'_> {
    fn to_structure(self) -> glib::SendValue {
        gst::Structure::builder(PREDICTION)
            .field("label", self.label)
            .field("index", class_number(self.index))
            .field("probability", self.probability)
            .build()
            .to_send_value()
    }
}

/// When something was, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) times: Times,
    pub(crate) duration: ClockTime,
}

/// The structure of a [`Classification`], without the allocations of one.
pub(crate) fn classification<'a>(
    span: Span,
    window: u64,
    level: Level,
    best: Named<'_>,
    predictions: impl Iterator<Item = Named<'a>>,
    model: &str,
) -> gst::Structure {
    time_fields(gst::Structure::builder(CLASSIFICATION), span)
        .field("rms", level.rms)
        .field("peak", level.peak)
        .field("window", window)
        .field("label", best.label)
        .field("index", class_number(best.index))
        .field("probability", best.probability)
        .field("predictions", gst::Array::new(predictions.map(Named::to_structure)))
        .field("model", model)
        .build()
}

impl TryFrom<&gst::StructureRef> for Label {
    type Error = ParseError;

    fn try_from(structure: &gst::StructureRef) -> Result<Self, ParseError> {
        expect_name(structure, PREDICTION)?;
        let index: i32 = field(structure, "index")?;
        Ok(Self {
            label: field(structure, "label")?,
            index: usize::try_from(index).map_err(|_| ParseError::Field("index"))?,
            probability: field(structure, "probability")?,
        })
    }
}

fn time_fields(builder: gst::structure::Builder, span: Span) -> gst::structure::Builder {
    let Span { times, duration } = span;
    builder
        .field("timestamp", times.timestamp.nseconds())
        .field("stream-time", nanoseconds(times.stream_time))
        .field("running-time", nanoseconds(times.running_time))
        .field("duration", duration.nseconds())
        .field("endtime", times.timestamp.saturating_add(duration).nseconds())
        .field_if_some("utc", times.utc.map(ClockTime::nseconds))
}

fn nanoseconds(time: Option<ClockTime>) -> u64 {
    // GST_CLOCK_TIME_NONE, as in the messages of `level` and `spectrum`.
    time.map_or(u64::MAX, ClockTime::nseconds)
}

fn class_number(index: usize) -> i32 {
    // A manifest has at most 100 000 labels.
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn expect_name(structure: &gst::StructureRef, expected: &'static str) -> Result<(), ParseError> {
    if structure.name() == expected {
        return Ok(());
    }
    Err(ParseError::Name { expected, found: structure.name().to_string() })
}

fn field<T: for<'a> glib::value::FromValue<'a> + 'static>(
    structure: &gst::StructureRef,
    name: &'static str,
) -> Result<T, ParseError> {
    structure.get(name).map_err(|_| ParseError::Field(name))
}

fn time(structure: &gst::StructureRef, name: &'static str) -> Result<Option<ClockTime>, ParseError> {
    let nanoseconds: u64 = field(structure, name)?;
    Ok((nanoseconds != u64::MAX).then(|| ClockTime::from_nseconds(nanoseconds)))
}

fn utc(structure: &gst::StructureRef) -> Result<Option<ClockTime>, ParseError> {
    if structure.has_field("utc") { time(structure, "utc") } else { Ok(None) }
}

/// Tag with the best label, a string.
pub enum LabelTag {}

impl<'a> gst::tags::Tag<'a> for LabelTag {
    type TagType = &'a str;
    const TAG_NAME: &'static glib::GStr = glib::gstr!("soundclassify-label");
}

impl gst::tags::CustomTag<'_> for LabelTag {
    const FLAG: gst::TagFlag = gst::TagFlag::Meta;
    const NICK: &'static glib::GStr = glib::gstr!("sound label");
    const DESCRIPTION: &'static glib::GStr = glib::gstr!("label of the detected sound");
}

/// Tag with the best label's probability, a double.
pub enum ProbabilityTag {}

impl gst::tags::Tag<'_> for ProbabilityTag {
    type TagType = f64;
    const TAG_NAME: &'static glib::GStr = glib::gstr!("soundclassify-probability");
}

impl gst::tags::CustomTag<'_> for ProbabilityTag {
    const FLAG: gst::TagFlag = gst::TagFlag::Meta;
    const NICK: &'static glib::GStr = glib::gstr!("sound probability");
    const DESCRIPTION: &'static glib::GStr = glib::gstr!("probability of the detected sound");
}

/// Registers the tags. They are already registered if a program has linked the plugin in and a second copy is
/// installed.
pub(crate) fn register_tags() {
    register_tag::<LabelTag>();
    register_tag::<ProbabilityTag>();
}

fn register_tag<T: for<'a> gst::tags::CustomTag<'a>>() {
    if !gst::tags::tag_exists(T::TAG_NAME) {
        gst::tags::register::<T>();
    }
}

/// Tags with `best`.
#[must_use]
pub(crate) fn tags(best: Named<'_>) -> gst::TagList {
    let mut tags = gst::TagList::new();
    let list = tags.make_mut();
    list.add::<LabelTag>(&best.label, gst::TagMergeMode::Replace);
    list.add::<ProbabilityTag>(&best.probability, gst::TagMergeMode::Replace);
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Classification {
        gst::init().unwrap();
        Classification {
            timestamp: ClockTime::from_mseconds(1100),
            stream_time: Some(ClockTime::from_mseconds(100)),
            running_time: None,
            duration: ClockTime::SECOND,
            utc: None,
            rms: -20.5,
            peak: -3.25,
            window: 11,
            predictions: vec![
                Label { label: "Bark".into(), index: 3, probability: 0.75 },
                Label { label: "Meow".into(), index: 7, probability: 0.125 },
            ],
            model: "default".into(),
        }
    }

    #[test]
    fn round_trip() {
        for utc in [None, Some(ClockTime::from_seconds(1_800_000_000))] {
            let message = Classification { utc, ..example() };
            assert_eq!(Classification::try_from(message.to_structure().as_ref()), Ok(message));
        }
    }

    #[test]
    fn fields_have_the_types_of_the_contract() {
        let structure = example().to_structure();
        assert_eq!(structure.get::<u64>("timestamp"), Ok(1_100_000_000));
        assert_eq!(structure.get::<u64>("running-time"), Ok(u64::MAX));
        assert_eq!(structure.get::<u64>("endtime"), Ok(2_100_000_000));
        assert!(!structure.has_field("utc"));
        assert_eq!((structure.get::<f64>("rms"), structure.get::<f64>("peak")), (Ok(-20.5), Ok(-3.25)));
        assert_eq!(structure.get::<u64>("window"), Ok(11));
        assert_eq!(structure.get::<&str>("label"), Ok("Bark"));
        assert_eq!(structure.get::<i32>("index"), Ok(3));
        assert_eq!(structure.get::<f64>("probability"), Ok(0.75));
        assert_eq!(structure.get::<gst::ArrayRef<'_>>("predictions").unwrap().len(), 2);
    }

    #[test]
    fn other_structures_are_refused() {
        gst::init().unwrap();
        let other = gst::Structure::new_empty("level");
        assert!(matches!(Classification::try_from(other.as_ref()), Err(ParseError::Name { .. })));
        let mut broken = example().to_structure();
        broken.remove_field("window");
        assert_eq!(Classification::try_from(broken.as_ref()), Err(ParseError::Field("window")));
    }

    #[test]
    fn tags_carry_label_and_probability() {
        gst::init().unwrap();
        register_tags();
        let tags = tags(example().best().named());
        assert_eq!(tags.get::<LabelTag>().map(|tag| tag.get().to_string()), Some("Bark".into()));
        assert_eq!(tags.get::<ProbabilityTag>().map(|tag| tag.get()), Some(0.75));
    }
}
