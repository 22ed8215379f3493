//! What a study came to: means over seeds, and how far they can be trusted.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use distrs::StudentsT;
use serde::Serialize;
use serde_json::json;

/// All arms at every epsilon, as far as they are done.
pub(crate) struct Results {
    pub(super) study: String,
    /// The seeds that every arm is to have.
    pub(super) seeds: Vec<u64>,
    pub(super) comparisons: Vec<Comparison>,
}

/// All arms at one epsilon. What is compared is the seeds that all arms have.
pub(super) struct Comparison {
    pub(super) epsilon: f64,
    pub(super) arms: Vec<ArmResults>,
}

/// An arm at one epsilon.
pub(super) struct ArmResults {
    pub(super) arm: String,
    /// One for each seed that is done.
    pub(super) played: Vec<Played>,
}

/// The mean survival in the evaluation of one run, and of those who played the same episodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Played {
    pub(super) seed: u64,
    pub(super) survival: f64,
    pub(super) random: Option<f64>,
    pub(super) scripted: Option<f64>,
}

/// A figure of a run.
type Figure = fn(&Played) -> Option<f64>;

/// A line of the table.
struct Row {
    name: String,
    baseline: bool,
    /// Seed and mean survival.
    survival: Vec<(u64, f64)>,
}

/// A mean, and the half width of its 95 % interval by Student's t; none of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Mean {
    mean: f64,
    half_width: Option<f64>,
}

impl Mean {
    /// Of independent values; none of nothing.
    fn of(values: &[f64]) -> Option<Self> {
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

impl Row {
    fn mean(&self) -> Option<Mean> {
        Mean::of(&self.survival.iter().map(|&(_, mean)| mean).collect::<Vec<_>>())
    }

    /// By how much `first` lives longer, seed by seed.
    fn behind(&self, first: &Self) -> Option<Mean> {
        let of_seed = |seed: u64| first.survival.iter().find(|&&(other, _)| other == seed);
        let pairs = self.survival.iter().filter_map(|&(seed, mean)| Some(of_seed(seed)?.1 - mean));
        Mean::of(&pairs.collect::<Vec<_>>())
    }
}

impl ArmResults {
    fn has(&self, seed: u64) -> bool {
        self.played.iter().any(|played| played.seed == seed)
    }

    fn missing(&self, seeds: &[u64]) -> Vec<u64> {
        seeds.iter().copied().filter(|&seed| !self.has(seed)).collect()
    }
}

impl Comparison {
    /// The seeds that are done in every arm.
    pub(super) fn common_seeds(&self) -> Vec<u64> {
        let Some(first) = self.arms.first() else { return Vec::new() };
        let seeds = first.played.iter().map(|played| played.seed);
        seeds.filter(|&seed| self.arms.iter().all(|arm| arm.has(seed))).collect()
    }

    /// Each arm, and then the baselines, over the common seeds.
    fn rows(&self) -> Vec<Row> {
        let common = self.common_seeds();
        let row = |arm: &ArmResults, name: String, baseline, of: Figure| {
            let played = arm.played.iter().filter(|played| common.contains(&played.seed));
            let survival = played.filter_map(|played| Some((played.seed, of(played)?))).collect();
            Row { name, baseline, survival }
        };
        let arms = self.arms.iter().map(|arm| row(arm, arm.arm.clone(), false, |it| Some(it.survival)));
        let mut rows: Vec<Row> = arms.collect();
        let baselines: [(&str, Figure); 2] =
            [("random agent", |it| it.random), ("scripted agent", |it| it.scripted)];
        for (name, of) in baselines {
            let mut of_arms: Vec<Row> =
                self.arms.iter().map(|arm| row(arm, format!("{name}, {}", arm.arm), true, of)).collect();
            // An arm may change the world, and with it how long they live. In most studies none does.
            if of_arms.iter().all(|row| row.survival == of_arms[0].survival) {
                of_arms.truncate(1);
                for row in &mut of_arms {
                    name.clone_into(&mut row.name);
                }
            }
            rows.extend(of_arms.into_iter().filter(|row| !row.survival.is_empty()));
        }
        rows
    }
}

impl Results {
    /// Writes `results.json` and `results.csv`.
    ///
    /// # Errors
    ///
    /// Returns an error if they cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (mut arms, mut baselines, mut incomplete) = (Vec::new(), Vec::new(), Vec::new());
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["epsilon", "arm", "seed", "survival", "status"])?;
        for comparison in &self.comparisons {
            let Comparison { epsilon, .. } = comparison;
            let rows = comparison.rows();
            for row in &rows {
                let json = json!({
                    "epsilon": epsilon,
                    "arm": row.name,
                    "seeds": row.survival.iter().map(|&(seed, _)| seed).collect::<Vec<_>>(),
                    "survival": row.survival.iter().map(|&(_, mean)| mean).collect::<Vec<_>>(),
                    "mean": row.mean(),
                    "first_arm_minus_this": row.behind(&rows[0]),
                });
                if row.baseline {
                    baselines.push(json);
                } else {
                    arms.push(json);
                }
                for (seed, mean) in &row.survival {
                    csv.serialize((epsilon, &row.name, seed, Some(mean), "compared"))?;
                }
            }
            // What is not compared has no figure here, so that nobody takes a mean over it.
            let common = comparison.common_seeds();
            for arm in &comparison.arms {
                let missing = arm.missing(&self.seeds);
                for &seed in self.seeds.iter().filter(|seed| !common.contains(seed)) {
                    let status = if arm.has(seed) { "left out" } else { "missing" };
                    csv.serialize((epsilon, &arm.arm, seed, None::<f64>, status))?;
                }
                if !missing.is_empty() {
                    incomplete.push(json!({ "epsilon": epsilon, "arm": arm.arm, "missing_seeds": missing }));
                }
            }
        }
        let text = serde_json::to_string_pretty(&json!({
            "study": self.study,
            "complete": incomplete.is_empty(),
            "incomplete": incomplete,
            "results": arms,
            "baselines": baselines,
        }))?;
        townlet_files::write(&folder.join("results.json"), text.as_bytes())?;
        Ok(townlet_files::write(&folder.join("results.csv"), csv.into_inner()?)?)
    }

