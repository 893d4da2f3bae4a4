// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables `[features]` and `[input]`.

use super::section::Section;
use crate::{
    error::Result,
    frontend::{ChannelAxis, FeatureSpec, Features, Layout, Log, LogMel, MelNorm, MelScale, Normalize, Power},
};

/// Longest window, s.
const MAX_WINDOW: f64 = 60.0;
/// Most mel bands.
const MAX_MELS: u64 = 4096;
/// Most frames of a window.
const MAX_FRAMES: u64 = 65_536;
/// Largest FFT.
const MAX_FFT: u64 = 1 << 20;
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
];
const SCALES: &[(&str, MelScale)] = &[("slaney", MelScale::Slaney), ("htk", MelScale::Htk)];
const NORMS: &[(&str, MelNorm)] = &[("slaney", MelNorm::Slaney), ("none", MelNorm::None)];

/// How samples become values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LogMel,
    Waveform,
}

const KINDS: &[(&str, Kind)] = &[("logmel", Kind::LogMel), ("waveform", Kind::Waveform)];

/// Which compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogKind {
    Db,
    Ln,
    Log10,
}

const LOGS: &[(&str, LogKind)] = &[("db", LogKind::Db), ("ln", LogKind::Ln), ("log10", LogKind::Log10)];

/// A bundle of values; semantics of the names: `name`, `Preset`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Preset {
    sample_rate: u32,
    /// Seconds.
    window: f64,
    n_fft: usize,
    win_length: usize,
    hop_length: usize,
    n_mels: usize,
    fmin: f64,
    fmax: f64,
    scale: MelScale,
    norm: MelNorm,
    power: Power,
    log: Log,
    frames: usize,
    center: bool,
}

/// The original's big features.
const FSDKAGGLE2018: Preset = Preset {
    sample_rate: 44_100,
    window: 1.0,
    n_fft: 2560,
    win_length: 2560,
    hop_length: 347,
    n_mels: 128,
    fmin: 20.0,
    fmax: 22_050.0,
    scale: MelScale::Slaney,
    norm: MelNorm::Slaney,
    power: Power::Two,
    log: Log::Db { amin: 1e-10, top_db: Some(80.0) },
    frames: 128,
    center: true,
};

/// The original's small features.
const FSDKAGGLE2018_SMALL: Preset = Preset {
    sample_rate: 16_000,
    n_fft: 1280,
    win_length: 1280,
    hop_length: 253,
    n_mels: 64,
    fmax: 8_000.0,
    frames: 64,
    ..FSDKAGGLE2018
};

/// Those of YAMNet.
const YAMNET: Preset = Preset {
    sample_rate: 16_000,
    window: 0.975,
    n_fft: 512,
    win_length: 400,
    hop_length: 160,
    n_mels: 64,
    fmin: 125.0,
    fmax: 7_500.0,
    scale: MelScale::Htk,
    norm: MelNorm::None,
    power: Power::One,
    log: Log::Ln { offset: 0.001 },
    frames: 96,
    center: false,
};

const PRESETS: &[(&str, Preset)] =
    &[("fsdkaggle2018", FSDKAGGLE2018), ("fsdkaggle2018-small", FSDKAGGLE2018_SMALL), ("yamnet", YAMNET)];

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
    let preset = features.choice("preset", PRESETS)?;
    let kind = features.choice("kind", KINDS)?.unwrap_or(Kind::LogMel);
    check_layout(&input, axes.layout, kind)?;
    input.finish()?;

    let sample_rate = required(&features, "sample-rate", SAMPLE_RATES, preset.map(|p| u64::from(p.sample_rate)))?;
    let seconds = match features.float("window", 0.0..=MAX_WINDOW)?.or(preset.map(|p| p.window)) {
        Some(seconds) => seconds,
        None => return Err(features.missing("window", "the length of a window in seconds, or a preset")),
    };
    let window = (seconds * sample_rate as f64).round() as usize;
    if window == 0 {
        return Err(features.wrong("window", "at least one sample", format!("{seconds} s")));
    }
    let kind = match kind {
        Kind::Waveform => Features::Waveform,
        Kind::LogMel => Features::LogMel(log_mel(&features, preset, sample_rate)?),
    };
    if kind == Features::Waveform {
        refuse_log_mel_keys(&features)?;
    }
    features.finish()?;
    let Input { layout, channel_axis, normalize } = axes;
    let sample_rate = sample_rate as u32;
    Ok((name, FeatureSpec { sample_rate, window, features: kind, normalize, layout, channel_axis }))
}

