// SPDX-License-Identifier: MIT OR Apache-2.0
//! Charts of precision and recall against the threshold, one per label.

use plotters::{coord::Shift, prelude::*};

use super::labelled::Tuned;
use crate::{
    atomic_file::ReservedFile,
    exit::Result,
    picture::{self, Drawing, Drawn, FONT, Format},
};

const COLUMNS: usize = 4;
const SIZE: (u32, u32) = (300, 220);
pub(super) const PRECISION: RGBColor = RGBColor(0, 114, 178);
const RECALL: RGBColor = RGBColor(213, 94, 0);

/// The chart of one label: curves, the wanted value, and the chosen threshold.
pub(super) struct Chart {
    pub(super) caption: String,
    pub(super) lines: Vec<Line>,
    pub(super) wanted: f64,
    pub(super) chosen: f64,
    /// Highest value.
    pub(super) top: f64,
}

pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) colour: RGBColor,
    /// (threshold, value).
    pub(super) points: Vec<(f64, f64)>,
}

/// Precision and recall over the threshold.
pub(super) fn curves(tuned: &[Tuned], wanted: f64) -> Vec<Chart> {
    let chart = |tuned: &Tuned| {
        let points: Vec<_> = tuned.curve.points().collect();
        let line = |value: fn(&super::curve::Choice) -> f64| {
            points.iter().map(|point| (point.threshold, value(point))).collect()
        };
        Chart {
            caption: format!("{} ({})", tuned.label, tuned.curve.positives()),
            lines: vec![
                Line { name: "precision", colour: PRECISION, points: line(|point| point.precision) },
                Line { name: "recall", colour: RECALL, points: line(|point| point.recall) },
            ],
            wanted,
            chosen: tuned.choice.threshold,
            top: 1.02,
        }
    };
    tuned.iter().map(chart).collect()
}

/// Writes all charts in rows of four.
pub(super) fn draw(place: ReservedFile, format: Format, charts: &[Chart]) -> Result<()> {
    let columns = charts.len().clamp(1, COLUMNS);
    let rows = charts.len().div_ceil(columns).max(1);
    let size = (SIZE.0 * columns as u32, SIZE.1 * rows as u32);
    picture::save(place, format, size, &Charts { charts, grid: (rows, columns) })
}

struct Charts<'a> {
    charts: &'a [Chart],
    grid: (usize, usize),
}

impl Drawing for Charts<'_> {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        let areas = area.split_evenly(self.grid);
        areas.iter().zip(self.charts).try_for_each(|(area, chart)| chart.draw(area))
    }
}

impl Chart {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.caption, (FONT, 13))
            .margin(6)
            .x_label_area_size(32)
            .y_label_area_size(34)
            .build_cartesian_2d(0.0..1.0, 0.0..self.top)?;
        chart
            .configure_mesh()
            .x_labels(5)
            .y_labels(5)
            .x_desc("threshold")
            .axis_desc_style((FONT, 10))
            .label_style((FONT, 10))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.1))
            .draw()?;
        for Line { colour, points, .. } in &self.lines {
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        }
        chart.draw_series(LineSeries::new([(0.0, self.wanted), (1.0, self.wanted)], PRECISION.mix(0.4)))?;
        chart.draw_series(LineSeries::new([(self.chosen, 0.0), (self.chosen, self.top)], BLACK.mix(0.6)))?;
        for (row, Line { name, colour, .. }) in (0..).zip(&self.lines) {
            area.draw(&Text::new(*name, (44, 140 + 14 * row), (FONT, 10).into_font().color(colour)))?;
        }
        Ok(())
    }
}
