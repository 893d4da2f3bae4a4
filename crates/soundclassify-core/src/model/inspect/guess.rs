// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guesses of what a network's window is: layout and features, each with its confidence and why.

use std::fmt;

use super::clues::Clues;
use crate::frontend::{FeatureSpec, Layout, LogMel, Normalize, preset};

/// Numbers of mel bands that are often used: what distinguishes bands from frames.
const USUAL_MELS: [usize; 5] = [40, 64, 80, 128, 256];
/// Examples for axes that are not known.
const MELS: usize = 64;
const FRAMES: usize = 96;
/// Presets and the words that name them; where several fit, the first one is taken.
const NAMES: &[(&str, &[&str])] = &[
    ("yamnet", &["yamnet"]),
    ("efficientat", &["efficientat", "mn04", "mn05", "mn10", "mn20", "mn30", "mn40", "dymn04", "dymn10", "dymn20"]),
    ("fsdkaggle2018", &["fsdkaggle2018", "fsd2018", "fsd41"]),
    ("fsdkaggle2018-small", &["fsdkaggle2018", "listener"]),
    ("ast", &["ast"]),
    ("beats", &["beats"]),
    ("ced", &["ced"]),
    ("panns", &["panns", "cnn14", "cnn10", "cnn6"]),
    ("panns-16k", &["panns", "cnn14"]),
    ("passt", &["passt"]),
    ("vggish", &["vggish"]),
    ("openl3", &["openl3"]),
    ("zipformer", &["zipformer"]),
    ("birdnet", &["birdnet"]),
    ("perch", &["perch"]),
];
/// Presets of networks that take any number of frames.
const ANY_LENGTH: [&str; 5] = ["efficientat", "ced", "panns", "panns-16k", "zipformer"];
/// Hz, where nothing says more.
const USUAL_RATE: u32 = 16_000;

/// How probable a guess is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confidence {
    /// It is one of several, or only the usual.
    Low,
    /// One clue says so.
    Medium,
    /// It is stated, or several clues agree.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// A value in TOML, and why it is this one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    pub(super) value: String,
    confidence: Confidence,
    reason: String,
}

impl Guess {
    pub(super) fn new(value: impl Into<String>, confidence: Confidence, reason: impl Into<String>) -> Self {
        Self { value: value.into(), confidence, reason: reason.into() }
    }

    /// Confidence and reason, without what could end a comment.
    pub(super) fn comment(&self) -> String {
        format!("# confidence {}: {}", self.confidence, self.reason.replace(char::is_control, " "))
    }
}

/// What a window is.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) layout: Guess,
    pub(super) channel_axis: &'static str,
    pub(super) normalize: Guess,
    /// Lines of the table.
    pub(super) features: Guess,
}

/// A preset that a plane may be made with.
struct Candidate {
    name: &'static str,
    spec: FeatureSpec,
    layout: &'static str,
    /// Frames of the network, where they are not the preset's.
    frames: Option<usize>,
    word: Option<&'static str>,
    is_exact: bool,
}

impl Window {
    /// Of an input with these axes.
    pub(super) fn of(dims: &[Option<usize>], clues: &Clues) -> Self {
        // The batch is the first axis: of four, or if it is free or 1, or if no other axis could be the channel.
        let window = match dims {
            [_, rest @ ..] if rest.len() == 3 => rest,
            [None | Some(1), rest @ ..] if !rest.is_empty() => rest,
            [_, rest @ ..] if rest.len() == 2 && rest[1] != Some(1) => rest,
            all => all,
        };
        match window {
            [Some(1), rows, columns] => Self::plane("first", *rows, *columns, clues),
            [rows, columns, Some(1)] => Self::plane("last", *rows, *columns, clues),
            [Some(1), samples] => Self::samples("first", *samples, clues),
            [samples @ Some(2..), Some(1)] => Self::samples("last", *samples, clues),
            [rows, columns] => Self::plane("none", *rows, *columns, clues),
            [samples] => Self::samples("none", *samples, clues),
            [_, rows, columns] => Self::plane("first", *rows, *columns, clues),
            _ => Self::plane("none", None, None, clues),
        }
    }

    fn samples(channel_axis: &'static str, samples: Option<usize>, clues: &Clues) -> Self {
        let layout = Guess::new("samples", Confidence::Medium, "the input has one axis other than batch and channel");
        let known = NAMES.iter().find_map(|(name, words)| {
            let spec = preset::named(name).filter(|spec| spec.layout == Layout::Samples)?;
            let word = clues.word(words);
            (word.is_some() || samples == Some(spec.window)).then_some((*name, spec, word))
        });
        if let Some((name, spec, word)) = known.filter(|(_, spec, _)| samples.is_none_or(|count| count == spec.window))
        {
            let reason = reason(name, word, samples.is_some(), &[]);
            let confidence = if word.is_some() { Confidence::High } else { Confidence::Medium };
            let features = Guess::new(format!("preset = \"{name}\"\n"), confidence, reason);
            return Self { layout, channel_axis, normalize: normalize(&spec), features };
        }
        let (rate, confidence, why) = rate(clues);
        let window = samples.unwrap_or(rate as usize) as f64 / f64::from(rate);
        let features =
            format!("kind = \"waveform\"\nsample-rate = {rate}\nwindow = {window:?}                        # s\n");
        Self { layout, channel_axis, normalize: usual_normalize(), features: Guess::new(features, confidence, why) }
    }

