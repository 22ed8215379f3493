//! One agent of a session: its world, what drives it, and the frame that shows both.

use std::collections::VecDeque;

use rand::RngExt;
use townlet_env::{Action, AgentState, Step, StepError, Town, TownError, random_allowed, stream};
use townlet_text::printable;

use crate::frame::{
    Certificate, LaneFacts, LaneFrame, LastStep, PlaceFrame, ProgressFrame, Refusal, Taken, ThoughtFrame,
};
use crate::ledger::Ledger;
use crate::{Brain, World};

/// How many steps a certificate tells.
const LAST_STEPS: usize = 20;
/// How many cells a trail has.
const TRAIL: usize = 40;
/// Before so many changes of memory, none of them can be said to be large.
const SETTLED_AFTER: u32 = 5;

/// One agent in one world.
pub(crate) struct Lane {
    pub(crate) facts: LaneFacts,
    /// None where a person or a recording acts.
    brain: Option<Box<dyn Brain>>,
    world: Box<dyn World>,
    ledger: Ledger,
    seed: u64,
    /// Decisions since the reset; names the draws of exploration.
    decisions: u64,
    /// What the brain will do, and whether that was drawn at random.
    next: Option<(Action, bool)>,
    memory: Vec<f32>,
    /// The sum of the changes of memory in this episode, and how many there were.
    changes: (f32, u32),
    memory_jump: Option<u32>,
    trail: VecDeque<[u8; 2]>,
    last_steps: VecDeque<LastStep>,
    frame: LaneFrame,
}

impl Lane {
    /// An agent at the start of its first episode.
    pub(crate) fn new(facts: LaneFacts, brain: Option<Box<dyn Brain>>, world: Box<dyn World>) -> Self {
        let ledger = Ledger::new(world.town().level());
        Self {
            facts,
            brain,
            world,
            ledger,
            seed: 0,
            decisions: 0,
            next: None,
            memory: Vec::new(),
            changes: (0.0, 0),
            memory_jump: None,
            trail: VecDeque::new(),
            last_steps: VecDeque::new(),
            frame: LaneFrame::default(),
        }
    }

    pub(crate) fn town(&self) -> &Town {
        self.world.town()
    }

    pub(crate) fn frame(&self) -> &LaneFrame {
        &self.frame
    }

    pub(crate) fn ended(&self) -> bool {
        self.frame.ended.is_some()
    }

    /// Puts in another brain, with an empty memory. An episode should begin next.
    pub(crate) fn set_brain(&mut self, facts: LaneFacts, brain: Box<dyn Brain>) {
        self.facts = facts;
        self.brain = Some(brain);
    }

    /// Starts over from a seed.
    pub(crate) fn reset(&mut self, seed: u64, epsilon: f64) {
        self.world.reset(seed);
        self.seed = seed;
        self.decisions = 0;
        self.begin(epsilon);
    }

    /// Puts the agent in a prepared state, and begins an episode there.
    pub(crate) fn place(&mut self, state: &AgentState) -> Result<(), TownError> {
        if let Some(town) = self.world.town_mut() {
            town.place(0, state)?;
        }
        self.begin(0.0);
        Ok(())
    }

    /// Shows the episode that the world has just begun.
    pub(crate) fn begin(&mut self, epsilon: f64) {
        if let Some(brain) = &mut self.brain {
            brain.forget();
        }
        self.memory.clear();
        self.changes = (0.0, 0);
        self.memory_jump = None;
        self.trail.clear();
        self.last_steps.clear();
        let town = self.world.town();
        let grid = town.level().grid;
        let state = town.state(0);
        self.frame = LaneFrame {
            meters: Ledger::open(&state.meters),
            visits: vec![0; grid.cells()],
            uses: vec![0; town.level().affordances.len()],
            ..LaneFrame::default()
        };
        self.show(&state);
        let observation = self.world.observations().to_vec();
        let mask = self.world.action_masks().to_vec();
        self.observe(&observation, mask, Some(epsilon));
    }

    /// Takes one step: `given`, or what the brain has chosen. Does nothing where the episode is over.
    pub(crate) fn advance(&mut self, given: Option<Action>, epsilon: f64) -> Result<(), StepError> {
        let Some((action, explored)) = given.map(|action| (action, false)).or(self.next) else {
            return Ok(());
        };
        if self.ended() {
            return Ok(());
        }
        let before = self.world.town().state(0);
        let (observation, mask, reward, died, over) = {
            let step: Step<'_> = self.world.step(&[action])?;
            let (observation, mask) = step.outcome(0);
            (observation.to_vec(), mask.to_vec(), step.rewards[0], step.terminated[0], step.ended(0))
        };
        let town = self.world.town();
        let (state, used) = (town.outcome(0), town.interactions()[0]);
        let (meters, bites) = self.ledger.account(&before.meters, before.progress, action, used);
        let used = used.map(usize::from);
        self.frame.meters = meters;
        self.frame.bites = bites;
        self.frame.step += 1;
        self.frame.total_reward += f64::from(reward);
        if let Some(used) = used {
            self.frame.uses[used] += 1;
        }
        self.frame.taken = Some(Taken {
            action,
            explored,
            allowed: self.frame.mask.get(usize::from(action)).copied().unwrap_or(false),
            reward,
            used,
            completed: used.is_some_and(|used| self.ledger.completes(used, before.progress)),
            refused: refusal(town, action, &before, &state, used),
        });
        self.remember_step(action, &state, used, reward);
        self.show(&state);
        self.observe(&observation, mask, (!over).then_some(epsilon));
        if over {
            self.frame.ended = Some(self.certificate(died));
        }
        Ok(())
    }

