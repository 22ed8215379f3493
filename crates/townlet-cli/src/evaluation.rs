//! Playing many episodes with a policy, and what came of them.

use std::collections::BTreeMap;

use anyhow::Result;
use rand::RngExt;
use serde::Serialize;
use townlet_drqn::{EpisodeOutcome, Policy, evaluate};
use townlet_env::{Level, MeterSet, stream};

use crate::survival::{mean, median, standard_error};
use crate::world::{View, World};

/// The most agents that play side by side. More episodes are played in several blocks, so that memory does
/// not grow with their number.
const MOST_AGENTS: usize = 256;

/// How the episodes of one policy went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Evaluation {
    /// The mean number of steps that an episode lasted.
    pub(crate) survival_mean: Option<f64>,
    /// The median number of steps.
    pub(crate) survival_median: Option<f64>,
    /// The standard error of the mean.
    pub(crate) survival_standard_error: Option<f64>,
    /// Which share of the episodes reached the step limit, 0 to 1.
    pub(crate) reached_limit: f64,
    /// The mean sum of rewards.
    pub(crate) mean_return: f64,
    /// How many agents died of what.
    pub(crate) deaths: BTreeMap<String, u64>,
}

/// Plays `episodes` episodes in the level of `view`. `policy` makes the policy for one block from its number of agents
/// and its seed.
///
/// # Errors
///
/// Where the level makes no world.
pub(crate) fn play<P: Policy>(
    view: &View,
    episodes: usize,
    seed: u64,
    mut policy: impl FnMut(usize, u64) -> P,
) -> Result<Evaluation> {
    let mut outcomes = Vec::with_capacity(episodes);
    let mut deaths = BTreeMap::new();
    for block in 0..episodes.div_ceil(MOST_AGENTS) {
        let agents = (episodes - outcomes.len()).min(MOST_AGENTS);
        let seed = block_seed(seed, block);
        let mut world = view.world(agents)?;
        outcomes.extend(evaluate(&mut world, &mut policy(agents, seed), seed, |world: &World, agent, _| {
            let cause = cause_of_death(&view.level, world.inner().deaths()[agent]);
            if !cause.is_empty() {
                *deaths.entry(cause).or_default() += 1;
            }
        })?);
    }
    Ok(summarise(&outcomes, deaths))
}

/// The seed of one block: that of the whole for the first, and one of its own for every other.
fn block_seed(seed: u64, block: usize) -> u64 {
    if block == 0 { seed } else { stream(seed, "evaluation-block", block as u64, 0).random() }
}

fn summarise(outcomes: &[EpisodeOutcome], deaths: BTreeMap<String, u64>) -> Evaluation {
    let lengths: Vec<u64> = outcomes.iter().map(|outcome| outcome.length).collect();
    let truncated = outcomes.iter().filter(|outcome| outcome.truncated).count();
    let returns: f64 = outcomes.iter().map(|outcome| outcome.total_reward).sum();
    let count = outcomes.len() as f64;
    Evaluation {
        survival_mean: mean(lengths.iter().copied()),
        survival_median: median(&lengths),
        survival_standard_error: standard_error(&lengths),
        reached_limit: truncated as f64 / count,
        mean_return: returns / count,
        deaths,
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

    #[test]
    fn every_block_plays_other_episodes() {
        let level = View::plain(Level::builtin("pomdp").unwrap());
        let random = |_, seed| RandomPolicy::new(seed);
        let first = play(&level, MOST_AGENTS, 3, random).unwrap();
        let both = play(&level, MOST_AGENTS + 40, 3, random).unwrap();
        assert_ne!(first.survival_mean, both.survival_mean);
        assert_eq!(both.deaths.values().sum::<u64>(), (MOST_AGENTS + 40) as u64);
        assert_ne!(block_seed(3, 1), block_seed(3, 2));
    }

    #[test]
    fn the_limit_is_no_death() {
        let mut level = Level::builtin("pomdp").unwrap();
        level.step_limit = 2;
        let played = play(&View::plain(level), 5, 1, |_, seed| RandomPolicy::new(seed)).unwrap();
        assert_eq!(played.reached_limit, 1.0);
        assert_eq!((played.survival_mean, played.survival_median), (Some(2.0), Some(2.0)));
        assert_eq!(played.survival_standard_error, Some(0.0));
        assert!(played.deaths.is_empty());
    }
}
