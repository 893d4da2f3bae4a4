// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an application should know about a stream's timestamps and buffers.

use std::fmt;

use gst::ClockTime;

use super::Nonsense;
use super::timing::MAX_BUFFER;

/// A problem of a stream's timestamps or buffers that the application should know; each is reported once per stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// Timestamps are ignored from here on.
    Timestamps(Nonsense),
    /// A buffer has this duration; its end is skipped.
    LongBuffer(ClockTime),
    /// Buffers contain partial frames: the size of a buffer and of a frame, bytes.
    OddSize(usize, usize),
    /// The channels cancel each other when they are averaged.
    Cancelling,
    /// Nothing of so much audio lies inside the segment.
    OutsideSegment(ClockTime),
    /// No window for a long time.
    NoWindow {
        /// Duration of the audio.
        audio: ClockTime,
        /// Number of discontinuities in it.
        breaks: u32,
        /// Whether the segment is played backwards.
        reverse: bool,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamps(why) => write!(f, "{why}; they are ignored, and time counts samples"),
            Self::LongBuffer(length) => write!(
                f,
                "one buffer holds {length} of audio by its caps; only the first {} s are analysed; check the sample rate",
                MAX_BUFFER.seconds()
            ),
            Self::OddSize(size, frame) => write!(
                f,
                "buffers contain partial frames: a buffer has {size} bytes, a frame {frame}; the remaining bytes are \
                not analysed, so channels may be exchanged; audio/x-raw requires whole frames"
            ),
            Self::Cancelling => f.write_str(
                "the channels cancel each other: their average is nearly silent, as if one of them were inverted; set \
                channel=0 to analyse the first channel only",
            ),
            Self::OutsideSegment(audio) => write!(
                f,
                "{} s of audio gave no window: their timestamps lie outside of the segment; check the timestamps, or seek",
                audio.seconds()
            ),
            Self::NoWindow { audio, reverse: true, .. } => write!(
                f,
                "{} s of audio gave no window: played backwards, each buffer is analysed by itself and is too short",
                audio.seconds()
            ),
            Self::NoWindow { audio, breaks, .. } => write!(
                f,
                "{} s of audio gave no window: analysis started again {breaks} times, because of timestamps that do \
                not continue, DISCONT, new caps or flushes; an element such as audiorate upstream may help",
                audio.seconds()
            ),
        }
    }
}
