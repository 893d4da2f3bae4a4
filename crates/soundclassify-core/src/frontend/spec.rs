// SPDX-License-Identifier: MIT OR Apache-2.0
//! The specification of a model's input: plain data, checked by the manifest.

/// How samples become the input of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSpec {
    /// Sample rate of the analysis signal, Hz.
    pub sample_rate: u32,
    /// Length of one window, samples. Used for the duration of a result and for streams shorter than one window.
    pub window: usize,
    /// How samples become values.
    pub features: Features,
    /// Fixed normalisation of each value, before the normalisation of the window.
    pub fixed: FixedNormalize,
    /// Normalisation of one window by its own values.
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
    /// Cepstra of log-mel frames.
    Mfcc(Mfcc),
    /// The last `window` samples themselves.
    Waveform,
}

/// Parameters of log-mel frames, named as in librosa. With the values that [`LogMel::kaldi`] has they are Kaldi's filter
/// bank.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMel {
    /// Factor of the samples, which lie in [-1, 1): 1, or 32768 for networks trained on 16-bit values.
    pub waveform_scale: f64,
    /// Whether each frame's mean is subtracted from it first, under the window function.
    pub remove_dc: bool,
    /// Pre-emphasis.
    pub preemphasis: Preemphasis,
    /// FFT size, samples.
    pub n_fft: usize,
    /// Length of the window function, samples, at most `n_fft`.
    pub win_length: usize,
    /// Window function.
    pub window_function: WindowFunction,
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
    /// Where frames lie.
    pub placement: Placement,
    /// Frames per window.
    pub frames: usize,
    /// Compression.
    pub log: Log,
}

/// Parameters of mel-frequency cepstral coefficients: the DCT-II of each log-mel frame, after `top_db`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mfcc {
    /// The frames that are transformed.
    pub mel: LogMel,
    /// Coefficients of a frame, from 0 on, at most `mel.n_mels`.
    pub coefficients: usize,
    /// Whether the DCT is orthonormal; if not, it is `2 Σ x cos(πk(2n + 1) / 2N)`.
    pub orthonormal: bool,
    /// What the coefficients are multiplied by.
    pub lifter: Lifter,
}

/// Liftering: weights of cepstral coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lifter {
    /// None.
    None,
    /// `1 + L/2 · sin(π(k + 1) / L)` for coefficient `k` (librosa).
    Librosa(f64),
    /// `1 + L/2 · sin(πk / L)` for coefficient `k` (Kaldi).
    Kaldi(f64),
}

/// Pre-emphasis: what takes the low frequencies out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preemphasis {
    /// None.
    None,
    /// Over the signal before it is cut into frames: `y[n] = x[n + 1] − a · x[n]`, 0 ≤ a ≤ 1.
    Signal(f64),
    /// In each frame by itself: `y[n] = x[n] − a · x[n − 1]`, and `y[0] = x[0] − a · x[0]` (Kaldi), 0 ≤ a ≤ 1.
    Frame(f64),
}

/// Window function of `N` samples, `c = cos(2πn / N)` if periodic and `cos(2πn / (N − 1))` if symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFunction {
    /// `0.5 − 0.5 c`, periodic.
    Hann,
    /// `0.5 − 0.5 c`, symmetric.
    HannSymmetric,
    /// `0.54 − 0.46 c`, periodic.
    Hamming,
    /// `0.54 − 0.46 c`, symmetric.
    HammingSymmetric,
    /// `(0.5 − 0.5 c)^0.85`, symmetric (Kaldi).
    Povey,
}

/// Where frame `f` lies, and what it sees before the first sample of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Starts at sample `f · hop_length`; the samples are followed by zeros up to `n_fft` (Kaldi's `snip_edges=true`).
    Start,
    /// Centred on sample `f · hop_length`, the window function centred in the FFT (librosa's and torch's `center=True`).
    Center(PadMode),
    /// Centred on the middle of its hop, `f · hop_length + hop_length / 2`, the edge mirrored with its sample repeated
    /// (Kaldi's `snip_edges=false`).
    HopCenter,
}

