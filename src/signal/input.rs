// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any raw audio → mono f32 at the model's rate.

use std::ops::Range;

use soundclassify_core::{Error, frontend::Resampler};

/// Largest absolute value that is analysed, far above full scale; beyond it the arithmetic would overflow.
const LOUDEST: f64 = 1e6;
/// Without it, GStreamer fills the lower bits with the upper ones, and a sample is not its value by full scale.
const EXACT: gst_audio::AudioPackFlags = gst_audio::AudioPackFlags::TRUNCATE_RANGE;
/// Most frames unpacked at a time: bounds the scratch memory, whatever the buffer's size.
const MOST_FRAMES: usize = 2048;
/// Samples of all channels unpacked at a time, if a frame has not more.
const MOST_SAMPLES: usize = 1 << 16;
/// Most channels: a frame of more would not fit into the scratch memory.
const MOST_CHANNELS: u32 = 1 << 20;

/// Converter of one stream's buffers to the analysis signal: mono, [-1, 1), at the model's rate.
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
}

/// A buffer's samples. GStreamer's audio mapping allocates; buffers that lie as their caps say do without it.
enum Samples<'a> {
    Plain(gst::BufferMap<'a, gst::buffer::Readable>),
    Planes(gst_audio::AudioBufferRef<&'a gst::BufferRef>),
}

/// What can't be analysed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The property `channel` names a channel that the audio lacks.
    #[error(
        "channel {channel} does not exist in audio of {channels} channels (counted from 0); set `channel` to -1 for the average of all"
    )]
    Channel {
        /// What was asked for.
        channel: i32,
        /// What there is.
        channels: u32,
    },
    /// More channels than can be averaged.
    #[error("audio of {0} channels can't be analysed, only up to 1048576; pick some before this element")]
    Channels(u32),
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
    /// [`InputError::Channels`], [`InputError::Channel`] or [`InputError::Rate`].
    pub fn new(info: &gst_audio::AudioInfo, channel: i32, rate: u32) -> Result<Self, InputError> {
        let channels = info.channels();
        if channels > MOST_CHANNELS {
            return Err(InputError::Channels(channels));
        }
        let block = (MOST_SAMPLES / channels.max(1) as usize).clamp(1, MOST_FRAMES);
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
        })
    }

    /// Frames in a buffer.
    ///
    /// # Errors
    /// [`InputError::Buffer`] when the memory does not fit the caps.
    pub fn frames(&self, buffer: &gst::BufferRef) -> Result<usize, InputError> {
        if is_plain(buffer, &self.info) || buffer.size() == 0 {
            return Ok(buffer.size() / self.info.bpf().max(1) as usize);
        }
        Ok(planes(buffer, &self.info)?.n_samples())
    }

    /// Converts some frames of a buffer; `sink` gets the analysis samples that are ready. A buffer with the flag GAP
    /// is silence.
    ///
    /// # Errors
    /// [`InputError::Buffer`] when the memory does not fit the caps; nothing was passed on then.
    pub fn push(
        &mut self,
        buffer: &gst::BufferRef,
        frames: Range<usize>,
        sink: &mut dyn FnMut(&[f32]),
    ) -> Result<(), InputError> {
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            self.push_silence(frames.len() as u64, sink);
            return Ok(());
        }
        let samples = map(buffer, &self.info)?;
        for start in frames.clone().step_by(self.block) {
            let count = self.block.min(frames.end - start);
            self.mix(&samples, start, count)?;
            self.emit(count, sink);
        }
        Ok(())
    }

    /// Passes on `frames` of silence, counted at the input's rate.
    pub fn push_silence(&mut self, mut frames: u64, sink: &mut dyn FnMut(&[f32])) {
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

    fn emit(&mut self, count: usize, sink: &mut dyn FnMut(&[f32])) {
        match &mut self.resampler {
            Some(resampler) => resampler.push(&self.mono[..count], sink),
            None => sink(&self.mono[..count]),
        }
    }

    // Channel average of frames `start .. start + count` into `mono`.
    fn mix(&mut self, samples: &Samples<'_>, start: usize, count: usize) -> Result<(), InputError> {
        let channels = self.info.channels() as usize;
        // Not `bps`, which counts the bits in use: a sample of S24_32 takes four bytes.
        let sample = self.info.width() as usize / 8;
        let interleaved = self.info.layout() == gst_audio::AudioLayout::Interleaved;
        if interleaved {
            let bytes = &plane(samples, 0, &self.info)?[start * channels * sample..][..count * channels * sample];
            self.mix_interleaved(bytes, count, channels);
        } else {
            self.sum[..count].fill(0.0);
            let wanted = self.channel.map_or(0..channels, |channel| channel..channel + 1);
            let parts = wanted.len() as f64;
            for channel in wanted {
                self.unpack(&plane(samples, channel, &self.info)?[start * sample..][..count * sample], count);
                for (sum, sample) in self.sum.iter_mut().zip(&self.unpacked[..count]) {
                    *sum += sample;
                }
            }
            for (mono, sum) in self.mono.iter_mut().zip(&self.sum[..count]) {
                *mono = (sum / parts) as f32;
            }
        }
        Ok(())
    }

    fn mix_interleaved(&mut self, bytes: &[u8], count: usize, channels: usize) {
        if channels == 1 && self.info.format() == gst_audio::AUDIO_FORMAT_F32 {
            for (mono, bytes) in self.mono.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *mono = sanitised(f32::from_ne_bytes(*bytes).into(), &mut self.invalid) as f32;
            }
            return;
        }
        self.unpack(bytes, count * channels);
        let frames = self.unpacked[..count * channels].chunks_exact(channels);
        for (mono, frame) in self.mono.iter_mut().zip(frames) {
            *mono = match self.channel {
                Some(channel) => frame[channel] as f32,
                None => (frame.iter().sum::<f64>() / channels as f64) as f32,
            };
        }
    }

    // Any format → f64 in [-1, 1), through GStreamer's own unpacking.
    fn unpack(&mut self, bytes: &[u8], samples: usize) {
        let format = self.info.format_info();
        let unpacked = &mut self.unpacked[..samples];
        if format.unpack_format() == gst_audio::AUDIO_FORMAT_F64 {
            format.unpack(EXACT, bytemuck::cast_slice_mut(unpacked), bytes);
            for sample in unpacked {
                *sample = sanitised(*sample, &mut self.invalid);
            }
            return;
        }
        let packed = &mut self.packed[..samples];
        format.unpack(EXACT, bytemuck::cast_slice_mut(packed), bytes);
        for (wide, packed) in unpacked.iter_mut().zip(packed) {
            *wide = f64::from(*packed) / 2_147_483_648.0;
        }
    }
}

