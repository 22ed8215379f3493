//! A moment as a picture: town, needs, action values, memory.

use std::collections::VecDeque;

use embedded_graphics::mono_font::ascii::{FONT_4X6, FONT_6X10, FONT_6X13_BOLD, FONT_9X15_BOLD};
use embedded_graphics::text::Alignment;

use super::Film;
use super::canvas::{
    ACCENT, AGENT, BAD, CARD, CARD_UNSEEN, Canvas, GOOD, GROUND, GROUND_UNSEEN, MUTED, SUNKEN, TEXT, shade,
};
use crate::frame::{Frame, LaneFrame, LevelFacts, Scene};
use crate::terminal::letters;

/// The longest side of a town, in pixels.
const TOWN: u32 = 320;
const MARGIN: u32 = 10;
const HEAD: u32 = 34;
/// The width of the needs and values beside the town.
const BESIDE: u32 = 250;
const MEMORY: u32 = 72;
const FOOT: u32 = 18;
/// Below this, a need is drawn as one in danger.
const LOW: f32 = 0.2;

/// Paints the frames of a film, in order: a picture also shows the memory of the frames before it.
pub(super) struct Painter<'a> {
    scene: &'a Scene,
    letters: Vec<char>,
    /// Columns of memory of each lane, the newest last.
    memory: Vec<VecDeque<Vec<f32>>>,
    remembers: bool,
}

impl<'a> Painter<'a> {
    pub(super) fn new(film: &'a Film) -> Self {
        let remembers = |lane: &LaneFrame| lane.thought.as_ref().is_some_and(|it| !it.memory.is_empty());
        Self {
            scene: &film.scene,
            letters: letters(film.scene.level.places.iter().map(|place| place.name.as_str())),
            memory: vec![VecDeque::new(); film.scene.lanes.len()],
            remembers: film.frames.first().is_some_and(|frame| frame.lanes.iter().any(remembers)),
        }
    }

    /// Width and height of every picture.
    pub(super) fn size(&self) -> (u16, u16) {
        let lanes = self.scene.lanes.len() as u32;
        let memory = if self.remembers { MEMORY + MARGIN } else { 0 };
        ((lanes * self.lane_width() + MARGIN) as u16, (HEAD + self.body() + memory + FOOT + MARGIN) as u16)
    }

    fn lane_width(&self) -> u32 {
        MARGIN + u32::from(self.scene.level.width) * self.cell() + MARGIN + BESIDE
    }

    /// The side of a cell.
    fn cell(&self) -> u32 {
        TOWN / u32::from(self.scene.level.width.max(self.scene.level.height))
    }

    /// The height of town, needs and values.
    fn body(&self) -> u32 {
        let rows = self.scene.level.meters.len() * 18 + self.scene.level.actions.len() * 16 + 40;
        (u32::from(self.scene.level.height) * self.cell()).max(rows as u32)
    }

    pub(super) fn paint(&mut self, frame: &Frame) -> Canvas {
        let (width, height) = self.size();
        let mut canvas = Canvas::new(width, height);
        for (index, lane) in frame.lanes.iter().enumerate() {
            let room = (self.lane_width() - 2) as usize;
            if let Some(thought) = &lane.thought {
                let columns = &mut self.memory[index];
                columns.push_back(thought.memory.clone());
                if columns.len() > room / 4 {
                    columns.pop_front();
                }
            }
            let x = (index as u32 * self.lane_width() + MARGIN) as i32;
            self.lane(&mut canvas, x, index, lane, frame.episode);
        }
        canvas
    }

