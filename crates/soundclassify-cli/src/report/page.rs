// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page: one template, one object of data.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;

use super::gather::Recording;
use crate::output::json;

const TEMPLATE: &str = include_str!("template.html");
const DATA: &str = "/*DATA*/";
/// Maximum number of points of a curve; more are merged, the highest stays.
const MAX_POINTS: usize = 40_000;

/// The data of the page's script.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) version: &'a str,
    pub(super) model: Model<'a>,
    pub(super) settings: &'a [(String, String)],
    /// Frequencies at the spectrogram's bottom, middle and top, Hz.
    pub(super) bands: [f64; 3],
    pub(super) recordings: Vec<Track<'a>>,
}

/// The page's data about the model.
#[derive(Serialize)]
pub(super) struct Model<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) description: &'a str,
    pub(super) licence: &'a str,
    pub(super) labels: usize,
}

/// One recording on the page.
#[derive(Serialize)]
pub(super) struct Track<'a> {
    name: &'a str,
    audio: Option<String>,
    picture: Option<String>,
    duration: f64,
    window: f64,
    starts: Vec<f64>,
    curves: Vec<Line<'a>>,
    events: Vec<Band<'a>>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Line<'a> {
    label: &'a str,
    index: usize,
    values: Vec<f64>,
}

#[derive(Serialize)]
struct Band<'a> {
    label: &'a str,
    index: usize,
    start: f64,
    duration: f64,
    peak: f64,
}

impl<'a> Track<'a> {
    /// A recording with the address of its sound.
    pub(super) fn new(recording: &'a Recording, audio: Option<String>) -> Self {
        let merge = recording.starts.len().div_ceil(MAX_POINTS).max(1);
        let curves = recording.curves.iter().map(|curve| Line {
            label: &curve.label,
            index: curve.index,
            values: curve
                .values
                .chunks(merge)
                .map(|values| rounded(f64::from(values.iter().copied().fold(0.0, f32::max))))
                .collect(),
        });
        let events = recording.events.iter().map(|event| Band {
            label: &event.now.label,
            index: event.now.index,
            start: rounded(event.start().seconds_f64()),
            duration: rounded(event.duration.seconds_f64()),
            peak: rounded(event.peak),
        });
        Self {
            name: &recording.name,
            audio,
            picture: recording
                .spectrogram
                .png()
                .map(|png| format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))),
            duration: recording.duration,
            window: recording.window,
            starts: recording.starts.iter().step_by(merge).map(|start| rounded(*start)).collect(),
            curves: curves.collect(),
            events: events.collect(),
            warnings: &recording.warnings,
        }
    }
}

impl Page<'_> {
    /// The page as HTML. Only `<` could end the data inside a script element, so it is escaped.
    pub(super) fn html(&self) -> String {
        TEMPLATE.replacen(DATA, &json(self).replace('<', "\\u003c"), 1)
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_break_out_of_the_data() {
        let model = Model { name: "m", version: "1", description: "", licence: "MIT", labels: 1 };
        let title = "</script><script>alert(1)</script>";
        let html = Page { title, version: "0", model, settings: &[], bands: [0.0; 3], recordings: Vec::new() }.html();

        assert!(!html.contains("<script>alert"), "the title is not escaped");
        assert!(html.contains("\\u003c/script>"));
        assert!(!html.contains(DATA));
    }

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        for forbidden in ["http://", "https://", "src=\"//", "@import", "url("] {
            assert!(!TEMPLATE.contains(forbidden), "{forbidden} in the template");
        }
    }
}