/// Whether the memory is all samples, in the order of the caps.
fn is_plain(buffer: &gst::BufferRef, info: &gst_audio::AudioInfo) -> bool {
    info.layout() == gst_audio::AudioLayout::Interleaved && buffer.meta::<gst_audio::AudioMeta>().is_none()
}

fn map<'a>(buffer: &'a gst::BufferRef, info: &gst_audio::AudioInfo) -> Result<Samples<'a>, InputError> {
    if is_plain(buffer, info) {
        return buffer.map_readable().map(Samples::Plain).map_err(|_| unreadable(info));
    }
    planes(buffer, info).map(Samples::Planes)
}

fn planes<'a>(
    buffer: &'a gst::BufferRef,
    info: &gst_audio::AudioInfo,
) -> Result<gst_audio::AudioBufferRef<&'a gst::BufferRef>, InputError> {
    gst_audio::AudioBufferRef::from_buffer_ref_readable(buffer, info).map_err(|_| unreadable(info))
}

fn plane<'a>(samples: &'a Samples<'_>, plane: usize, info: &gst_audio::AudioInfo) -> Result<&'a [u8], InputError> {
    match samples {
        Samples::Plain(memory) => Ok(memory.as_slice()),
        Samples::Planes(audio) => audio.plane_data(plane as u32).map_err(|_| unreadable(info)),
    }
}

fn unreadable(info: &gst_audio::AudioInfo) -> InputError {
    InputError::Buffer(format!("{:?} of {} channels", info.format(), info.channels()))
}

// NaN and infinity become 0 and are counted.
fn sanitised(sample: f64, invalid: &mut u64) -> f64 {
    if sample.is_finite() {
        return sample.clamp(-LOUDEST, LOUDEST);
    }
    *invalid += 1;
    0.0
}
