//! Playing many episodes with a policy, and what came of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::Result;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use townlet_drqn::{EpisodeOutcome, Policy, evaluate_with};
use townlet_env::{Action, Level, MeterSet, Town, stream};

use crate::stop::{Stop, Stopped};
use crate::survival::{bootstrap_interval, mean, median, standard_error};
use crate::world::{View, World};

/// The most agents that play side by side. More episodes are played in several blocks, so that memory does
/// not grow with their number.
const MOST_AGENTS: usize = 256;

/// How the episodes of one policy went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// The mean number of steps that an episode lasted.
    pub(crate) survival_mean: Option<f64>,
    /// The median number of steps.
    pub(crate) survival_median: Option<f64>,
    /// The standard error of the mean.
    pub(crate) survival_standard_error: Option<f64>,
    /// Where the mean lies with a confidence of 95 %, by bootstrap.
    pub(crate) survival_interval: Option<[f64; 2]>,
    /// Which share of the episodes reached the step limit, 0 to 1.
    pub(crate) reached_limit: f64,
    /// The mean sum of rewards.
    pub(crate) mean_return: f64,
    /// How many agents died of what.
    pub(crate) deaths: BTreeMap<String, u64>,
    /// How often each affordance was used, in an episode on average.
    pub(crate) affordance_use: BTreeMap<String, f64>,
    /// What time went by with: shares of all steps, which add up to 1.
    pub(crate) time_budget: TimeBudget,
}

/// What time went by with: shares of all steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimeBudget {
    /// Walking, also into walls.
    pub(crate) moving: f64,
    /// Using an affordance.
    pub(crate) using: f64,
    /// Trying to use what is not there, closed, or too dear.
    pub(crate) in_vain: f64,
}

/// What is counted while episodes are played.
#[derive(Default)]
struct Counts {
    deaths: BTreeMap<String, u64>,
    used: BTreeMap<String, u64>,
    moving: u64,
    in_vain: u64,
}

impl Counts {
    fn step(&mut self, town: &Town, agent: usize, action: Action) {
        match (town.interactions()[agent], action == Town::INTERACT) {
            (Some(used), _) => {
                let name = &town.level().affordances[usize::from(used)].name;
                match self.used.get_mut(name) {
                    Some(count) => *count += 1,
                    None => drop(self.used.insert(name.clone(), 1)),
                }
            }
            (None, true) => self.in_vain += 1,
            (None, false) => self.moving += 1,
        }
    }
}

/// Plays `episodes` episodes in the level of `view` with each of `seeds`. `policy` makes the policy for one block from
/// its number of agents and its seed.
///
/// # Errors
///
/// Returns an error if the level makes no world, and [`Stopped`] if `stop` says so before the last episode is over.
pub(crate) fn play<P: Policy<World>>(
    view: &View,
    episodes: usize,
    seeds: &[u64],
    stop: Stop<'_>,
    mut policy: impl FnMut(usize, u64) -> P,
) -> Result<Evaluation> {
    let mut outcomes = Vec::new();
    let counts = RefCell::new(Counts::default());
    let blocks = 0..episodes.div_ceil(MOST_AGENTS);
    let blocks = seeds.iter().flat_map(|&seed| blocks.clone().map(move |block| (seed, block)));
    for (seed, block) in blocks {
        let agents = (episodes - block * MOST_AGENTS).min(MOST_AGENTS);
        let seed = block_seed(seed, block);
        let mut world = view.world(agents)?;
        let step = |world: &World, agent, action| counts.borrow_mut().step(world.inner(), agent, action);
        let end = |world: &World, agent: usize, _: &EpisodeOutcome| {
            let cause = cause_of_death(&view.level, world.inner().deaths()[agent]);
            if !cause.is_empty() {
                *counts.borrow_mut().deaths.entry(cause).or_default() += 1;
            }
        };
        let played = evaluate_with(&mut world, &mut policy(agents, seed), seed, stop, step, end)?;
        outcomes.extend(played.ok_or(Stopped)?);
    }
    Ok(summarise(&outcomes, counts.into_inner(), seeds.first().copied().unwrap_or_default()))
}

/// The seed of one block: that of the whole for the first, and one of its own for every other.
fn block_seed(seed: u64, block: usize) -> u64 {
    if block == 0 { seed } else { stream(seed, "evaluation-block", block as u64, 0).random() }
}

fn summarise(outcomes: &[EpisodeOutcome], counts: Counts, seed: u64) -> Evaluation {
    let lengths: Vec<u64> = outcomes.iter().map(|outcome| outcome.length).collect();
    let truncated = outcomes.iter().filter(|outcome| outcome.truncated).count();
    let returns: f64 = outcomes.iter().map(|outcome| outcome.total_reward).sum();
    let count = outcomes.len() as f64;
    let steps = lengths.iter().sum::<u64>().max(1) as f64;
    let Counts { deaths, used, moving, in_vain } = counts;
    let using: u64 = used.values().sum();
    let share = |part: u64| part as f64 / steps;
    Evaluation {
        survival_mean: mean(lengths.iter().copied()),
        survival_median: median(&lengths),
        survival_standard_error: standard_error(&lengths),
        survival_interval: bootstrap_interval(&lengths, seed),
        reached_limit: truncated as f64 / count,
        mean_return: returns / count,
        deaths,
        affordance_use: used.into_iter().map(|(name, used)| (name, used as f64 / count)).collect(),
        time_budget: TimeBudget { moving: share(moving), using: share(using), in_vain: share(in_vain) },
    }
}

/// The names of the meters that an agent died of, joined by `+`; empty where it lives.
pub(crate) fn cause_of_death(level: &Level, meters: MeterSet) -> String {
    let names: Vec<&str> = meters.iter().map(|meter| level.meters[meter].name.as_str()).collect();
    names.join("+")
}

#[cfg(test)]
mod tests {
    use townlet_drqn::RandomPolicy;

    use super::*;
    use crate::stop::NEVER;

    #[test]
    fn every_block_plays_other_episodes() {
        let level = View::plain(Level::builtin("pomdp").unwrap());
        let random = |_, seed| RandomPolicy::new(seed);
        let first = play(&level, MOST_AGENTS, &[3], NEVER, random).unwrap();
        let both = play(&level, MOST_AGENTS + 40, &[3], NEVER, random).unwrap();
        assert_ne!(first.survival_mean, both.survival_mean);
        assert_eq!(both.deaths.values().sum::<u64>(), (MOST_AGENTS + 40) as u64);
        assert_ne!(block_seed(3, 1), block_seed(3, 2));
    }

    #[test]
    fn an_evaluation_that_is_not_wanted_any_more_ends_within_an_episode() {
        use std::sync::atomic::{AtomicU32, Ordering};

        let level = View::plain(Level::builtin("pomdp").unwrap());
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) == 3;
        let outcome = play(&level, 1_000_000, &[3], &stop, |_, seed| RandomPolicy::new(seed));
        assert!(outcome.unwrap_err().is::<Stopped>());
        assert_eq!(asked.into_inner(), 4, "asked before every step, and not again");
    }

    #[test]
    fn the_limit_is_no_death() {
        let mut level = Level::builtin("pomdp").unwrap();
        level.step_limit = 2;
        let played = play(&View::plain(level), 5, &[1], NEVER, |_, seed| RandomPolicy::new(seed)).unwrap();
        assert_eq!(played.reached_limit, 1.0);
        assert_eq!((played.survival_mean, played.survival_median), (Some(2.0), Some(2.0)));
        assert_eq!(played.survival_standard_error, Some(0.0));
        assert!(played.deaths.is_empty());
    }
}