    fn lane(&self, canvas: &mut Canvas, x: i32, index: usize, lane: &LaneFrame, episode: u64) {
        let level = &self.scene.level;
        let clock = if level.clock { format!(", {:02}:00", lane.hour) } else { String::new() };
        canvas.text(x, 5, &ascii(&self.scene.lanes[index].title, 60), &FONT_6X13_BOLD, TEXT);
        let line = format!("episode {}, step {} of {}{clock}", episode + 1, lane.step, level.step_limit);
        canvas.text(x, 20, &line, &FONT_6X10, MUTED);
        self.town(canvas, x, HEAD as i32, lane);
        let beside = x + i32::from(level.width) * self.cell() as i32 + MARGIN as i32;
        let below = needs(canvas, beside, HEAD as i32, level, lane);
        values(canvas, beside, below + 14, level, lane);
        let mut y = (HEAD + self.body() + MARGIN) as i32;
        if self.remembers {
            self.memory(canvas, x, y, index, lane);
            y += (MEMORY + MARGIN) as i32;
        }
        let end = match &lane.ended {
            Some(end) if end.died => {
                format!("died of {} after {} steps", end.causes.join(" and "), end.steps)
            }
            Some(end) => format!("lived to the limit of {} steps", end.steps),
            None => lane.taken.as_ref().map_or_else(String::new, |taken| {
                let used =
                    taken.used.map_or_else(String::new, |used| format!(", used {}", level.places[used].name));
                format!(
                    "{}{used}, rewards {:.1}",
                    level.actions[usize::from(taken.action)],
                    lane.total_reward
                )
            }),
        };
        let ink = match &lane.ended {
            Some(end) if end.died => BAD,
            Some(_) => GOOD,
            None => TEXT,
        };
        canvas.text(x, y, &ascii(&end, 90), &FONT_6X10, ink);
    }

    fn town(&self, canvas: &mut Canvas, left: i32, top: i32, lane: &LaneFrame) {
        let level = &self.scene.level;
        let (cell, side) = (self.cell(), self.cell() as i32);
        let at = |[x, y]: [u8; 2]| (left + i32::from(x) * side, top + i32::from(y) * side);
        let seen = |[x, y]: [u8; 2]| {
            level
                .vision_range
                .is_none_or(|range| x.abs_diff(lane.cell[0]) <= range && y.abs_diff(lane.cell[1]) <= range)
        };
        for y in 0..level.height {
            for x in 0..level.width {
                let (column, row) = at([x, y]);
                let ink = if seen([x, y]) { GROUND } else { GROUND_UNSEEN };
                canvas.fill(column, row, cell - 1, cell - 1, ink);
            }
        }
        for ((facts, place), letter) in level.places.iter().zip(&lane.places).zip(&self.letters) {
            let (x, y) = at(place.cell);
            let ink = if place.open { TEXT } else { MUTED };
            canvas.fill(x + 1, y + 1, cell - 3, cell - 3, if seen(place.cell) { CARD } else { CARD_UNSEEN });
            if place.open {
                canvas.frame(x + 1, y + 1, cell - 3, cell - 3, 1, ACCENT);
            }
            let middle = x + side / 2;
            if side >= 30 {
                let letter = letter.to_string();
                canvas.aligned(middle, y + 6, &letter, &FONT_9X15_BOLD, ink, Alignment::Center);
                let name = ascii(&facts.name, (cell / 4) as usize);
                canvas.aligned(middle, y + side - 11, &name, &FONT_4X6, ink, Alignment::Center);
            } else if side >= 12 {
                let letter = letter.to_string();
                canvas.aligned(middle, y + side / 2 - 5, &letter, &FONT_6X10, ink, Alignment::Center);
            }
        }
        let middle = |cell: [u8; 2]| {
            let (x, y) = at(cell);
            (x + side / 2, y + side / 2)
        };
        for pair in lane.trail.windows(2) {
            canvas.line(middle(pair[0]), middle(pair[1]), 3, AGENT);
        }
        if let Some(range) = level.vision_range {
            let first = lane.cell.map(|at| at.saturating_sub(range));
            let last =
                [(lane.cell[0] + range).min(level.width - 1), (lane.cell[1] + range).min(level.height - 1)];
            let (x, y) = at(first);
            let wide = |axis: usize| u32::from(last[axis] - first[axis] + 1) * cell - 1;
            canvas.frame(x, y, wide(0), wide(1), 2, ACCENT);
        }
        let radius = (side / 3).max(2);
        let died = lane.ended.as_ref().is_some_and(|end| end.died);
        canvas.disc(middle(lane.cell), radius + 1, TEXT);
        canvas.disc(middle(lane.cell), radius, if died { BAD } else { AGENT });
    }