fn check_layout(input: &Section<'_>, layout: Layout, kind: Kind) -> Result<()> {
    match (kind, layout) {
        (Kind::Waveform, Layout::Samples) => Ok(()),
        (Kind::Waveform, _) => Err(input.wrong("layout", "samples, for features.kind is waveform", "another")),
        (Kind::LogMel, Layout::Samples) => {
            Err(input.wrong("layout", "mels-frames or frames-mels, for features.kind is logmel", "samples"))
        }
        (Kind::LogMel, _) => Ok(()),
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
    value.ok_or_else(|| features.missing(key, "a whole number, or a preset that brings it"))
}

fn log_mel(features: &Section<'_>, preset: Option<Preset>, sample_rate: u64) -> Result<LogMel> {
    let of = |value: fn(Preset) -> usize| preset.map(|p| value(p) as u64);
    let n_fft = required(features, "n-fft", 2..=MAX_FFT, of(|p| p.n_fft))?;
    let own_fft = features.has("n-fft");
    let win_length = features.uint("win-length", 1..=MAX_FFT)?;
    let win_length = win_length.or(of(|p| p.win_length).filter(|_| !own_fft)).unwrap_or(n_fft);
    if win_length > n_fft {
        return Err(features.wrong("win-length", format!("at most n-fft, {n_fft}"), win_length.to_string()));
    }
    let hop_length = required(features, "hop-length", 1..=MAX_FFT, of(|p| p.hop_length))?;
    let n_mels = required(features, "n-mels", 1..=MAX_MELS, of(|p| p.n_mels))?;
    let frames = required(features, "frames", 1..=MAX_FRAMES, of(|p| p.frames))?;
    let extent = (frames - 1) * hop_length + n_fft;
    let longest = (MAX_WINDOW * sample_rate as f64) as u64;
    if extent > longest {
        let expected = format!("frames that span at most {MAX_WINDOW} s, {longest} samples");
        return Err(features.wrong("frames", expected, format!("{frames}, which span {extent} samples")));
    }
    let (fmin, fmax) = band(features, preset, sample_rate)?;
    Ok(LogMel {
        n_fft: n_fft as usize,
        win_length: win_length as usize,
        hop_length: hop_length as usize,
        n_mels: n_mels as usize,
        fmin,
        fmax,
        scale: features.choice("mel-scale", SCALES)?.or(preset.map(|p| p.scale)).unwrap_or(MelScale::Slaney),
        norm: features.choice("mel-norm", NORMS)?.or(preset.map(|p| p.norm)).unwrap_or(MelNorm::Slaney),
        power: power(features)?.or(preset.map(|p| p.power)).unwrap_or(Power::Two),
        center: features.bool("center")?.or(preset.map(|p| p.center)).unwrap_or(true),
        frames: frames as usize,
        log: log(features, preset)?,
    })
}

/// The edges of the filter bank, Hz. Unless given, the upper one of a preset falls to half of an own sample rate.
fn band(features: &Section<'_>, preset: Option<Preset>, sample_rate: u64) -> Result<(f64, f64)> {
    let nyquist = sample_rate as f64 / 2.0;
    let fmin = features.float("fmin", 0.0..=nyquist)?.or(preset.map(|p| p.fmin)).unwrap_or(0.0);
    let fmax = features.float("fmax", 0.0..=nyquist)?;
    let fmax = fmax.unwrap_or_else(|| preset.map_or(nyquist, |p| p.fmax.min(nyquist)));
    if fmin >= fmax {
        let key = if features.has("fmin") { "fmin" } else { "fmax" };
        return Err(features.wrong(key, "fmin below fmax", format!("fmin {fmin}, fmax {fmax}")));
    }
    Ok((fmin, fmax))
}

fn power(features: &Section<'_>) -> Result<Option<Power>> {
    let power = features.float("power", 1.0..=2.0)?;
    match power {
        None => Ok(None),
        Some(1.0) => Ok(Some(Power::One)),
        Some(2.0) => Ok(Some(Power::Two)),
        Some(other) => Err(features.wrong("power", "1 or 2", other.to_string())),
    }
}

fn log(features: &Section<'_>, preset: Option<Preset>) -> Result<Log> {
    let preset = preset.map(|p| p.log);
    let kind = features.choice("log", LOGS)?.or(preset.map(log_kind)).unwrap_or(LogKind::Db);
    let preset = preset.filter(|preset| log_kind(*preset) == kind);
    let amin = features.float("amin", f64::MIN_POSITIVE..=1.0)?;
    let top_db = features.float_or_none("top-db", 0.0..=1000.0)?;
    let offset = features.float("offset", f64::MIN_POSITIVE..=1000.0)?;
    let unfit = match kind {
        LogKind::Db => offset.map(|_| ("offset", "only with log = \"ln\" or \"log10\"")),
        _ if amin.is_some() => Some(("amin", "only with log = \"db\"")),
        _ => top_db.map(|_| ("top-db", "only with log = \"db\"")),
    };
    if let Some((key, expected)) = unfit {
        return Err(features.wrong(key, expected, "it with another log"));
    }
    let (preset_amin, preset_top_db, preset_offset) = match preset {
        Some(Log::Db { amin, top_db }) => (amin, top_db, None),
        Some(Log::Ln { offset } | Log::Log10 { offset }) => (1e-10, None, Some(offset)),
        None => (1e-10, None, None),
    };
    let offset = || match offset.or(preset_offset) {
        Some(offset) => Ok(offset),
        None => Err(features.missing("offset", "what is added before the logarithm")),
    };
    Ok(match kind {
        LogKind::Db => Log::Db { amin: amin.unwrap_or(preset_amin), top_db: top_db.unwrap_or(preset_top_db) },
        LogKind::Ln => Log::Ln { offset: offset()? },
        LogKind::Log10 => Log::Log10 { offset: offset()? },
    })
}

fn log_kind(log: Log) -> LogKind {
    match log {
        Log::Db { .. } => LogKind::Db,
        Log::Ln { .. } => LogKind::Ln,
        Log::Log10 { .. } => LogKind::Log10,
    }
}

/// Keys that a waveform has no use for.
fn refuse_log_mel_keys(features: &Section<'_>) -> Result<()> {
    const KEYS: [&str; 15] = [
        "n-fft",
        "win-length",
        "hop-length",
        "n-mels",
        "fmin",
        "fmax",
        "mel-scale",
        "mel-norm",
        "power",
        "log",
        "amin",
        "top-db",
        "offset",
        "frames",
        "center",
    ];
    match KEYS.into_iter().find(|key| features.has(key)) {
        None => Ok(()),
        Some(key) => Err(features.wrong(key, "it only with kind = \"logmel\"", "kind = \"waveform\"")),
    }
}
