//! Agents that plan and learn nothing: one that knows everything, which is the most that a learner can come to, and
//! one that has to find out where everything is, which is a scale for memory.

mod comfort;
mod errand;
mod explorer;
mod map_memory;
mod model;
mod sight;

pub use explorer::ExplorerAgent;

use comfort::Comfort;
use errand::{Errand, Planner};
use model::{Body, Model};

use crate::{Action, Cell, Level, MAX_METERS, Town, VectorEnv};

/// An agent that knows the whole town and plans: the upper baseline, beside a random agent as the lower one.
///
/// It knows what a learner has to find out: where everything stands, what it costs and does, when it is open, and
/// what every step takes. It always looks two errands ahead, an errand being the way to a place and what is done
/// there. It foresees by the rules of the level what each leads to, and takes the pair that leaves it best off for
/// the time they take, counting low meters most. It chooses allowed actions only, nothing of it is random, and what
/// one agent does depends on that agent alone.
///
/// In the built-in levels it reaches the step limit of 500 in every episode. Agents in a
/// [`Stage`](crate::Stage) are taken for agents in none.
///
/// ```
/// use townlet_env::{Level, ScriptedAgent, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 4)?;
/// let mut scripted = ScriptedAgent::new(town.level());
/// let mut actions = [0; 4];
/// for _ in 0..500 {
///     scripted.act(&town, &mut actions);
///     town.step(&actions)?;
/// }
/// assert_eq!(town.last_step().truncated, [true; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScriptedAgent {
    planner: Planner,
    plans: Vec<Option<Plan>>,
    /// Where the affordances of the agent in hand stand.
    cells: Vec<Cell>,
    /// All affordances, since it knows them all.
    places: Vec<usize>,
}

/// What an agent is about to do.
#[derive(Clone, Copy, Debug)]
struct Plan {
    errand: Errand,
    then: Option<Errand>,
    /// The episode and the step in it at which it goes on.
    when: (u64, u32),
}

impl ScriptedAgent {
    /// An agent for towns of this level, which must make a world.
    ///
    /// # Panics
    ///
    /// Where the level names a meter that it does not have; [`validate`](Level::validate) says so first.
    pub fn new(level: &Level) -> Self {
        let model = Model::new(level);
        let comfort = Comfort::new(level, &model);
        let places = (0..level.affordances.len()).collect();
        Self { planner: Planner::new(model, comfort), plans: Vec::new(), cells: Vec::new(), places }
    }

    /// Chooses an action for each agent of `town`, `[num_envs]`.
    ///
    /// # Panics
    ///
    /// Where there is not one action for each agent, or the level of `town` has another number of meters or
    /// affordances.
    pub fn act(&mut self, town: &Town, actions: &mut [Action]) {
        let (level, model) = (town.level(), &self.planner.model);
        assert_eq!(actions.len(), town.num_envs(), "expected one action for each agent of the town");
        assert_eq!(
            (level.meters.len(), level.affordances.len()),
            (model.num_meters, model.places.len()),
            "expected a town of the level that the agent was made for"
        );
        self.plans.resize(actions.len(), None);
        let masks = town.action_masks().chunks_exact(town.num_actions());
        for (agent, ((action, cell), mask)) in actions.iter_mut().zip(town.cells()).zip(masks).enumerate() {
            *action = self.act_for(town, agent, cell, mask);
        }
    }

    fn act_for(&mut self, town: &Town, agent: usize, cell: Cell, mask: &[bool]) -> Action {
        let (episode, step) = (town.episodes()[agent], town.episode_steps()[agent]);
        let walk_about = || mask.iter().position(|&allowed| allowed).unwrap_or(0) as Action;
        let going_on = self.plans[agent].take().filter(|plan| plan.when == (episode, step));
        let Some(mut plan) = going_on.or_else(|| self.plan(town, agent, cell)) else { return walk_about() };
        let target = town.affordance_cells(agent).nth(plan.errand.place).unwrap_or(cell);
        let action = if target != cell {
            toward(cell, target)
        } else if mask[usize::from(Town::INTERACT)] {
            plan.errand.ticks -= 1;
            Town::INTERACT
        } else if self.planner.model.places[plan.errand.place].is_open(town.hours()[agent]) {
            // It has less money than was foreseen, because it is in a stage, or was put elsewhere. A new plan then.
            return walk_about();
        } else {
            // It waits for the place to open.
            walk_about()
        };
        plan.when = (episode, step + 1);
        self.plans[agent] = if plan.errand.ticks > 0 {
            Some(plan)
        } else {
            plan.then.map(|errand| Plan { errand, then: None, ..plan })
        };
        action
    }

    /// What is best for an agent now, if anything is.
    fn plan(&mut self, town: &Town, agent: usize, cell: Cell) -> Option<Plan> {
        let mut body =
            Body { meters: [0.0; MAX_METERS], hour: town.hours()[agent], progress: town.progress()[agent] };
        for (meter, value) in body.meters.iter_mut().enumerate().take(town.level().meters.len()) {
            *value = town.meter(meter)[agent];
        }
        self.cells.clear();
        self.cells.extend(town.affordance_cells(agent));
        let cells = &self.cells;
        let distance =
            |from: Option<usize>, to: usize| distance(from.map_or(cell, |from| cells[from]), cells[to]);
        let (errand, then) = self.planner.choose(&body, &self.places, distance)?;
        Some(Plan { errand, then, when: (0, 0) })
    }
}

/// The length of a shortest way; nothing on the grid is in the way.
fn distance(from: Cell, to: Cell) -> u32 {
    u32::from(from.x.abs_diff(to.x)) + u32::from(from.y.abs_diff(to.y))
}

/// The first move of a shortest way to another cell.
fn toward(from: Cell, to: Cell) -> Action {
    let [up, down, left, right] = [0, 1, 2, 3];
    if to.y < from.y {
        up
    } else if to.y > from.y {
        down
    } else if to.x < from.x {
        left
    } else {
        right
    }
}
