// SPDX-License-Identifier: MIT OR Apache-2.0
//! Presets: the features of published networks, under the names in manifests. Layout, channel axis and normalisation are
//! those of the network's own export.

use super::spec::{
    ChannelAxis, FeatureSpec, Features, FixedNormalize, Layout, Log, LogMel, MelNorm, MelScale, Normalize, PadMode,
    Placement, Power, Preemphasis, WindowFunction,
};

/// Constructor of a preset.
pub type Preset = fn() -> FeatureSpec;

/// All presets: name and constructor.
pub const ALL: &[(&str, Preset)] = &[
    ("ast", ast),
    ("beats", beats),
    ("birdnet", birdnet),
    ("ced", ced),
    ("efficientat", efficientat),
    ("fsdkaggle2018", fsdkaggle2018),
    ("fsdkaggle2018-small", fsdkaggle2018_small),
    ("openl3", openl3),
    ("panns", panns),
    ("panns-16k", panns_16k),
    ("passt", passt),
    ("perch", perch),
    ("vggish", vggish),
    ("yamnet", yamnet),
    ("zipformer", zipformer),
];

/// The preset of that name.
#[must_use]
pub fn named(name: &str) -> Option<FeatureSpec> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, preset)| preset())
}

/// Log-mel of 128 bands and 128 frames at 44.1 kHz, min-max: the features of FSDKaggle2018's networks.
#[must_use]
pub fn fsdkaggle2018() -> FeatureSpec {
    square(44_100, 2560, 347, 128)
}

/// Log-mel of 64 bands and 64 frames at 16 kHz, min-max: the features of FSDKaggle2018's small networks.
#[must_use]
pub fn fsdkaggle2018_small() -> FeatureSpec {
    square(16_000, 1280, 253, 64)
}

fn square(sample_rate: u32, n_fft: usize, hop_length: usize, side: usize) -> FeatureSpec {
    FeatureSpec {
        sample_rate,
        window: sample_rate as usize,
        features: Features::LogMel(LogMel {
            n_fft,
            win_length: n_fft,
            hop_length,
            n_mels: side,
            fmin: 20.0,
            fmax: f64::from(sample_rate) / 2.0,
            frames: side,
            log: Log::Db { amin: 1e-10, top_db: Some(80.0) },
            ..librosa()
        }),
        fixed: FixedNormalize::None,
        normalize: Normalize::MinMax,
        layout: Layout::MelsFrames,
        channel_axis: ChannelAxis::First,
    }
}

/// Log-mel frames with librosa's defaults, at 22.05 kHz, one per window: a base for others.
#[must_use]
pub fn librosa() -> LogMel {
    LogMel {
        waveform_scale: 1.0,
        remove_dc: false,
        preemphasis: Preemphasis::None,
        n_fft: 2048,
        win_length: 2048,
        window_function: WindowFunction::Hann,
        hop_length: 512,
        n_mels: 128,
        fmin: 0.0,
        fmax: 11_025.0,
        scale: MelScale::Slaney,
        norm: MelNorm::Slaney,
        power: Power::Two,
        placement: Placement::Center(PadMode::Reflect),
        frames: 1,
        log: Log::Db { amin: 1e-10, top_db: None },
    }
}

/// YAMNet: 96 frames of 64 bands at 16 kHz.
#[must_use]
pub fn yamnet() -> FeatureSpec {
    FeatureSpec {
        sample_rate: 16_000,
        window: 15_600,
        features: Features::LogMel(LogMel {
            n_fft: 512,
            win_length: 400,
            hop_length: 160,
            n_mels: 64,
            fmin: 125.0,
            fmax: 7500.0,
            scale: MelScale::Htk,
            norm: MelNorm::None,
            power: Power::One,
            placement: Placement::Start,
            frames: 96,
            log: Log::Ln { offset: 0.001 },
            ..librosa()
        }),
        fixed: FixedNormalize::None,
        normalize: Normalize::None,
        layout: Layout::FramesMels,
        channel_axis: ChannelAxis::None,
    }
}

