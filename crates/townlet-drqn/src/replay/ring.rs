//! Finished episodes in a flat ring.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use townlet_env::Action;

use super::priorities::Priorities;
use super::running::RunningEpisode;
use super::{End, ReplayFacts, Stretch, Windows, check_actions, state_row};
use crate::packed;
use crate::state_fault::StateFault;

/// `capacity` transitions in one block of memory, cut into episodes.
///
/// Transitions are numbered from the first one ever stored; number n lies in slot n modulo the capacity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EpisodeRing {
    capacity: usize,
    windows: Windows,
    features: usize,
    num_actions: usize,
    /// The observation before each transition, `[slots used, features]`.
    #[serde(with = "packed::floats")]
    observations: Vec<f32>,
    /// `[slots used, num_actions]`
    #[serde(with = "packed::bools")]
    masks: Vec<bool>,
    #[serde(with = "serde_bytes")]
    actions: Vec<Action>,
    #[serde(with = "packed::floats")]
    rewards: Vec<f32>,
    episodes: VecDeque<StoredEpisode>,
    priorities: Option<Priorities>,
    /// The number of the next transition.
    next: u64,
    /// How many windows were ever stored: the first window of the next episode.
    next_window: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredEpisode {
    /// The number of its first transition.
    first: u64,
    len: usize,
    end: End,
    /// The number of its first window, counted like transitions. In order of storing these ascend, so the
    /// episode of a window is found by bisection.
    first_window: u64,
    /// The observation after the last transition, and its mask. They have no slot: slots hold what came
    /// before a transition.
    #[serde(with = "packed::floats")]
    last_observation: Box<[f32]>,
    #[serde(with = "packed::bools")]
    last_mask: Box<[bool]>,
    /// As in a running episode.
    #[serde(with = "packed::floats")]
    states: Box<[f32]>,
    #[serde(with = "packed::floats")]
    intrinsic: Box<[f32]>,
}

impl EpisodeRing {
    pub(super) fn new(capacity: usize, windows: Windows, features: usize, num_actions: usize) -> Self {
        Self {
            capacity,
            windows,
            features,
            num_actions,
            observations: Vec::new(),
            masks: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            episodes: VecDeque::new(),
            priorities: None,
            next: 0,
            next_window: 0,
        }
    }

    /// Checks that what was read from a file can stand in the place of `fresh`, an empty ring of the run.
    pub(super) fn check(&self, fresh: &Self, of: &ReplayFacts<'_>) -> Result<(), StateFault> {
        StateFault::same("capacity", &self.capacity, &fresh.capacity)?;
        StateFault::same("windows", &self.windows, &fresh.windows)?;
        StateFault::same("features", &self.features, &fresh.features)?;
        StateFault::same("num_actions", &self.num_actions, &fresh.num_actions)?;
        let most = of.steps;
        StateFault::ensure(self.next <= most, "next", self.next, format_args!("at most {most}"))?;
        let used = slots_used(self.next, self.capacity);
        StateFault::length("actions", self.actions.len(), used)?;
        check_actions(&self.actions, self.num_actions)?;
        StateFault::length("observations", self.observations.len(), used * self.features)?;
        StateFault::finite("observations", self.observations.iter().copied())?;
        StateFault::length("masks", self.masks.len(), used * self.num_actions)?;
        StateFault::length("rewards", self.rewards.len(), used)?;
        StateFault::finite("rewards", self.rewards.iter().copied())?;
        self.check_episodes(of)?;
        match (&self.priorities, &fresh.priorities) {
            (None, None) => Ok(()),
            (Some(found), Some(fresh)) => {
                let mut begins = vec![false; self.capacity];
                for episode in &self.episodes {
                    for start in self.windows.starts(episode.len) {
                        begins[slot(episode.first + start as u64, self.capacity)] = true;
                    }
                }
                found.check(fresh, &begins).map_err(|fault| fault.of("priorities"))
            }
            (found, expected) => StateFault::same("priorities", &found.is_some(), &expected.is_some()),
        }
    }

