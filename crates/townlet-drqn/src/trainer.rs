//! The loop: act, step, store, learn, report.

use burn::tensor::Device;
use thiserror::Error;
use townlet_env::{Action, StepError, VectorEnv, stream};
use townlet_nets::RecurrentSpatialQConfig;

use crate::actor::Actor;
use crate::config::{ConfigError, DrqnConfig};
use crate::explore::epsilon_greedy;
use crate::learner::{Learner, LearnerError, UpdateReport};
use crate::replay::{EmptyReplay, SequenceBatch, SequenceReplay};

/// Why training stopped.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environments refused a step.
    #[error(transparent)]
    Step(#[from] StepError),
    /// An update failed.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// An update was due before anything was stored.
    #[error(transparent)]
    Replay(#[from] EmptyReplay),
}

/// Where a training run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Environment steps taken, counted over all environments.
    pub steps: u64,
    /// Episodes finished.
    pub episodes: u64,
    /// Updates made.
    pub updates: u64,
    /// Transitions in the replay.
    pub stored: usize,
}

/// One finished training episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpisodeReport {
    /// Its number, from 0, in order of finishing.
    pub episode: u64,
    /// The environment it was lived in.
    pub env: usize,
    /// Environment steps taken when it ended, counted over all environments.
    pub steps: u64,
    /// How many steps it lasted.
    pub length: u64,
    /// The sum of its rewards, as the world paid them.
    pub total_reward: f64,
    /// Whether it ended in the world.
    pub terminated: bool,
    /// Whether a limit cut it off.
    pub truncated: bool,
    /// The environment's epsilon when it ended.
    pub epsilon: f64,
}

/// Is told what happens while a [`Trainer`] trains. Every method does nothing unless it is implemented;
/// `()` observes nothing at all.
pub trait TrainObserver<E> {
    /// After every step of the environments.
    fn on_step(&mut self, env: &E, progress: &Progress) {
        let _ = (env, progress);
    }

    /// After the step that ended an episode, with the environments as they are right after it.
    fn on_episode(&mut self, env: &E, episode: &EpisodeReport) {
        let _ = (env, episode);
    }

    /// After every update.
    fn on_update(&mut self, update: &UpdateReport) {
        let _ = update;
    }
}

impl<E> TrainObserver<E> for () {}

/// Trains one network in many environments.
///
/// The memory with which the agents act lives here, one state for each environment: it follows every
/// observation, is wiped for an environment when its episode ends, and no update ever touches it.
pub struct Trainer<E> {
    env: E,
    learner: Learner,
    replay: SequenceReplay,
    actor: Actor,
    seed: u64,
    /// Steps of all environments together.
    rounds: u64,
    progress: Progress,
    lengths: Vec<u64>,
    total_rewards: Vec<f64>,
    // Memory that is used again in every round.
    actions: Vec<Action>,
    ended: Vec<bool>,
    reports: Vec<EpisodeReport>,
    batch: SequenceBatch,
}

impl<E: VectorEnv> Trainer<E> {
    /// A trainer with a fresh network, in freshly reset environments. Everything random follows from `seed`.
    ///
    /// `device` is given without autodiff.
    ///
    /// # Errors
    ///
    /// Where a setting makes no sense.
    pub fn new(
        mut env: E,
        network: &RecurrentSpatialQConfig,
        config: DrqnConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        let num_envs = env.num_envs();
        env.reset(seed);
        let mut replay = SequenceReplay::new(
            config.replay_capacity,
            config.trace_length,
            num_envs,
            env.observation_layout().len(),
            env.num_actions(),
        );
        replay.start(env.observations(), env.action_masks());
        let learner = Learner::new(network, config, seed, device);
        let actor = Actor::new(learner.acting_network(), num_envs);
        Ok(Self {
            env,
            learner,
            replay,
            actor,
            seed,
            rounds: 0,
            progress: Progress::default(),
            lengths: vec![0; num_envs],
            total_rewards: vec![0.0; num_envs],
            actions: vec![0; num_envs],
            ended: vec![false; num_envs],
            reports: Vec::new(),
            batch: SequenceBatch::new(),
        })
    }

    /// Trains until at least `steps` environment steps have been taken in all.
    ///
    /// # Errors
    ///
    /// As [`round`](Self::round).
    pub fn train(&mut self, steps: u64, observer: &mut impl TrainObserver<E>) -> Result<(), TrainError> {
        while self.progress.steps < steps {
            self.round(observer)?;
        }
        Ok(())
    }

    /// One step of every environment, and the updates that are due after it.
    ///
    /// # Errors
    ///
    /// Where the environments refuse a step or an update diverges.
    pub fn round(&mut self, observer: &mut impl TrainObserver<E>) -> Result<(), TrainError> {
        self.step()?;
        for report in &self.reports {
            observer.on_episode(&self.env, report);
        }
        observer.on_step(&self.env, &self.progress);

        let now = self.progress.steps;
        let before = now - self.env.num_envs() as u64;
        let config = self.learner.config();
        let (batch_size, due) = (config.batch_size, config.schedule.updates_due(before, now));
        for _ in 0..due {
            let mut rng = stream(self.seed, "replay", self.progress.updates, 0);
            self.replay.sample(batch_size, &mut rng, &mut self.batch)?;
            let update = self.learner.update(&self.batch)?;
            self.progress.updates = update.updates;
            observer.on_update(&update);
        }
        if due > 0 {
            self.actor.set_network(self.learner.acting_network());
        }
        Ok(())
    }

    /// Acts, steps and stores.
    fn step(&mut self) -> Result<(), TrainError> {
        let num_envs = self.env.num_envs();
        let schedule = self.learner.config().epsilon;
        let steps = self.progress.steps;
        let epsilon = |env| schedule.epsilon(env, num_envs, steps);
        let values = self.actor.values(self.env.observations());
        let masks = self.env.action_masks();
        epsilon_greedy(&values, masks, epsilon, self.seed, self.rounds, &mut self.actions);

        let step = self.env.step(&self.actions)?;
        self.replay.record(&self.actions, &step);
        self.rounds += 1;
        self.progress.steps += num_envs as u64;
        self.progress.stored = self.replay.len();
        self.reports.clear();
        for env in 0..num_envs {
            self.lengths[env] += 1;
            self.total_rewards[env] += f64::from(step.rewards[env]);
            self.ended[env] = step.ended(env);
            if self.ended[env] {
                self.reports.push(EpisodeReport {
                    episode: self.progress.episodes,
                    env,
                    steps: self.progress.steps,
                    length: std::mem::take(&mut self.lengths[env]),
                    total_reward: std::mem::take(&mut self.total_rewards[env]),
                    terminated: step.terminated[env],
                    truncated: step.truncated[env],
                    epsilon: epsilon(env),
                });
                self.progress.episodes += 1;
            }
        }
        self.actor.forget(&self.ended);
        Ok(())
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The mean epsilon over all environments now.
    pub fn mean_epsilon(&self) -> f64 {
        let num_envs = self.env.num_envs();
        let schedule = self.learner.config().epsilon;
        let sum: f64 = (0..num_envs).map(|env| schedule.epsilon(env, num_envs, self.progress.steps)).sum();
        sum / num_envs as f64
    }

    /// The learner.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// The replay.
    pub fn replay(&self) -> &SequenceReplay {
        &self.replay
    }

    /// The memory that the agents act with, and the network.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The environments.
    pub fn env(&self) -> &E {
        &self.env
    }
}
