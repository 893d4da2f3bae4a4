// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log-mel spectrogram of a whole recording of any length, as an indexed PNG.

use crate::palette;

/// Maximum number of columns; more are merged in pairs.
const MAX_COLUMNS: usize = 12_000;
/// Range of the colours, dB.
const RANGE: f32 = 80.0;

/// Columns of a recording of unknown length in bounded memory.
pub(super) struct Spectrogram {
    bands: usize,
    columns: Vec<f32>,
    /// Frames that make one column.
    stride: usize,
    pending: Vec<f32>,
    count: usize,
}

impl Spectrogram {
    /// An empty picture of `bands` rows.
    pub(super) fn new(bands: usize) -> Self {
        Self { bands, columns: Vec::new(), stride: 1, pending: vec![f32::MIN; bands], count: 0 }
    }

    /// Appends a frame, dB of each band, lowest first.
    pub(super) fn push(&mut self, frame: impl Iterator<Item = f32>) {
        for (pending, new) in self.pending.iter_mut().zip(frame) {
            *pending = pending.max(new);
        }
        self.count += 1;
        if self.count == self.stride {
            self.columns.append(&mut self.pending);
            self.pending = vec![f32::MIN; self.bands];
            self.count = 0;
            if self.columns.len() >= MAX_COLUMNS * self.bands {
                self.halve();
            }
        }
    }

    /// Merges neighbours, the louder value stays.
    fn halve(&mut self) {
        let bands = self.bands;
        for target in 0..self.columns.len() / bands / 2 {
            for band in 0..bands {
                let [left, right] = [2 * target, 2 * target + 1].map(|column| self.columns[column * bands + band]);
                self.columns[target * bands + band] = left.max(right);
            }
        }
        self.columns.truncate(self.columns.len() / bands / 2 * bands);
        self.stride *= 2;
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.columns.len() / self.bands
    }

    /// The picture; none of a recording without a single frame.
    pub(super) fn png(&self) -> Option<Vec<u8>> {
        let width = self.width();
        if width == 0 {
            return None;
        }
        let loudest = self.columns.iter().copied().fold(f32::MIN, f32::max).max(-60.0);
        let floor = loudest - RANGE;
        let mut pixels = vec![0_u8; width * self.bands];
        for (x, column) in self.columns.chunks_exact(self.bands).enumerate() {
            for (band, value) in column.iter().enumerate() {
                let row = self.bands - 1 - band;
                pixels[row * width + x] = (((value - floor) / RANGE).clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        encode(width, self.bands, &pixels).ok()
    }
}

fn encode(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette((0..=255_u8).flat_map(|value| palette::magma(f32::from(value) / 255.0)).collect::<Vec<_>>());
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recordings_stay_within_the_width_and_keep_their_loudest() {
        let mut picture = Spectrogram::new(2);
        for frame in 0..40_000 {
            let value = if frame == 20_000 { 0.0 } else { -50.0 };
            picture.push([value, -70.0].into_iter());
        }

        assert!(picture.width() < MAX_COLUMNS && picture.width() > MAX_COLUMNS / 3, "{}", picture.width());
        assert_eq!(picture.columns.iter().copied().fold(f32::MIN, f32::max), 0.0);
    }

    #[test]
    fn the_picture_is_a_png_with_the_lowest_band_at_the_bottom() {
        let mut picture = Spectrogram::new(3);
        picture.push([0.0, -40.0, -80.0].into_iter());

        let bytes = picture.png().unwrap();

        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(&pixels[..3], [0, 128, 255]);
    }

    #[test]
    fn silence_of_no_length_has_no_picture() {
        assert!(Spectrogram::new(3).png().is_none());
    }
}
