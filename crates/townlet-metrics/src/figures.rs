//! All pictures of some runs.

use crate::error::MetricsError;
use crate::plot::{
    Deaths, Group, HeatMap, Over, Plot, PlotError, Series, deaths_by_cause, epsilon, learning_curves, loss,
    training_survival, value_against_return, visit_heat_map,
};
use crate::reader::{HeatCell, Metrics};
use crate::rows::{EpisodeRow, EvaluationRow, UpdateRow};

/// What pictures need of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunData {
    /// What it is called.
    pub name: String,
    /// Runs with the same group differ in their seed only, and are drawn as one curve. A run without one is its
    /// own group.
    pub group: Option<String>,
    /// Its episodes, in order.
    pub episodes: Vec<EpisodeRow>,
    /// Its updates, in order. Their values are compared with returns, so they have to be in the unit of the world's
    /// rewards: see [`with_values`](Self::with_values).
    pub updates: Vec<UpdateRow>,
    /// Its evaluations, in order.
    pub evaluations: Vec<EvaluationRow>,
    /// Where agents were in the end.
    pub heat: Vec<HeatCell>,
    /// Which episodes `heat` is about, such as "last 200 episodes".
    pub heat_of: String,
    /// Columns and rows of the grid, where they are known.
    pub grid: Option<(u64, u64)>,
}

impl RunData {
    /// Reads it from the metrics of a run. The heat map is that of the last tenth of the episodes, but of at
    /// least 100.
    ///
    /// # Errors
    /// Where the metrics cannot be read.
    pub fn read(name: &str, group: Option<&str>, metrics: &Metrics) -> Result<Self, MetricsError> {
        let episodes = metrics.episodes()?;
        let count = episodes.last().map_or(0, |last| last.episode + 1);
        let shown = (count / 10).max(100).min(count);
        Ok(Self {
            name: name.to_owned(),
            group: group.map(str::to_owned),
            episodes,
            updates: metrics.updates()?,
            evaluations: metrics.evaluations()?,
            heat: metrics.heat_map(count - shown..count)?,
            heat_of: format!("last {shown} episodes"),
            grid: None,
        })
    }

    /// The same with every value of a network, which learns in a unit of its own, turned into the unit of the
    /// world's rewards by `unscaled`.
    #[must_use]
    pub fn with_values(mut self, unscaled: impl Fn(f64) -> f64) -> Self {
        for row in &mut self.updates {
            row.mean_q = unscaled(row.mean_q);
            row.mean_target = unscaled(row.mean_target);
        }
        self
    }

    fn series<R>(&self, rows: &[R], point: impl Fn(&R) -> (u64, f64)) -> Series {
        let points = rows.iter().map(point).map(|(steps, value)| (steps as f64, value)).collect();
        Series { name: self.name.clone(), points }
    }
}

/// Every picture for which the runs have data: those that compare them first, then those of each run.
///
/// # Errors
/// Where drawing fails.
pub fn figures(runs: &[RunData]) -> Result<Vec<Plot>, PlotError> {
    let by_steps = |row: &EvaluationRow| (row.steps as f64, row.survival_mean);
    let by_time = |row: &EvaluationRow| (row.training_seconds, row.survival_mean);
    let each = |series: fn(&RunData) -> Series| runs.iter().map(series).collect::<Vec<_>>();
    let against: Vec<_> = runs
        .iter()
        .map(|run| {
            let values = run.series(&run.updates, |row| (row.steps, row.mean_q));
            (values, run.series(&run.episodes, |row| (row.steps, row.total_reward)))
        })
        .collect();
    let mut plots = vec![
        learning_curves(&groups(runs, by_steps), Over::Steps)?,
        learning_curves(&groups(runs, by_time), Over::TrainingSeconds)?,
        training_survival(&each(|run| {
            run.series(&run.episodes, |row| (row.steps, row.survival_time as f64))
        }))?,
        loss(&each(|run| run.series(&run.updates, |row| (row.steps, row.loss))))?,
        epsilon(&each(|run| run.series(&run.updates, |row| (row.steps, row.epsilon))))?,
        value_against_return(&against)?,
    ];
    for run in runs {
        let episodes = run.episodes.iter().map(|row| (row.steps, row.cause.clone())).collect();
        plots.push(deaths_by_cause(&Deaths { run: run.name.clone(), episodes })?);
    }
    for run in runs {
        plots.push(visit_heat_map(&HeatMap {
            run: run.name.clone(),
            episodes: run.heat_of.clone(),
            cells: run.heat.clone(),
            size: run.grid,
        })?);
    }
    Ok(plots.into_iter().flatten().collect())
}

/// The runs' evaluations, by group in the order in which groups are met first.
fn groups(runs: &[RunData], point: impl Fn(&EvaluationRow) -> (f64, f64)) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        let series = Series { name: run.name.clone(), points: run.evaluations.iter().map(&point).collect() };
        let known = run.group.as_ref().and_then(|name| groups.iter_mut().find(|group| group.name == *name));
        match known {
            Some(group) => group.runs.push(series),
            None => groups.push(Group {
                name: run.group.clone().unwrap_or_else(|| run.name.clone()),
                runs: vec![series],
            }),
        }
    }
    groups
}