    fn plane(channel_axis: &'static str, rows: Option<usize>, columns: Option<usize>, clues: &Clues) -> Self {
        let mut candidates = candidates(rows, columns, clues);
        // The first of the best.
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.score()));
        match candidates.first() {
            Some(best) if best.word.is_some() || best.is_exact => best.window(channel_axis, &candidates[1..]),
            _ => Self::unknown(channel_axis, rows, columns, clues),
        }
    }

    /// Features of which no preset is certain: numbers that the shape does not have are to be filled in.
    fn unknown(channel_axis: &'static str, rows: Option<usize>, columns: Option<usize>, clues: &Clues) -> Self {
        let (layout, mels, frames) = layout(rows, columns);
        let (rate, _, why) = rate(clues);
        let matching = matching(mels, frames, clues);
        let (axes, bands, count) = (Axes { mels, frames }, mels.unwrap_or(MELS), frames.unwrap_or(FRAMES));
        // One second.
        let features = format!(
            "sample-rate = {rate}\nwindow = 1.0\nn-fft = 1024\nhop-length = {}\nn-mels = {bands}\nframes = {count}\n",
            (rate as usize / count.max(1)).max(1)
        );
        let why = format!("{}; {why}; window, n-fft and hop-length are not known", axes.reason(&matching, clues));
        Self {
            layout,
            channel_axis,
            normalize: usual_normalize(),
            features: Guess::new(features, Confidence::Low, why),
        }
    }
}

/// What the shape says of a spectrum.
struct Axes {
    mels: Option<usize>,
    frames: Option<usize>,
}

impl Axes {
    /// Which of them are not known, and the presets that they could be of.
    fn reason(&self, presets: &[&str], clues: &Clues) -> String {
        let list = if presets.is_empty() { "none".into() } else { presets.join(", ") };
        let at = clues.sample_rate().map(|(rate, _)| format!(" at {rate} Hz")).unwrap_or_default();
        match (self.mels, self.frames) {
            (None, None) => "no axis is known: n-mels and frames are only examples".into(),
            (Some(mels), None) => format!("frames is only an example; presets with {mels} bands{at}: {list}"),
            (None, Some(frames)) => format!("n-mels is only an example; presets with {frames} frames{at}: {list}"),
            (Some(mels), Some(frames)) if presets.is_empty() => {
                format!("no preset{at} has {mels} bands and {frames} frames")
            }
            (Some(mels), Some(_)) => format!("presets with {mels} bands and any number of frames{at}: {list}"),
        }
    }
}

/// The layout, and the numbers of bands and frames, of two axes.
fn layout(rows: Option<usize>, columns: Option<usize>) -> (Guess, Option<usize>, Option<usize>) {
    let usual = |count: Option<usize>| count.is_some_and(|count| USUAL_MELS.contains(&count));
    // A free axis is more probably that of frames, and a known number that is not usual, too.
    let is_turned = match (rows, columns) {
        (Some(_), None) => !usual(rows),
        (None, Some(_)) => usual(columns),
        _ => usual(columns) && !usual(rows),
    };
    let (layout, mels, frames) =
        if is_turned { ("frames-mels", columns, rows) } else { ("mels-frames", rows, columns) };
    let (confidence, why) = match (mels, frames) {
        (None, None) => (Confidence::Low, "no axis is known".into()),
        (Some(mels), None) => {
            (Confidence::Medium, format!("{mels} is a common number of mel bands, the other axis is free"))
        }
        (None, Some(frames)) => {
            (Confidence::Low, format!("{frames} is not a common number of mel bands, the other axis is free"))
        }
        (Some(mels), Some(frames)) if usual(Some(mels)) != usual(Some(frames)) => {
            (Confidence::Medium, format!("{mels} is a common number of mel bands, {frames} is not"))
        }
        (Some(mels), Some(frames)) if usual(Some(mels)) => {
            (Confidence::Low, format!("{mels} and {frames} could both be mel bands"))
        }
        (Some(mels), Some(frames)) => {
            (Confidence::Low, format!("neither {mels} nor {frames} is a common number of mel bands"))
        }
    };
    (Guess::new(layout, confidence, why), mels, frames)
}

