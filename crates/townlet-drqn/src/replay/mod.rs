//! Experience replay of whole sequences.

mod batch;
mod priorities;
mod ring;
mod running;
mod sum_tree;

use rand::Rng;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use townlet_env::{Action, Step};

pub use self::batch::{SequenceBatch, WindowId};
use self::priorities::Priorities;
use self::ring::EpisodeRing;
use self::running::RunningEpisode;
use crate::state_fault::StateFault;

/// How a stored stretch of experience ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    /// The episode ended in the world.
    Terminated,
    /// The episode was cut off by a limit.
    Truncated,
    /// The episode goes on.
    Open,
}

/// A stretch of one episode: `len` transitions and the `len + 1` observations around them.
trait Stretch {
    fn len(&self) -> usize;
    fn end(&self) -> End;
    /// Observation and action mask number `index`, `0..=len`.
    fn observation(&self, index: usize) -> (&[f32], &[bool]);
    /// The memory before transition `index`, a multiple of the period; empty where none is stored.
    fn state(&self, index: usize) -> &[f32];
    /// Action and reward of transition `index`, `0..len`.
    fn transition(&self, index: usize) -> (Action, f32);
    /// The intrinsic reward of each transition, without a weight: `[len]`, or empty where none is stored.
    fn intrinsic(&self) -> &[f32];
}

/// What may be stored with a step of every environment, beside what the world says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// The memory that each environment's agent had before it saw the observation on which it acted:
    /// `[num_envs, width]`.
    pub states: &'a [f32],
    /// What novelty each environment's agent found, without a weight, in the units of the world's rewards:
    /// `[num_envs]`.
    pub intrinsic: &'a [f32],
}

/// Nothing has been stored yet, so nothing can be sampled.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the replay is empty: step the environments before sampling")]
pub struct EmptyReplay;

/// Stores episodes of many environments and samples sequences of a fixed length from them.
///
/// * Finished episodes lie one after the other in a flat ring of `capacity` transitions; the oldest make
///   room for the newest. Each observation is stored once: an episode of T steps keeps its T + 1
///   observations, because the last step bootstraps from the last of them.
/// * Running episodes can be sampled as far as they have come: their newest observation is bootstrapped
///   from like any other.
/// * Every possible window has the same chance, so long episodes are not drawn more rarely than short ones
///   for each of their steps. A [`prioritised`](Self::prioritised) replay draws windows of finished episodes
///   by how large their errors were instead.
/// * A window never leaves its episode. An episode shorter than the sequence is padded at its end and the
///   padding marked as not valid, so that early deaths are learned from too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SequenceReplay {
    windows: Windows,
    burn_in: usize,
    intrinsic_weight: f64,
    num_actions: usize,
    features: usize,
    finished: EpisodeRing,
    running: Vec<RunningEpisode>,
}

impl SequenceReplay {
    /// An empty replay of `capacity` transitions for `num_envs` environments, from which sequences of
    /// `trace_length` steps are drawn.
    ///
    /// # Panics
    ///
    /// Where `capacity` or `trace_length` is 0.
    pub fn new(
        capacity: usize,
        trace_length: usize,
        num_envs: usize,
        features: usize,
        num_actions: usize,
    ) -> Self {
        assert!(capacity > 0 && trace_length > 0, "a replay holds at least one transition");
        let windows = Windows { trace_length, period: 1, whole: false };
        Self {
            windows,
            burn_in: 0,
            intrinsic_weight: 1.0,
            num_actions,
            features,
            finished: EpisodeRing::new(capacity, windows, features, num_actions),
            running: vec![RunningEpisode::new(features, num_actions, windows.period); num_envs],
        }
    }

    /// The same replay, empty, whose windows begin only every `period` steps of an episode, and bring along
    /// up to `burn_in` steps before them (R2D2, Kapturowski et al. 2019, sections 2.3 and 3).
    ///
    /// # Panics
    ///
    /// Where `period` is 0, or larger than the sequences are long: some steps would be in none.
    #[must_use]
    pub fn windowed(self, period: usize, burn_in: usize) -> Self {
        let reach = 1..=self.windows.trace_length;
        assert!(reach.contains(&period), "windows begin at different steps and leave none out");
        let windows = Windows { period, ..self.windows };
        self.emptied(windows, burn_in)
    }

    /// The same replay, empty, whose windows are whole episodes, as far as they have come: a batch is as long as
    /// the longest of them (Hausknecht and Stone 2015, "Bootstrapped Sequential Updates").
    ///
    /// An episode is as likely to be drawn as it is long.
    #[must_use]
    pub fn whole_episodes(self) -> Self {
        let windows = Windows { whole: true, ..self.windows };
        self.emptied(windows, 0)
    }

