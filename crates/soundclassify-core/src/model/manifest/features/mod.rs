// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables `[features]` and `[input]`.

mod fixed;
mod frames;
mod log;
mod mfcc;

use super::section::Section;
use crate::{
    error::Result,
    frontend::{ChannelAxis, FeatureSpec, Features, Layout, Log, LogMel, Normalize, preset},
    model::limits::MAX_WINDOW,
};

const SAMPLE_RATES: std::ops::RangeInclusive<u64> = 1_000..=768_000;

const LAYOUTS: &[(&str, Layout)] =
    &[("mels-frames", Layout::MelsFrames), ("frames-mels", Layout::FramesMels), ("samples", Layout::Samples)];
const CHANNEL_AXES: &[(&str, ChannelAxis)] =
    &[("first", ChannelAxis::First), ("last", ChannelAxis::Last), ("none", ChannelAxis::None)];
const NORMALIZATIONS: &[(&str, Normalize)] = &[
    ("none", Normalize::None),
    ("minmax", Normalize::MinMax),
    ("minmax-eps", Normalize::MinMaxEps),
    ("standard", Normalize::Standard),
    ("meanvar", Normalize::MeanVar),
    ("max", Normalize::Max),
    ("peak", Normalize::Peak),
];

/// How samples become values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FeatureKind {
    LogMel,
    Fbank,
    Mfcc,
    Waveform,
}

const KINDS: &[(&str, FeatureKind)] = &[
    ("logmel", FeatureKind::LogMel),
    ("fbank", FeatureKind::Fbank),
    ("mfcc", FeatureKind::Mfcc),
    ("waveform", FeatureKind::Waveform),
];

impl FeatureKind {
    /// The kind of a preset. Kaldi's filter bank is the one with Kaldi's floor.
    fn of(preset: &FeatureSpec) -> Self {
        match &preset.features {
            Features::Waveform => Self::Waveform,
            Features::Mfcc(_) => Self::Mfcc,
            Features::LogMel(LogMel { log: Log::LnFloor { .. }, .. }) => Self::Fbank,
            Features::LogMel(_) => Self::LogMel,
        }
    }

    fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Keys that only some kinds have.
const KEYS_OF_KINDS: &[(&[FeatureKind], &[&str])] = &[
    (
        &[FeatureKind::LogMel, FeatureKind::Fbank, FeatureKind::Mfcc],
        &[
            "n-fft",
            "win-length",
            "hop-length",
            "n-mels",
            "fmin",
            "fmax",
            "power",
            "frames",
            "preemphasis",
            "window-function",
        ],
    ),
    (&[FeatureKind::LogMel], &["mel-scale", "mel-norm", "center", "pad-mode", "log", "amin", "top-db", "offset"]),
    (&[FeatureKind::Fbank], &["remove-dc", "snip-edges", "energy-floor"]),
    (&[FeatureKind::Mfcc], &["of", "n-mfcc", "dct-norm", "lifter"]),
];

/// What `[input]` says of the window's axes and values.
struct Input {
    layout: Layout,
    channel_axis: ChannelAxis,
    normalize: Normalize,
}

/// Reads both tables; gives the input's name, too.
pub(super) fn read(input: Section<'_>, features: Section<'_>) -> Result<(Option<String>, FeatureSpec)> {
    let name = input.string("name")?;
    let axes = Input {
        layout: input.required_choice("layout", LAYOUTS)?,
        channel_axis: input.required_choice("channel-axis", CHANNEL_AXES)?,
        normalize: input.required_choice("normalize", NORMALIZATIONS)?,
    };
    let preset = features.choice("preset", preset::ALL)?.map(|preset| preset());
    let kind = kind(&features, preset.as_ref())?;
    check_layout(&input, axes.layout, kind)?;
    input.finish()?;

    let given = preset.as_ref().map(|preset| u64::from(preset.sample_rate));
    let sample_rate = required(&features, "sample-rate", SAMPLE_RATES, given)?;
    let window = window(&features, preset.as_ref(), sample_rate)?;
    let of = mfcc::source(&features, preset.as_ref(), kind)?;
    refuse_keys_of_other_kinds(&features, kind, of, preset.as_ref())?;
    let scale = features.float("waveform-scale", f64::MIN_POSITIVE..=1e9)?;
    let mel = preset.as_ref().and_then(FeatureSpec::log_mel);
    let mel = match of {
        FeatureKind::Fbank => Some(frames::fbank(&features, mel, sample_rate, scale)?),
        FeatureKind::LogMel => Some(frames::log_mel(&features, mel, sample_rate, scale)?),
        FeatureKind::Mfcc | FeatureKind::Waveform => None,
    };
    let values = match mel {
        None => Features::Waveform,
        Some(mel) if kind == FeatureKind::Mfcc => Features::Mfcc(mfcc::read(&features, mel, of)?),
        Some(mel) => Features::LogMel(mel),
    };
    let fixed = preset.filter(|preset| FeatureKind::of(preset) == kind).map(|preset| preset.fixed);
    let fixed = fixed::read(&features, fixed, &values, scale)?;
    features.finish()?;
    let Input { layout, channel_axis, normalize } = axes;
    let sample_rate = sample_rate as u32;
    Ok((name, FeatureSpec { sample_rate, window, features: values, fixed, normalize, layout, channel_axis }))
}

/// The kind that the table names, else the preset's. Of any preset, `waveform` takes rate and window, and `mfcc` the frames.
fn kind(features: &Section<'_>, preset: Option<&FeatureSpec>) -> Result<FeatureKind> {
    let (named, of_preset) = (features.choice("kind", KINDS)?, preset.map(FeatureKind::of));
    match (named, of_preset) {
        (Some(FeatureKind::Mfcc), Some(FeatureKind::Waveform)) => {
            Err(features.wrong("kind", "waveform, as in features.preset; or a different preset", "mfcc"))
        }
        (Some(named @ (FeatureKind::LogMel | FeatureKind::Fbank)), Some(of_preset)) if named != of_preset => {
            let expected = format!("{}, as in features.preset; or omit the preset", of_preset.name());
            Err(features.wrong("kind", expected, named.name()))
        }
        _ => Ok(named.or(of_preset).unwrap_or(FeatureKind::LogMel)),
    }
}

fn check_layout(input: &Section<'_>, layout: Layout, kind: FeatureKind) -> Result<()> {
    match (kind, layout) {
        (FeatureKind::Waveform, Layout::Samples) => Ok(()),
        (FeatureKind::Waveform, other) => {
            let name = LAYOUTS.iter().find(|(_, layout)| *layout == other).map_or("", |(name, _)| name);
            Err(input.wrong("layout", "samples, because features.kind is waveform", name))
        }
        (_, Layout::Samples) => {
            let expected = format!("mels-frames or frames-mels, because features.kind is {}", kind.name());
            Err(input.wrong("layout", expected, "samples"))
        }
        _ => Ok(()),
    }
}

/// Samples of a window.
fn window(features: &Section<'_>, preset: Option<&FeatureSpec>, sample_rate: u64) -> Result<usize> {
    let given = preset.map(|preset| preset.window as f64 / f64::from(preset.sample_rate));
    let Some(seconds) = features.float("window", f64::MIN_POSITIVE..=MAX_WINDOW)?.or(given) else {
        return Err(features.missing("window", "the length of a window in seconds, or a preset"));
    };
    match (seconds * sample_rate as f64).round() as usize {
        0 => Err(features.wrong("window", "at least one sample", format!("{seconds} s"))),
        window => Ok(window),
    }
}

/// A whole number from the table, else from the preset.
fn required(
    features: &Section<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
    preset: Option<u64>,
) -> Result<u64> {
    let value = features.uint(key, range)?.or(preset);
    value.ok_or_else(|| features.missing(key, "a whole number, or a preset that contains it"))
}

/// Keys that this kind has no use for. `of`: the kind of its frames.
fn refuse_keys_of_other_kinds(
    features: &Section<'_>,
    kind: FeatureKind,
    of: FeatureKind,
    preset: Option<&FeatureSpec>,
) -> Result<()> {
    let others = KEYS_OF_KINDS.iter().filter(|(kinds, _)| !kinds.contains(&kind) && !kinds.contains(&of));
    for (kinds, keys) in others {
        if let Some(key) = keys.iter().find(|key| features.has(key)) {
            // The frames of cepstra have a kind of their own.
            let (decisive, found) = if kind == FeatureKind::Mfcc { ("of", of) } else { ("kind", kind) };
            let kinds_text: Vec<_> = kinds.iter().map(|kind| format!("{decisive} = {:?}", kind.name())).collect();
            let preset = preset.map(FeatureKind::of).filter(|preset| !allows(*preset, kinds));
            let preset = preset.map(|preset| format!(" and no preset of kind {:?}", preset.name()));
            let expected =
                format!("{}{} with this key; or remove it", kinds_text.join(" or "), preset.unwrap_or_default());
            let origin = match (features.has(decisive), features.has("preset")) {
                (true, _) => "",
                (false, true) => " of the preset",
                (false, false) => ", which it is without this key",
            };
            return Err(features.wrong(key, expected, format!("{decisive} = {:?}{origin}", found.name())));
        }
    }
    Ok(())
}

/// Whether a preset of this kind can stand beside one of `kinds`: cepstra are made of the frames of any.
fn allows(preset: FeatureKind, kinds: &[FeatureKind]) -> bool {
    kinds.contains(&preset) || kinds.contains(&FeatureKind::Mfcc) && preset != FeatureKind::Waveform
}