    /// Checks that one episode follows the other up to the newest transition, and that all of them fit.
    fn check_episodes(&self, of: &ReplayFacts<'_>) -> Result<(), StateFault> {
        let Some(oldest) = self.episodes.front() else {
            StateFault::ensure(self.next == 0, "next", self.next, "0, where there are no episodes")?;
            let expected = "0, where there are no episodes";
            return StateFault::ensure(self.next_window == 0, "next_window", self.next_window, expected);
        };
        let (mut next, mut next_window) = (Some(oldest.first), Some(oldest.first_window));
        let mut stored = 0_usize;
        for (index, episode) in self.episodes.iter().enumerate() {
            let within = format!("episodes[{index}]");
            self.check_episode(episode, next, next_window, of).map_err(|fault| fault.of(&within))?;
            stored += episode.len;
            next = episode.first.checked_add(episode.len as u64);
            next_window = episode.first_window.checked_add(self.windows.count(episode.len));
            // Asked each time, so that the sum stays small.
            let capacity = self.capacity;
            let lengths = format_args!("episodes of {stored} steps or more");
            StateFault::ensure(
                stored <= capacity,
                "episodes",
                lengths,
                format_args!("at most {capacity} steps"),
            )?;
        }
        StateFault::same("next", &Some(self.next), &next)?;
        StateFault::same("next_window", &Some(self.next_window), &next_window)?;
        let most = self.next;
        StateFault::ensure(
            self.next_window <= most,
            "next_window",
            self.next_window,
            format_args!("at most {most}"),
        )
    }

    /// Checks one episode, which is to begin with these numbers.
    fn check_episode(
        &self,
        episode: &StoredEpisode,
        first: Option<u64>,
        first_window: Option<u64>,
        of: &ReplayFacts<'_>,
    ) -> Result<(), StateFault> {
        let len = episode.len;
        let most = self.capacity;
        StateFault::ensure((1..=most).contains(&len), "len", len, format_args!("1 to {most} steps"))?;
        // One that goes on is here only if there was no more room for it beside the ring.
        let whole = episode.end != End::Open || len == self.capacity;
        StateFault::ensure(whole, "end", format_args!("{:?}", episode.end), "the end of an episode")?;
        StateFault::same("first", &Some(episode.first), &first)?;
        StateFault::same("first_window", &Some(episode.first_window), &first_window)?;
        StateFault::length("last_observation", episode.last_observation.len(), self.features)?;
        StateFault::finite("last_observation", episode.last_observation.iter().copied())?;
        StateFault::length("last_mask", episode.last_mask.len(), self.num_actions)?;
        of.check_extras(len, self.windows.period, &episode.states, &episode.intrinsic)
    }

    /// From now on the windows have priorities; nothing is stored yet.
    pub(super) fn prioritise(&mut self, priorities: Priorities) {
        debug_assert!(self.episodes.is_empty());
        self.priorities = Some(priorities);
    }

