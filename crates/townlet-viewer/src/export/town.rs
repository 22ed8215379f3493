//! The town as a picture: what stands where, what the agent sees of it, and which way it came.

use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::ascii::{
    FONT_4X6, FONT_5X8, FONT_6X10, FONT_7X13_BOLD, FONT_9X15_BOLD, FONT_9X18_BOLD,
};
use embedded_graphics::text::Alignment;

use super::canvas::{
    ACCENT, AGENT, BAD, CARD, CARD_UNSEEN, Canvas, GROUND, GROUND_UNSEEN, MUTED, PAPER, TEXT,
};
use super::layout::Place;
use super::text::{ascii, fitting};
use crate::frame::{LaneFrame, LevelFacts};

/// From which side on a cell has the name of its place in it, and from which one its letter.
const NAMED: u32 = 34;
const LETTERED: u32 = 12;

/// Draws the town at its place, with cells of `cell` pixels.
pub(super) fn town(
    canvas: &mut Canvas,
    at: Place,
    cell: u32,
    level: &LevelFacts,
    letters: &[char],
    lane: &LaneFrame,
) {
    let side = cell as i32;
    let corner = |[x, y]: [u8; 2]| (at.x + i32::from(x) * side, at.y + i32::from(y) * side);
    let middle = |[x, y]: [u8; 2]| {
        let (x, y) = corner([x, y]);
        (x + side / 2, y + side / 2)
    };
    let seen = |[x, y]: [u8; 2]| {
        level
            .vision_range
            .is_none_or(|range| x.abs_diff(lane.cell[0]) <= range && y.abs_diff(lane.cell[1]) <= range)
    };
    for y in 0..level.height {
        for x in 0..level.width {
            let (column, row) = corner([x, y]);
            let ink = if seen([x, y]) { GROUND } else { GROUND_UNSEEN };
            canvas.fill(column, row, cell - 1, cell - 1, ink);
        }
    }
    for place in &lane.places {
        let (x, y) = corner(place.cell);
        if place.open {
            let ink = if seen(place.cell) { CARD } else { CARD_UNSEEN };
            canvas.fill(x + 1, y + 1, cell - 3, cell - 3, ink);
        } else {
            // Only its outline: an unseen place is pale, but whole.
            canvas.frame(x + 1, y + 1, cell - 3, cell - 3, 1, MUTED);
        }
    }
    for pair in lane.trail.windows(2) {
        canvas.line(middle(pair[0]), middle(pair[1]), (cell / 14).max(1), AGENT);
    }
    agent(canvas, middle(lane.cell), side, lane);
    for ((facts, place), letter) in level.places.iter().zip(&lane.places).zip(letters) {
        let (x, y) = corner(place.cell);
        let ink = if place.open { TEXT } else { MUTED };
        let centre = x + side / 2;
        let letter = letter.to_string();
        if cell >= NAMED {
            let font = if cell >= 44 { &FONT_9X18_BOLD } else { &FONT_9X15_BOLD };
            let height = font.character_size.height as i32;
            canvas.aligned(centre, y + (side - height) / 2 - 2, &letter, font, ink, Alignment::Center);
            let font = name_font(&facts.name, cell);
            let name = fitting(&facts.name, cell - 2, font);
            let below = y + side - font.character_size.height as i32 - 2;
            canvas.aligned(centre, below, &name, font, ink, Alignment::Center);
        } else if cell >= LETTERED {
            let font = if cell >= 18 { &FONT_7X13_BOLD } else { &FONT_6X10 };
            let height = font.character_size.height as i32;
            canvas.aligned(centre, y + (side - height) / 2, &ascii(&letter), font, ink, Alignment::Center);
        }
    }
    if let Some(range) = level.vision_range {
        let first = lane.cell.map(|at| at.saturating_sub(range));
        let last =
            [(lane.cell[0] + range).min(level.width - 1), (lane.cell[1] + range).min(level.height - 1)];
        let (x, y) = corner(first);
        let wide = |axis: usize| u32::from(last[axis] - first[axis] + 1) * cell - 1;
        canvas.frame(x, y, wide(0), wide(1), (cell / 16).max(1), ACCENT);
    }
}

/// The agent: a disc, and a cross on it where it has died.
fn agent(canvas: &mut Canvas, centre: (i32, i32), side: i32, lane: &LaneFrame) {
    let radius = (side / 3).max(2);
    let died = lane.ended.as_ref().is_some_and(|end| end.died);
    canvas.disc(centre, radius + 1, TEXT);
    canvas.disc(centre, radius, if died { BAD } else { AGENT });
    if died {
        let reach = radius / 2;
        for (up, down) in [(-reach, reach), (reach, -reach)] {
            let (from, to) = ((centre.0 - reach, centre.1 + up), (centre.0 + reach, centre.1 + down));
            canvas.line(from, to, (side as u32 / 12).max(1), PAPER);
        }
    }
}

/// The largest font in which a name is not cut in a cell.
fn name_font(name: &str, cell: u32) -> &'static MonoFont<'static> {
    let room = |font: &MonoFont<'_>| (cell - 2) / font.character_size.width;
    let length = name.chars().count() as u32;
    [&FONT_6X10, &FONT_5X8].into_iter().find(|font| room(font) >= length).unwrap_or(&FONT_4X6)
}
