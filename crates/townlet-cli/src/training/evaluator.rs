//! Evaluating a run on its way.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use townlet_drqn::{NetworkPolicy, Progress, StateFault, Trainer};
use townlet_env::stream;
use townlet_metrics::EvaluationRow;
use tracing::info;

use crate::evaluation::play;
use crate::run_config::{EvaluationSchedule, RunConfig};
use crate::run_directory::{RunDirectory, Weights};
use crate::stop::Stop;
use crate::world::World;

/// What evaluations there were, as far as it matters for those that follow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Evaluations {
    /// The steps after which the next one is due.
    due: Option<u64>,
    pub(crate) last: Option<EvaluationRow>,
    pub(crate) best: Option<EvaluationRow>,
}

impl Evaluations {
    pub(crate) fn new(config: &RunConfig) -> Self {
        Self { due: due_after(config.evaluation.every, 0), ..Self::default() }
    }

    /// What was saved, in a run that goes on. When the next one is due follows from the last; it may be due already
    /// where it was cut off.
    pub(crate) fn resumed(self, config: &RunConfig) -> Self {
        let evaluated = self.last.map_or(0, |last| last.steps);
        Self { due: due_after(config.evaluation.every, evaluated), ..self }
    }

    /// Checks that what was saved can be of a run that stands here.
    pub(crate) fn check(&self, config: &RunConfig, progress: &Progress) -> Result<(), StateFault> {
        let rows = [("last", &self.last), ("best", &self.best)];
        for (name, row) in rows.into_iter().filter_map(|(name, row)| Some((name, row.as_ref()?))) {
            check_row(row, config, progress).map_err(|fault| fault.of(name))?;
        }
        match (&self.last, &self.best) {
            (Some(last), Some(best)) => StateFault::ensure(
                best.survival_mean >= last.survival_mean && best.steps <= last.steps,
                "best",
                format_args!("{} steps after {}", best.survival_mean, best.steps),
                format_args!("no worse than {} after {}, and no later", last.survival_mean, last.steps),
            ),
            (last, best) => StateFault::same("best", &best.is_some(), &last.is_some()),
        }
    }
}

/// The steps after which the next evaluation is due, after so many; none where there are none.
fn due_after(every: u64, steps: u64) -> Option<u64> {
    (every > 0).then(|| (steps / every + 1).saturating_mul(every))
}

fn check_row(row: &EvaluationRow, config: &RunConfig, progress: &Progress) -> Result<(), StateFault> {
    let Progress { steps, updates, .. } = *progress;
    StateFault::ensure(row.steps <= steps, "steps", row.steps, format_args!("at most {steps}"))?;
    StateFault::ensure(row.updates <= updates, "updates", row.updates, format_args!("at most {updates}"))?;
    let limit = f64::from(config.level.step_limit);
    for (field, found, most) in [
        ("training_seconds", row.training_seconds, f64::MAX),
        ("survival_mean", row.survival_mean, limit),
        ("survival_standard_error", row.survival_standard_error, limit),
        ("reached_limit", row.reached_limit, 1.0),
    ] {
        StateFault::ensure((0.0..=most).contains(&found), field, found, format_args!("0 to {most}"))?;
    }
    StateFault::ensure(row.mean_return.is_finite(), "mean_return", row.mean_return, "a finite number")
}

/// Evaluates, and keeps the weights that were best.
pub(crate) struct Evaluator<'a> {
    run: &'a RunDirectory,
    config: &'a RunConfig,
    pub(crate) so_far: Evaluations,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(run: &'a RunDirectory, config: &'a RunConfig, so_far: Evaluations) -> Self {
        Self { run, config, so_far }
    }

    pub(crate) fn is_due(&self, steps: u64) -> bool {
        self.so_far.due.is_some_and(|due| steps >= due)
    }

    /// Whether the network after so many updates has not been evaluated, in a run that evaluates.
    pub(crate) fn is_behind(&self, updates: u64) -> bool {
        self.so_far.due.is_some() && self.so_far.last.is_none_or(|last| last.updates != updates)
    }

    /// Whether the last evaluation was as good as it had to be.
    pub(crate) fn reached(&self) -> bool {
        let goal = self.so_far.last.zip(self.config.evaluation.until);
        goal.is_some_and(|(last, until)| last.survival_mean >= until)
    }

    /// The steps after which the best evaluation was made.
    pub(crate) fn best_steps(&self) -> Option<u64> {
        self.so_far.best.map(|best| best.steps)
    }

    /// Plays, greedily, with the network as it is now.
    ///
    /// # Errors
    ///
    /// Returns [`Stopped`](crate::stop::Stopped) if `stop` says so before the last episode is over. The evaluation is
    /// still due then.
    pub(crate) fn evaluate(
        &mut self,
        trainer: &Trainer<World>,
        clock: Duration,
        stop: Stop<'_>,
    ) -> Result<EvaluationRow> {
        let EvaluationSchedule { every, episodes, .. } = self.config.evaluation;
        let progress = trainer.progress();
        info!(steps = progress.steps, "evaluating");
        let network = trainer.learner().acting_network();
        // The same episodes every time, and none of those that were trained in or that `townlet eval` plays.
        let seed = stream(self.config.seed, "evaluation-during-training", 0, 0).random();
        let played = play(&self.config.view(), episodes as usize, &[seed], stop, |agents, seed| {
            NetworkPolicy::new(&network, agents, 0.0, seed)
        })?;
        self.so_far.due = due_after(every, progress.steps);
        let row = EvaluationRow {
            steps: progress.steps,
            updates: progress.updates,
            training_seconds: clock.as_secs_f64(),
            episodes: episodes.into(),
            survival_mean: played.survival_mean.unwrap_or_default(),
            survival_standard_error: played.survival_standard_error.unwrap_or_default(),
            reached_limit: played.reached_limit,
            mean_return: played.mean_return,
        };
        self.so_far.last = Some(row);
        if self.so_far.best.is_none_or(|best| row.survival_mean > best.survival_mean) {
            self.so_far.best = Some(row);
            self.run.save_weights(Weights::Best, &network, self.config, progress.steps)?;
        }
        Ok(row)
    }
}

/// An evaluation in words.
pub(crate) fn describe(row: &EvaluationRow) -> String {
    format!(
        "after {} steps and {:.0} s of training, {} greedy episodes last {:.1} ± {:.1} steps, {:.0} % to the limit",
        row.steps,
        row.training_seconds,
        row.episodes,
        row.survival_mean,
        row.survival_standard_error,
        100.0 * row.reached_limit
    )
}