    fn memory(&self, canvas: &mut Canvas, x: i32, y: i32, index: usize, lane: &LaneFrame) {
        let width = self.lane_width() - MARGIN;
        let kept = if self.scene.lanes[index].keeps_memory { "memory" } else { "memory, wiped every step" };
        let change = lane.thought.as_ref().map_or(0.0, |thought| thought.memory_change);
        canvas.text(x, y, &format!("{kept}, changed by {change:.2}"), &FONT_6X10, MUTED);
        let (top, height) = (y + 12, MEMORY - 12);
        canvas.fill(x, top, width, height, SUNKEN);
        let columns = &self.memory[index];
        let room = (width / 4) as usize;
        for (column, memory) in columns.iter().skip(columns.len().saturating_sub(room)).enumerate() {
            for row in 0..height {
                // Where there are more units than rows, some are left out.
                let unit = row as usize * memory.len() / height as usize;
                let value = memory.get(unit).copied().unwrap_or(0.0);
                canvas.fill(x + 4 * column as i32, top + row as i32, 4, 1, shade(value));
            }
        }
    }
}

/// Returns the row below.
fn needs(canvas: &mut Canvas, x: i32, top: i32, level: &LevelFacts, lane: &LaneFrame) -> i32 {
    for (index, (facts, meter)) in level.meters.iter().zip(&lane.meters).enumerate() {
        let y = top + 18 * index as i32;
        canvas.text(x, y + 2, &ascii(&facts.name, 10), &FONT_6X10, TEXT);
        canvas.fill(x + 64, y + 2, 130, 10, SUNKEN);
        let full = (130.0 * meter.value.clamp(0.0, 1.0)) as u32;
        // A need is in danger where it is low, not where another one pulls at it: that stands in small behind it.
        canvas.fill(x + 64, y + 2, full, 10, if meter.value < LOW { BAD } else { ACCENT });
        canvas.text(x + 200, y + 2, &format!("{:5.1}", 100.0 * meter.value), &FONT_6X10, TEXT);
        if meter.cascades < 0.0 {
            canvas.text(x + 232, y + 4, &format!("{:.1}", 100.0 * meter.cascades), &FONT_4X6, BAD);
        }
    }
    top + 18 * level.meters.len() as i32
}

fn values(canvas: &mut Canvas, x: i32, top: i32, level: &LevelFacts, lane: &LaneFrame) {
    let Some(thought) = lane.thought.as_ref().filter(|thought| !thought.values.is_empty()) else { return };
    let finite = || thought.values.iter().copied().filter(|value| value.is_finite());
    let (least, most) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
    for (index, (action, value)) in level.actions.iter().zip(&thought.values).enumerate() {
        let y = top + 16 * index as i32;
        let allowed = lane.mask.get(index).copied().unwrap_or(false);
        let chosen = usize::from(thought.action) == index;
        let ink = match (allowed, chosen) {
            (false, _) => MUTED,
            (true, true) => GOOD,
            (true, false) => ACCENT,
        };
        canvas.text(x, y + 2, &ascii(action, 10), &FONT_6X10, if allowed { TEXT } else { MUTED });
        if !allowed {
            canvas.line((x, y + 7), (x + 6 * action.len() as i32, y + 7), 1, MUTED);
        }
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        canvas.fill(x + 64, y + 2, 130, 10, SUNKEN);
        canvas.fill(x + 64, y + 2, (4.0 + 126.0 * share.clamp(0.0, 1.0)) as u32, 10, ink);
        canvas.text(x + 200, y + 2, &format!("{value:6.2}"), &FONT_6X10, ink);
    }
}

/// The characters that the fonts have, at most so many.
fn ascii(text: &str, most: usize) -> String {
    text.chars().map(|it| if it.is_ascii_graphic() || it == ' ' { it } else { '?' }).take(most).collect()
}
