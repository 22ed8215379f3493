//! An agent that knows the rules and not the map: a scale for how much a learner remembers.

use super::comfort::Comfort;
use super::errand::{Errand, Planner};
use super::map_memory::{Horizon, MapMemory};
use super::model::{Body, Model};
use super::sight::Sight;
use super::{distance, toward};
use crate::{Action, Cell, Level, Town};

/// Above what share of each terminal meter an agent explores although it could do something about the meter.
const AT_EASE: f32 = 0.45;
/// By how much a step an interaction has to make an agent that explores better off.
const WORTHWHILE: f32 = 0.02;

/// An agent that sees what a learner sees, remembers it for a number of steps, and plans with what it remembers.
///
/// It knows the rules of the level: what everything costs and does. It does not know where anything stands, and has to
/// find out: it looks at what stands around it, goes to places to learn what they are, and remembers each for so
/// many steps after it last stood there. With the places that it remembers it plans as
/// [`ScriptedAgent`](crate::ScriptedAgent) does. It looks at observations and action masks only, chooses allowed
/// actions only, and nothing about it is random.
///
/// On a map that is new in every episode, the number of steps that it has to remember to live as long as a trained
/// agent says how much that agent's memory is worth.
///
/// ```
/// use townlet_env::{ExplorerAgent, Level, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp-shuffled")?, 4)?;
/// let mut explorer = ExplorerAgent::new(town.level(), None);
/// let mut actions = [0; 4];
/// for _ in 0..20 {
///     explorer.act(town.observations(), town.action_masks(), &mut actions);
///     let step = town.step(&actions)?;
///     let ended: Vec<bool> = (0..4).map(|env| step.ended(env)).collect();
///     explorer.forget(&ended);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExplorerAgent {
    planner: Planner,
    sight: Sight,
    level: Level,
    horizon: Horizon,
    minds: Vec<Mind>,
    /// The places that the agent in hand remembers.
    known: Vec<usize>,
}

/// What one agent remembers and is about to do.
#[derive(Clone, Debug)]
struct Mind {
    map: MapMemory,
    plan: Option<Plan>,
}

/// An errand and the one after it.
#[derive(Clone, Copy, Debug)]
struct Plan {
    errand: Errand,
    then: Option<Errand>,
}

/// What one agent observes now.
struct Now<'a> {
    cell: Cell,
    here: Option<usize>,
    body: Body,
    mask: &'a [bool],
}

