// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame grid: which samples belong to which frame.

use super::spec::{LogMel, PadMode, Placement, Preemphasis};

/// Where frames lie in the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    hop: u64,
    /// Distance from a frame's position to the first sample under the window function.
    offset: i64,
    /// Samples from the frame's position on that its FFT covers.
    reach: u64,
    /// Samples that must have come before the first frame, for its mirror.
    first: u64,
    /// Samples of the FFT before the window function.
    inset: usize,
    length: usize,
    edge: Edge,
}

/// What lies outside of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// A mirror that does not repeat the edge.
    Reflect,
    /// A mirror that repeats the edge.
    Symmetric,
    Zeros,
}

impl Grid {
    pub(super) fn new(mel: &LogMel) -> Self {
        let (n_fft, length, hop) = (mel.n_fft as u64, mel.win_length as u64, mel.hop_length as u64);
        debug_assert!(length > 0 && length <= n_fft && hop > 0);
        // Pre-emphasis over the signal reads one sample more.
        let ahead = u64::from(matches!(mel.preemphasis, Preemphasis::Signal(_)));
        let inset = (n_fft - length) / 2;
        let (before, inset, reach, edge) = match mel.placement {
            Placement::Start => (0, 0, length, Edge::Zeros),
            Placement::Center(PadMode::Reflect) => ((n_fft / 2) as i64, inset, n_fft - n_fft / 2, Edge::Reflect),
            Placement::Center(PadMode::Constant) => ((n_fft / 2) as i64, inset, n_fft - n_fft / 2, Edge::Zeros),
            Placement::HopCenter => {
                let before = (length / 2) as i64 - (hop / 2) as i64;
                (before, 0, length.saturating_add_signed(-before), Edge::Symmetric)
            }
        };
        let first = match edge {
            Edge::Reflect => before as u64 + 1,
            Edge::Symmetric => before.max(0) as u64,
            Edge::Zeros => 0,
        };
        let offset = inset as i64 - before;
        let (reach, first, inset) = (reach + ahead, first + ahead, inset as usize);
        Self { hop, offset, reach, first, inset, length: mel.win_length, edge }
    }

    /// What lies outside of the signal.
    pub(super) fn edge(&self) -> Edge {
        self.edge
    }

    /// Samples of the FFT before the window function.
    pub(super) fn inset(&self) -> usize {
        self.inset
    }

    /// Samples under the window function.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Samples that the newest `frames` frames cover, what lies before the stream's first sample included.
    pub(super) fn span(&self, frames: u64) -> usize {
        (self.needed(frames - 1) + self.start(0).min(0).unsigned_abs()) as usize
    }

    /// Sample of the stream that frame `frame` stands for.
    pub(super) fn position(&self, frame: u64) -> u64 {
        frame * self.hop
    }

    /// First sample under the window function of frame `frame`; negative ones lie before the stream.
    pub(super) fn start(&self, frame: u64) -> i64 {
        self.position(frame) as i64 + self.offset
    }

    /// Samples that must have come before frame `frame` can be computed. The mirror of the stream's start may read more
    /// than the first frame itself.
    pub(super) fn needed(&self, frame: u64) -> u64 {
        (self.position(frame) + self.reach).max(self.first)
    }
}

impl Edge {
    /// Index into a signal of `length` values that stands at `at`, or `None` for a zero. Mirrors repeat.
    pub(super) fn index(self, at: i64, length: u64) -> Option<u64> {
        if length == 0 {
            return None;
        }
        let last = length as i64 - 1;
        match self {
            Self::Zeros => (0..=last).contains(&at).then_some(at as u64),
            Self::Reflect => {
                let period = (2 * last).max(1);
                let folded = at.rem_euclid(period);
                Some((folded.min(period - folded) as u64).min(last as u64))
            }
            Self::Symmetric => {
                let folded = at.rem_euclid(2 * last + 2);
                Some(folded.min(2 * last + 1 - folded) as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::preset;
    use super::*;

    fn grid(spec: &super::super::FeatureSpec) -> Grid {
        Grid::new(spec.log_mel().unwrap())
    }

    #[test]
    fn the_grid_of_centred_frames() {
        let grid = grid(&preset::fsdkaggle2018());
        assert_eq!((grid.start(0), grid.needed(0)), (-1280, 1281));
        assert_eq!((grid.start(10), grid.needed(10)), (3470 - 1280, 3470 + 1280));
    }

    #[test]
    fn the_grid_of_frames_that_start_at_their_position() {
        let grid = grid(&preset::yamnet());
        assert_eq!((grid.start(0), grid.needed(0)), (0, 400));
        assert_eq!((grid.start(95), grid.needed(95)), (15_200, 15_600));
    }

    #[test]
    fn odd_sizes_cover_as_many_samples_as_the_fft() {
        let mel = LogMel { n_fft: 511, win_length: 511, ..preset::fsdkaggle2018().log_mel().unwrap().clone() };
        let grid = Grid::new(&mel);
        assert_eq!(grid.needed(5) as i64 - grid.start(5), 511);
    }

    #[test]
    fn pre_emphasis_over_the_signal_waits_for_one_more() {
        let grid = grid(&preset::efficientat());
        assert_eq!((grid.start(0), grid.needed(0)), (-400, 514));
        assert_eq!((grid.start(99), grid.needed(99)), (31_680 - 400, 31_680 + 513));
    }

    #[test]
    fn kaldis_frames_without_snipped_edges() {
        let mel = LogMel { placement: Placement::HopCenter, ..LogMel::kaldi(16_000, 80, 100) };
        let grid = Grid::new(&mel);
        assert_eq!((grid.start(0), grid.needed(0)), (80 - 200, 280));
        assert_eq!((grid.start(7), grid.needed(7)), (7 * 160 - 120, 7 * 160 + 280));
    }

    #[test]
    fn edges_are_those_of_numpy() {
        let of = |edge: Edge| (-5..8).map(|at| edge.index(at, 4)).collect::<Vec<_>>();
        assert_eq!(of(Edge::Reflect), [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1].map(Some));
        assert_eq!(of(Edge::Symmetric), [3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0].map(Some));
        assert_eq!(of(Edge::Zeros)[4..10], [None, Some(0), Some(1), Some(2), Some(3), None]);
        assert_eq!(
            [Edge::Reflect.index(-3, 1), Edge::Symmetric.index(5, 1), Edge::Reflect.index(0, 0)],
            [Some(0), Some(0), None]
        );
    }
}
