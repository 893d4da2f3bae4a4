// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of `[features]` for frames: `logmel` and `fbank`.

use super::{super::section::Section, log, required};
use crate::{
    error::Result,
    frontend::{Log, LogMel, MelNorm, MelScale, PadMode, Placement, Power, Preemphasis, WindowFunction},
    model::limits::{BAND_WORK, MAX_FFT, MAX_FRAME_WORK, MAX_FRAMES, MAX_MELS, MAX_VALUES, MAX_WINDOW},
};

const SCALES: &[(&str, MelScale)] = &[("slaney", MelScale::Slaney), ("htk", MelScale::Htk), ("kaldi", MelScale::Kaldi)];
const NORMS: &[(&str, MelNorm)] = &[("slaney", MelNorm::Slaney), ("none", MelNorm::None)];
const PAD_MODES: &[(&str, PadMode)] = &[("reflect", PadMode::Reflect), ("constant", PadMode::Constant)];
const WINDOW_FUNCTIONS: &[(&str, WindowFunction)] = &[
    ("hann", WindowFunction::Hann),
    ("hann-symmetric", WindowFunction::HannSymmetric),
    ("hamming", WindowFunction::Hamming),
];
const KALDI_WINDOW_FUNCTIONS: &[(&str, WindowFunction)] = &[
    ("povey", WindowFunction::Povey),
    ("hanning", WindowFunction::HannSymmetric),
    ("hamming", WindowFunction::HammingSymmetric),
];

/// Sizes of frames, samples.
struct Sizes {
    n_fft: usize,
    win_length: usize,
    hop_length: usize,
    n_mels: usize,
    frames: usize,
}

/// Log-mel frames as librosa and torch make them.
pub(super) fn log_mel(
    features: &Section<'_>,
    preset: Option<&LogMel>,
    sample_rate: u64,
    scale: Option<f64>,
) -> Result<LogMel> {
    let Sizes { n_fft, win_length, hop_length, n_mels, frames } = sizes(features, preset, None, sample_rate)?;
    let (fmin, fmax) = band(features, preset, 0.0, sample_rate)?;
    let preemphasis = features.float("preemphasis", 0.0..=1.0)?.map(|coefficient| match coefficient {
        0.0 => Preemphasis::None,
        coefficient => Preemphasis::Signal(coefficient),
    });
    let window_function = features.choice("window-function", WINDOW_FUNCTIONS)?;
    Ok(LogMel {
        waveform_scale: scale.or(preset.map(|p| p.waveform_scale)).unwrap_or(1.0),
        remove_dc: false,
        preemphasis: preemphasis.or(preset.map(|p| p.preemphasis)).unwrap_or(Preemphasis::None),
        n_fft,
        win_length,
        window_function: window_function.or(preset.map(|p| p.window_function)).unwrap_or(WindowFunction::Hann),
        hop_length,
        n_mels,
        fmin,
        fmax,
        scale: features.choice("mel-scale", SCALES)?.or(preset.map(|p| p.scale)).unwrap_or(MelScale::Slaney),
        norm: features.choice("mel-norm", NORMS)?.or(preset.map(|p| p.norm)).unwrap_or(MelNorm::Slaney),
        power: power(features)?.or(preset.map(|p| p.power)).unwrap_or(Power::Two),
        placement: placement(features, preset)?,
        frames,
        log: log::read(features, preset.map(|p| p.log))?,
    })
}

/// Kaldi's filter bank.
pub(super) fn fbank(
    features: &Section<'_>,
    preset: Option<&LogMel>,
    sample_rate: u64,
    scale: Option<f64>,
) -> Result<LogMel> {
    let usual = LogMel::kaldi(sample_rate as u32, 1, 1);
    let Sizes { n_fft, win_length, hop_length, n_mels, frames } = sizes(features, preset, Some(&usual), sample_rate)?;
    let (fmin, fmax) = band(features, preset, usual.fmin, sample_rate)?;
    let base = preset.unwrap_or(&usual);
    let preemphasis = features.float("preemphasis", 0.0..=1.0)?.map(Preemphasis::Frame);
    let snip_edges = features.bool("snip-edges")?;
    let placement = snip_edges.map(|snip| if snip { Placement::Start } else { Placement::HopCenter });
    let floor = features.float("energy-floor", f64::MIN_POSITIVE..=1e9)?;
    Ok(LogMel {
        waveform_scale: scale.unwrap_or(base.waveform_scale),
        remove_dc: features.bool("remove-dc")?.unwrap_or(base.remove_dc),
        preemphasis: preemphasis.unwrap_or(base.preemphasis),
        n_fft,
        win_length,
        window_function: features.choice("window-function", KALDI_WINDOW_FUNCTIONS)?.unwrap_or(base.window_function),
        hop_length,
        n_mels,
        fmin,
        fmax,
        power: power(features)?.unwrap_or(base.power),
        placement: placement.unwrap_or(base.placement),
        frames,
        log: floor.map_or(base.log, |floor| Log::LnFloor { floor }),
        ..usual
    })
}

