//! The state of all agents in columns, and a range of it to work on.

use std::array;

use super::agent::MeterSet;
use super::plan::{ACTIONS, NO_AFFORDANCE, Plan};
use crate::MAX_METERS;

/// How many agents are worked on at a time: few enough that their rows stay in the first-level cache.
pub(super) const BLOCK: usize = 128;

/// From how many agents on a town is shared out among threads. Threads that sleep take some tens of
/// microseconds to wake, in which one thread steps about two thousand agents.
const SHARED_FROM: usize = 4096;

/// How many agents make a share that is not split further: whole blocks, about ten microseconds of work.
const SHARE: usize = 4 * BLOCK;

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

    /// Calls `work` on these agents, a block at a time. Many agents are shared out among rayon's threads.
    ///
    /// Which agents make a block does not depend on the threads, and no block reaches another; so the
    /// results do not depend on the threads either.
    pub(super) fn for_each_block(self, plan: &Plan, work: &(impl Fn(Block<'_>) + Sync)) {
        if self.len() >= SHARED_FROM && rayon::current_num_threads() > 1 {
            self.share(plan, work);
        } else {
            self.work_alone(plan, work);
        }
    }

    /// Halves the agents until the shares are small; idle threads take halves.
    fn share(mut self, plan: &Plan, work: &(impl Fn(Block<'_>) + Sync)) {
        if self.len() <= SHARE {
            return self.work_alone(plan, work);
        }
        let half = (self.len() / 2).next_multiple_of(BLOCK);
        let left = self.take(plan, half);
        rayon::join(|| left.share(plan, work), || self.share(plan, work));
    }

    fn work_alone(mut self, plan: &Plan, work: &impl Fn(Block<'_>)) {
        while self.len() > BLOCK {
            work(self.take(plan, BLOCK));
        }
        // Not split off: that would cost a single agent a quarter of its step.
        work(self);
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

/// Limits a meter to its range.
pub(super) fn clip(value: f32) -> f32 {
    value.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::Level;

    fn plan_and_columns(agents: usize) -> (Plan, Columns) {
        let plan = Plan::new(&Level::builtin("pomdp").unwrap());
        let columns = Columns::new(&plan, agents);
        (plan, columns)
    }

    #[test]
    fn blocks_are_the_same_on_any_number_of_threads() {
        // Neither whole blocks nor whole shares, and halves of it are not whole either.
        let agents = SHARED_FROM + 3 * SHARE + BLOCK + 44;
        let (plan, mut columns) = plan_and_columns(agents);
        let expected: Vec<_> =
            (0..agents).step_by(BLOCK).map(|first| (first, BLOCK.min(agents - first))).collect();
        for threads in [1, 2, 3, 7] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = Mutex::new(Vec::new());
            pool.install(|| {
                columns.block().for_each_block(&plan, &|agents| {
                    found.lock().unwrap().push((agents.first, agents.len()));
                });
            });
            let mut found = found.into_inner().unwrap();
            found.sort_unstable();
            assert_eq!(found, expected, "{threads} threads");
        }
    }

    #[test]
    fn a_large_town_is_worked_on_by_several_threads() {
        let (plan, mut columns) = plan_and_columns(SHARED_FROM);
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            columns.block().for_each_block(&plan, &|agents| {
                // One thread alone would wait here for a block that it reaches later.
                if agents.first == 0 {
                    let waited = receiver.lock().unwrap().recv_timeout(Duration::from_mins(1));
                    waited.expect("another thread works on the last block");
                } else if agents.first == SHARED_FROM - BLOCK {
                    sender.send(()).unwrap();
                }
            });
        });
    }

    #[test]
    fn a_small_town_stays_on_the_calling_thread() {
        let (plan, mut columns) = plan_and_columns(SHARED_FROM - 1);
        let caller = thread::current().id();
        columns.block().for_each_block(&plan, &|_| assert_eq!(thread::current().id(), caller));
    }
}