    /// Fills in what the world looks like.
    fn show(&mut self, state: &AgentState) {
        let level = self.world.town().level();
        let cell = state.cell.into();
        self.frame.hour = state.hour;
        self.frame.cell = cell;
        self.frame.visits[level.grid.index(state.cell)] += 1;
        let cells = state.affordances.iter().flatten();
        self.frame.places = level
            .affordances
            .iter()
            .zip(cells)
            .map(|(it, &cell)| PlaceFrame {
                cell: cell.into(),
                open: it.hours.is_none_or(|hours| hours.contains(state.hour)),
            })
            .collect();
        let here = self.frame.places.iter().position(|place| place.cell == cell);
        self.frame.progress = here.map(|place| ProgressFrame {
            place,
            done: state.progress,
            required: level.affordances[place].ticks,
        });
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        self.trail.push_back(cell);
        self.frame.trail = self.trail.iter().copied().collect();
    }

    /// Lets the brain think about an observation, unless the episode is over, which `epsilon` says.
    fn observe(&mut self, observation: &[f32], mask: Vec<bool>, epsilon: Option<f64>) {
        let layout = self.world.observation_layout();
        self.frame.window =
            layout.window().map(|range| observation[range].iter().map(|&cell| cell > 0.5).collect());
        self.next = None;
        self.frame.thought = None;
        if let (Some(brain), Some(epsilon)) = (&mut self.brain, epsilon) {
            if !self.facts.keeps_memory {
                brain.forget();
            }
            let thought = brain.act(observation, &mask);
            // The draws of `townlet eval --epsilon`: the same stream, in the same order.
            let mut draws = stream(self.seed, "explore", 0, self.decisions);
            self.decisions += 1;
            let explored = draws.random_bool(epsilon);
            let action = if explored { random_allowed(&mask, &mut draws) } else { thought.action };
            let change = self.change_of_memory(&thought.memory);
            self.next = Some((action, explored));
            self.frame.thought = Some(ThoughtFrame {
                values: thought.values,
                action,
                explored,
                memory: thought.memory.iter().map(|unit| (unit * 1e4).round() / 1e4).collect(),
                memory_change: change,
                memory_jump: self.memory_jump,
            });
            self.memory = thought.memory;
        }
        self.frame.mask = mask;
    }

    fn change_of_memory(&mut self, memory: &[f32]) -> f32 {
        if memory.is_empty() {
            return 0.0;
        }
        self.memory.resize(memory.len(), 0.0);
        let squares: f32 = memory.iter().zip(&self.memory).map(|(new, old)| (new - old).powi(2)).sum();
        let change = (squares / memory.len() as f32).sqrt();
        let (sum, count) = self.changes;
        if count >= SETTLED_AFTER && change > 2.0 * sum / count as f32 {
            self.memory_jump = Some(self.frame.step);
        }
        self.changes = (sum + change, count + 1);
        change
    }

    fn remember_step(&mut self, action: Action, state: &AgentState, used: Option<usize>, reward: f32) {
        let level = self.world.town().level();
        let terminal = level.meters.iter().zip(&state.meters).filter(|(meter, _)| meter.terminal);
        let lowest = terminal.min_by(|(_, a), (_, b)| a.total_cmp(b));
        if self.last_steps.len() == LAST_STEPS {
            self.last_steps.pop_front();
        }
        self.last_steps.push_back(LastStep {
            step: self.frame.step,
            action: Town::ACTION_NAMES[usize::from(action)].to_owned(),
            cell: state.cell.into(),
            used: used.map(|used| printable(&level.affordances[used].name).into_owned()),
            reward,
            lowest: lowest.map(|(meter, &value)| (printable(&meter.name).into_owned(), value)),
            at_zero: level
                .meters
                .iter()
                .zip(&state.meters)
                .filter(|&(_, &value)| value <= 0.0)
                .map(|(meter, _)| printable(&meter.name).into_owned())
                .collect(),
        });
    }

    /// How the episode that is over ended; who and which episode is left to the session.
    fn certificate(&self, died: bool) -> Certificate {
        let town = self.world.town();
        let deaths = town.deaths()[0];
        Certificate {
            lane: 0,
            title: self.facts.title.clone(),
            episode: 0,
            steps: self.frame.step,
            died,
            causes: deaths
                .iter()
                .map(|meter| printable(&town.level().meters[meter].name).into_owned())
                .collect(),
            total_reward: self.frame.total_reward,
            meters: self.frame.meters.iter().map(|meter| meter.value).collect(),
            last_steps: self.last_steps.iter().cloned().collect(),
        }
    }

    /// Says in the certificate, where there is one, which agent and which episode it is about.
    pub(crate) fn sign(&mut self, lane: usize, episode: u64) {
        if let Some(certificate) = &mut self.frame.ended {
            certificate.lane = lane;
            certificate.episode = episode;
        }
    }
}

/// Why `action` did nothing, if so, in the order in which the town asks.
fn refusal(
    town: &Town,
    action: Action,
    before: &AgentState,
    after: &AgentState,
    used: Option<usize>,
) -> Option<Refusal> {
    let level = town.level();
    if action != Town::INTERACT {
        return (before.cell == after.cell).then_some(Refusal::Wall);
    }
    if used.is_some() {
        return None;
    }
    let mut cells = before.affordances.iter().flatten();
    let Some(here) = cells.position(|&cell| cell == before.cell).map(|here| &level.affordances[here]) else {
        return Some(Refusal::NothingHere);
    };
    let is_open = here.hours.is_none_or(|hours| hours.contains(before.hour));
    Some(if level.hours_enforced && !is_open { Refusal::Closed } else { Refusal::TooExpensive })
}
