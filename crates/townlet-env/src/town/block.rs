//! The state of all agents in columns, and a range of it to work on.

use std::array;

use super::agent::MeterSet;
use super::plan::{ACTIONS, NO_AFFORDANCE, Plan};
use crate::MAX_METERS;

/// How many agents are worked on at a time: few enough that their rows stay in the first-level cache.
pub(super) const BLOCK: usize = 128;

/// Why splitting a column cannot fail.
const ENOUGH: &str = "a block is split at one of its agents";

/// Declares [`Columns`], which owns a `Vec` per column, and [`Block`], which borrows a range of each, so
/// that the two cannot drift apart. The number after a column is how many entries each agent has in it.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr, |$plan:ident| $width:expr;)*) => {
        /// All agents: one entry or row per agent in each column.
        #[derive(Clone, Debug)]
        pub(super) struct Columns {
            /// One column per meter.
            pub(super) meters: Vec<Vec<f32>>,
            /// One column per meter, as it was at the end of the last finished episode.
            pub(super) final_meters: Vec<Vec<f32>>,
            $($(#[$doc])* pub(super) $name: Vec<$type>,)*
        }

        /// Some consecutive agents.
        pub(super) struct Block<'a> {
            /// The index of its first agent.
            pub(super) first: usize,
            pub(super) meters: [&'a mut [f32]; MAX_METERS],
            pub(super) final_meters: [&'a mut [f32]; MAX_METERS],
            $(pub(super) $name: &'a mut [$type],)*
        }

        impl Columns {
            pub(super) fn new(plan: &Plan, agents: usize) -> Self {
                Self {
                    meters: vec![vec![0.0; agents]; plan.num_meters],
                    final_meters: vec![vec![0.0; agents]; plan.num_meters],
                    $($name: { let $plan = plan; vec![$value; agents * $width] },)*
                }
            }

            /// All agents as one block.
            pub(super) fn block(&mut self) -> Block<'_> {
                Block {
                    first: 0,
                    meters: slices(&mut self.meters),
                    final_meters: slices(&mut self.final_meters),
                    $($name: &mut self.$name,)*
                }
            }
        }

        impl<'a> Block<'a> {
            /// Splits off the first `agents` agents.
            pub(super) fn take(&mut self, plan: &Plan, agents: usize) -> Block<'a> {
                let first = self.first;
                self.first += agents;
                Block {
                    first,
                    meters: split_off(&mut self.meters, agents),
                    final_meters: split_off(&mut self.final_meters, agents),
                    $($name: {
                        let $plan = plan;
                        self.$name.split_off_mut(..agents * $width).expect(ENOUGH)
                    },)*
                }
            }
        }
    };
}

columns! {
    /// The number of the cell that the agent stands on.
    cells: u16 = 0, |_plan| 1;
    /// The affordance on that cell, or `NO_AFFORDANCE`.
    here: u8 = NO_AFFORDANCE, |_plan| 1;
    hours: u8 = 0, |_plan| 1;
    progress: u8 = 0, |_plan| 1;
    episode_steps: u32 = 0, |_plan| 1;
    episodes: u64 = 0, |_plan| 1;
    /// The ground, where each agent has its own.
    grounds: u8 = NO_AFFORDANCE, |plan| if plan.shuffled { plan.ground.len } else { 0 };
    /// The cells of the affordances, where each agent has its own.
    layouts: u16 = 0, |plan| if plan.shuffled { plan.num_affordances } else { 0 };

    observations: f32 = 0.0, |plan| plan.features;
    action_masks: bool = false, |_plan| ACTIONS;
    rewards: f32 = 0.0, |_plan| 1;
    terminated: bool = false, |_plan| 1;
    truncated: bool = false, |_plan| 1;
    interactions: Option<u8> = None, |_plan| 1;
    deaths: MeterSet = MeterSet::default(), |_plan| 1;

    final_observations: f32 = 0.0, |plan| plan.features;
    final_action_masks: bool = false, |_plan| ACTIONS;
    final_cells: u16 = 0, |_plan| 1;
    final_hours: u8 = 0, |_plan| 1;
    final_progress: u8 = 0, |_plan| 1;
    final_episode_steps: u32 = 0, |_plan| 1;
    final_layouts: u16 = 0, |plan| if plan.shuffled { plan.num_affordances } else { 0 };
}

impl Block<'_> {
    /// The number of agents.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }
}

/// One slice per column, and empty ones for the meters that the level does not have.
fn slices(columns: &mut [Vec<f32>]) -> [&mut [f32]; MAX_METERS] {
    let mut columns = columns.iter_mut();
    array::from_fn(|_| columns.next().map(Vec::as_mut_slice).unwrap_or_default())
}

/// The first `agents` entries of every column; the columns of meters that do not exist stay empty.
fn split_off<'a>(columns: &mut [&'a mut [f32]; MAX_METERS], agents: usize) -> [&'a mut [f32]; MAX_METERS] {
    columns.each_mut().map(|column| column.split_off_mut(..agents.min(column.len())).expect(ENOUGH))
}
