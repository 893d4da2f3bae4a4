// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a model declares about its input: plain data, checked by the manifest.

/// Everything the front end needs to know to turn samples into one model's input.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSpec {
    /// Sample rate of the analysis signal, Hz.
    pub sample_rate: u32,
    /// Length of one window, samples. Used for the duration of a result and for streams shorter than one window.
    pub window: usize,
    /// How samples become values.
    pub features: Features,
    /// Normalisation of one window by itself.
    pub normalize: Normalize,
    /// Order of the axes of one window; [`Layout::Samples`] exactly when `features` is [`Features::Waveform`].
    pub layout: Layout,
    /// Where the model wants an axis of length 1 for the channel.
    pub channel_axis: ChannelAxis,
}

/// How samples become values.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Log-mel frames.
    LogMel(LogMel),
    /// The last `window` samples themselves.
    Waveform,
}

/// Parameters of log-mel frames, named as in librosa.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMel {
    /// FFT size, samples.
    pub n_fft: usize,
    /// Length of the periodic Hann window, samples, at most `n_fft`.
    pub win_length: usize,
    /// Distance of two frames, samples.
    pub hop_length: usize,
    /// Number of mel bands.
    pub n_mels: usize,
    /// Lower edge of the first band, Hz.
    pub fmin: f64,
    /// Upper edge of the last band, Hz, at most half the sample rate.
    pub fmax: f64,
    /// Mel scale.
    pub scale: MelScale,
    /// Area normalisation of the bands.
    pub norm: MelNorm,
    /// Exponent of the magnitude spectrum.
    pub power: Power,
    /// `true`: frame `f` is centred on sample `f · hop_length` and the stream's start is mirrored (librosa's
    /// `center=True, pad_mode="reflect"`), the Hann window centred in the FFT. `false`: frame `f` starts there,
    /// the Hann window at its position and zero-padded to `n_fft` behind.
    pub center: bool,
    /// Frames per window.
    pub frames: usize,
    /// Compression.
    pub log: Log,
}

/// Mel scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MelScale {
    /// Linear below 1 kHz, logarithmic above (Auditory Toolbox; librosa's `htk=False`).
    Slaney,
    /// `2595 · log10(1 + f / 700)`.
    Htk,
}

/// Area normalisation of the mel bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MelNorm {
    /// Each triangle divided by half its width in Hz.
    Slaney,
    /// Peaks of 1.
    None,
}

/// Exponent of the magnitude spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Magnitude.
    One,
    /// Energy.
    Two,
}

/// Compression of mel values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Log {
    /// `10 · log10(max(x, amin))`, then at least the window's maximum less `top_db`.
    Db {
        /// Floor of the mel value.
        amin: f64,
        /// Range kept below the window's maximum, dB.
        top_db: Option<f64>,
    },
    /// `ln(x + offset)`.
    Ln {
        /// Added before the logarithm.
        offset: f64,
    },
    /// `log10(x + offset)`.
    Log10 {
        /// Added before the logarithm.
        offset: f64,
    },
}

/// Normalisation of one window by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalize {
    /// As it is.
    None,
    /// `x − min`, divided by `max + 1.0` of the shifted values (the original's).
    MinMax,
    /// `x − min`, divided by `max + 1e-7` of the shifted values.
    MinMaxEps,
    /// `(x − mean) / (std + 1.0)`, population standard deviation.
    Standard,
    /// `(x − mean) / max(std, 1e-6)`, population standard deviation.
    MeanVar,
}

/// Order of the axes of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Mel band, then frame.
    MelsFrames,
    /// Frame, then mel band.
    FramesMels,
    /// Samples.
    Samples,
}

/// Where the model wants an axis of length 1 for the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelAxis {
    /// `[1, …]`
    First,
    /// `[…, 1]`
    Last,
    /// No such axis.
    None,
}

impl FeatureSpec {
    /// Values of one window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plane().iter().product()
    }

    /// Whether a window has no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of one window as the model sees it, without the batch axis.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = self.plane();
        match self.channel_axis {
            ChannelAxis::First => shape.insert(0, 1),
            ChannelAxis::Last => shape.push(1),
            ChannelAxis::None => {}
        }
        shape
    }

    fn plane(&self) -> Vec<usize> {
        match (&self.features, self.layout) {
            (Features::LogMel(mel), Layout::FramesMels) => vec![mel.frames, mel.n_mels],
            (Features::LogMel(mel), _) => vec![mel.n_mels, mel.frames],
            (Features::Waveform, _) => vec![self.window],
        }
    }
}
