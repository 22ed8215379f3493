//! What an agent that explores remembers of the map.

use crate::{Cell, Grid};

/// How long something is remembered, in steps.
///
/// Something seen `horizon` steps ago is still remembered; one step later it is forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon(Option<u32>);

impl Horizon {
    /// `None` forgets nothing.
    pub(super) fn new(steps: Option<u32>) -> Self {
        Self(steps)
    }

    fn holds(self, when: u32, now: u32) -> bool {
        self.0.is_none_or(|steps| now - when <= steps)
    }
}

/// What an agent was told of a cell when it last saw it.
#[derive(Clone, Copy, Debug, Default)]
struct Sighting {
    /// `None` if it has not seen the cell in this episode.
    when: Option<u32>,
    /// Whether something stands there.
    occupied: bool,
}

/// The map as one agent remembers it, from the beginning of its episode.
#[derive(Clone, Debug)]
pub(super) struct MapMemory {
    horizon: Horizon,
    now: u32,
    /// By the index of the cell.
    sightings: Vec<Sighting>,
    /// By the index of the affordance: where the agent stood on it, and when last.
    places: Vec<Option<(Cell, u32)>>,
}

impl MapMemory {
    /// An agent that has seen nothing yet.
    pub(super) fn new(grid: Grid, num_places: usize, horizon: Horizon) -> Self {
        Self {
            horizon,
            now: 0,
            sightings: vec![Sighting::default(); grid.cells()],
            places: vec![None; num_places],
        }
    }

    /// Forgets everything, because an episode begins.
    pub(super) fn clear(&mut self) {
        self.now = 0;
        self.sightings.fill(Sighting::default());
        self.places.fill(None);
    }

    /// Lets a step pass.
    pub(super) fn tick(&mut self) {
        self.now += 1;
    }

    /// Notes whether something stands on the cell with this index.
    pub(super) fn see(&mut self, index: usize, occupied: bool) {
        self.sightings[index] = Sighting { when: Some(self.now), occupied };
    }

    /// Notes that the agent stands on `place`.
    pub(super) fn stand_on(&mut self, place: usize, cell: Cell) {
        self.places[place] = Some((cell, self.now));
    }

    /// Where `place` is, if the agent remembers it.
    pub(super) fn place(&self, place: usize) -> Option<Cell> {
        let (cell, when) = self.places[place]?;
        self.horizon.holds(when, self.now).then_some(cell)
    }

    /// The indices of the places that the agent remembers, in the order of the level.
    pub(super) fn known(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.places.len()).filter(|&place| self.place(place).is_some())
    }

    /// Whether the agent remembers every place.
    pub(super) fn knows_all(&self) -> bool {
        self.known().count() == self.places.len()
    }

    /// What is worth a look: places of which the agent remembers that something stands there but not what, or, if
    /// there are none, cells of which it remembers nothing.
    pub(super) fn unexplored(&self, grid: Grid) -> impl Iterator<Item = Cell> + '_ {
        let remembered = |index: usize| {
            let Sighting { when, occupied } = self.sightings[index];
            when.is_some_and(|when| self.horizon.holds(when, self.now)).then_some(occupied)
        };
        let is_known = move |cell: Cell| self.known().any(|place| self.place(place) == Some(cell));
        let unnamed = move |index: usize| remembered(index) == Some(true) && !is_known(grid.cell(index));
        let any_unnamed = (0..self.sightings.len()).any(unnamed);
        (0..self.sightings.len())
            .filter(move |&index| if any_unnamed { unnamed(index) } else { remembered(index).is_none() })
            .map(move |index| grid.cell(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { width: 3, height: 2 };

    #[test]
    fn a_place_is_remembered_for_as_long_as_the_horizon() {
        for (horizon, steps) in [(Some(0), 0), (Some(2), 2), (Some(7), 7)] {
            let mut memory = MapMemory::new(GRID, 2, Horizon::new(horizon));
            memory.stand_on(1, Cell { x: 2, y: 1 });
            for _ in 0..steps {
                memory.tick();
            }
            assert_eq!(memory.place(1), Some(Cell { x: 2, y: 1 }), "{horizon:?}");
            memory.tick();
            assert_eq!(memory.place(1), None, "{horizon:?}");
        }
    }

    #[test]
    fn without_a_horizon_only_the_end_of_the_episode_forgets() {
        let mut memory = MapMemory::new(GRID, 1, Horizon::new(None));
        memory.stand_on(0, Cell { x: 0, y: 0 });
        (0..10_000).for_each(|_| memory.tick());
        assert!(memory.knows_all());
        memory.clear();
        assert!(!memory.knows_all());
    }

    #[test]
    fn what_stands_somewhere_is_looked_at_before_what_was_never_seen() {
        let mut memory = MapMemory::new(GRID, 2, Horizon::new(Some(5)));
        let unexplored = |memory: &MapMemory| memory.unexplored(GRID).collect::<Vec<_>>();
        assert_eq!(unexplored(&memory).len(), 6);
        memory.see(0, false);
        memory.see(4, true);
        assert_eq!(unexplored(&memory), [Cell { x: 1, y: 1 }]);
        memory.stand_on(0, Cell { x: 1, y: 1 });
        assert_eq!(unexplored(&memory).len(), 4, "all but the two cells that were seen");
        (0..6).for_each(|_| memory.tick());
        assert_eq!(unexplored(&memory).len(), 6, "what was seen is forgotten");
    }
}
