//! A run, while it trains and afterwards.

use std::iter;

use anyhow::{Context, Result};
use townlet_drqn::Checkpoint;
use townlet_env::{Level, VectorEnv};
use townlet_metrics::{EpisodeRow, Metrics, grouped};
use townlet_nets::QNetwork;
use townlet_viewer::{Baseline, Brain, CheckpointInfo, RunFacts, Source, SourceError, SurvivalPoint, World};

use super::baselines;
use super::network_brain::NetworkBrain;
use crate::best_weights::{self, Best};
use crate::messages;
use crate::run_config::RunConfig;
use crate::run_directory::{RunDirectory, Weights};
use crate::run_status::RunStatus;
use crate::world::View;

/// What the network is called that the run began with.
const UNTRAINED: &str = "untrained";
/// The most points of a survival curve.
const MOST_POINTS: usize = 300;

/// A run directory.
pub(super) struct RunSource {
    run: RunDirectory,
    config: RunConfig,
    /// The run's level first, then the built-in ones in which agents see the same.
    levels: Vec<Level>,
    baselines: Vec<Baseline>,
    /// Whether the file of the best weights is lost, and they are to be had elsewhere.
    best_is_elsewhere: bool,
}

impl RunSource {
    pub(super) fn new(run: RunDirectory, config: RunConfig) -> Result<Self> {
        let mut levels = vec![config.level.clone()];
        for name in Level::builtin_names() {
            let level = Level::builtin(name)?;
            let view = View { level: level.clone(), ..config.view() };
            let seen = view.world(1)?.observation_layout().clone();
            if level.name != config.level.name && seen == config.network.layout {
                levels.push(level);
            }
        }
        let baselines = baselines(&config.view())?;
        // Asked once, because it reads whole checkpoints. Before the first evaluation nothing is lost.
        let mut best_is_elsewhere = false;
        if !run.is_locked() {
            let best = Best::of(&run, &config);
            best_is_elsewhere = matches!(best, Best::InCheckpoint(_) | Best::AreLast);
            if let Some(note) = best.note(&run) {
                messages::warning(note);
            }
        }
        Ok(Self { run, config, levels, baselines, best_is_elsewhere })
    }

    /// What the run is called: its folder, and not where that lies on the disk, which is nobody's business.
    fn name(&self) -> String {
        let path = self.run.path();
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        whole.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// An error as everybody who watches may see it: without where the run lies.
    fn told(&self, error: &anyhow::Error) -> String {
        let path = self.run.path();
        let places = [path.canonicalize().ok(), Some(path.to_path_buf())];
        let text = format!("{error:#}");
        // A place such as `.` names nothing, and would be found in every sentence.
        places
            .iter()
            .flatten()
            .filter(|place| place.file_name().is_some())
            .fold(text, |text, place| text.replace(&*place.to_string_lossy(), &self.name()))
    }

    fn status(&self) -> Option<RunStatus> {
        RunStatus::read(&self.run.status_file()).ok()
    }

    /// The best and the last weights, as far as there are any.
    fn weights(&self) -> Vec<CheckpointInfo> {
        let status = self.status();
        let steps = status.as_ref().map_or(0, |status| status.steps);
        let best =
            evaluations(self.metrics().as_ref()).into_iter().max_by(|a, b| a.survival.total_cmp(&b.survival));
        let of = |which: Weights, steps, label: &str| {
            let elsewhere = which == Weights::Best && self.best_is_elsewhere;
            (self.run.has_weights(which) || elsewhere).then(|| CheckpointInfo {
                id: which.name().to_owned(),
                steps,
                episodes: None,
                label: label.to_owned(),
                epsilon: None,
            })
        };
        let last = of(Weights::Last, steps, "last weights");
        let best = of(Weights::Best, best.map_or(0, |best| best.steps), "best weights");
        last.into_iter().chain(best).collect()
    }

    /// What the run has recorded so far, if anything.
    fn metrics(&self) -> Option<Metrics> {
        Metrics::open(self.run.path()).ok()
    }

    fn network(&self, id: &str) -> Result<QNetwork> {
        let (config, backend) = (&self.config, self.config.backend);
        if id == UNTRAINED {
            // The trainer draws it from the same seed.
            return Ok(config.network.init(config.seed, &backend.device()?));
        }
        if self.best_is_elsewhere && id == Weights::Best.name() {
            return Ok(best_weights::usual(&self.run, config, backend)?.network);
        }
        for which in [Weights::Best, Weights::Last] {
            if which.name() == id {
                return self.run.load_network(which, config, backend);
            }
        }
        let all = self.run.checkpoints().list()?;
        let found = all.into_iter().find(|(_, path)| path.file_name().is_some_and(|name| name == id));
        let (_, path) = found.context("it was removed meanwhile; choose another one")?;
        RunDirectory::checkpoint_network(&Checkpoint::open(&path)?, config, backend)
    }
}

/// How long agents lived in the evaluations on the way.
fn evaluations(metrics: Option<&Metrics>) -> Vec<SurvivalPoint> {
    let rows = metrics.and_then(|metrics| metrics.evaluations().ok()).unwrap_or_default();
    rows.into_iter().map(|row| SurvivalPoint { steps: row.steps, survival: row.survival_mean }).collect()
}

/// The curve to show, and whether it is of evaluations: of training episodes until there are two evaluations, so that
/// it does not go when the first one comes.
pub(super) fn curve(
    evaluated: Vec<SurvivalPoint>,
    trained: impl FnOnce() -> Vec<SurvivalPoint>,
) -> (Vec<SurvivalPoint>, bool) {
    if evaluated.len() > 1 {
        return (evaluated, true);
    }
    let trained = trained();
    if trained.len() > 1 || evaluated.is_empty() { (trained, false) } else { (evaluated, true) }
}

impl Source for RunSource {
    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        let untrained = CheckpointInfo {
            id: UNTRAINED.to_owned(),
            steps: 0,
            episodes: None,
            label: "before training".to_owned(),
            epsilon: None,
        };
        let saved =
            self.run.checkpoints().list().unwrap_or_default().into_iter().filter_map(|(steps, path)| {
                let id = path.file_name()?.to_str()?.to_owned();
                let label = format!("after {} steps", grouped(steps));
                Some(CheckpointInfo { id, steps, episodes: None, label, epsilon: None })
            });
        // The last of the list is the one that is followed: while a run trains what it saved last, afterwards what
        // it came to. Until something is saved, it is what the run began with.
        let first = iter::once(untrained);
        if self.run.is_locked() {
            first.chain(self.weights()).chain(saved).collect()
        } else {
            first.chain(saved).chain(self.weights()).collect()
        }
    }