impl ExplorerAgent {
    /// An agent for towns of this level, which must make a world.
    ///
    /// It remembers a place for `memory` steps after it last stood there, and a cell for as many after it last saw
    /// it; to the end of the episode if `memory` is `None`.
    ///
    /// # Panics
    ///
    /// If the level names a meter that it does not have; [`validate`](Level::validate) says so first.
    pub fn new(level: &Level, memory: Option<u32>) -> Self {
        let model = Model::new(level);
        let comfort = Comfort::new(level, &model);
        Self {
            planner: Planner::new(model, comfort),
            sight: Sight::new(level),
            level: level.clone(),
            horizon: Horizon::new(memory),
            minds: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Chooses an action for each agent, `[num_envs]`, from `observations`, `[num_envs, features]`, and
    /// `action_masks`, `[num_envs, num_actions]`. Features that follow those of the level are not looked at.
    ///
    /// # Panics
    ///
    /// If there are fewer rows of either than actions, or the features of an observation are fewer than the level's.
    pub fn act(&mut self, observations: &[f32], action_masks: &[bool], actions: &mut [Action]) {
        let num_envs = actions.len().max(1);
        let (features, num_actions) = (observations.len() / num_envs, action_masks.len() / num_envs);
        let (grid, places) = (self.level.grid, self.level.affordances.len());
        let horizon = self.horizon;
        self.minds
            .resize_with(actions.len(), || Mind { map: MapMemory::new(grid, places, horizon), plan: None });
        let rows =
            observations.chunks_exact(features.max(1)).zip(action_masks.chunks_exact(num_actions.max(1)));
        assert_eq!(rows.len(), actions.len(), "expected a row of observations and of masks for each action");
        for (env, (action, (observation, mask))) in actions.iter_mut().zip(rows).enumerate() {
            *action = self.act_for(env, observation, mask);
        }
    }

    /// Forgets the episode of each agent that `ended`, `[num_envs]`.
    pub fn forget(&mut self, ended: &[bool]) {
        for (mind, _) in self.minds.iter_mut().zip(ended).filter(|(_, ended)| **ended) {
            mind.map.clear();
            mind.plan = None;
        }
    }

    fn act_for(&mut self, env: usize, observation: &[f32], mask: &[bool]) -> Action {
        let map = &mut self.minds[env].map;
        let cell = self.sight.cell(observation);
        let here = self.sight.here(observation);
        self.sight.in_view(observation, |index, occupied| map.see(index, occupied));
        if let Some(here) = here {
            map.stand_on(here, cell);
        }
        let now = Now { cell, here, body: self.sight.body(observation), mask };
        let action = self.explore(env, &now).unwrap_or_else(|| self.follow_plan(env, &now));
        self.minds[env].map.tick();
        action
    }

    /// What an agent does to learn more of the map, if it can afford to and there is more.
    fn explore(&mut self, env: usize, now: &Now<'_>) -> Option<Action> {
        let Mind { map, plan } = &mut self.minds[env];
        if map.knows_all() || !self.planner.model.is_at_ease(&now.body, map) {
            return None;
        }
        *plan = None;
        if let Some(here) = now.here.filter(|_| now.allows(Town::INTERACT)) {
            // What was begun is brought to its end.
            let worthwhile = now.body.progress > 0
                || self.planner.gain_here(&now.body, here).is_some_and(|gain| gain > WORTHWHILE);
            if worthwhile {
                return Some(Town::INTERACT);
            }
        }
        now.toward_nearest(map.unexplored(self.level.grid))
    }

    /// What an agent does to get what it needs, by the places that it remembers.
    fn follow_plan(&mut self, env: usize, now: &Now<'_>) -> Action {
        let Mind { map, plan } = &mut self.minds[env];
        let remembered = |plan: &Plan| map.place(plan.errand.place).is_some();
        let Some(mut going_on) = plan.take().filter(remembered).or_else(|| {
            self.known.clear();
            self.known.extend(map.known());
            let cell = |place: Option<usize>| place.and_then(|place| map.place(place)).unwrap_or(now.cell);
            let way = |from: Option<usize>, to: usize| distance(cell(from), cell(Some(to)));
            let (errand, then) = self.planner.choose(&now.body, &self.known, way)?;
            Some(Plan { errand, then })
        }) else {
            // Nothing that it remembers is of use.
            return now.toward_nearest(map.unexplored(self.level.grid)).unwrap_or_else(|| now.walk_about());
        };
        let place = going_on.errand.place;
        if now.here != Some(place) {
            *plan = Some(going_on);
            let target = map.place(place).unwrap_or(now.cell);
            return if target == now.cell { now.walk_about() } else { toward(now.cell, target) };
        }
        if now.allows(Town::INTERACT) {
            going_on.errand.ticks -= 1;
            *plan = if going_on.errand.ticks > 0 {
                Some(going_on)
            } else {
                going_on.then.map(|errand| Plan { errand, then: None })
            };
            return Town::INTERACT;
        }
        // It waits for the place to open, or plans again if that is not what keeps it out.
        *plan = (!self.planner.model.places[place].is_open(now.body.hour)).then_some(going_on);
        now.walk_about()
    }
}

impl Model {
    /// Whether the agent is well enough to look around: no terminal meter is low that a place it remembers could
    /// raise.
    fn is_at_ease(&self, body: &Body, map: &MapMemory) -> bool {
        let can_raise = |meter| map.known().any(|place| self.places[place].gain(meter) > 0.0);
        self.terminal.iter().all(|&meter| body.meters[meter] > AT_EASE || !can_raise(meter))
    }
}

impl Now<'_> {
    fn allows(&self, action: Action) -> bool {
        self.mask.get(usize::from(action)) == Some(&true)
    }

    /// The first action that is allowed.
    fn walk_about(&self) -> Action {
        self.mask.iter().position(|&allowed| allowed).unwrap_or(0) as Action
    }

    /// The first move toward the nearest of `cells`; toward the first of them if several are as near.
    fn toward_nearest(&self, cells: impl Iterator<Item = Cell>) -> Option<Action> {
        let nearest =
            cells.filter(|&cell| cell != self.cell).min_by_key(|&cell| distance(self.cell, cell))?;
        Some(toward(self.cell, nearest))
    }
}
