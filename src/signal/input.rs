// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any raw audio → mono f32 at the model's rate.

use std::ops::Range;

use gst_audio::AudioFormat;

use super::samples;
use soundclassify_core::{Error, frontend::Resampler};

/// Maximum absolute value that is analysed, far above full scale; beyond it the arithmetic would overflow.
const MAX_SAMPLE: f64 = 1e6;
/// Maximum number of frames unpacked at a time: bounds the scratch memory, whatever the buffer's size.
const MAX_BLOCK_FRAMES: usize = 2048;
/// Maximum number of samples of all channels unpacked at a time, unless one frame has more.
const MAX_BLOCK_SAMPLES: usize = 1 << 16;
/// Maximum number of channels: a frame of more would not fit into the scratch memory.
const MAX_CHANNELS: u32 = 1 << 20;
/// Minimum sample rate, Hz: below, audio holds no sound that a network knows, and a small buffer stands for hours.
const MIN_RATE: u32 = 1000;

/// Converter of one stream's buffers to the analysis signal: mono, full scale ±1 (floating-point samples may exceed it), at the model's rate.
#[derive(Debug)]
pub struct Input {
    info: gst_audio::AudioInfo,
    channel: Option<usize>,
    block: usize,
    packed: Vec<i32>,
    unpacked: Vec<f64>,
    sum: Vec<f64>,
    mono: Vec<f32>,
    resampler: Option<Resampler>,
    invalid: u64,
    balance: Balance,
}

/// Where a buffer's samples lie. Not by `gst_audio_buffer_map`, for which caps and meta that contradict each other are a
/// bug of the caller.
struct Arrangement {
    frames: usize,
    /// First byte of each plane; one plane holds interleaved channels.
    planes: Planes,
}

enum Planes {
    Interleaved(usize),
    Separate(Vec<usize>),
}

/// What becomes of a buffer's frames.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// The channel mix, at the input's rate.
    Mixed(&'a [f32]),
    /// Analysis samples that are ready by then.
    Ready(&'a [f32]),
}

/// What can't be analysed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The property `channel` names a channel that the audio lacks.
    #[error(
        "channel {channel} does not exist in audio of {channels} channels (counted from 0); set `channel` to -1 for the average of all"
    )]
    Channel {
        /// The requested channel.
        channel: i32,
        /// Number of channels of the audio.
        channels: u32,
    },
    /// More channels than can be averaged.
    #[error("audio of {0} channels can't be analysed, at most 1048576 channels can; select channels upstream")]
    Channels(u32),
    /// Hardly any sound.
    #[error("audio at {0} Hz can't be analysed, at least 1000 Hz are required; check the caps, or resample upstream")]
    LowRate(u32),
    /// A buffer's memory does not hold what its caps say.
    #[error("buffer can't be read as {0}")]
    Buffer(String),
    /// No resampler between these rates.
    #[error(transparent)]
    Rate(#[from] Error),
}

impl Input {
    /// A converter of audio `info` to `rate` Hz. `channel` -1 averages all channels, n takes that one.
    ///
    /// # Errors
    /// [`InputError::Channels`], [`InputError::Channel`], [`InputError::LowRate`] or [`InputError::Rate`].
    pub fn new(info: &gst_audio::AudioInfo, channel: i32, rate: u32) -> Result<Self, InputError> {
        let channels = info.channels();
        if channels > MAX_CHANNELS {
            return Err(InputError::Channels(channels));
        }
        if info.rate() < MIN_RATE {
            return Err(InputError::LowRate(info.rate()));
        }
        let block = (MAX_BLOCK_SAMPLES / channels.max(1) as usize).clamp(1, MAX_BLOCK_FRAMES);
        let channel = match usize::try_from(channel) {
            Ok(index) if index >= channels as usize => return Err(InputError::Channel { channel, channels }),
            Ok(index) => Some(index),
            Err(_) => None,
        };
        let resampler = if info.rate() == rate { None } else { Some(Resampler::new(info.rate(), rate)?) };
        Ok(Self {
            info: info.clone(),
            channel,
            block,
            packed: vec![0; block * channels as usize],
            unpacked: vec![0.0; block * channels as usize],
            sum: vec![0.0; block],
            mono: vec![0.0; block],
            resampler,
            invalid: 0,
            balance: Balance::new(info.rate()),
        })
    }

