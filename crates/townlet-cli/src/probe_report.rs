//! What `townlet probe` says: a table for a person, one JSON object, and rows of CSV.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use townlet_drqn::Memory;
use townlet_nets::Backend;

use crate::probe_run::{Look, ProbeRun};
use crate::probe_settings::ProbeSettings;

/// One task with its parameters. Those that a task does not have are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Case {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flicker: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) corridor: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Memory>,
    /// The preference that the right arm deserves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exact_preference: Option<f64>,
}

impl Case {
    /// Its parameters in words.
    fn name(&self) -> String {
        let mut name = String::new();
        let mut say = |text: String| {
            let comma = if name.is_empty() { "" } else { ", " };
            name += comma;
            name += &text;
        };
        self.length.iter().for_each(|length| say(format!("length {length}")));
        self.flicker.iter().for_each(|flicker| say(format!("flicker {flicker}")));
        self.delay.iter().for_each(|delay| say(format!("delay {delay}")));
        self.memory.iter().for_each(|&memory| say(memory_name(memory).to_owned()));
        name
    }
}

/// The name of a teaching arm, as it is written in files.
const fn memory_name(memory: Memory) -> &'static str {
    match memory {
        Memory::Carried => "carried",
        Memory::ResetTargetOnly => "reset-target-only",
        Memory::ResetEachStep => "reset-each-step",
    }
}

/// Everything about one case.
#[derive(Serialize)]
struct CaseReport {
    #[serde(flatten)]
    case: Case,
    settings: ProbeSettings,
    summary: Option<Summary>,
    runs: Vec<RunReport>,
}

#[derive(Serialize)]
struct RunReport {
    #[serde(flatten)]
    run: ProbeRun,
    looks: Vec<Look>,
}

/// What the seeds of a case came to together.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Summary {
    seeds: usize,
    /// How many of them solved the task, where the task has a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    solved: Option<usize>,
    /// Steps until it was solved, over the seeds that solved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    solved_at: Option<Spread>,
    greedy_return: Option<Spread>,
    training_return: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preference: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regret_ratio: Option<Spread>,
}

/// Where some numbers lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    mean: f64,
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let median = f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]);
        Some(Self { mean: sorted.iter().sum::<f64>() / count as f64, median, least, most })
    }
}

impl Summary {
    fn of(runs: &[RunReport]) -> Self {
        let runs = || runs.iter().map(|report| &report.run);
        let judged = runs().filter_map(|run| run.solved);
        Self {
            seeds: runs().count(),
            solved: (judged.clone().count() > 0).then(|| judged.filter(|&solved| solved).count()),
            solved_at: Spread::of(runs().filter_map(|run| run.solved_at).map(|steps| steps as f64)),
            greedy_return: Spread::of(runs().map(|run| run.greedy_return)),
            training_return: Spread::of(runs().filter_map(|run| run.training_return)),
            preference: Spread::of(runs().filter_map(|run| run.preference)),
            regret_ratio: Spread::of(runs().filter_map(|run| run.regret_ratio)),
        }
    }

    /// In words.
    fn describe(&self, case: &Case) -> String {
        let mut text = case.name();
        let Self { seeds, .. } = self;
        let _ = match self.solved {
            Some(solved) => write!(text, ": solved on {solved} of {seeds} seeds"),
            None => write!(text, ": {seeds} seeds"),
        };
        if let Some(Spread { mean, least, most, .. }) = self.regret_ratio {
            let _ = write!(text, "; regret ratio {mean:.3} ({least:.3} to {most:.3})");
        } else if let Some(Spread { mean, least, most, .. }) = self.preference {
            let exact = case.exact_preference.unwrap_or_default();
            let _ = write!(
                text,
                "; the right arm is preferred by {mean:+.4} ({least:+.4} to {most:+.4}; exact {exact:+.4})"
            );
            if let Some(Spread { mean, .. }) = self.greedy_return {
                let _ = write!(text, ", greedy return {mean:.2}");
            }
        } else if let (Some(_), Some(Spread { median, least, most, .. })) = (self.solved, self.solved_at) {
            let _ = write!(text, "; after {median} steps in the median ({least} to {most})");
        } else if let (None, Some(Spread { mean, least, most, .. })) = (self.solved, self.training_return) {
            let _ = write!(
                text,
                "; last 100 training episodes return {mean:.1} in the mean ({least:.1} to {most:.1})"
            );
        }
        text
    }
}

/// Collects what came of every agent, and says it.
pub(crate) struct Report<'a, W> {
    task: &'static str,
    backend: Backend,
    /// Where a table is wanted.
    table: bool,
    out: &'a mut W,
    csv: Option<csv::Writer<File>>,
    cases: Vec<CaseReport>,
}

