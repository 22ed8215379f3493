//! What an observation of the town tells, read back from its features.

use std::ops::Range;

use super::model::Body;
use crate::{Cell, Feature, Grid, HOURS_PER_DAY, Level, MAX_METERS};

/// Reads the observations of one level.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    grid: Grid,
    at: At,
    meters: Range<usize>,
    affordance: Range<usize>,
    hour: Option<usize>,
    progress: Option<usize>,
}

/// How an observation tells where the agent is.
#[derive(Clone, Debug)]
enum At {
    /// One-hot over the grid.
    Cell(Range<usize>),
    /// By two numbers, and with a window around it.
    Position { position: Range<usize>, window: Range<usize>, side: usize },
}

impl Sight {
    pub(super) fn new(level: &Level) -> Self {
        let layout = level.observation_layout();
        let range = |feature| layout.range(feature).expect("the town shows it in every level");
        let at = match (layout.cell(), layout.window_side()) {
            (Some(cell), _) => At::Cell(cell),
            (None, side) => At::Position {
                position: range(Feature::Position),
                window: range(Feature::Window),
                side: side.unwrap_or(0),
            },
        };
        Self {
            grid: level.grid,
            at,
            meters: range(Feature::Meters),
            affordance: range(Feature::Affordance),
            hour: layout.hour(),
            progress: layout.progress(),
        }
    }

    /// The agent's cell.
    pub(super) fn cell(&self, observation: &[f32]) -> Cell {
        match &self.at {
            At::Cell(cell) => self.grid.cell(hot(&observation[cell.clone()]).unwrap_or(0)),
            At::Position { position, .. } => {
                let place = |value: f32, side: u8| (value * f32::from(side - 1)).round() as u8;
                let [x, y] = [observation[position.start], observation[position.start + 1]];
                Cell { x: place(x, self.grid.width), y: place(y, self.grid.height) }
            }
        }
    }

    /// Whether something stands on each cell in view, with the index of the cell. Without a window that is the
    /// agent's own cell alone.
    pub(super) fn in_view(&self, observation: &[f32], mut see: impl FnMut(usize, bool)) {
        let cell = self.cell(observation);
        let At::Position { window, side, .. } = &self.at else {
            return see(self.grid.index(cell), self.here(observation).is_some());
        };
        let reach = (side / 2) as i16;
        for (index, &occupied) in observation[window.clone()].iter().enumerate() {
            let x = i16::from(cell.x) + (index % side) as i16 - reach;
            let y = i16::from(cell.y) + (index / side) as i16 - reach;
            let inside = |value: i16, side: u8| (0..i16::from(side)).contains(&value);
            if inside(x, self.grid.width) && inside(y, self.grid.height) {
                see(self.grid.index(Cell { x: x as u8, y: y as u8 }), occupied > 0.5);
            }
        }
    }

    /// The affordance under the agent.
    pub(super) fn here(&self, observation: &[f32]) -> Option<usize> {
        let kinds = &observation[self.affordance.clone()];
        hot(kinds).filter(|&kind| kind + 1 < kinds.len())
    }

    /// The agent's own state.
    pub(super) fn body(&self, observation: &[f32]) -> Body {
        let mut meters = [0.0; MAX_METERS];
        let shown = &observation[self.meters.clone()];
        meters[..shown.len()].copy_from_slice(shown);
        let hour =
            self.hour.map_or(0, |hour| (observation[hour] * f32::from(HOURS_PER_DAY - 1)).round() as u8);
        let progress = self.progress.map_or(0, |progress| (observation[progress] * 10.0).round() as u8);
        Body { meters, hour, progress }
    }
}

/// The index of the one feature that is set.
fn hot(features: &[f32]) -> Option<usize> {
    features.iter().position(|&feature| feature > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Town, VectorEnv};

    #[test]
    fn everything_that_is_read_is_what_the_town_knows() {
        for name in Level::builtin_names() {
            let mut town = Town::new(Level::builtin(name).unwrap(), 1).unwrap();
            let sight = Sight::new(town.level());
            let grid = town.level().grid;
            for time in 0..2_000_u32 {
                let state = town.state(0);
                let observation = town.observations();
                let places = state.affordances.as_ref().unwrap();
                assert_eq!(sight.cell(observation), state.cell);
                assert_eq!(sight.here(observation), places.iter().position(|&place| place == state.cell));
                let body = sight.body(observation);
                assert_eq!(body.meters[..state.meters.len()], state.meters);
                if town.level().clock {
                    assert_eq!((body.hour, body.progress), (state.hour, state.progress));
                }
                let mut count = 0;
                sight.in_view(observation, |index, occupied| {
                    count += 1;
                    assert_eq!(occupied, places.contains(&grid.cell(index)));
                });
                assert!(count > 0);
                let mask = town.action_masks();
                let action = (0..5).map(|i| (time * time / 3 + i) % 5).find(|&it| mask[it as usize]).unwrap();
                town.step(&[action as Action]).unwrap();
            }
        }
    }
}
