//! Where everything stands in a picture: measured once for a film, the same in all its pictures.

use crate::frame::{LaneFrame, Scene};

/// How wide a picture is: what a page on the web has beside its margins, so that nothing is scaled.
const WIDTH: u32 = 800;
pub(super) const MARGIN: u32 = 10;
/// The title and the step.
const HEAD: u32 = 50;
/// What the agent has just done.
const DEED: u32 = 26;
/// The heading above a part.
pub(super) const HEADING: u32 = 17;
const STRIP: u32 = 64;
const LEGEND: u32 = 20;
/// The longest side of a town beside which its agent's needs stand.
const WIDE_TOWN: u32 = 416;
/// A row of the needs, and of the values.
const ROW: u32 = 20;
/// The longest side of the agent's window.
pub(super) const WINDOW: u32 = 85;
/// Between two parts.
const GAP: u32 = 10;

/// A rectangle of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The parts of one agent's half, or of the whole picture where there is one agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    pub(super) head: Place,
    pub(super) town: Place,
    pub(super) needs: Place,
    pub(super) values: Place,
    pub(super) window: Place,
    pub(super) deed: Place,
    /// The memory; without height where there is none.
    pub(super) memory: Place,
}

/// The parts of a picture.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) width: u16,
    pub(super) height: u16,
    /// The side of a cell of the town.
    pub(super) cell: u32,
    /// The height of a need, and of a value.
    pub(super) row: u32,
    pub(super) lanes: Vec<Lane>,
    pub(super) legend: Place,
}

impl Layout {
    /// Room for the agents of a scene, which begins with the frames `first`: one with its needs beside the town, several
    /// side by side with their needs below it.
    pub(super) fn new(scene: &Scene, first: &[LaneFrame]) -> Self {
        let level = &scene.level;
        let count = scene.lanes.len().max(1) as u32;
        let lane_width = (WIDTH - MARGIN) / count - MARGIN;
        let wide = count == 1;
        let side = if wide { WIDE_TOWN } else { lane_width };
        let cell = (side / u32::from(level.width.max(level.height)).max(1)).max(1);
        let town = (u32::from(level.width) * cell, u32::from(level.height) * cell);

        let thinks = first.iter().any(|lane| lane.thought.as_ref().is_some_and(|it| !it.values.is_empty()));
        let remembers =
            first.iter().any(|lane| lane.thought.as_ref().is_some_and(|it| !it.memory.is_empty()));
        let sees = first.iter().any(|lane| lane.window.is_some());
        let needs = level.meters.len() as u32 * ROW;
        let values = if thinks { HEADING + level.actions.len() as u32 * ROW } else { 0 };
        let window = if sees { HEADING + WINDOW } else { 0 };
        let gap = |height: u32| if height > 0 { GAP } else { 0 };
        let strip = if remembers { HEADING + STRIP } else { 0 };

        let beside = needs + gap(values) + values + gap(window) + window;
        let below = needs.max(values + gap(window) + window);
        let body = if wide { town.1.max(beside) } else { town.1 + GAP + below };
        let deed = HEAD + body + GAP / 2;
        let memory = deed + DEED;
        let legend = memory + strip + gap(strip);
        let lanes = (0..count)
            .map(|index| {
                let x = MARGIN + index * (lane_width + MARGIN);
                // Where the needs begin, where the values begin, and how wide both are.
                let (needs_at, values_at, width) = if wide {
                    let left = x + town.0 + 2 * MARGIN;
                    ((left, HEAD), (left, HEAD + needs + gap(values)), WIDTH - MARGIN - left)
                } else {
                    let (half, top) = ((lane_width - 2 * MARGIN) / 2, HEAD + town.1 + GAP);
                    ((x, top), (x + half + 2 * MARGIN, top), half)
                };
                Lane {
                    head: place(x, 6, lane_width, HEAD - 6),
                    town: place(x, HEAD, town.0, town.1),
                    needs: place(needs_at.0, needs_at.1, width, needs),
                    values: place(values_at.0, values_at.1, width, values),
                    window: place(values_at.0, values_at.1 + values + gap(window), width, window),
                    deed: place(x, deed, lane_width, DEED),
                    memory: place(x, memory, lane_width, strip),
                }
            })
            .collect();
        Self {
            width: WIDTH as u16,
            height: (legend + LEGEND + MARGIN / 2).min(u32::from(u16::MAX)) as u16,
            cell,
            row: ROW,
            lanes,
            legend: place(MARGIN, legend, WIDTH - 2 * MARGIN, LEGEND),
        }
    }
}

fn place(x: u32, y: u32, width: u32, height: u32) -> Place {
    Place { x: x as i32, y: y as i32, width, height }
}
