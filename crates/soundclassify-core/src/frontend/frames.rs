// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame grid.

use super::spec::LogMel;

/// Where frames lie in the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    hop: u64,
    /// Samples before the frame's position that its FFT covers.
    lead: u64,
    /// Samples from the frame's position on that its FFT covers.
    reach: u64,
    /// Distance from the FFT's first sample to the Hann window's.
    inset: u64,
    length: usize,
}

impl Grid {
    pub(super) fn new(mel: &LogMel) -> Self {
        let (n_fft, length) = (mel.n_fft as u64, mel.win_length);
        debug_assert!(length > 0 && length <= mel.n_fft && mel.hop_length > 0);
        let (lead, reach, inset) = if mel.center {
            (n_fft / 2, n_fft - n_fft / 2, (n_fft - length as u64) / 2)
        } else {
            (0, length as u64, 0)
        };
        Self { hop: mel.hop_length as u64, lead, reach, inset, length }
    }

    /// Mirrored samples that the first frames need before sample 0.
    pub(super) fn lead(&self) -> usize {
        self.lead as usize
    }

    /// Samples of the FFT before the Hann window.
    pub(super) fn inset(&self) -> usize {
        self.inset as usize
    }

    /// Samples under the Hann window.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Sample of the stream that frame `frame` stands for.
    pub(super) fn position(&self, frame: u64) -> u64 {
        frame * self.hop
    }

    /// First sample under the Hann window of frame `frame`; negative ones are mirrored.
    pub(super) fn start(&self, frame: u64) -> i64 {
        (self.position(frame) + self.inset) as i64 - self.lead as i64
    }

    /// Samples that must have come before frame `frame` can be computed. The mirror of the stream's start reads one
    /// more than the first frame itself.
    pub(super) fn needed(&self, frame: u64) -> u64 {
        (self.position(frame) + self.reach).max(self.lead + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_specs;
    use super::*;

    #[test]
    fn the_grid_of_centred_frames() {
        let grid = Grid::new(&test_specs::log_mel(&test_specs::fsdkaggle2018()));
        assert_eq!((grid.start(0), grid.needed(0)), (-1280, 1281));
        assert_eq!((grid.start(10), grid.needed(10)), (3470 - 1280, 3470 + 1280));
    }

    #[test]
    fn the_grid_of_frames_that_start_at_their_position() {
        let grid = Grid::new(&test_specs::log_mel(&test_specs::yamnet()));
        assert_eq!((grid.start(0), grid.needed(0)), (0, 400));
        assert_eq!((grid.start(95), grid.needed(95)), (15_200, 15_600));
    }

    #[test]
    fn odd_sizes_cover_as_many_samples_as_the_fft() {
        let mel = LogMel { n_fft: 511, win_length: 511, ..test_specs::log_mel(&test_specs::fsdkaggle2018()) };
        let grid = Grid::new(&mel);
        assert_eq!(grid.needed(5) as i64 - grid.start(5), 511);
    }
}