    fn emptied(self, windows: Windows, burn_in: usize) -> Self {
        let Self { num_actions, features, intrinsic_weight, .. } = self;
        let mut finished = EpisodeRing::new(self.finished.capacity(), windows, features, num_actions);
        if let Some(priorities) = self.finished.priorities() {
            finished.prioritise(priorities.emptied(finished.capacity()));
        }
        let running = vec![RunningEpisode::new(features, num_actions, windows.period); self.running.len()];
        Self { windows, burn_in, intrinsic_weight, num_actions, features, finished, running }
    }

    /// The same replay, empty, whose windows are drawn in proportion to a power `alpha` of their errors, with
    /// importance weights of exponent `beta` (Schaul et al. 2016; for sequences Kapturowski et al. 2019).
    ///
    /// Running episodes have no priorities; they are drawn from only until the first episode is stored.
    #[must_use]
    pub fn prioritised(self, alpha: f64, beta: f64) -> Self {
        let (windows, burn_in) = (self.windows, self.burn_in);
        let mut replay = self.emptied(windows, burn_in);
        replay.finished.prioritise(Priorities::new(replay.finished.capacity(), alpha, beta));
        replay
    }

    /// Starts an episode in every environment, throwing away whatever was running.
    ///
    /// `observations` is `[num_envs, features]`, `action_masks` `[num_envs, num_actions]`.
    pub fn start(&mut self, observations: &[f32], action_masks: &[bool]) {
        let rows = observations.chunks_exact(self.features).zip(action_masks.chunks_exact(self.num_actions));
        for (running, (observation, mask)) in self.running.iter_mut().zip(rows) {
            running.start(observation, mask);
        }
    }

    /// How many times intrinsic rewards count.
    pub fn intrinsic_weight(&self) -> f64 {
        self.intrinsic_weight
    }

    /// From now on intrinsic rewards count so many times in every batch that is drawn, those of old experience
    /// too; 1 at first.
    pub fn set_intrinsic_weight(&mut self, weight: f64) {
        self.intrinsic_weight = weight;
    }

    /// Stores one step of every environment: the actions taken and what they led to.
    pub fn record(&mut self, actions: &[Action], step: &Step<'_>) {
        self.record_with(actions, step, Extras::default());
    }

    /// [`record`](Self::record), together with more that is known of the step. What is empty is not stored;
    /// either every step of a replay is recorded with states, or none is, and so with intrinsic rewards.
    pub fn record_with(&mut self, actions: &[Action], step: &Step<'_>, extras: Extras<'_>) {
        let Extras { states, intrinsic } = extras;
        let width = states.len() / actions.len().max(1);
        for (env, &action) in actions.iter().enumerate() {
            let end = match (step.terminated[env], step.truncated[env]) {
                (true, _) => End::Terminated,
                (false, true) => End::Truncated,
                (false, false) => End::Open,
            };
            let running = &mut self.running[env];
            let (observation, mask) = step.outcome(env);
            running.remember(&states[env * width..][..width]);
            running.push(action, step.rewards[env], observation, mask, end);
            running.intrinsic.extend(intrinsic.get(env));
            if end == End::Open {
                // An episode without an end must not grow for ever: what fits the ring goes there.
                if running.len() == self.finished.capacity() {
                    self.finished.store(running);
                    running.start(observation, mask);
                }
            } else {
                self.finished.store(running);
                let next = &step.observations[env * self.features..][..self.features];
                let next_mask = &step.action_masks[env * self.num_actions..][..self.num_actions];
                running.start(next, next_mask);
            }
        }
    }

