// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pixels without the joins of wide lines: where a curve turns sharply, those of the drawing crate reach far beyond it.

use plotters::prelude::BitMapBackend;
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind, rasterizer};

/// Draws as [`BitMapBackend`] does, and each segment of a line by itself.
pub(crate) struct Bitmap<'a>(BitMapBackend<'a>);

type Drawn<'a> = Result<(), DrawingErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

impl<'a> Bitmap<'a> {
    /// Draws into rows of red, green and blue; `size` in pixels.
    pub(crate) fn new(pixels: &'a mut [u8], size: (u32, u32)) -> Self {
        Self(BitMapBackend::with_buffer(pixels, size))
    }
}

impl<'a> DrawingBackend for Bitmap<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn<'a> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<'a> {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn<'a> {
        self.0.draw_pixel(point, colour)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn<'a> {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn<'a> {
        self.0.draw_rect(from, to, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn<'a> {
        let mut path = path.into_iter();
        let Some(mut from) = path.next() else { return Ok(()) };
        path.try_for_each(|to| {
            let start = std::mem::replace(&mut from, to);
            match style.stroke_width() {
                0 | 1 => self.draw_line(start, to, style),
                width => self.fill_polygon(rasterizer::polygonize(&[start, to], width), &style.color()),
            }
        })
    }
}