impl<'a, W: Write> Report<'a, W> {
    /// A report that is written to `out`, as one JSON object or else as a table, and to the file `csv`.
    ///
    /// # Errors
    ///
    /// Where the file cannot be made.
    pub(crate) fn new(
        task: &'static str,
        backend: Backend,
        json: bool,
        csv: Option<&Path>,
        out: &'a mut W,
    ) -> Result<Self> {
        let file = |path: &Path| {
            let writer = csv::Writer::from_path(path);
            writer.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self { task, backend, table: !json, out, csv: csv.map(file).transpose()?, cases: Vec::new() })
    }

    /// Begins another case.
    ///
    /// # Errors
    ///
    /// Where nothing can be written.
    pub(crate) fn begin(&mut self, case: Case, settings: ProbeSettings) -> Result<()> {
        if self.table {
            if self.cases.is_empty() {
                writeln!(self.out, "{}, backend {}", self.task, self.backend)?;
            }
            writeln!(self.out, "\n{}", case.name())?;
            let headings = ["seed", "steps", "updates", "seconds", "solved at", "greedy", "training"];
            write!(self.out, "{}", row(&headings.map(str::to_owned)))?;
            let more = [("preference", case.exact_preference.is_some()), ("regret", self.scores_regret())];
            for (heading, _) in more.iter().filter(|(_, has)| *has) {
                write!(self.out, "{heading:>12}")?;
            }
            writeln!(self.out)?;
        }
        self.cases.push(CaseReport { case, settings, summary: None, runs: Vec::new() });
        Ok(())
    }

    fn scores_regret(&self) -> bool {
        self.task == "memory-length"
    }

    /// Adds an agent to the case begun last.
    ///
    /// # Errors
    ///
    /// Where nothing can be written.
    pub(crate) fn push(&mut self, run: ProbeRun, looks: Vec<Look>) -> Result<()> {
        let Some(report) = self.cases.last_mut() else { return Ok(()) };
        if let Some(csv) = &mut self.csv {
            csv.serialize((report.case, &run)).context("cannot write the CSV file")?;
            csv.flush().context("cannot write the CSV file")?;
        }
        if self.table {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
            let columns = [
                run.seed.to_string(),
                run.steps.to_string(),
                run.updates.to_string(),
                format!("{:.1}", run.seconds),
                run.solved_at.map_or("-".to_owned(), |steps| steps.to_string()),
                number(Some(run.greedy_return)),
                number(run.training_return),
            ];
            write!(self.out, "{}", row(&columns))?;
            for value in [run.preference, run.regret_ratio].into_iter().flatten() {
                write!(self.out, "{value:>12.4}")?;
            }
            writeln!(self.out)?;
            self.out.flush()?;
        }
        report.runs.push(RunReport { run, looks });
        Ok(())
    }

    /// Says what all cases came to.
    ///
    /// # Errors
    ///
    /// Where nothing can be written.
    pub(crate) fn finish(mut self) -> Result<()> {
        // A case that was begun and stopped.
        self.cases.retain(|case| !case.runs.is_empty());
        for report in &mut self.cases {
            report.summary = Some(Summary::of(&report.runs));
        }
        if !self.table {
            #[derive(Serialize)]
            struct Whole<'a> {
                task: &'a str,
                backend: Backend,
                cases: &'a [CaseReport],
            }
            let whole = Whole { task: self.task, backend: self.backend, cases: &self.cases };
            writeln!(self.out, "{}", serde_json::to_string_pretty(&whole)?)?;
            return Ok(());
        }
        writeln!(self.out)?;
        for CaseReport { case, summary, .. } in &self.cases {
            if let Some(summary) = summary {
                writeln!(self.out, "{}", summary.describe(case))?;
            }
        }
        let solved = |report: &&CaseReport| {
            report.summary.as_ref().is_some_and(|summary| summary.solved == Some(summary.seeds))
        };
        if self.cases.len() > 1
            && self.cases.iter().any(|it| it.summary.as_ref().is_some_and(|it| it.solved.is_some()))
        {
            let count = self.cases.iter().filter(solved).count();
            writeln!(self.out, "{count} of {} solved on every seed", self.cases.len())?;
        }
        Ok(())
    }
}

fn row(columns: &[String; 7]) -> String {
    let widths = [6, 10, 10, 9, 11, 9, 10];
    let cells = columns.iter().zip(widths);
    cells.fold(String::new(), |row, (column, width)| format!("{row}{column:>width$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_knows_its_middle() {
        assert_eq!(Spread::of([].into_iter()), None);
        let spread = Spread::of([3.0, 1.0, 8.0].into_iter());
        assert_eq!(spread, Some(Spread { mean: 4.0, median: 3.0, least: 1.0, most: 8.0 }));
        assert_eq!(Spread::of([4.0, 1.0].into_iter()).unwrap().median, 2.5);
    }
}