    /// The number of transitions stored, those of running episodes included.
    pub fn len(&self) -> usize {
        self.finished.len() + self.running.iter().map(Stretch::len).sum::<usize>()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of finished episodes stored.
    pub fn num_episodes(&self) -> usize {
        self.finished.num_episodes()
    }

    /// The number of steps of a sampled sequence, where it is not a whole episode.
    pub fn trace_length(&self) -> usize {
        self.windows.trace_length
    }

    /// Draws `batch_size` sequences with replacement into `batch`, whose memory is used again: each window
    /// equally likely, or by priority.
    ///
    /// # Errors
    ///
    /// Where nothing is stored yet.
    pub fn sample(
        &self,
        batch_size: usize,
        rng: &mut impl Rng,
        batch: &mut SequenceBatch,
    ) -> Result<(), EmptyReplay> {
        let finished = self.finished.num_windows();
        let running: u64 = self.running.iter().map(|episode| self.windows_of(episode)).sum();
        if finished + running == 0 {
            return Err(EmptyReplay);
        }
        let by_priority = finished > 0 && self.finished.priorities().is_some();
        let mut weights = Vec::new();
        let places: Vec<Place> = (0..batch_size)
            .map(|_| {
                if by_priority {
                    let (place, weight) = self.draw_by_priority(rng);
                    weights.push(weight);
                    place
                } else {
                    self.place(rng.random_range(0..finished + running))
                }
            })
            .collect();
        let longest = places.iter().map(|&place| self.episode_len(place)).max();
        let time = longest.filter(|_| self.windows.whole).unwrap_or(self.windows.trace_length);
        batch.clear(batch_size, time, self.features, self.num_actions);
        for (row, &place) in places.iter().enumerate() {
            self.fill(batch, row, place);
            if let (true, Place::Finished(number)) = (by_priority, place) {
                batch.windows.push(WindowId(number));
            }
        }
        // How much more rarely a fair draw would have come to each row, the largest weight being 1.
        let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        batch.weights.extend(weights.iter().map(|weight| (weight / largest) as f32));
        Ok(())
    }

    /// A window of a finished episode, and its importance weight, not yet related to others.
    fn draw_by_priority(&self, rng: &mut impl Rng) -> (Place, f64) {
        let drawn = self.finished.draw(rng.random(), self.finished.num_windows());
        let (number, weight) = drawn.expect("every stored window has a priority");
        (Place::Finished(number), weight)
    }

    /// Copies the window that begins at `place` into a row of a batch.
    fn fill(&self, batch: &mut SequenceBatch, row: usize, place: Place) {
        let (burn_in, weight) = (self.burn_in, self.intrinsic_weight);
        match place {
            Place::Finished(number) => {
                let (episode, start) = self.finished.window_from(number).expect("the window is stored");
                batch.fill(row, &episode, start, burn_in, weight);
            }
            Place::Running(env, start) => batch.fill(row, &self.running[env], start, burn_in, weight),
        }
    }

    /// Where window `index` of all, finished episodes first, begins.
    fn place(&self, index: u64) -> Place {
        let finished = self.finished.num_windows();
        if index < finished {
            return Place::Finished(self.finished.window(index));
        }
        let mut window = index - finished;
        for (env, episode) in self.running.iter().enumerate() {
            let count = self.windows_of(episode);
            if window < count {
                return Place::Running(env, self.windows.start(window));
            }
            window -= count;
        }
        unreachable!("the window was drawn below the sum of all counts")
    }

    /// How long the episode around a window is, as far as it is stored.
    fn episode_len(&self, place: Place) -> usize {
        match place {
            Place::Finished(number) => {
                self.finished.window_from(number).map_or(0, |(episode, _)| episode.len())
            }
            Place::Running(env, _) => self.running[env].len(),
        }
    }

    /// Gives the windows of `batch` the priorities that follow from their errors, `[batch, time]` as
    /// [`Learner::td_errors`](crate::Learner::td_errors) has them. Windows that were overwritten since they
    /// were drawn are passed over; so is every batch that was not drawn by priority.
    ///
    /// # Panics
    ///
    /// Where there is not an error for each step of the batch.
    pub fn update_priorities(&mut self, batch: &SequenceBatch, td_errors: &[f32]) {
        if batch.windows.is_empty() {
            return;
        }
        assert_eq!(td_errors.len(), batch.batch * batch.time, "one error for each step of the batch");
        let rows = td_errors.chunks_exact(batch.time).zip(batch.valid.chunks_exact(batch.time));
        for (WindowId(number), (errors, valid)) in batch.windows.iter().zip(rows) {
            let happened = errors.iter().zip(valid).filter(|(_, valid)| **valid);
            self.finished.learned(*number, happened.map(|(error, _)| f64::from(error.abs())));
        }
    }

    /// Checks that what was read from a file can stand in the place of `fresh`, an empty replay of the run.
    pub(crate) fn check(&self, fresh: &Self, of: &ReplayFacts<'_>) -> Result<(), StateFault> {
        StateFault::same("windows", &self.windows, &fresh.windows)?;
        StateFault::same("burn_in", &self.burn_in, &fresh.burn_in)?;
        StateFault::same("num_actions", &self.num_actions, &fresh.num_actions)?;
        StateFault::same("features", &self.features, &fresh.features)?;
        StateFault::same("intrinsic_weight", &self.intrinsic_weight, &of.intrinsic_weight)?;
        self.finished.check(&fresh.finished, of).map_err(|fault| fault.of("finished"))?;
        StateFault::length("running", self.running.len(), fresh.running.len())?;
        let capacity = self.finished.capacity();
        let running = self.running.iter().zip(&fresh.running);
        for (env, (running, fresh)) in running.enumerate() {
            let seen = &of.observations[env * self.features..][..self.features];
            let mask = &of.action_masks[env * self.num_actions..][..self.num_actions];
            let outcome = running.check(fresh, capacity, of).and_then(|()| running.check_last(seen, mask));
            outcome.map_err(|fault| fault.of(&format!("running[{env}]")))?;
        }
        let lengths = self.running.iter().map(Stretch::len);
        let holds = lengths.zip(of.lengths).all(|(found, &lived)| found as u64 <= lived);
        StateFault::ensure(
            holds,
            "running",
            "an episode that is longer than its agent has lived",
            "no such episode",
        )
    }

    fn windows_of(&self, episode: &RunningEpisode) -> u64 {
        self.windows.count(episode.len())
    }
}

/// What a replay that is read back is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplayFacts<'a> {
    /// How many steps the run has made, over all environments.
    pub(crate) steps: u64,
    /// How many steps the episode of each environment has lasted.
    pub(crate) lengths: &'a [u64],
    /// How wide a stored memory is; 0 where none is stored.
    pub(crate) state_width: usize,
    /// Whether intrinsic rewards are stored.
    pub(crate) pays: bool,
    /// How many times they count.
    pub(crate) intrinsic_weight: f64,
    /// What the environments show now, `[num_envs, features]`.
    pub(crate) observations: &'a [f32],
    /// What they allow now, `[num_envs, num_actions]`.
    pub(crate) action_masks: &'a [bool],
}

