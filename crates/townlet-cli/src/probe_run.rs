//! One agent that learns a probe, and what is measured of it on the way.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Result, bail};
use rand::RngExt;
use serde::Serialize;
use townlet_drqn::{
    Actor, EpisodeReport, NetworkPolicy, TrainObserver, Trainer, UpdateReport, evaluate_with,
};
use townlet_env::probes::{DelayedTMaze, MemoryScore, Probe, ProbeEnv};
use townlet_env::{PreviousInputs, VectorEnv, stream};
use townlet_nets::Backend;
use townlet_nets::device::in_pool;

use crate::probe_settings::ProbeSettings;
use crate::progress::{ProgressDisplay, Status};
use crate::run_config::Budget;
use crate::stop::{Stop, Stopped};

/// Over how many of the last training episodes their mean return is taken.
const LAST_EPISODES: usize = 100;
/// Over how many episodes the preference at the junction is taken.
const PREFERENCE_EPISODES: usize = 64;

/// How one agent learns.
pub(crate) struct Plan<'a> {
    pub(crate) settings: &'a ProbeSettings,
    pub(crate) backend: Backend,
    /// What everything random follows from.
    pub(crate) seed: u64,
    pub(crate) budget: Budget,
    /// Whether learning ends as soon as the task is solved.
    pub(crate) until_solved: bool,
    /// Show no progress.
    pub(crate) quiet: bool,
    pub(crate) stop: Stop<'a>,
}

/// What came of one agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ProbeRun {
    pub(crate) seed: u64,
    /// Environment steps, counted over all agents.
    pub(crate) steps: u64,
    pub(crate) episodes: u64,
    pub(crate) updates: u64,
    /// Of training and looking.
    pub(crate) seconds: f64,
    /// Whether the task counts as solved, where it has a rule for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) solved: Option<bool>,
    /// After how many steps the greedy return was that of the best policy for the first time of two in a row.
    pub(crate) solved_at: Option<u64>,
    /// The mean greedy return in the end.
    pub(crate) greedy_return: f64,
    /// The mean return of the last 100 training episodes, exploration and all.
    pub(crate) training_return: Option<f64>,
    /// By how much the right arm of a delayed T-maze is valued above the wrong one, at the junction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preference: Option<f64>,
    /// How often the training episodes failed, where guessing is 1: bsuite's measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) regret_ratio: Option<f64>,
}

/// One look at the greedy return.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Look {
    pub(crate) steps: u64,
    pub(crate) greedy_return: f64,
}

/// What the training episodes came to.
#[derive(Default)]
struct Record {
    last: VecDeque<f64>,
    score: MemoryScore,
    loss: Option<f32>,
}

impl<E> TrainObserver<E> for Record {
    fn on_episode(&mut self, _env: &E, episode: &EpisodeReport) {
        if self.last.len() == LAST_EPISODES {
            self.last.pop_front();
        }
        self.last.push_back(episode.total_reward);
        // In the task that this score is for, the last step alone pays.
        self.score.record(episode.total_reward as f32);
    }

    fn on_update(&mut self, update: &UpdateReport) {
        self.loss = Some(update.loss);
    }
}

/// An agent that has learned.
pub(crate) struct Learned<P: Probe> {
    pub(crate) run: ProbeRun,
    pub(crate) looks: Vec<Look>,
    /// bsuite's measure of the training episodes, for the task that has it.
    pub(crate) score: MemoryScore,
    trainer: Trainer<PreviousInputs<ProbeEnv<P>>>,
}