    /// Prints one table of Markdown for each epsilon.
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<()> {
        for comparison in &self.comparisons {
            let Comparison { epsilon, arms } = comparison;
            let rows = comparison.rows();
            let first = &rows[0];
            writeln!(out, "Mean survival at epsilon {epsilon}, with 95 % intervals over seeds:\n")?;
            writeln!(out, "| Arm | Seeds | Survival | {} minus this | Each seed |", first.name)?;
            writeln!(out, "|---|---|---|---|---|")?;
            for (index, row) in rows.iter().enumerate() {
                let text = |mean: Option<Mean>| mean.map_or_else(|| "-".to_owned(), Mean::text);
                let behind = if index == 0 { "-".to_owned() } else { text(row.behind(first)) };
                let each: Vec<String> = row.survival.iter().map(|(_, mean)| format!("{mean:.0}")).collect();
                let (name, seeds) = (&row.name, row.survival.len());
                writeln!(
                    out,
                    "| {name} | {seeds} | {} | {behind} | {} |",
                    text(row.mean()),
                    each.join(", ")
                )?;
            }
            writeln!(out)?;
            let mut complete = true;
            for arm in arms {
                let missing = arm.missing(&self.seeds);
                if !missing.is_empty() {
                    complete = false;
                    let (done, all) = (self.seeds.len() - missing.len(), self.seeds.len());
                    writeln!(
                        out,
                        "incomplete: {} has {done} of {all} seeds; {} missing",
                        arm.arm,
                        listed(&missing)
                    )?;
                }
            }
            if !complete {
                match comparison.common_seeds().as_slice() {
                    [] => writeln!(out, "No seed is done in every arm, so nothing is compared.\n")?,
                    common => writeln!(
                        out,
                        "The table is over what every arm has: seed{} {}.\n",
                        if common.len() == 1 { "" } else { "s" },
                        listed(common)
                    )?,
                }
            }
        }
        Ok(())
    }
}

fn listed(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(name: &str, survival: &[(u64, f64)]) -> ArmResults {
        let played = survival.iter().map(|&(seed, survival)| Played {
            seed,
            survival,
            random: Some(100.0 + seed as f64),
            scripted: Some(500.0),
        });
        ArmResults { arm: name.to_owned(), played: played.collect() }
    }

    fn results(arms: Vec<ArmResults>) -> Results {
        let comparisons = vec![Comparison { epsilon: 0.0, arms }];
        Results { study: "s".to_owned(), seeds: vec![1, 2, 3], comparisons }
    }

    fn printed(results: &Results) -> String {
        let mut out = Vec::new();
        results.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

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
        let first = arm("a", &[(1, 200.0), (2, 300.0), (3, 9.0)]);
        let second = arm("b", &[(2, 290.0), (1, 190.0), (3, -1.0)]);
        let rows = Comparison { epsilon: 0.0, arms: vec![first, second] }.rows();
        let behind = rows[1].behind(&rows[0]).unwrap();
        assert_eq!(behind.mean, 10.0);
        assert!(behind.half_width.unwrap() < 1e-9, "all seeds lie ten apart");
    }

    #[test]
    fn an_incomplete_study_compares_what_all_arms_have_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let results = results(vec![
            arm("a", &[(1, 200.0), (2, 300.0), (3, 900.0)]),
            arm("b", &[(1, 190.0), (2, 280.0)]),
        ]);
        let text = printed(&results);
        assert!(text.contains("| a | 2 | 250.0 "), "without the seed that b has not: {text}");
        assert!(text.contains("incomplete: b has 2 of 3 seeds; 3 missing"), "{text}");
        assert!(text.contains("seeds 1, 2."), "{text}");
        results.write(folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&read("results.json")).unwrap();
        assert_eq!(json["complete"], false);
        assert_eq!(json["incomplete"][0]["missing_seeds"], json!([3]));
        assert_eq!(json["results"][0]["seeds"], json!([1, 2]));
        let csv = read("results.csv");
        assert!(csv.contains("0.0,a,3,,left out\n") && csv.contains("0.0,b,3,,missing\n"), "{csv}");
    }

    #[test]
    fn a_complete_study_has_its_baselines_and_says_nothing_more() {
        let all = |survival: f64| [(1, survival), (2, survival + 1.0), (3, survival + 2.0)];
        let mut results = results(vec![arm("a", &all(200.0)), arm("b", &all(100.0))]);
        let text = printed(&results);
        assert!(
            text.contains("| random agent | 3 | 102.0 ± 2.5 |") && text.contains("| scripted agent | 3 |")
        );
        assert!(!text.contains("incomplete"), "{text}");
        // An arm with a world of its own has baselines of its own.
        results.comparisons[0].arms[1].played[0].random = Some(7.0);
        let text = printed(&results);
        assert!(
            text.contains("| random agent, b | 3 |") && text.contains("| scripted agent | 3 |"),
            "{text}"
        );
    }

    #[test]
    fn where_no_seed_is_done_in_every_arm_nothing_is_compared() {
        let text = printed(&results(vec![arm("a", &[(1, 200.0)]), arm("b", &[])]));
        assert!(text.contains("| a | 0 | - |") && text.contains("nothing is compared"), "{text}");
    }
}