impl ReplayFacts<'_> {
    /// Checks what is stored of an episode of `len` steps beside its transitions.
    fn check_extras(
        &self,
        len: usize,
        period: usize,
        states: &[f32],
        intrinsic: &[f32],
    ) -> Result<(), StateFault> {
        StateFault::length("states", states.len(), len.div_ceil(period) * self.state_width)?;
        StateFault::finite("states", states.iter().copied())?;
        StateFault::length("intrinsic", intrinsic.len(), if self.pays { len } else { 0 })?;
        StateFault::finite("intrinsic", intrinsic.iter().copied())
    }
}

/// Checks that every action is one of so many.
fn check_actions(actions: &[Action], num_actions: usize) -> Result<(), StateFault> {
    let expected = format!("an action below {num_actions}");
    StateFault::each(
        "actions",
        actions.iter().copied(),
        |action| usize::from(action) < num_actions,
        &expected,
    )
}

/// Where a window begins.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// With the transition of this number, in a finished episode.
    Finished(u64),
    /// In this environment's running episode, with this transition.
    Running(usize, usize),
}

/// Which windows a stretch of experience has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Windows {
    /// The number of steps of a window.
    trace_length: usize,
    /// A window begins at every so many-th step, from the first; at most the trace length, so that every window
    /// has a step and every step a window.
    period: usize,
    /// Whether there is only one window, the whole stretch, which is drawn as often as one that begins at every
    /// step would be: by its length.
    whole: bool,
}

impl Windows {
    /// How many windows a stretch of `len` steps has: as many as it takes until the last step is in one. The
    /// last window is padded where it reaches beyond the stretch.
    fn count(self, len: usize) -> u64 {
        if self.whole {
            len as u64
        } else if len == 0 {
            0
        } else {
            (len.saturating_sub(self.trace_length).div_ceil(self.period) + 1) as u64
        }
    }

    /// The transition with which window `index` of a stretch begins.
    fn start(self, index: u64) -> usize {
        if self.whole { 0 } else { index as usize * self.period }
    }

    /// The transitions with which the windows of a stretch of `len` steps begin, each named once.
    fn starts(self, len: usize) -> impl Iterator<Item = usize> {
        let distinct = self.count(len) / self.share(len);
        (0..distinct).map(move |window| self.start(window))
    }

    /// As how many windows each distinct window of a stretch of `len` steps counts.
    fn share(self, len: usize) -> u64 {
        if self.whole { len.max(1) as u64 } else { 1 }
    }
}

/// The state before transition `index` of a stretch of `len` among its `states`, one every `period`.
fn state_row(states: &[f32], index: usize, len: usize, period: usize) -> &[f32] {
    debug_assert!(states.is_empty() || index.is_multiple_of(period), "no state was stored before {index}");
    let width = states.len() / len.div_ceil(period).max(1);
    &states[index / period * width..][..width]
}
