//! A picture of few colours, and the shapes that are drawn into it.

use std::convert::Infallible;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::PixelColor;
use embedded_graphics::pixelcolor::raw::RawU8;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};

/// A colour, by its place in the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ink(pub(super) u8);

impl PixelColor for Ink {
    type Raw = RawU8;
}

pub(super) const PAPER: Ink = Ink(0);
pub(super) const GROUND: Ink = Ink(1);
pub(super) const GROUND_UNSEEN: Ink = Ink(2);
pub(super) const CARD: Ink = Ink(3);
pub(super) const CARD_UNSEEN: Ink = Ink(4);
pub(super) const TEXT: Ink = Ink(5);
pub(super) const MUTED: Ink = Ink(6);
pub(super) const SUNKEN: Ink = Ink(7);
pub(super) const ACCENT: Ink = Ink(8);
pub(super) const AGENT: Ink = Ink(9);
pub(super) const BAD: Ink = Ink(10);
pub(super) const GOOD: Ink = Ink(11);
const FIRST_SHADE: u8 = 12;
/// Shades of memory on each side of zero.
const SHADES: u8 = 8;

const NAMED: [[u8; 3]; FIRST_SHADE as usize] = [
    [0xf4, 0xf2, 0xec],
    [0xdf, 0xe8, 0xd5],
    [0x93, 0x9d, 0x97],
    [0xff, 0xff, 0xff],
    [0xa5, 0xab, 0xb0],
    [0x1d, 0x24, 0x33],
    [0x4f, 0x5a, 0x6b],
    [0xdd, 0xd9, 0xcd],
    [0x0b, 0x5f, 0xa5],
    [0xf2, 0xa3, 0x3a],
    [0xb3, 0x26, 0x1e],
    [0x1b, 0x6e, 0x3c],
];
const LOW: [u8; 3] = [0x0b, 0x4f, 0xa0];
const HIGH: [u8; 3] = [0xd9, 0x65, 0x0b];

/// The pixel that leaves what was there before.
pub(super) const UNCHANGED: u8 = FIRST_SHADE + 2 * SHADES;

/// All colours, three bytes each.
pub(super) fn palette() -> Vec<u8> {
    let mut palette: Vec<u8> = NAMED.as_flattened().to_vec();
    for toward in [LOW, HIGH] {
        for shade in 1..=SHADES {
            let mixed = NAMED[0].iter().zip(toward).map(|(&paper, full)| {
                let (paper, full, share) = (f32::from(paper), f32::from(full), f32::from(shade));
                (paper + (full - paper) * share / f32::from(SHADES)) as u8
            });
            palette.extend(mixed);
        }
    }
    // `UNCHANGED` needs a place, and no colour.
    palette.extend([0; 3]);
    palette
}

/// The shade of a unit of memory, -1 to 1.
pub(super) fn shade(value: f32) -> Ink {
    let strength = (value.abs().min(1.0).sqrt() * f32::from(SHADES)).round() as u8;
    match (strength, value < 0.0) {
        (0, _) => PAPER,
        (strength, true) => Ink(FIRST_SHADE + strength - 1),
        (strength, false) => Ink(FIRST_SHADE + SHADES + strength - 1),
    }
}

/// Part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) left: u16,
    pub(super) top: u16,
    pub(super) width: u16,
    pub(super) height: u16,
}