    /// Frames in a buffer.
    ///
    /// # Errors
    /// [`InputError::Buffer`] when the memory does not fit the caps.
    pub fn frames(&self, buffer: &gst::BufferRef) -> Result<usize, InputError> {
        frames(buffer, &self.info)
    }

    /// Bytes of a buffer that make no whole frame.
    #[must_use]
    pub fn odd_bytes(&self, buffer: &gst::BufferRef) -> usize {
        let interleaved = self.info.layout() == gst_audio::AudioLayout::Interleaved;
        if interleaved { buffer.size() % self.info.bpf().max(1) as usize } else { 0 }
    }

    /// Converts some frames of a buffer; `sink` gets each part of the channel mix and the analysis samples that are ready
    /// then. A buffer with the flag GAP is silence.
    ///
    /// # Errors
    /// [`InputError::Buffer`] when the memory does not fit the caps; nothing was passed on then.
    pub fn push(
        &mut self,
        buffer: &gst::BufferRef,
        frames: Range<usize>,
        sink: &mut dyn FnMut(Samples<'_>),
    ) -> Result<(), InputError> {
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            self.push_silence(frames.len() as u64, sink);
            return Ok(());
        }
        let arrangement = arrangement(buffer, &self.info)?;
        if frames.end > arrangement.frames {
            return Err(unreadable(&self.info, "fewer frames than expected"));
        }
        let memory = buffer.map_readable().map_err(|_| unreadable(&self.info, "its memory can't be mapped"))?;
        for start in frames.clone().step_by(self.block) {
            let count = self.block.min(frames.end - start);
            self.mix(&memory, &arrangement.planes, start, count);
            self.emit(count, sink);
        }
        Ok(())
    }

