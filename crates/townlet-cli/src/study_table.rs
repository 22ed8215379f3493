//! What a study came to: means over seeds, and how far they can be trusted.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use distrs::StudentsT;
use serde::Serialize;
use serde_json::json;

/// All arms at every epsilon.
pub(crate) struct Results {
    pub(crate) study: String,
    pub(crate) epsilons: Vec<(f64, Vec<ArmResults>)>,
}

/// An arm at one epsilon.
pub(crate) struct ArmResults {
    pub(crate) arm: String,
    /// Seed and mean survival.
    pub(crate) survival: Vec<(u64, f64)>,
}

/// A mean, and the half width of its 95 % interval by Student's t; none of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Mean {
    pub(crate) mean: f64,
    pub(crate) half_width: Option<f64>,
}

impl Mean {
    /// Of independent values; none of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count;
        let half_width = (values.len() > 1).then(|| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            StudentsT::ppf(0.975, count - 1.0) * (variance / count).sqrt()
        });
        Some(Self { mean, half_width })
    }

    fn text(self) -> String {
        let Self { mean, half_width } = self;
        half_width.map_or_else(|| format!("{mean:.1}"), |half| format!("{mean:.1} ± {half:.1}"))
    }
}

impl ArmResults {
    fn mean(&self) -> Option<Mean> {
        Mean::of(&self.survival.iter().map(|&(_, mean)| mean).collect::<Vec<_>>())
    }

    /// By how much `first` lives longer, over the seeds that both have.
    fn behind(&self, first: &Self) -> Option<Mean> {
        let of_seed = |seed: u64| first.survival.iter().find(|&&(other, _)| other == seed);
        let pairs = self.survival.iter().filter_map(|&(seed, mean)| Some(of_seed(seed)?.1 - mean));
        Mean::of(&pairs.collect::<Vec<_>>())
    }
}

impl Results {
    /// Writes `results.json` and `results.csv`.
    ///
    /// # Errors
    ///
    /// Where they cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let rows: Vec<_> = self
            .epsilons
            .iter()
            .flat_map(|(epsilon, arms)| {
                arms.iter().map(move |arm| {
                    json!({
                        "epsilon": epsilon,
                        "arm": arm.arm,
                        "seeds": arm.survival.iter().map(|&(seed, _)| seed).collect::<Vec<_>>(),
                        "survival": arm.survival.iter().map(|&(_, mean)| mean).collect::<Vec<_>>(),
                        "mean": arm.mean(),
                        "first_arm_minus_this": arm.behind(&arms[0]),
                    })
                })
            })
            .collect();
        let text = serde_json::to_string_pretty(&json!({ "study": self.study, "results": rows }))?;
        townlet_files::write(&folder.join("results.json"), text)?;
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["epsilon", "arm", "seed", "survival"])?;
        for (epsilon, arms) in &self.epsilons {
            for arm in arms {
                for (seed, mean) in &arm.survival {
                    csv.serialize((epsilon, &arm.arm, seed, mean))?;
                }
            }
        }
        Ok(townlet_files::write(&folder.join("results.csv"), csv.into_inner()?)?)
    }

    /// Prints one table of Markdown for each epsilon.
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<()> {
        for (epsilon, arms) in &self.epsilons {
            writeln!(out, "Mean survival at epsilon {epsilon}, with 95 % intervals over seeds:\n")?;
            writeln!(out, "| Arm | Seeds | Survival | {} minus this | Each seed |", arms[0].arm)?;
            writeln!(out, "|---|---|---|---|---|")?;
            for (index, arm) in arms.iter().enumerate() {
                let text = |mean: Option<Mean>| mean.map_or_else(|| "-".to_owned(), Mean::text);
                let behind = if index == 0 { "-".to_owned() } else { text(arm.behind(&arms[0])) };
                let each: Vec<String> = arm.survival.iter().map(|(_, mean)| format!("{mean:.0}")).collect();
                let (name, seeds) = (&arm.arm, arm.survival.len());
                writeln!(
                    out,
                    "| {name} | {seeds} | {} | {behind} | {} |",
                    text(arm.mean()),
                    each.join(", ")
                )?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_students() {
        assert_eq!(Mean::of(&[]), None);
        assert_eq!(Mean::of(&[7.0]), Some(Mean { mean: 7.0, half_width: None }));
        // Mean 2, sample variance 1, and 4.302653 is the 97.5 % point of t with two degrees of freedom.
        let Mean { mean, half_width } = Mean::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(mean, 2.0);
        assert!((half_width.unwrap() - 4.302_653 / 3.0_f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn differences_are_taken_seed_by_seed() {
        let first = ArmResults { arm: "a".to_owned(), survival: vec![(1, 200.0), (2, 300.0), (3, 9.0)] };
        let second = ArmResults { arm: "b".to_owned(), survival: vec![(2, 290.0), (1, 190.0)] };
        let behind = second.behind(&first).unwrap();
        assert_eq!(behind.mean, 10.0);
        assert!(behind.half_width.unwrap() < 1e-9, "both seeds lie ten apart");
    }
}
