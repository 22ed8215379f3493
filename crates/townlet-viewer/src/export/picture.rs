//! A moment as a picture: town, needs, action values, what the agent sees, memory.

use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_9X18_BOLD};

use super::Film;
use super::canvas::{BAD, Canvas, GOOD, Ink, MUTED, TEXT};
use super::layout::{Lane, Layout};
use super::panels::{self, Strip};
use super::text::fitting;
use super::town::town;
use crate::frame::{Frame, LaneFrame, LevelFacts, Scene};
use crate::terminal::letters;

/// Paints the frames of a film, in order: a picture also shows the memory of the frames before it.
pub(super) struct Painter<'a> {
    scene: &'a Scene,
    letters: Vec<char>,
    layout: Layout,
    /// The memory of each lane so far.
    strips: Vec<Strip>,
}

impl<'a> Painter<'a> {
    pub(super) fn new(film: &'a Film) -> Self {
        let scene = &film.scene;
        let layout = Layout::new(scene, film.frames.first().map_or(&[], |frame| &frame.lanes));
        let strip = |lane: &Lane| Strip::new(lane.memory, scene.level.step_limit);
        Self {
            scene,
            letters: letters(scene.level.places.iter().map(|place| place.name.as_str())),
            strips: layout.lanes.iter().map(strip).collect(),
            layout,
        }
    }

    /// Width and height of every picture.
    pub(super) fn size(&self) -> (u16, u16) {
        (self.layout.width, self.layout.height)
    }

    pub(super) fn paint(&mut self, frame: &Frame) -> Canvas {
        let (width, height) = self.size();
        let mut canvas = Canvas::new(width, height);
        for (index, lane) in frame.lanes.iter().enumerate() {
            if let Some(thought) = lane.thought.as_ref().filter(|thought| !thought.memory.is_empty()) {
                self.strips[index].add(lane.step, &thought.memory);
            }
            self.lane(&mut canvas, index, lane, frame.episode);
        }
        panels::legend(&mut canvas, self.layout.legend, &self.scene.level);
        canvas
    }

    fn lane(&self, canvas: &mut Canvas, index: usize, lane: &LaneFrame, episode: u64) {
        let (level, at, facts) = (&self.scene.level, &self.layout.lanes[index], &self.scene.lanes[index]);
        let row = self.layout.row;
        let title = fitting(&facts.title, at.head.width, &FONT_9X18_BOLD);
        canvas.text(at.head.x, at.head.y, &title, &FONT_9X18_BOLD, TEXT);
        let clock = if level.clock { format!(", {:02}:00", lane.hour) } else { String::new() };
        let episode = if episode > 0 { format!(", episode {}", episode + 1) } else { String::new() };
        let trained = match facts.trained_steps {
            Some(steps) if steps > 0 => format!(", trained for {steps} steps"),
            _ => String::new(),
        };
        let (name, step, limit) = (&level.name, lane.step, level.step_limit);
        let line = format!("{name}{episode}, step {step} of {limit}{clock}{trained}");
        let line = fitting(&line, at.head.width, &FONT_7X13);
        canvas.text(at.head.x, at.head.y + 23, &line, &FONT_7X13, MUTED);

        town(canvas, at.town, self.layout.cell, level, &self.letters, lane);
        panels::needs(canvas, at.needs, row, level, lane);
        panels::values(canvas, at.values, row, level, lane);
        panels::window(canvas, at.window, level, lane);
        let (deed, ink) = deed(level, lane);
        let deed = fitting(&deed, at.deed.width, &FONT_9X18_BOLD);
        canvas.text(at.deed.x, at.deed.y, &deed, &FONT_9X18_BOLD, ink);
        if at.memory.height > 0 {
            let name = if facts.keeps_memory { "memory" } else { "memory, wiped before every step" };
            self.strips[index].draw(canvas, at.memory, name);
        }
    }
}

/// What the agent has just done, or how it ended.
fn deed(level: &LevelFacts, lane: &LaneFrame) -> (String, Ink) {
    if let Some(end) = &lane.ended {
        return if end.died {
            (format!("died of {} after {} steps", end.causes.join(" and "), end.steps), BAD)
        } else {
            (format!("lived to the limit of {} steps", end.steps), GOOD)
        };
    }
    let Some(taken) = &lane.taken else { return ("begins".to_owned(), TEXT) };
    let action = level.actions[usize::from(taken.action)].to_lowercase();
    let text = match taken.used {
        Some(used) => format!("uses {}", level.places[used].name),
        None if action == "interact" => "finds nothing to use".to_owned(),
        None => format!("goes {action}"),
    };
    (text, TEXT)
}
