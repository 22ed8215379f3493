//! What a run records while it goes on.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use townlet_drqn::{EpisodeReport, Progress, StageChange, StateFault, TrainObserver, UpdateReport};
use townlet_env::VectorEnv;
use townlet_metrics::{EpisodeRow, FinishedEpisode, Record, Recorder, StageRow, UpdateRow};
use tracing::debug;

use crate::episode_tracker::EpisodeTracker;
use crate::evaluation::cause_of_death;
use crate::run_config::RunConfig;
use crate::survival::SurvivalWindows;
use crate::world::World;

/// What is counted from the beginning of a run or of an episode on, and therefore goes into a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) survival: SurvivalWindows,
    pub(crate) loss: Option<f32>,
    tracker: EpisodeTracker,
    /// Environment steps over all agents, when a step was made last.
    steps: u64,
}

impl Counted {
    /// Of a run that begins in this world.
    pub(crate) fn new(world: &World) -> Self {
        Self {
            survival: SurvivalWindows::default(),
            loss: None,
            tracker: EpisodeTracker::new(world.inner()),
            steps: 0,
        }
    }
}

impl Counted {
    /// Checks that what was saved can be of a run that stands here.
    pub(crate) fn check(&self, world: &World, progress: &Progress) -> Result<(), StateFault> {
        let longest = u64::from(world.inner().level().step_limit);
        self.survival.check(progress.episodes, longest).map_err(|fault| fault.of("survival"))?;
        StateFault::finite("loss", self.loss)?;
        self.tracker.check(world.inner()).map_err(|fault| fault.of("tracker"))?;
        StateFault::same("steps", &self.steps, &progress.steps)
    }
}

/// Hands on what happens to the recorder, if there is one.
pub(crate) struct Observer<'a> {
    config: &'a RunConfig,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) counted: Counted,
    /// The first thing that could not be recorded, if one could not.
    pub(crate) failure: Option<anyhow::Error>,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(config: &'a RunConfig, recorder: Option<Recorder>, counted: Counted) -> Self {
        Self { config, recorder, counted, failure: None }
    }

    pub(crate) fn record(&mut self, record: impl Into<Record>) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.record(record)
        {
            self.failure.get_or_insert(error.into());
        }
    }

    /// Waits until everything so far is on the disk.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.recorder.as_mut().map_or(Ok(()), |recorder| Ok(recorder.sync()?))
    }
}

impl TrainObserver<World> for Observer<'_> {
    fn on_step(&mut self, world: &World, progress: &Progress) {
        self.counted.steps = progress.steps;
        self.counted.tracker.step(world.inner());
    }

    fn on_episode(&mut self, world: &World, episode: &EpisodeReport) {
        self.counted.survival.push(episode.length);
        let town = world.inner();
        let counts = self.counted.tracker.finish(town, episode.env);
        let row = EpisodeRow {
            episode: episode.episode,
            steps: episode.steps,
            agent: episode.env as u64,
            survival_time: episode.length,
            total_reward: episode.total_reward + episode.intrinsic_weight * episode.intrinsic_reward,
            extrinsic_reward: episode.total_reward,
            intrinsic_reward: episode.intrinsic_reward,
            intrinsic_weight: episode.intrinsic_weight,
            curriculum_stage: episode.stage as u64,
            epsilon: episode.epsilon,
            terminated: episode.terminated,
            truncated: episode.truncated,
            cause: cause_of_death(town.level(), town.deaths()[episode.env]),
        };
        let death = row.death();
        self.record(FinishedEpisode { row, visits: counts.visits, heat: counts.heat });
        if let Some(death) = death {
            self.record(death);
        }
    }

    fn on_stage_change(&mut self, world: &World, change: &StageChange) {
        let StageChange { agent, from, to, survival, entropy, .. } = *change;
        // The step that ended the episode has been made, and is not counted yet.
        let steps = self.counted.steps + world.num_envs() as u64;
        let (agent, from, to) = (agent as u64, from as u64, to as u64);
        self.record(StageRow { steps, agent, from, to, survival, entropy });
    }

    fn on_update(&mut self, update: &UpdateReport) {
        debug!(?update);
        self.counted.loss = Some(update.loss);
        if self.recorder.is_some() {
            self.record(UpdateRow {
                update: update.updates,
                steps: self.counted.steps,
                loss: update.loss.into(),
                grad_norm: update.grad_norm.into(),
                mean_q: update.mean_q.into(),
                mean_target: update.mean_target.into(),
                epsilon: self.config.learner.epsilon.mean(self.config.agents, self.counted.steps),
                learning_rate: self.config.learner.learning_rate_after(update.updates - 1),
            });
        }
    }
}