/// `usual`: sizes that need no preset.
fn sizes(features: &Section<'_>, preset: Option<&LogMel>, usual: Option<&LogMel>, sample_rate: u64) -> Result<Sizes> {
    let base = preset.or(usual);
    let own_fft = features.has("n-fft");
    let win_length = features.uint("win-length", 1..=MAX_FFT)?;
    // An FFT of the usual size holds an own window, too.
    let longer = |n_fft: usize| win_length.filter(|_| preset.is_none()).map_or(n_fft as u64, u64::next_power_of_two);
    let n_fft = required(features, "n-fft", 2..=MAX_FFT, base.map(|p| longer(p.n_fft)))?;
    let win_length =
        win_length.or(base.map(|p| p.win_length as u64).filter(|_| !own_fft || preset.is_none())).unwrap_or(n_fft);
    if win_length > n_fft {
        return Err(features.wrong("win-length", format!("at most n-fft, {n_fft}"), win_length.to_string()));
    }
    let hop_length = required(features, "hop-length", 1..=MAX_FFT, base.map(|p| p.hop_length as u64))?;
    let n_mels = required(features, "n-mels", 1..=MAX_MELS, preset.map(|p| p.n_mels as u64))?;
    let frames = required(features, "frames", 1..=MAX_FRAMES, preset.map(|p| p.frames as u64))?;
    let extent = (frames - 1) * hop_length + n_fft;
    let maximum = (MAX_WINDOW * sample_rate as f64) as u64;
    if extent > maximum {
        let expected = format!("frames that span at most {MAX_WINDOW} s, {maximum} samples");
        return Err(features.wrong("frames", expected, format!("{frames}, which span {extent} samples")));
    }
    if frames * n_mels > MAX_VALUES as u64 {
        let expected = format!("at most {MAX_VALUES} values, frames × n-mels");
        return Err(features.wrong("frames", expected, format!("{frames} × {n_mels}, {} values", frames * n_mels)));
    }
    // An untrusted manifest must not keep a processor busy.
    let work = (n_fft + BAND_WORK * n_mels) * sample_rate / hop_length;
    if work > MAX_FRAME_WORK {
        let expected = format!(
            "a longer hop: (n-fft + {BAND_WORK} × n-mels) × sample-rate / hop-length of at most {MAX_FRAME_WORK}"
        );
        return Err(features.wrong("hop-length", expected, format!("{hop_length}, which makes {work}")));
    }
    let [n_fft, win_length, hop_length, n_mels, frames] =
        [n_fft, win_length, hop_length, n_mels, frames].map(|size| size as usize);
    Ok(Sizes { n_fft, win_length, hop_length, n_mels, frames })
}

/// The edges of the filter bank, Hz. Unless given, the upper one of a preset falls to half of an own sample rate.
fn band(features: &Section<'_>, preset: Option<&LogMel>, lowest: f64, sample_rate: u64) -> Result<(f64, f64)> {
    let nyquist = sample_rate as f64 / 2.0;
    let fmin = features.float("fmin", 0.0..=nyquist)?.or(preset.map(|p| p.fmin)).unwrap_or(lowest);
    let fmax = features.float("fmax", f64::MIN_POSITIVE..=nyquist)?;
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

fn placement(features: &Section<'_>, preset: Option<&LogMel>) -> Result<Placement> {
    let preset = preset.map(|preset| preset.placement);
    let center = features.bool("center")?.unwrap_or(preset != Some(Placement::Start));
    let pad = features.choice("pad-mode", PAD_MODES)?;
    match (center, pad, preset) {
        (false, Some(_), _) => Err(features.wrong("pad-mode", "center = true with this key", "center = false")),
        (false, None, _) => Ok(Placement::Start),
        (true, None, Some(preset @ Placement::Center(_))) => Ok(preset),
        (true, pad, _) => Ok(Placement::Center(pad.unwrap_or(PadMode::Reflect))),
    }
}
