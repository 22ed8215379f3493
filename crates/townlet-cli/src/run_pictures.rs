//! The pictures of some runs.

use std::path::{Path, PathBuf};

use anyhow::Result;
use townlet_drqn::{DrqnConfig, rescale_inverse};
use townlet_metrics::{Metrics, Plot, RunData, figures};

use crate::run_config::RunConfig;
use crate::run_directory::RunDirectory;

/// What runs are called beside each other: by the last part of their paths, unless two would be called the same.
pub(crate) fn names(runs: &[PathBuf]) -> Vec<String> {
    let last = |run: &Path| run.file_name().map(|name| name.to_string_lossy().into_owned());
    let short: Vec<Option<String>> = runs.iter().map(|run| last(run)).collect();
    let whole = runs.iter().zip(&short).map(|(run, name)| match name {
        Some(name) if short.iter().filter(|other| other.as_ref() == Some(name)).count() == 1 => name.clone(),
        _ => run.display().to_string(),
    });
    whole.collect()
}

/// Every picture for which the runs have something to show.
///
/// # Errors
///
/// Where there is no run, nothing is recorded of it, or what was recorded is damaged.
pub(crate) fn draw(runs: &[PathBuf]) -> Result<Vec<Plot>> {
    let mut configs = Vec::new();
    for run in runs {
        configs.push(RunDirectory::open(run)?.1);
    }
    // Without its seed, a run is what it is a sample of.
    let kinds = configs.iter().map(RunConfig::kind).collect::<Result<Vec<String>>>()?;
    let mut data = Vec::new();
    for (index, (run, name)) in runs.iter().zip(names(runs)).enumerate() {
        let same: Vec<usize> = (0..runs.len()).filter(|&other| kinds[other] == kinds[index]).collect();
        let group = (same.len() > 1).then(|| {
            let number = kinds[..same[0]].iter().filter(|kind| **kind != kinds[index]).count();
            let which = if number == 0 { String::new() } else { format!(" {}", number + 1) };
            format!("{}{which}, {} seeds", configs[index].level.name, same.len())
        });
        let metrics = Metrics::open(run)?;
        let grid = configs[index].level.grid;
        let learner = &configs[index].learner;
        let read = RunData::read(&name, group.as_deref(), &metrics)?
            .with_values(|value| in_unit_of_rewards(value, learner));
        data.push(RunData { grid: Some((grid.width.into(), grid.height.into())), ..read });
    }
    Ok(figures(&data)?)
}

/// What a value of the network is in the unit of the world's rewards. Of the mean of rescaled values this is about
/// the mean of the values.
fn in_unit_of_rewards(value: f64, learner: &DrqnConfig) -> f64 {
    let scaled = if learner.value_rescaling { rescale_inverse(value) } else { value };
    scaled / f64::from(learner.reward_scale)
}

#[cfg(test)]
mod tests {
    use townlet_drqn::rescale;

    use super::*;

    #[test]
    fn values_are_drawn_in_the_unit_of_the_rewards_that_they_stand_beside() {
        let plain = DrqnConfig { reward_scale: 0.01, ..DrqnConfig::default() };
        assert!((in_unit_of_rewards(2.5, &plain) - 250.0).abs() < 1e-3);
        let rescaled = DrqnConfig { value_rescaling: true, ..plain };
        assert!((in_unit_of_rewards(rescale(2.5), &rescaled) - 250.0).abs() < 1e-3);
    }

    #[test]
    fn runs_of_the_same_name_are_told_apart() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(names(&paths(&["a/x", "a/y"])), ["x", "y"]);
        assert_eq!(names(&paths(&["a/x", "b/x", "b/y"])), ["a/x", "b/x", "y"]);
    }
}