/// Presets with these numbers of bands and frames, as far as they are known; those of networks that take any number of
/// frames have any.
fn matching(mels: Option<usize>, frames: Option<usize>, clues: &Clues) -> Vec<&'static str> {
    let rate = clues.sample_rate().map(|(rate, _)| rate);
    let fits = |name: &str| {
        let spec = preset::named(name)?;
        let mel = spec.log_mel()?;
        let has_rate = rate.is_none_or(|rate| rate == spec.sample_rate);
        let has_mels = mels.is_none_or(|mels| mels == mel.n_mels);
        let has_frames =
            frames.is_none_or(|frames| frames == mel.frames || mels.is_some() && ANY_LENGTH.contains(&name));
        Some(has_rate && has_mels && has_frames)
    };
    preset::ALL.iter().map(|(name, _)| *name).filter(|name| fits(name) == Some(true)).collect()
}

/// Presets that have so many bands, and as many frames or any number.
fn candidates(rows: Option<usize>, columns: Option<usize>, clues: &Clues) -> Vec<Candidate> {
    let rate = clues.sample_rate().map(|(rate, _)| rate);
    let mut found = Vec::new();
    for (name, words) in NAMES {
        let Some(spec) = preset::named(name) else { continue };
        let Some(LogMel { n_mels, frames: own, .. }) = spec.log_mel().cloned() else { continue };
        if rate.is_some_and(|rate| rate != spec.sample_rate) {
            continue;
        }
        let word = clues.word(words);
        for (layout, mels, frames) in [("mels-frames", rows, columns), ("frames-mels", columns, rows)] {
            let fits = mels.is_none_or(|mels| mels == n_mels)
                && frames.is_none_or(|it| it == own || ANY_LENGTH.contains(name));
            let is_exact = mels == Some(n_mels) && frames == Some(own);
            if fits && (is_exact || word.is_some()) {
                let frames = frames.filter(|frames| *frames != own);
                found.push(Candidate { name, spec: spec.clone(), layout, frames, word, is_exact });
            }
        }
    }
    found
}

impl Candidate {
    fn score(&self) -> u32 {
        let own = match self.spec.layout {
            Layout::MelsFrames => "mels-frames",
            Layout::FramesMels => "frames-mels",
            Layout::Samples => "samples",
        };
        8 * u32::from(self.word.is_some()) + 4 * u32::from(self.is_exact) + u32::from(own == self.layout)
    }

    fn window(&self, channel_axis: &'static str, others: &[Self]) -> Window {
        let same = others
            .iter()
            .filter(|other| other.is_exact == self.is_exact && other.word.is_some() == self.word.is_some());
        let mut others: Vec<_> = same.map(|other| other.name).filter(|name| *name != self.name).collect();
        others.dedup();
        let confidence = match (self.word, others.is_empty()) {
            (Some(_), true) => Confidence::High,
            (Some(_), false) | (None, true) => Confidence::Medium,
            (None, false) => Confidence::Low,
        };
        let mut lines = format!("preset = \"{}\"\n", self.name);
        if let (Some(frames), Some(mel)) = (self.frames, self.spec.log_mel()) {
            let window = (frames * mel.hop_length) as f64 / f64::from(self.spec.sample_rate);
            lines += &format!("window = {window:?}                        # s\nframes = {frames}\n");
        }
        let reason = reason(self.name, self.word, self.is_exact, &others);
        Window {
            layout: Guess::new(self.layout, confidence, format!("the axes of the preset {}", self.name)),
            channel_axis,
            normalize: normalize(&self.spec),
            features: Guess::new(lines, confidence, reason),
        }
    }
}

/// Why it is this preset.
fn reason(name: &str, word: Option<&str>, is_exact: bool, others: &[&str]) -> String {
    let named = word.map(|word| format!("a name has the word {word:?}"));
    let fits = is_exact.then(|| format!("the shape is that of {name}"));
    let others = (!others.is_empty()).then(|| format!("so could {}", others.join(", ")));
    named.into_iter().chain(fits).chain(others).collect::<Vec<_>>().join("; ")
}

fn rate(clues: &Clues) -> (u32, Confidence, String) {
    match clues.sample_rate() {
        Some((rate, true)) => (rate, Confidence::High, format!("the metadata says {rate} Hz")),
        Some((rate, false)) => (rate, Confidence::Medium, format!("a name says {rate} Hz")),
        None => (USUAL_RATE, Confidence::Low, format!("{USUAL_RATE} Hz is usual")),
    }
}

fn normalize(spec: &FeatureSpec) -> Guess {
    let name = match spec.normalize {
        Normalize::None => "none",
        Normalize::MinMax => "minmax",
        Normalize::MinMaxEps => "minmax-eps",
        Normalize::Standard => "standard",
        Normalize::MeanVar => "meanvar",
        Normalize::Max => "max",
        Normalize::Peak => "peak",
    };
    Guess::new(name, Confidence::Medium, "the preset's networks have it")
}

fn usual_normalize() -> Guess {
    Guess::new("none", Confidence::Low, "as in training")
}