    /// Passes on `frames` of silence, counted at the input's rate.
    pub fn push_silence(&mut self, mut frames: u64, sink: &mut dyn FnMut(Samples<'_>)) {
        while frames > 0 {
            let count = frames.min(self.block as u64) as usize;
            self.mono[..count].fill(0.0);
            self.emit(count, sink);
            frames -= count as u64;
        }
    }

    /// End of the stream: passes on what the resampler still holds.
    pub fn finish(&mut self, sink: &mut dyn FnMut(&[f32])) {
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(sink);
        }
    }

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
    }

    /// NaN and infinite samples met since the last call; each counted as 0.
    pub fn take_invalid(&mut self) -> u64 {
        std::mem::take(&mut self.invalid)
    }

    /// Whether the channels turned out to cancel each other; said once.
    pub fn take_cancelling(&mut self) -> bool {
        self.balance.take_cancelling()
    }

    fn emit(&mut self, count: usize, sink: &mut dyn FnMut(Samples<'_>)) {
        let mono = &self.mono[..count];
        sink(Samples::Mixed(mono));
        match &mut self.resampler {
            Some(resampler) => resampler.push(mono, &mut |ready| sink(Samples::Ready(ready))),
            None => sink(Samples::Ready(mono)),
        }
    }

    // Channel average of frames `start .. start + count` into `mono`.
    fn mix(&mut self, memory: &[u8], planes: &Planes, start: usize, count: usize) {
        let channels = self.info.channels() as usize;
        // Not `bps`, which counts the bits in use: a sample of S24_32 takes four bytes.
        let sample = self.info.width() as usize / 8;
        match planes {
            Planes::Interleaved(first) => {
                let bytes = &memory[first + start * channels * sample..][..count * channels * sample];
                match self.info.format() {
                    gst_audio::AUDIO_FORMAT_F32 if channels == 1 => self.copy(bytes, count),
                    AudioFormat::S16le if channels == 1 => samples::unpack_s16le(bytes, &mut self.mono[..count]),
                    _ => self.mix_interleaved(bytes, count, channels),
                }
            }
            Planes::Separate(firsts) => self.mix_separate(memory, firsts, start, count),
        }
    }

    // Code that few streams need stays apart.
    #[inline(never)]
    fn mix_separate(&mut self, memory: &[u8], firsts: &[usize], start: usize, count: usize) {
        let (channels, sample) = (self.info.channels() as usize, self.info.width() as usize / 8);
        self.sum[..count].fill(0.0);
        let wanted = self.channel.map_or(0..channels, |channel| channel..channel + 1);
        let (parts, mut power) = (wanted.len() as f64, 0.0);
        for first in &firsts[wanted] {
            self.unpack(&memory[first + start * sample..][..count * sample], count);
            for (sum, sample) in self.sum.iter_mut().zip(&self.unpacked[..count]) {
                *sum += sample;
                power += sample * sample;
            }
        }
        for (mono, sum) in self.mono.iter_mut().zip(&self.sum[..count]) {
            *mono = (sum / parts) as f32;
        }
        if parts > 1.0 {
            self.balance.count(&self.mono[..count], power / parts);
        }
    }

    #[inline(never)]
    fn mix_interleaved(&mut self, bytes: &[u8], count: usize, channels: usize) {
        self.unpack(bytes, count * channels);
        let power = if self.channel.is_none() && channels > 1 && self.balance.is_open() {
            let power = self.unpacked[..count * channels].iter().map(|sample| sample * sample).sum::<f64>();
            Some(power / channels as f64)
        } else {
            None
        };
        let frames = self.unpacked[..count * channels].chunks_exact(channels);
        for (mono, frame) in self.mono.iter_mut().zip(frames) {
            *mono = match self.channel {
                Some(channel) => frame[channel] as f32,
                None => (frame.iter().sum::<f64>() / channels as f64) as f32,
            };
        }
        if let Some(power) = power {
            self.balance.count(&self.mono[..count], power);
        }
    }

    // Without a branch for each sample, unless one of them is not finite or too loud.
    fn copy(&mut self, bytes: &[u8], count: usize) {
        let mut is_plain = true;
        for (mono, bytes) in self.mono[..count].iter_mut().zip(bytes.as_chunks::<4>().0) {
            *mono = f32::from_ne_bytes(*bytes);
            is_plain &= mono.abs() <= MAX_SAMPLE as f32;
        }
        if !is_plain {
            for mono in &mut self.mono[..count] {
                *mono = sanitised((*mono).into(), &mut self.invalid) as f32;
            }
        }
    }

    // Any format → f64 in [-1, 1).
    fn unpack(&mut self, bytes: &[u8], samples: usize) {
        let format = self.info.format_info();
        let unpacked = &mut self.unpacked[..samples];
        if format.unpack_format() == gst_audio::AUDIO_FORMAT_F64 {
            samples::unpack(format.format(), bytes, unpacked);
            for sample in unpacked {
                *sample = sanitised(*sample, &mut self.invalid);
            }
            return;
        }
        let packed = &mut self.packed[..samples];
        samples::unpack_integers(&format, bytes, packed);
        for (wide, packed) in unpacked.iter_mut().zip(packed) {
            *wide = f64::from(*packed) / 2_147_483_648.0;
        }
    }
}

/// Frames in a buffer of this format.
///
/// # Errors
/// [`InputError::Buffer`] when the memory does not fit the caps.
pub fn frames(buffer: &gst::BufferRef, info: &gst_audio::AudioInfo) -> Result<usize, InputError> {
    Ok(arrangement(buffer, info)?.frames)
}

