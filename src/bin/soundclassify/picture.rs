// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures as SVG or PNG, without any font of the system.

use std::{path::Path, sync::LazyLock};

use plotters::{
    coord::Shift,
    prelude::*,
    style::{FontStyle, register_font},
};

use crate::{
    exit::{Failure, Result},
    palette,
};

/// Family under which the font is known to the drawing crate.
pub(crate) const FONT: &str = "sans-serif";

/// Kind of a picture, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Scalable.
    Svg,
    /// Pixels.
    Png,
}

impl Format {
    /// The kind that a file's name asks for.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => {
                Err(Failure::Usage(format!("--picture {}: expected a name that ends in .svg or .png", path.display())))
            }
        }
    }
}

/// What draws on either kind.
pub(crate) trait Drawing {
    /// Draws on a white ground of the size that [`save`] was told.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>
    where
        B::ErrorType: 'static;
}

/// Result of drawing.
pub(crate) type Drawn<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Writes a drawing of this size, pixels.
pub(crate) fn save(path: &Path, format: Format, size: (u32, u32), drawing: &impl Drawing) -> Result<()> {
    LazyLock::force(&REGISTERED);
    let outcome = match format {
        Format::Svg => paint(SVGBackend::new(path, size), drawing),
        Format::Png => paint(BitMapBackend::new(path, size), drawing),
    };
    outcome.map_err(|why| Failure::Failed(format!("{}: picture: {why}", path.display())))
}

fn paint<B: DrawingBackend>(backend: B, drawing: &impl Drawing) -> std::result::Result<(), String>
where
    B::ErrorType: 'static,
{
    let area = backend.into_drawing_area();
    let painted = area.fill(&WHITE).and_then(|()| drawing.draw(&area)).and_then(|()| area.present());
    painted.map_err(|error| error.to_string())
}

static REGISTERED: LazyLock<()> = LazyLock::new(|| {
    let font = epaint_default_fonts::HACK_REGULAR;
    for style in [FontStyle::Normal, FontStyle::Bold] {
        // Only bytes that are no font are refused, and a picture without text is still one.
        let _ = register_font(FONT, style, font);
    }
});

/// Colour of the label at this place.
pub(crate) fn colour(place: usize) -> RGBColor {
    let [red, green, blue] = palette::LABELS[place % palette::LABELS.len()];
    RGBColor(red, green, blue)
}