/// A picture.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    width: u16,
    height: u16,
    /// Row by row.
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self { width, height, pixels: vec![PAPER.0; usize::from(width) * usize::from(height)] }
    }

    pub(super) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    fn row(&self, y: u16) -> &[u8] {
        &self.pixels[usize::from(y) * usize::from(self.width)..][..usize::from(self.width)]
    }

    /// The smallest part that holds all that differs from a picture of the same size; at least a pixel.
    pub(super) fn changed_since(&self, before: Option<&Self>) -> Part {
        let Some(before) = before else {
            return Part { left: 0, top: 0, width: self.width, height: self.height };
        };
        let mut rows = (0..self.height).filter(|&y| self.row(y) != before.row(y));
        let Some(top) = rows.next() else { return Part { left: 0, top: 0, width: 1, height: 1 } };
        let bottom = rows.next_back().unwrap_or(top);
        let (mut left, mut right) = (self.width - 1, 0);
        for y in top..=bottom {
            let mut differing = self.row(y).iter().zip(before.row(y)).map(|(new, old)| new != old);
            if let Some(first) = differing.clone().position(|differs| differs) {
                left = left.min(first as u16);
                right = right.max(differing.rposition(|differs| differs).unwrap_or(first) as u16);
            }
        }
        Part { left, top, width: right - left + 1, height: bottom - top + 1 }
    }

    /// A part of the picture; pixels that are as in `before` are `UNCHANGED`, which makes it small.
    pub(super) fn part(&self, part: Part, before: Option<&Self>) -> Vec<u8> {
        let columns = usize::from(part.left)..usize::from(part.left + part.width);
        let mut pixels = Vec::with_capacity(columns.len() * usize::from(part.height));
        for y in part.top..part.top + part.height {
            let new = &self.row(y)[columns.clone()];
            match before {
                None => pixels.extend_from_slice(new),
                Some(before) => {
                    let pairs = new.iter().zip(&before.row(y)[columns.clone()]);
                    pixels.extend(pairs.map(|(&new, &old)| if new == old { UNCHANGED } else { new }));
                }
            }
        }
        pixels
    }

    /// Copies another picture into this one.
    pub(super) fn copy(&mut self, x: i32, y: i32, other: &Self) {
        let area = Rectangle::new(Point::new(x, y), other.size());
        let Ok(()) = self.fill_contiguous(&area, other.pixels.iter().map(|&ink| Ink(ink)));
    }

    pub(super) fn fill(&mut self, x: i32, y: i32, width: u32, height: u32, ink: Ink) {
        let Ok(()) = self.fill_solid(&Rectangle::new(Point::new(x, y), Size::new(width, height)), ink);
    }

    pub(super) fn frame(&mut self, x: i32, y: i32, width: u32, height: u32, thick: u32, ink: Ink) {
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(ink)
            .stroke_width(thick)
            .stroke_alignment(embedded_graphics::primitives::StrokeAlignment::Inside)
            .build();
        let Ok(()) = Rectangle::new(Point::new(x, y), Size::new(width, height)).into_styled(style).draw(self);
    }

    pub(super) fn line(&mut self, from: (i32, i32), to: (i32, i32), thick: u32, ink: Ink) {
        let line = Line::new(Point::new(from.0, from.1), Point::new(to.0, to.1));
        let Ok(()) = line.into_styled(PrimitiveStyle::with_stroke(ink, thick)).draw(self);
    }

    pub(super) fn disc(&mut self, centre: (i32, i32), radius: i32, ink: Ink) {
        let corner = Point::new(centre.0 - radius, centre.1 - radius);
        let circle = Circle::new(corner, (2 * radius).unsigned_abs());
        let Ok(()) = circle.into_styled(PrimitiveStyle::with_fill(ink)).draw(self);
    }

    pub(super) fn text(&mut self, x: i32, y: i32, text: &str, font: &MonoFont<'_>, ink: Ink) {
        self.aligned(x, y, text, font, ink, Alignment::Left);
    }

    pub(super) fn aligned(
        &mut self,
        x: i32,
        y: i32,
        text: &str,
        font: &MonoFont<'_>,
        ink: Ink,
        alignment: Alignment,
    ) {
        let style = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
        let text = Text::with_text_style(text, Point::new(x, y), MonoTextStyle::new(font, ink), style);
        let Ok(_) = text.draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width.into(), self.height.into())
    }
}

impl DrawTarget for Canvas {
    type Color = Ink;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Ink>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, Ink(ink)) in pixels {
            let inside = (0..i32::from(self.width)).contains(&x) && (0..i32::from(self.height)).contains(&y);
            if inside {
                self.pixels[y as usize * usize::from(self.width) + x as usize] = ink;
            }
        }
        Ok(())
    }
}
