// SPDX-License-Identifier: MIT OR Apache-2.0
//! Precision and recall over the threshold, a small chart for each label.

use plotters::{coord::Shift, prelude::*};

use super::Tuned;
use crate::{
    atomic_file::ReservedFile,
    exit::Result,
    picture::{self, Drawing, Drawn, FONT, Format},
};

const COLUMNS: usize = 4;
const SIZE: (u32, u32) = (300, 220);
const PRECISION: RGBColor = RGBColor(0, 114, 178);
const RECALL: RGBColor = RGBColor(213, 94, 0);

/// Writes all charts in rows of four.
pub(super) fn draw(place: ReservedFile, format: Format, tuned: &[Tuned], wanted: f64) -> Result<()> {
    let columns = tuned.len().clamp(1, COLUMNS);
    let rows = tuned.len().div_ceil(columns).max(1);
    let size = (SIZE.0 * columns as u32, SIZE.1 * rows as u32);
    picture::save(place, format, size, &Charts { tuned, wanted, grid: (rows, columns) })
}

struct Charts<'a> {
    tuned: &'a [Tuned],
    wanted: f64,
    grid: (usize, usize),
}

impl Drawing for Charts<'_> {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        let areas = area.split_evenly(self.grid);
        areas.iter().zip(self.tuned).try_for_each(|(area, tuned)| chart(area, tuned, self.wanted))
    }
}

fn chart<B: DrawingBackend>(area: &DrawingArea<B, Shift>, tuned: &Tuned, wanted: f64) -> Drawn<B>
where
    B::ErrorType: 'static,
{
    let caption = format!("{} ({})", tuned.label, tuned.curve.positives());
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 13))
        .margin(6)
        .x_label_area_size(22)
        .y_label_area_size(30)
        .build_cartesian_2d(0.0..1.0, 0.0..1.02)?;
    chart
        .configure_mesh()
        .x_labels(5)
        .y_labels(5)
        .label_style((FONT, 10))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.1))
        .draw()?;
    let points: Vec<_> = tuned.curve.points().collect();
    let line = |value: fn(&super::Choice) -> f64| points.iter().map(move |point| (point.threshold, value(point)));
    chart.draw_series(LineSeries::new(line(|point| point.precision), PRECISION.stroke_width(2)))?;
    chart.draw_series(LineSeries::new(line(|point| point.recall), RECALL.stroke_width(2)))?;
    chart.draw_series(LineSeries::new([(0.0, wanted), (1.0, wanted)], PRECISION.mix(0.4)))?;
    let chosen = tuned.choice.threshold;
    chart.draw_series(LineSeries::new([(chosen, 0.0), (chosen, 1.0)], BLACK.mix(0.6)))?;
    for (row, (name, colour)) in (0..).zip([("precision", PRECISION), ("recall", RECALL)]) {
        area.draw(&Text::new(name, (40, 150 + 14 * row), (FONT, 10).into_font().color(&colour)))?;
    }
    Ok(())
}