/// VGGish: 96 frames of 64 bands at 16 kHz (`mel_features.py` and `vggish_params.py` of TensorFlow's models).
#[must_use]
pub fn vggish() -> FeatureSpec {
    let yamnet = yamnet();
    let Features::LogMel(mel) = yamnet.features else { return yamnet };
    let mel = LogMel { scale: MelScale::Kaldi, log: Log::Ln { offset: 0.01 }, ..mel };
    FeatureSpec { features: Features::LogMel(mel), channel_axis: ChannelAxis::None, ..yamnet }
}

/// EfficientAT: 128 bands at 32 kHz, 100 frames per second, windows of 1 s (`AugmentMelSTFT` of its `models/preprocess.py`).
/// The network takes any number of frames.
#[must_use]
pub fn efficientat() -> FeatureSpec {
    FeatureSpec {
        sample_rate: 32_000,
        window: 32_000,
        features: Features::LogMel(LogMel {
            preemphasis: Preemphasis::Signal(0.97),
            n_fft: 1024,
            win_length: 800,
            window_function: WindowFunction::HannSymmetric,
            hop_length: 320,
            n_mels: 128,
            fmin: 0.0,
            fmax: 15_000.0,
            scale: MelScale::Kaldi,
            norm: MelNorm::None,
            frames: 100,
            log: Log::Ln { offset: 1e-5 },
            ..librosa()
        }),
        fixed: FixedNormalize::Scalar { mean: -4.5, std: 5.0 },
        normalize: Normalize::None,
        layout: Layout::MelsFrames,
        channel_axis: ChannelAxis::First,
    }
}

/// PaSST: the features of EfficientAT, 998 frames, which is all that 10 s give its patches (`hear21passt`,
/// `AugmentMelSTFT` and `img_size`).
#[must_use]
pub fn passt() -> FeatureSpec {
    let efficientat = efficientat();
    let Features::LogMel(mel) = efficientat.features else { return efficientat };
    FeatureSpec { window: 320_000, features: Features::LogMel(LogMel { frames: 998, ..mel }), ..efficientat }
}

/// AST: Kaldi's filter bank of 128 bands at 16 kHz, 1024 frames (`ASTFeatureExtractor` of transformers; its `std` is doubled).
/// The author's code first subtracts the mean of the whole recording; this makes no difference, because the mean of each
/// frame is subtracted.
#[must_use]
pub fn ast() -> FeatureSpec {
    let mel = LogMel { window_function: WindowFunction::HannSymmetric, ..LogMel::kaldi(16_000, 128, 1024) };
    fbank(mel, FixedNormalize::Scalar { mean: -4.267_739_3, std: 2.0 * 4.568_997_4 })
}

/// BEATs: Kaldi's filter bank of 128 bands at 16 kHz of samples as 16-bit values, 10 s (`preprocess` of its `BEATs.py`).
#[must_use]
pub fn beats() -> FeatureSpec {
    let mel = LogMel { waveform_scale: 32_768.0, ..LogMel::kaldi(16_000, 128, 998) };
    fbank(mel, FixedNormalize::Scalar { mean: 15.416_63, std: 2.0 * 6.555_82 })
}

/// The zipformer of icefall's audio tagging: Kaldi's filter bank of 80 bands at 16 kHz, 10 s (lhotse's `FbankConfig`, and
/// sherpa-onnx). The network takes any number of frames.
#[must_use]
pub fn zipformer() -> FeatureSpec {
    let mel = LogMel { placement: Placement::HopCenter, fmax: 7600.0, ..LogMel::kaldi(16_000, 80, 1000) };
    fbank(mel, FixedNormalize::None)
}

