// SPDX-License-Identifier: MIT OR Apache-2.0
//! The timeline alone: probabilities over time, events as bands.

use plotters::{coord::Shift, prelude::*};

use super::gather::Recording;
use crate::{
    atomic_file::ReservedFile,
    exit::Result,
    picture::{self, Drawing, Drawn, FONT, Format},
};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 280;
/// Events of labels that have no curve.
const OTHER: RGBColor = RGBColor(138, 143, 152);
/// Maximum number of points that a line of this width can show.
const MAX_POINTS: usize = 2400;

/// Writes one panel a recording, below each other.
pub(super) fn draw(place: ReservedFile, format: Format, recordings: &[Recording]) -> Result<()> {
    picture::save(place, format, (WIDTH, HEIGHT * recordings.len() as u32), &Panels(recordings))
}

struct Panels<'a>(&'a [Recording]);

impl Drawing for Panels<'_> {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        area.split_evenly((self.0.len(), 1)).iter().zip(self.0).try_for_each(|(area, recording)| panel(area, recording))
    }
}

/// Colours follow the order of the legend, so adjacent labels differ.
fn colour(recording: &Recording, index: usize) -> RGBColor {
    let place = recording.curves.iter().position(|curve| curve.index == index);
    place.map_or(OTHER, picture::colour)
}

fn panel<B: DrawingBackend>(area: &DrawingArea<B, Shift>, recording: &Recording) -> Drawn<B>
where
    B::ErrorType: 'static,
{
    let length = recording.duration.max(0.1);
    let (area, legend) = area.split_horizontally(WIDTH - 220);
    let mut chart = ChartBuilder::on(&area)
        .caption(recording.name.rsplit('/').next().unwrap_or_default(), (FONT, 16))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..length, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("probability")
        .label_style((FONT, 12))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .y_labels(5)
        .draw()?;
    chart.draw_series(recording.events.iter().map(|event| {
        let start = event.start().seconds_f64();
        let end = (start + event.duration.seconds_f64()).min(length);
        let band = [(start.min(length), 0.0), (end, 1.0)];
        Rectangle::new(band, colour(recording, event.now.index).mix(0.16).filled())
    }))?;
    let merge = recording.starts.len().div_ceil(MAX_POINTS).max(1);
    for curve in &recording.curves {
        let points = recording.starts.chunks(merge).zip(curve.values.chunks(merge)).map(|(starts, values)| {
            (starts[0] + recording.window / 2.0, f64::from(values.iter().copied().fold(0.0, f32::max)))
        });
        let points = points.filter(|(time, _)| *time <= length);
        chart.draw_series(LineSeries::new(points, colour(recording, curve.index).stroke_width(2)))?;
    }
    for (row, curve) in (0..).zip(&recording.curves) {
        let y = 34 + 22 * row;
        legend.draw(&Rectangle::new([(6, y), (24, y + 10)], colour(recording, curve.index).filled()))?;
        let text = format!("{} {:.0} %", curve.label.chars().take(18).collect::<String>(), curve.peak() * 100.0);
        legend.draw(&Text::new(text, (32, y - 2), (FONT, 13)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{gather::Curve, spectrogram::Spectrogram};

    /// Rows, then columns, from the first to the last that the first label's colour tints.
    fn tinted(values: Vec<f32>) -> [(usize, usize); 2] {
        let recording = Recording {
            name: "spikes.wav".to_owned(),
            uri: String::new(),
            duration: values.len() as f64 / 4.0,
            spectrogram: Spectrogram::new(1),
            starts: (0..values.len()).map(|number| number as f64 / 4.0).collect(),
            window: 0.0,
            curves: vec![Curve { label: "Bark".to_owned(), index: 0, values }],
            events: Vec::new(),
            warnings: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        draw(ReservedFile::reserve("picture", &path).unwrap(), Format::Png, &[recording]).unwrap();
        let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let width = WIDTH as usize;
        let places = pixels.chunks(3).enumerate().filter(|(_, pixel)| pixel[2] > pixel[0].saturating_add(60));
        // The legend is beside the axes.
        let places: Vec<_> = places.map(|(at, _)| (at / width, at % width)).filter(|(_, x)| *x < width - 220).collect();
        let span = |of: fn(&(usize, usize)) -> usize| {
            (places.iter().map(of).min().unwrap(), places.iter().map(of).max().unwrap())
        };
        [span(|place| place.0), span(|place| place.1)]
    }

    #[test]
    fn sharp_turns_of_a_curve_stay_within_the_axes() {
        let count = 2 * MAX_POINTS;
        let [high, low] = [1.0, 0.0].map(|value| tinted(vec![value; count]));
        for period in [2, 3, 5, 8, 13] {
            let spikes = (0..count).map(|number| if number % (2 * period) < 2 { 1.0 } else { 0.07 }).collect();

            let [rows, columns] = tinted(spikes);

            assert!(rows.0 >= high[0].0 && rows.1 <= low[0].1, "{period}: {rows:?} {high:?} {low:?}");
            assert!(columns.0 + 1 >= high[1].0 && columns.1 <= high[1].1 + 1, "{period}: {columns:?} {high:?}");
        }
    }
}
