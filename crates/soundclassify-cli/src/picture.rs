// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures as SVG or PNG, without any font of the system.

use std::{path::Path, sync::LazyLock};

use plotters::{
    coord::Shift,
    prelude::*,
    style::{FontStyle, register_font},
};

use crate::{
    atomic_file::ReservedFile,
    exit::{Failure, Result},
    palette,
    picture_bitmap::Bitmap,
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
    /// Draws on a white ground of the size that [`save`] was given.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>
    where
        B::ErrorType: 'static;
}

/// Result of drawing.
pub(crate) type Drawn<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Writes a drawing of this size, pixels.
pub(crate) fn save(place: ReservedFile, format: Format, size: (u32, u32), drawing: &impl Drawing) -> Result<()> {
    LazyLock::force(&REGISTERED);
    let drawn = match format {
        Format::Svg => svg(size, drawing),
        Format::Png => png(size, drawing),
    };
    let picture = drawn.map_err(|why| Failure::Failed(format!("{}: picture: {why}", place.path().display())))?;
    place.fill(&picture[..])
}

type Made<T> = std::result::Result<T, String>;

fn svg(size: (u32, u32), drawing: &impl Drawing) -> Made<Vec<u8>> {
    let mut text = String::new();
    paint(SVGBackend::with_string(&mut text, size), drawing)?;
    Ok(text.into_bytes())
}

fn png(size: (u32, u32), drawing: &impl Drawing) -> Made<Vec<u8>> {
    let mut pixels = vec![0; 3 * size.0 as usize * size.1 as usize];
    paint(Bitmap::new(&mut pixels, size), drawing)?;
    encode(size, &pixels).map_err(|error| error.to_string())
}

fn encode(size: (u32, u32), pixels: &[u8]) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn paint<B: DrawingBackend>(backend: B, drawing: &impl Drawing) -> Made<()>
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
