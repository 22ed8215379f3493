//! What stands beside the town: needs, values, what the agent sees, its memory, and what the signs mean.

use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_9X15};
use embedded_graphics::text::Alignment;

use super::canvas::{
    ACCENT, AGENT, BAD, CARD, CARD_UNSEEN, Canvas, GOOD, GROUND, Ink, MUTED, SUNKEN, TEXT, shade,
};
use super::layout::{HEADING, Place, WINDOW};
use super::text::{ascii, fitting};
use crate::frame::{LaneFrame, LevelFacts};

/// Below which share a need is shown as low.
const LOW: f32 = 0.2;
/// How many characters a name has in front of a bar, and a number behind it.
const NAME: u32 = 10;
const NUMBER: u32 = 6;
/// From which width on letters are larger.
const ROOMY: u32 = 260;

/// A row of bars: name, bar, number.
struct Bars {
    at: Place,
    row: u32,
    font: &'static MonoFont<'static>,
}

impl Bars {
    fn new(at: Place, row: u32) -> Self {
        Self { at, row, font: if at.width >= ROOMY { &FONT_9X15 } else { &FONT_7X13 } }
    }

    fn letter(&self) -> u32 {
        self.font.character_size.width
    }

    fn draw(&self, canvas: &mut Canvas, index: usize, name: &str, share: f32, number: &str, inks: [Ink; 2]) {
        let y = self.at.y + (self.row as usize * index) as i32;
        let (left, right) = (NAME * self.letter(), NUMBER * self.letter() + 4);
        let width = self.at.width.saturating_sub(left + right);
        let letters = y + (self.row as i32 - self.font.character_size.height as i32) / 2;
        let [text, bar] = inks;
        canvas.text(self.at.x, letters, &fitting(name, left - 4, self.font), self.font, text);
        let (x, top, height) = (self.at.x + left as i32, y + 4, self.row - 8);
        canvas.fill(x, top, width, height, SUNKEN);
        canvas.fill(x, top, (width as f32 * share.clamp(0.0, 1.0)) as u32, height, bar);
        let end = self.at.x + self.at.width as i32;
        canvas.aligned(end, letters, number, self.font, text, Alignment::Right);
    }
}

/// The needs: red where they are low.
pub(super) fn needs(canvas: &mut Canvas, at: Place, row: u32, level: &LevelFacts, lane: &LaneFrame) {
    let bars = Bars::new(at, row);
    for (index, (facts, meter)) in level.meters.iter().zip(&lane.meters).enumerate() {
        let inks = match meter.value < LOW {
            true => [BAD, BAD],
            false if facts.money => [TEXT, MUTED],
            false => [TEXT, ACCENT],
        };
        let number = format!("{:.0}", 100.0 * meter.value);
        bars.draw(canvas, index, &facts.name, meter.value, &number, inks);
    }
}

/// What each action is worth to the agent: the one that it chooses in green, forbidden ones crossed out.
pub(super) fn values(canvas: &mut Canvas, at: Place, row: u32, level: &LevelFacts, lane: &LaneFrame) {
    let Some(thought) = lane.thought.as_ref().filter(|thought| !thought.values.is_empty()) else { return };
    heading(canvas, at, "what each action is worth");
    let below = Place { y: at.y + HEADING as i32, height: at.height.saturating_sub(HEADING), ..at };
    let bars = Bars::new(below, row);
    let allowed = |index: usize| lane.mask.get(index).copied().unwrap_or(false);
    // Forbidden ones are never chosen, so the others are compared with each other.
    let compared = || {
        let pairs = thought.values.iter().enumerate();
        pairs.filter(|(index, value)| allowed(*index) && value.is_finite()).map(|(_, value)| *value)
    };
    let (least, most) = (compared().fold(f32::MAX, f32::min), compared().fold(f32::MIN, f32::max));
    for (index, (action, value)) in level.actions.iter().zip(&thought.values).enumerate() {
        let share = if most > least { 0.04 + 0.96 * (value - least) / (most - least) } else { 0.04 };
        let name = action.to_lowercase();
        if !allowed(index) {
            bars.draw(canvas, index, &name, 0.0, "-", [MUTED, MUTED]);
            let y = below.y + (row as usize * index + row as usize / 2) as i32;
            let width = bars.letter() as usize * name.len().min(NAME as usize);
            canvas.line((at.x, y), (at.x + width as i32, y), 1, MUTED);
            continue;
        }
        let inks = if usize::from(thought.action) == index { [GOOD, GOOD] } else { [TEXT, ACCENT] };
        bars.draw(canvas, index, &name, share, &number(*value, most - least), inks);
    }
}