// A GstAudioMeta of the buffer states where samples lie; it has to agree with the caps and with the buffer's size.
fn arrangement(buffer: &gst::BufferRef, info: &gst_audio::AudioInfo) -> Result<Arrangement, InputError> {
    let (channels, sample) = (info.channels().max(1) as usize, info.width() as usize / 8);
    let interleaved = info.layout() == gst_audio::AudioLayout::Interleaved;
    let Some(meta) = buffer.meta::<gst_audio::AudioMeta>() else {
        let frames = buffer.size() / (channels * sample).max(1);
        return match interleaved {
            true => Ok(Arrangement { frames, planes: Planes::Interleaved(0) }),
            false if buffer.size() == 0 => Ok(Arrangement { frames: 0, planes: Planes::Separate(vec![0; channels]) }),
            false => Err(unreadable(info, "it is non-interleaved and has no GstAudioMeta")),
        };
    };
    let other = meta.info();
    if (other.format(), other.channels(), other.layout()) != (info.format(), info.channels(), info.layout()) {
        let found = format!(
            "its GstAudioMeta says {:?} of {} channels, {:?}",
            other.format(),
            other.channels(),
            other.layout()
        );
        return Err(unreadable(info, &found));
    }
    let (frames, offsets) = (meta.samples(), meta.offsets());
    let plane = frames.saturating_mul(if interleaved { channels * sample } else { sample });
    let planes = if interleaved { 1 } else { channels };
    let first = |index: usize| match offsets.get(index) {
        Some(&offset) => offset,
        // Without offsets, planes follow each other.
        None => plane.saturating_mul(index),
    };
    let firsts: Vec<usize> = (0..planes).map(first).collect();
    if firsts.iter().any(|first| first.saturating_add(plane) > buffer.size()) {
        let found = format!("its GstAudioMeta says {frames} frames, but it has {} bytes", buffer.size());
        return Err(unreadable(info, &found));
    }
    let planes = if interleaved { Planes::Interleaved(firsts[0]) } else { Planes::Separate(firsts) };
    Ok(Arrangement { frames, planes })
}

#[cold]
fn unreadable(info: &gst_audio::AudioInfo, found: &str) -> InputError {
    InputError::Buffer(format!("{:?} of {} channels, {:?}: {found}", info.format(), info.channels(), info.layout()))
}

/// Power of the mix against that of its channels: channels of inverted polarity cancel each other.
#[derive(Debug)]
struct Balance {
    /// Frames of one measurement.
    second: u64,
    frames: u64,
    mix: f64,
    channels: f64,
    /// Seconds measured and found audible.
    audible: u32,
    cancelling: u32,
    done: bool,
    found: bool,
}

/// Mean power below which a second of audio says nothing: −60 dBFS.
const AUDIBLE: f64 = 1e-6;
/// The mix is this much below its channels where they cancel each other, −26 dB. Different sounds in each lose less.
const CANCELLED: f64 = 2.5e-3;
/// Audible seconds after which channels are known to cancel each other, and to not do so.
const CANCELLING_SECONDS: u32 = 2;
const MAX_SECONDS: u32 = 30;

impl Balance {
    fn new(rate: u32) -> Self {
        let second = u64::from(rate.max(1));
        Self { second, frames: 0, mix: 0.0, channels: 0.0, audible: 0, cancelling: 0, done: false, found: false }
    }

    fn is_open(&self) -> bool {
        !self.done
    }

    /// `channels` is the power of all of them, on average.
    fn count(&mut self, mono: &[f32], channels: f64) {
        if self.done {
            return;
        }
        self.mix += mono.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum::<f64>();
        self.channels += channels;
        self.frames += mono.len() as u64;
        if self.frames >= self.second {
            self.close_second();
        }
    }

    fn close_second(&mut self) {
        if self.channels / self.frames as f64 > AUDIBLE {
            self.audible += 1;
            self.cancelling += u32::from(self.mix < self.channels * CANCELLED);
        }
        (self.frames, self.mix, self.channels) = (0, 0.0, 0.0);
        let all = self.cancelling == self.audible;
        self.found = all && self.cancelling >= CANCELLING_SECONDS;
        self.done = self.found || (self.audible > 0 && !all) || self.audible >= MAX_SECONDS;
    }

    fn take_cancelling(&mut self) -> bool {
        std::mem::take(&mut self.found)
    }
}

// NaN and infinity become 0 and are counted.
fn sanitised(sample: f64, invalid: &mut u64) -> f64 {
    if sample.is_finite() {
        return sample.clamp(-MAX_SAMPLE, MAX_SAMPLE);
    }
    *invalid += 1;
    0.0
}