/// What lies before the first sample of the stream, named as in numpy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PadMode {
    /// A mirror that does not repeat the first sample.
    Reflect,
    /// Zeros.
    Constant,
}

/// Mel scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MelScale {
    /// Linear below 1 kHz, logarithmic above (Auditory Toolbox; librosa's `htk=False`).
    Slaney,
    /// `2595 · log10(1 + f / 700)`, as in librosa: triangles whose sides are straight in Hz.
    Htk,
    /// `1127 · ln(1 + f / 700)`, as in Kaldi and TensorFlow: triangles whose sides are straight in mel.
    Kaldi,
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
    /// `ln(max(x, floor))` (Kaldi).
    LnFloor {
        /// Floor of the mel value.
        floor: f64,
    },
}

/// Fixed normalisation of each value: `(x − mean) / std`, after the logarithm and `top_db`.
#[derive(Debug, Clone, PartialEq)]
pub enum FixedNormalize {
    /// None: values are not changed.
    None,
    /// One mean and one standard deviation for all values.
    Scalar {
        /// Subtracted.
        mean: f64,
        /// Divisor, above 0.
        std: f64,
    },
    /// One pair for each band, or for each cepstral coefficient.
    PerBand {
        /// Subtracted, one per band.
        mean: Vec<f64>,
        /// Divisors, one per band, above 0.
        std: Vec<f64>,
    },
}

/// Normalisation of one window by its own values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalize {
    /// None: values are not changed.
    None,
    /// `x − min`, divided by `max + 1.0` of the shifted values (ml-sound-classifier's).
    MinMax,
    /// `x − min`, divided by `max + 1e-7` of the shifted values.
    MinMaxEps,
    /// `(x − mean) / (std + 1.0)`, population standard deviation.
    Standard,
    /// `(x − mean) / max(std, 1e-6)`, population standard deviation.
    MeanVar,
    /// `x − max`.
    Max,
    /// `0.25 · (x − mean) / max |x − mean|`, and zeros where all values are the same.
    Peak,
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

impl LogMel {
    /// Floor of the mel values in Kaldi: the rounding step of `f32` at 1.
    pub const KALDI_FLOOR: f64 = f32::EPSILON as f64;

    /// Kaldi's filter bank (`fbank`): frames of 25 ms, 10 ms apart, from 20 Hz to half the sample rate, with the defaults of
    /// `torchaudio.compliance.kaldi.fbank`. `sample_rate` in Hz.
    #[must_use]
    pub fn kaldi(sample_rate: u32, n_mels: usize, frames: usize) -> Self {
        let win_length = sample_rate as usize / 40;
        Self {
            waveform_scale: 1.0,
            remove_dc: true,
            preemphasis: Preemphasis::Frame(0.97),
            n_fft: win_length.next_power_of_two(),
            win_length,
            window_function: WindowFunction::Povey,
            hop_length: sample_rate as usize / 100,
            n_mels,
            fmin: 20.0,
            fmax: f64::from(sample_rate) / 2.0,
            scale: MelScale::Kaldi,
            norm: MelNorm::None,
            power: Power::Two,
            placement: Placement::Start,
            frames,
            log: Log::LnFloor { floor: Self::KALDI_FLOOR },
        }
    }
}

impl FeatureSpec {
    /// The frames' parameters, unless the network takes samples.
    #[must_use]
    pub fn log_mel(&self) -> Option<&LogMel> {
        match &self.features {
            Features::LogMel(mel) | Features::Mfcc(Mfcc { mel, .. }) => Some(mel),
            Features::Waveform => None,
        }
    }

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
        let (frames, values) = match &self.features {
            Features::LogMel(mel) => (mel.frames, mel.n_mels),
            Features::Mfcc(mfcc) => (mfcc.mel.frames, mfcc.coefficients),
            Features::Waveform => return vec![self.window],
        };
        if self.layout == Layout::FramesMels { vec![frames, values] } else { vec![values, frames] }
    }
}