/// A value in at most six characters where that is possible, so that values that are `spread` apart can be told apart.
fn number(value: f32, spread: f32) -> String {
    let digits = match value.abs() {
        size if size < 9.9 && spread < 0.1 => 3,
        size if size < 99.9 => 2,
        size if size < 999.9 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// What the agent is given of the cells around it, and what it stands on.
pub(super) fn window(canvas: &mut Canvas, at: Place, level: &LevelFacts, lane: &LaneFrame) {
    let (Some(window), Some(range)) = (&lane.window, level.vision_range) else { return };
    heading(canvas, at, "what it sees");
    let across = 2 * u32::from(range) + 1;
    let side = (WINDOW / across).max(2);
    let top = at.y + HEADING as i32;
    for (index, something) in window.iter().enumerate() {
        let (column, row) = (index as u32 % across, index as u32 / across);
        let ink = if *something { TEXT } else { GROUND };
        canvas.fill(at.x + (column * side) as i32, top + (row * side) as i32, side - 1, side - 1, ink);
    }
    let middle = (u32::from(range) * side + side / 2) as i32;
    canvas.disc((at.x + middle, top + middle), (side / 4).max(1) as i32, AGENT);
    canvas.frame(at.x - 1, top - 1, across * side + 1, across * side + 1, 1, ACCENT);
    let x = at.x + (across * side) as i32 + 10;
    let room = at.width.saturating_sub(across * side + 10);
    let on = lane.progress.map_or("nothing", |progress| level.places[progress.place].name.as_str());
    let lines = if at.width >= ROOMY {
        ["dark: something stands there.", "What it is, it knows only", "of where it stands:", on]
    } else {
        ["dark: there", "is something", "stands on:", on]
    };
    for (index, line) in lines.into_iter().enumerate() {
        let ink = if index == 3 { TEXT } else { MUTED };
        canvas.text(x, top + 17 * index as i32, &fitting(line, room, &FONT_7X13), &FONT_7X13, ink);
    }
}

/// The memory of an episode, one column for each step so far; it begins anew at the left where the steps are
/// more than there is room for.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    columns: u32,
    picture: Canvas,
    size: (u32, u32),
}

impl Strip {
    /// Room for the memory of an episode of `steps` steps at most.
    pub(super) fn new(at: Place, steps: u32) -> Self {
        let size = (at.width, at.height.saturating_sub(HEADING));
        let mut picture = Canvas::new(size.0 as u16, size.1 as u16);
        picture.fill(0, 0, size.0, size.1, SUNKEN);
        Self { columns: steps.saturating_add(1).min(size.0), picture, size }
    }

    /// Adds the memory after `step` steps.
    pub(super) fn add(&mut self, step: u32, memory: &[f32]) {
        let (width, height) = self.size;
        let edge = |column: u32| (u64::from(column) * u64::from(width) / u64::from(self.columns)) as u32;
        let column = step % self.columns;
        let (from, to) = (edge(column), edge(column + 1));
        for row in 0..height {
            // Where there are more units than rows, some are left out.
            let unit = row as usize * memory.len() / height as usize;
            let value = memory.get(unit).copied().unwrap_or(0.0);
            self.picture.fill(from as i32, row as i32, to - from, 1, shade(value));
        }
        // What is still there of the round before stands back.
        self.picture.fill(to as i32, 0, 4, height, SUNKEN);
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, at: Place, name: &str) {
        let wide = at.width >= 2 * ROOMY;
        let text = if wide { format!("{name}: a column for each step") } else { name.to_owned() };
        heading(canvas, at, &text);
        if wide {
            let end = at.x + at.width as i32;
            canvas.aligned(end, at.y, "blue below zero, orange above", &FONT_7X13, MUTED, Alignment::Right);
        }
        canvas.copy(at.x, at.y + HEADING as i32, &self.picture);
    }
}

/// What the signs in the town mean.
pub(super) fn legend(canvas: &mut Canvas, at: Place, level: &LevelFacts) {
    let mut x = at.x;
    let top = at.y + 2;
    let mut entry = |canvas: &mut Canvas, draw: &dyn Fn(&mut Canvas, i32), text: &str| {
        draw(canvas, x);
        canvas.text(x + 22, top, text, &FONT_7X13, MUTED);
        x += 22 + 7 * text.len() as i32 + 18;
    };
    entry(canvas, &|canvas, x| canvas.disc((x + 8, top + 7), 6, AGENT), "agent");
    entry(canvas, &|canvas, x| canvas.line((x, top + 7), (x + 16, top + 7), 3, AGENT), "the way it came");
    if level.vision_range.is_some() {
        entry(canvas, &|canvas, x| canvas.frame(x + 1, top, 15, 14, 2, ACCENT), "what it sees");
    }
    entry(canvas, &|canvas, x| canvas.fill(x + 1, top, 15, 14, CARD), "a place");
    if level.vision_range.is_some() {
        entry(canvas, &|canvas, x| canvas.fill(x + 1, top, 15, 14, CARD_UNSEEN), "out of its sight");
    }
    if level.places.iter().any(|place| place.hours.is_some()) {
        entry(canvas, &|canvas, x| canvas.frame(x + 1, top, 15, 14, 1, MUTED), "closed");
    }
}

fn heading(canvas: &mut Canvas, at: Place, text: &str) {
    canvas.text(at.x, at.y, &fitting(&ascii(text), at.width, &FONT_7X13), &FONT_7X13, MUTED);
}

#[cfg(test)]
mod tests {
    use townlet_env::Level;

    use super::*;
    use crate::frame::{Bite, MeterFrame};

    #[test]
    fn a_need_is_red_where_it_is_low_and_not_where_another_pulls_at_it() {
        let level = LevelFacts::new(&Level::builtin("pomdp").unwrap());
        let energy = level.cascades.iter().position(|it| it.target == 0).unwrap();
        let bar = |value: f32| {
            let mut lane = LaneFrame { meters: vec![MeterFrame::default(); 8], ..LaneFrame::default() };
            lane.meters[0] = MeterFrame { value, cascades: -0.004, ..MeterFrame::default() };
            lane.bites = vec![Bite { cascade: energy, amount: -0.004 }];
            let mut canvas = Canvas::new(300, 200);
            needs(&mut canvas, Place { x: 0, y: 0, width: 250, height: 200 }, 18, &level, &lane);
            // A pixel at the beginning of the first bar, behind a name of ten letters.
            canvas.pixels()[6 * 300 + 10 * 7 + 2]
        };
        assert_eq!((bar(0.994), bar(0.1)), (ACCENT.0, BAD.0));
    }
}