/// Frames × bands at 16 kHz.
fn fbank(mel: LogMel, fixed: FixedNormalize) -> FeatureSpec {
    let end = if mel.placement == Placement::Start { mel.win_length } else { mel.hop_length };
    FeatureSpec {
        sample_rate: 16_000,
        window: (mel.frames - 1) * mel.hop_length + end,
        features: Features::LogMel(mel),
        fixed,
        normalize: Normalize::None,
        layout: Layout::FramesMels,
        channel_axis: ChannelAxis::None,
    }
}

/// CED: 64 bands at 16 kHz in dB, 10 s (`CedFeatureExtractor` of its authors). The network takes any number of frames.
#[must_use]
pub fn ced() -> FeatureSpec {
    FeatureSpec {
        sample_rate: 16_000,
        window: 160_000,
        features: Features::LogMel(LogMel {
            n_fft: 512,
            win_length: 512,
            hop_length: 160,
            n_mels: 64,
            fmin: 0.0,
            fmax: 8000.0,
            scale: MelScale::Htk,
            norm: MelNorm::None,
            frames: 1001,
            log: Log::Db { amin: 1e-10, top_db: Some(120.0) },
            ..librosa()
        }),
        fixed: FixedNormalize::None,
        normalize: Normalize::None,
        layout: Layout::MelsFrames,
        channel_axis: ChannelAxis::None,
    }
}

/// PANNs at 32 kHz: 64 bands in dB, 10 s (torchlibrosa, with `config.py` of `audioset_tagging_cnn`). The networks
/// take any number of frames.
#[must_use]
pub fn panns() -> FeatureSpec {
    panns_at(32_000, 1024, 320, 14_000.0)
}

/// PANNs at 16 kHz (`Cnn14_16k`).
#[must_use]
pub fn panns_16k() -> FeatureSpec {
    panns_at(16_000, 512, 160, 8000.0)
}

fn panns_at(sample_rate: u32, n_fft: usize, hop_length: usize, fmax: f64) -> FeatureSpec {
    FeatureSpec {
        sample_rate,
        window: 10 * sample_rate as usize,
        features: Features::LogMel(LogMel {
            n_fft,
            win_length: n_fft,
            hop_length,
            n_mels: 64,
            fmin: 50.0,
            fmax,
            frames: 1001,
            ..librosa()
        }),
        fixed: FixedNormalize::None,
        normalize: Normalize::None,
        layout: Layout::FramesMels,
        channel_axis: ChannelAxis::First,
    }
}

/// OpenL3's `mel256`: 256 bands at 48 kHz in dB below the window's maximum, 1 s (`openl3/models.py`). The last frames reach
/// beyond the second, where the author's code has zeros.
#[must_use]
pub fn openl3() -> FeatureSpec {
    FeatureSpec {
        sample_rate: 48_000,
        window: 48_000,
        features: Features::LogMel(LogMel {
            hop_length: 242,
            n_mels: 256,
            fmax: 24_000.0,
            power: Power::One,
            placement: Placement::Start,
            frames: 199,
            log: Log::Db { amin: 1e-10, top_db: Some(80.0) },
            ..librosa()
        }),
        fixed: FixedNormalize::None,
        normalize: Normalize::Max,
        layout: Layout::MelsFrames,
        channel_axis: ChannelAxis::Last,
    }
}

/// BirdNET 2.4: 3 s of samples at 48 kHz.
#[must_use]
pub fn birdnet() -> FeatureSpec {
    waveform(48_000, 3, Normalize::None)
}

/// Perch: 5 s of samples at 32 kHz, their mean subtracted, with a peak of 0.25.
#[must_use]
pub fn perch() -> FeatureSpec {
    waveform(32_000, 5, Normalize::Peak)
}

fn waveform(sample_rate: u32, seconds: usize, normalize: Normalize) -> FeatureSpec {
    FeatureSpec {
        sample_rate,
        window: seconds * sample_rate as usize,
        features: Features::Waveform,
        fixed: FixedNormalize::None,
        normalize,
        layout: Layout::Samples,
        channel_axis: ChannelAxis::None,
    }
}