    pub(super) fn priorities(&self) -> Option<&Priorities> {
        self.priorities.as_ref()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of transitions stored.
    pub(super) fn len(&self) -> usize {
        self.episodes.front().map_or(0, |oldest| (self.next - oldest.first) as usize)
    }

    pub(super) fn num_episodes(&self) -> usize {
        self.episodes.len()
    }

    /// The number of windows that can be drawn.
    pub(super) fn num_windows(&self) -> u64 {
        self.episodes.front().map_or(0, |oldest| self.next_window - oldest.first_window)
    }

    /// Stores an episode, which is at most as long as the ring, in the place of the oldest.
    pub(super) fn store(&mut self, episode: &RunningEpisode) {
        let len = episode.len();
        debug_assert!(0 < len && len <= self.capacity);
        while self.len() + len > self.capacity {
            let dropped = self.episodes.pop_front();
            if let (Some(dropped), Some(priorities)) = (dropped, &mut self.priorities) {
                for start in self.windows.starts(dropped.len) {
                    priorities.leave(slot(dropped.first + start as u64, self.capacity));
                }
            }
        }
        // No more slots than were ever used: a young replay is small, in memory and in a checkpoint.
        let used = slots_used(self.next + len as u64, self.capacity);
        if used > self.actions.len() {
            self.observations.resize(used * self.features, 0.0);
            self.masks.resize(used * self.num_actions, false);
            self.actions.resize(used, 0);
            self.rewards.resize(used, 0.0);
        }
        for index in 0..len {
            let slot = self.slot(self.next + index as u64);
            let (observation, mask) = episode.observation(index);
            self.observations[slot * self.features..][..self.features].copy_from_slice(observation);
            self.masks[slot * self.num_actions..][..self.num_actions].copy_from_slice(mask);
            (self.actions[slot], self.rewards[slot]) = episode.transition(index);
        }
        let (observation, mask) = episode.observation(len);
        self.episodes.push_back(StoredEpisode {
            first: self.next,
            len,
            end: episode.end(),
            first_window: self.next_window,
            last_observation: observation.into(),
            last_mask: mask.into(),
            states: episode.states.as_slice().into(),
            intrinsic: episode.intrinsic.as_slice().into(),
        });
        if let Some(priorities) = &mut self.priorities {
            for start in self.windows.starts(len) {
                priorities.enter(slot(self.next + start as u64, self.capacity), self.windows.share(len));
            }
        }
        self.next += len as u64;
        self.next_window += self.windows.count(len);
    }

    /// The number of the transition with which window `index`, `0..num_windows`, begins.
    pub(super) fn window(&self, index: u64) -> u64 {
        let number = self.episodes[0].first_window + index;
        let after = self.episodes.partition_point(|episode| episode.first_window <= number);
        let episode = &self.episodes[after - 1];
        episode.first + self.windows.start(number - episode.first_window) as u64
    }

    /// A window drawn by priority with `draw` in [0, 1): the number of its first transition, and its
    /// importance weight among `windows`. None where nothing is stored or nothing has a priority.
    pub(super) fn draw(&self, draw: f64, windows: u64) -> Option<(u64, f64)> {
        let priorities = self.priorities.as_ref()?;
        let slot = priorities.find(draw)?;
        let oldest = self.episodes.front()?.first;
        // The stored transition that lies in the slot: the oldest comes first, then one slot after another.
        let capacity = self.capacity;
        let after = (slot + capacity - self.slot(oldest)) % capacity;
        let number = oldest + after as u64;
        let (episode, _) = self.window_from(number)?;
        let share = self.windows.share(episode.len());
        Some((number, priorities.weight(slot, share, windows)))
    }

    /// The episode of the window that begins with transition `number`, and the window's place in it. None
    /// where the transition is no longer stored.
    pub(super) fn window_from(&self, number: u64) -> Option<(StoredStretch<'_>, usize)> {
        let after = self.episodes.partition_point(|episode| episode.first <= number);
        let episode = self.episodes.get(after.checked_sub(1)?)?;
        let start = (number - episode.first) as usize;
        (start < episode.len).then_some((StoredStretch { ring: self, episode }, start))
    }

    /// Gives the window that begins with transition `number` the priority that follows from its errors, if
    /// it is still stored.
    pub(super) fn learned(&mut self, number: u64, errors: impl Iterator<Item = f64>) {
        let Some((episode, _)) = self.window_from(number) else { return };
        let share = self.windows.share(episode.len());
        let slot = self.slot(number);
        if let Some(priorities) = &mut self.priorities {
            priorities.learned(slot, share, errors);
        }
    }

    fn slot(&self, number: u64) -> usize {
        slot(number, self.capacity)
    }
}

/// How many slots have ever held one of the first `next` transitions.
fn slots_used(next: u64, capacity: usize) -> usize {
    usize::try_from(next).map_or(capacity, |next| next.min(capacity))
}

/// Where transition `number` lies.
fn slot(number: u64, capacity: usize) -> usize {
    (number % capacity as u64) as usize
}

/// One episode of the ring.
pub(super) struct StoredStretch<'a> {
    ring: &'a EpisodeRing,
    episode: &'a StoredEpisode,
}

impl Stretch for StoredStretch<'_> {
    fn len(&self) -> usize {
        self.episode.len
    }

    fn end(&self) -> End {
        self.episode.end
    }

    fn observation(&self, index: usize) -> (&[f32], &[bool]) {
        if index == self.episode.len {
            return (&self.episode.last_observation, &self.episode.last_mask);
        }
        let slot = self.ring.slot(self.episode.first + index as u64);
        let (features, actions) = (self.ring.features, self.ring.num_actions);
        (
            &self.ring.observations[slot * features..][..features],
            &self.ring.masks[slot * actions..][..actions],
        )
    }

    fn state(&self, index: usize) -> &[f32] {
        state_row(&self.episode.states, index, self.episode.len, self.ring.windows.period)
    }

    fn transition(&self, index: usize) -> (Action, f32) {
        let slot = self.ring.slot(self.episode.first + index as u64);
        (self.ring.actions[slot], self.ring.rewards[slot])
    }

    fn intrinsic(&self) -> &[f32] {
        &self.episode.intrinsic
    }
}