/// Lets an agent learn `probe`.
///
/// # Errors
///
/// Returns an error if the backend does not work or an update diverges, and [`Stopped`] if the plan's `stop` says so.
pub(crate) fn learn<P>(probe: P, plan: &Plan<'_>) -> Result<Learned<P>>
where
    P: Probe + Copy + Send + Sync,
    P::Episode: Send,
{
    let Plan { settings, seed, .. } = *plan;
    let device = plan.backend.device()?;
    let env = settings.world(probe, settings.agents);
    let network = settings.network.network(&env);
    let mut trainer = Trainer::new(env, &network, settings.learner.clone(), seed, &device)?;
    let mut record = Record::default();
    let mut looks = Vec::new();
    let mut display = ProgressDisplay::new(plan.budget, trainer.progress(), plan.quiet);
    let started = Instant::now();
    let outcome = in_pool(&device, || -> Result<()> {
        let every = settings.evaluation.every;
        loop {
            let progress = *trainer.progress();
            let looked = looks.last().map_or(0, |look: &Look| look.steps);
            let done = match plan.budget {
                Budget::Steps(steps) => progress.steps >= steps,
                Budget::Episodes(episodes) => progress.episodes >= episodes,
            };
            if done {
                trainer.finish(&mut record)?;
            }
            if done || progress.steps / every > looked / every {
                let greedy_return = look(probe, &trainer, plan, looks.len())?;
                looks.push(Look { steps: progress.steps, greedy_return });
            }
            if done || (plan.until_solved && solved_at(&probe, &looks).is_some()) {
                return Ok(());
            }
            if (plan.stop)() {
                bail!(Stopped);
            }
            trainer.round(&mut record)?;
            display.update(trainer.progress(), || Status {
                survival: None,
                epsilon: trainer.mean_epsilon(),
                loss: record.loss,
                evaluated: None,
            });
        }
    });
    display.finish();
    outcome?;
    let progress = trainer.progress();
    let count = record.last.len();
    let run = ProbeRun {
        seed,
        steps: progress.steps,
        episodes: progress.episodes,
        updates: progress.updates,
        seconds: started.elapsed().as_secs_f64(),
        solved: None,
        solved_at: solved_at(&probe, &looks),
        greedy_return: looks.last().map_or(f64::NAN, |look| look.greedy_return),
        training_return: (count > 0).then(|| record.last.iter().sum::<f64>() / count as f64),
        preference: None,
        regret_ratio: None,
    };
    Ok(Learned { run, looks, score: record.score, trainer })
}

/// The mean return of greedy episodes, others at every look.
fn look<P>(
    probe: P,
    trainer: &Trainer<PreviousInputs<ProbeEnv<P>>>,
    plan: &Plan<'_>,
    number: usize,
) -> Result<f64>
where
    P: Probe + Copy + Send + Sync,
    P::Episode: Send,
{
    let episodes = plan.settings.evaluation.episodes;
    let seed = stream(plan.seed, "probe-evaluation", number as u64, 0).random();
    let mut policy = NetworkPolicy::new(&trainer.learner().acting_network(), episodes, 0.0, seed);
    let mut world = plan.settings.world(probe, episodes);
    let outcomes = evaluate_with(&mut world, &mut policy, seed, plan.stop, |_, _, _| {}, |_, _, _| {})?;
    let outcomes = outcomes.ok_or(Stopped)?;
    Ok(outcomes.iter().map(|outcome| outcome.total_reward).sum::<f64>() / episodes as f64)
}

/// When the first of the first two looks in a row was made that saw the best return.
fn solved_at(probe: &impl Probe, looks: &[Look]) -> Option<u64> {
    let optimum = f64::from(probe.optimal_return());
    let best = |look: &Look| look.greedy_return >= optimum;
    looks.windows(2).find(|pair| pair.iter().all(best)).map(|pair| pair[0].steps)
}

impl Learned<DelayedTMaze> {
    /// By how much the right arm is valued above the wrong one, standing at the junction: the mean over episodes
    /// of both goals. `settings` are those that it was learned with.
    pub(crate) fn preference(&self, settings: &ProbeSettings) -> Result<f64> {
        let maze = *self.trainer.env().inner().probe();
        let mut env = settings.world(maze, PREFERENCE_EPISODES);
        env.reset(stream(self.run.seed, "probe-preference", 0, 0).random());
        let width = env.observation_layout().len();
        let goals: Vec<bool> = env.observations().chunks_exact(width).map(|seen| seen[1] > 0.0).collect();
        let mut actor = Actor::new(&self.trainer.learner().acting_network(), PREFERENCE_EPISODES);
        for _ in 0..maze.junction_time() {
            actor.values(env.observations());
            env.step(&[0; PREFERENCE_EPISODES])?;
        }
        let values = actor.values(env.observations()).chunks_exact(2);
        let preferences = values.zip(goals).map(|(q, goal)| if goal { q[1] - q[0] } else { q[0] - q[1] });
        Ok(preferences.map(f64::from).sum::<f64>() / PREFERENCE_EPISODES as f64)
    }
}

#[cfg(test)]
mod tests {
    use townlet_env::probes::PassiveTMaze;

    use super::*;

    #[test]
    fn solved_is_two_looks_in_a_row() {
        let looks = |returns: &[f64]| -> Vec<Look> {
            let numbered = (1..).zip(returns);
            numbered.map(|(number, &greedy_return)| Look { steps: 100 * number, greedy_return }).collect()
        };
        let solved = |returns: &[f64]| solved_at(&PassiveTMaze::new(3), &looks(returns));
        assert_eq!(solved(&[]), None);
        assert_eq!(solved(&[0.0, 1.0]), None);
        assert_eq!(solved(&[1.0, 0.5, 1.0, 0.99]), None);
        assert_eq!(solved(&[1.0, 0.5, 1.0, 1.0, 0.0]), Some(300));
    }
}
