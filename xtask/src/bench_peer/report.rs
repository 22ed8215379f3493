//! The table, and the same for programs.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::machine::Machine;
use super::protocol::{About, Pace};
use super::statistics::{Race, median};

/// Everything that was measured.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) threads: u32,
    pub(super) rounds: u32,
    pub(super) seconds: f64,
    pub(super) townlet: About,
    /// Absent where PyTorch had nothing to do.
    pub(super) pytorch: Option<About>,
    /// By the name of the work.
    pub(super) outcomes: Vec<(String, Outcome)>,
}

/// What the rounds of one piece of work gave.
pub(super) enum Outcome {
    Race(Race),
    /// Townlet's alone.
    Alone(Vec<Pace>),
}

/// The medians of environment steps and updates a second.
fn pace(paces: &[Pace]) -> Option<Pace> {
    Some(Pace {
        steps_per_second: median(paces.iter().map(|pace| pace.steps_per_second))?,
        updates_per_second: median(paces.iter().map(|pace| pace.updates_per_second))?,
    })
}

impl Report {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["work", "Townlet, ms", "PyTorch, ms", "Townlet : PyTorch", "rounds"]);
        for (name, outcome) in &self.outcomes {
            let Outcome::Race(race) = outcome else { continue };
            let Some(figures) = race.figures() else { continue };
            table.add_row([
                name.clone(),
                format!("{:.3}", figures.townlet_ms),
                format!("{:.3}", figures.pytorch_ms),
                format!("{:.2}", figures.ratio),
                format!("{:.2} to {:.2}", figures.lowest, figures.highest),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Everything, single rounds included.
    pub(super) fn json(&self) -> Value {
        let works: Vec<Value> = self
            .outcomes
            .iter()
            .map(|(name, outcome)| match outcome {
                Outcome::Race(race) => json!({ "work": name, "figures": race.figures(), "rounds": race }),
                Outcome::Alone(paces) => json!({ "work": name, "figures": pace(paces), "rounds": paces }),
            })
            .collect();
        json!({
            "machine": self.machine,
            "threads": self.threads,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "townlet": self.townlet,
            "pytorch": self.pytorch,
            "works": works,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores } = &self.machine;
        writeln!(formatter, "{processor}, {cores} cores; threads a side: {}", self.threads)?;
        for About { program, version, .. } in
            [Some(&self.townlet), self.pytorch.as_ref()].into_iter().flatten()
        {
            writeln!(formatter, "{program} {version}")?;
        }
        writeln!(formatter, "Medians of {} rounds of {} s", self.rounds, self.seconds)?;
        if self.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Race(_))) {
            writeln!(formatter, "\n{}\n", self.table())?;
            writeln!(
                formatter,
                "Below 1, Townlet is the faster one. The last column is the ratio of single rounds."
            )?;
        }
        for (name, outcome) in &self.outcomes {
            if let Outcome::Alone(paces) = outcome
                && let Some(pace) = pace(paces)
            {
                writeln!(
                    formatter,
                    "{name}: {:.0} environment steps/s, {:.1} updates/s",
                    pace.steps_per_second, pace.updates_per_second
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_peer::protocol::Timing;

    fn report() -> Report {
        let timing = |median_ms| Timing { median_ms, repetitions: 4, parameters: 1, form: None };
        let about = |program: &str| About { program: program.into(), version: "1.2".into(), threads: 2 };
        let mut race = Race::default();
        race.add(timing(3.0), timing(2.0)).unwrap();
        race.add(timing(5.0), timing(2.0)).unwrap();
        let pace = |steps_per_second| Pace { steps_per_second, updates_per_second: 25.0 };
        Report {
            machine: Machine { processor: "A processor".to_owned(), cores: 4 },
            threads: 2,
            rounds: 2,
            seconds: 0.5,
            townlet: about("Townlet"),
            pytorch: Some(about("PyTorch")),
            outcomes: vec![
                ("act-1".to_owned(), Outcome::Race(race)),
                ("loop-1".to_owned(), Outcome::Alone(vec![pace(100.0), pace(102.0)])),
            ],
        }
    }

    #[test]
    fn the_report_says_what_was_measured_and_on_what() {
        let text = report().to_string();
        for part in [
            "A processor, 4 cores; threads a side: 2",
            "PyTorch 1.2",
            "2.00 | ",
            "1.50 to 2.50",
            "loop-1: 101 environment steps/s, 25.0 updates/s",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn the_json_holds_the_figures_and_the_rounds() {
        let json = report().json();
        assert_eq!(json["works"][0]["figures"]["ratio"], 2.0);
        assert_eq!(json["works"][0]["rounds"]["townlet"][1]["median_ms"], 5.0);
        assert_eq!(json["works"][1]["figures"]["steps_per_second"], 101.0);
        assert_eq!(json["pytorch"]["version"], "1.2");
    }

    #[test]
    fn without_pytorch_there_is_no_table() {
        let mut report = report();
        report.pytorch = None;
        report.outcomes.remove(0);
        let text = report.to_string();
        assert!(!text.contains("PyTorch") && text.contains("loop-1"), "{text}");
    }
}