    fn brain(&self, checkpoint: &str) -> Result<Box<dyn Brain>, SourceError> {
        let known = self.checkpoints();
        if known.iter().all(|info| info.id != checkpoint) {
            let known = known.into_iter().map(|info| info.id).collect::<Vec<_>>().join(", ");
            return Err(SourceError::NoSuchCheckpoint { id: checkpoint.to_owned(), known });
        }
        let network =
            self.network(checkpoint).map_err(|error| SourceError::Other(self.told(&error).into()))?;
        Ok(Box::new(NetworkBrain::new(&network, self.config.network.layout.clone())))
    }

    fn levels(&self) -> Vec<String> {
        self.levels.iter().map(|level| level.name.clone()).collect()
    }

    fn world(&self, level: &str) -> Result<Box<dyn World>, SourceError> {
        let Some(found) = self.levels.iter().find(|found| found.name == level) else {
            let known = self.levels().join(", ");
            return Err(SourceError::NoSuchLevel { name: level.to_owned(), known });
        };
        Ok(Box::new(View { level: found.clone(), ..self.config.view() }.world(1)?))
    }

    fn facts(&self) -> RunFacts {
        let status = self.status();
        let metrics = self.metrics();
        let last = metrics.as_ref().and_then(|metrics| metrics.last_episode().ok().flatten());
        let steps = status.as_ref().map_or(0, |status| status.steps);
        let (survival, survival_is_evaluated) = curve(evaluations(metrics.as_ref()), || {
            // How long training episodes lasted, a few of them at a time.
            let rows = metrics.and_then(|metrics| metrics.thinned_episodes(10 * MOST_POINTS as u64).ok());
            let mean = |rows: &[EpisodeRow]| SurvivalPoint {
                steps: rows[0].steps,
                survival: rows.iter().map(|row| row.survival_time as f64).sum::<f64>() / rows.len() as f64,
            };
            rows.unwrap_or_default().chunks(10).map(mean).collect()
        });
        let thin = survival.len().div_ceil(MOST_POINTS).max(1);
        let mut baselines = self.baselines.clone();
        if let Some(best) = status.as_ref().and_then(|status| status.best_evaluation) {
            baselines.push(Baseline { name: "trained".to_owned(), survival: best });
        }
        RunFacts {
            name: self.name(),
            training: self.run.is_locked(),
            steps,
            survival: survival.into_iter().step_by(thin).collect(),
            survival_is_evaluated,
            reward_scale: Some(self.config.learner.reward_scale),
            // That of the last episode would be one agent's.
            epsilon: last
                .as_ref()
                .map(|row| self.config.learner.epsilon.mean(self.config.agents, steps.max(row.steps))),
            stage: last
                .as_ref()
                .filter(|row| row.curriculum_stage > 0)
                .map(|row| row.curriculum_stage.to_string()),
            novelty: last.as_ref().map(|row| row.intrinsic_weight).filter(|&weight| weight > 0.0),
            baselines,
        }
    }
}
