//! What all pictures have in common: a title, what is measured, a legend, and room for the rest.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, Rectangle, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};
use townlet_text::escaped_lines;

use super::style::{INK, MARGIN, MUTED, TEXT, TITLE, UNIT, WIDTH, cut, text_width};
use super::{Plot, PlotError};

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What a picture says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    /// What is measured, with its unit.
    pub(crate) measure: String,
}

/// A line of the legend.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) colour: RGBColor,
    pub(crate) swatch: Swatch,
}

/// How something is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swatch {
    Line,
    /// A line that stands back.
    Faint,
    Area,
}

const LINE_HEIGHT: i32 = 18;
const SWATCH: i32 = 16;
/// Between one entry of the legend and the next.
const GAP: i32 = 12;

/// Draws a picture: `draw` gets the room below the heading, `height` high and as wide as the picture.
pub(crate) fn draw(
    heading: Heading,
    legend: &[Entry],
    height: i32,
    draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>,
) -> Result<Plot, PlotError> {
    let entries = lay_out(legend);
    let rows = entries.last().map_or(0, |(_, row, _)| row + 1);
    let top = MARGIN + TITLE + 5 + LINE_HEIGHT * (1 + rows) + 4;
    let (width, height) = ((WIDTH * UNIT) as u32, ((top + height) * UNIT) as u32);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        let title = cut(&heading.title, (WIDTH - 2 * MARGIN) as usize * 10 / (TITLE as usize * 6));
        write(&root, &title, (MARGIN, MARGIN), &bold(TITLE, INK), HPos::Left, VPos::Top)?;
        let below = MARGIN + TITLE + 5;
        let measure = cut(&heading.measure, (WIDTH - 2 * MARGIN) as usize * 10 / (TEXT as usize * 6));
        write(&root, &measure, (MARGIN, below), &plain(TEXT, MUTED), HPos::Left, VPos::Top)?;
        for (entry, row, x) in entries {
            let y = below + LINE_HEIGHT * (1 + row);
            draw_entry(&root, &entry, x, y)?;
        }
        draw(&root.clone().shrink((0, top * UNIT), (width, height - (top * UNIT) as u32)))?;
        root.present()?;
    }
    let body = svg.split_once(">\n").map_or("", |(_, body)| body);
    // The backend writes texts as they are, and XML has no way to write most control characters.
    let body = escaped_lines(body.trim_end().trim_end_matches("</svg>")).into_owned();
    let Heading { name, title, description, .. } = heading;
    // It is to be the name of a file.
    let name = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    Ok(Plot { name, title, description, width, height, body })
}

/// The entries from left to right in as many rows as they need, with their row and their place in it.
fn lay_out(legend: &[Entry]) -> Vec<(Entry, i32, i32)> {
    let (mut row, mut x) = (0, MARGIN);
    legend
        .iter()
        .map(|entry| {
            let name = cut(&entry.name, 44);
            let width = SWATCH + 5 + text_width(&name, TEXT);
            if x > MARGIN && x + width > WIDTH - MARGIN {
                (row, x) = (row + 1, MARGIN);
            }
            let place = (Entry { name, ..entry.clone() }, row, x);
            x += width + GAP;
            place
        })
        .collect()
}

fn draw_entry(root: &Area<'_>, entry: &Entry, x: i32, y: i32) -> Result<(), PlotError> {
    let middle = y + TEXT / 2 + 1;
    let (half, style): (i32, ShapeStyle) = match entry.swatch {
        Swatch::Line => (1, entry.colour.filled()),
        Swatch::Faint => (1, entry.colour.mix(FAINT).filled()),
        Swatch::Area => (5, entry.colour.filled()),
    };
    let corners = [(x, middle - half), (x + SWATCH, middle + half)].map(|(x, y)| (x * UNIT, y * UNIT));
    root.draw(&Rectangle::new(corners, style))?;
    write(root, &entry.name, (x + SWATCH + 5, y), &plain(TEXT, INK), HPos::Left, VPos::Top)
}

/// How much of a colour is left in what stands back.
pub(crate) const FAINT: f64 = 0.4;

/// A font of a size that is the one in the picture: plotters' is that of the whole line.
fn font(size: i32, style: FontStyle) -> FontDesc<'static> {
    (FontFamily::SansSerif, f64::from(size * UNIT) * 1.24).into_font().style(style)
}

pub(crate) fn plain(size: i32, colour: RGBColor) -> TextStyle<'static> {
    font(size, FontStyle::Normal).color(&colour)
}

pub(crate) fn bold(size: i32, colour: RGBColor) -> TextStyle<'static> {
    font(size, FontStyle::Bold).color(&colour)
}

/// Writes a text at a place of the picture.
pub(crate) fn write(
    area: &Area<'_>,
    text: &str,
    (x, y): (i32, i32),
    style: &TextStyle<'_>,
    horizontal: HPos,
    vertical: VPos,
) -> Result<(), PlotError> {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let style = style.pos(Pos::new(horizontal, vertical));
    Ok(area.draw_text(&text, &style, (x * UNIT, y * UNIT))?)
}
