//! One HTML file about some runs, which needs nothing but itself.

use askama::Template;
use thiserror::Error;
use townlet_text::escaped_lines;

use crate::plot::Plot;
use crate::rows::EvaluationRow;
use crate::settings_table::{SideBySide, differences, side_by_side};

/// What a report tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Its title.
    pub title: String,
    /// A line below the title, such as when and with what it was made; may be empty.
    pub subtitle: String,
    /// The runs that it is about.
    pub runs: Vec<ReportRun>,
    /// How well they do, beside others.
    pub evaluations: Vec<EvaluationLine>,
    /// The pictures, such as those of [`figures`](crate::figures()).
    pub plots: Vec<Plot>,
}

/// A run in a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportRun {
    /// What it is called.
    pub name: String,
    /// What is so: its level, its state, how many steps it took, and what else is worth telling, in order.
    pub facts: Vec<(String, String)>,
    /// All its settings, as TOML.
    pub settings: String,
    /// How it came about: versions, machine, seeds, command line, in order.
    pub provenance: Vec<(String, String)>,
}

/// How well one policy does in one world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationLine {
    /// The run.
    pub run: String,
    /// What chose the actions, such as `greedy` or `random`.
    pub policy: String,
    /// How many episodes were played.
    pub episodes: u64,
    /// Their mean length in steps.
    pub survival_mean: f64,
    /// The 95 % interval of that mean, where it is known.
    pub interval: Option<(f64, f64)>,
    /// Their median length, where it is known.
    pub survival_median: Option<f64>,
    /// The share that reached the step limit, from 0 to 1.
    pub reached_limit: f64,
    /// The mean sum of rewards.
    pub mean_return: f64,
}

impl EvaluationLine {
    /// An evaluation made while the run trained. Its interval is the normal one, from the standard error.
    pub fn during_training(run: &str, row: &EvaluationRow) -> Self {
        let error = row.survival_standard_error;
        let half_width = error.is_finite().then_some(1.96 * error);
        Self {
            run: run.to_owned(),
            policy: format!("greedy, after {} steps", grouped(row.steps)),
            episodes: row.episodes,
            survival_mean: row.survival_mean,
            interval: half_width.map(|half| (row.survival_mean - half, row.survival_mean + half)),
            survival_median: None,
            reached_limit: row.reached_limit,
            mean_return: row.mean_return,
        }
    }
}

/// A number with commas between its thousands, as reports write counts.
///
/// ```
/// assert_eq!(townlet_metrics::grouped(3_600_000), "3,600,000");
/// ```
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Why there is no report.
#[derive(Debug, Error)]
#[error("a report cannot be written: {0}")]
pub struct ReportError(#[from] askama::Error);

/// The report as the text of an HTML file: without scripts, and without anything that would be fetched from
/// elsewhere. Everything in it that came from outside is escaped.
///
/// # Errors
/// Where the page cannot be put together, which no content of a report leads to.
pub fn html(report: &Report) -> Result<String, ReportError> {
    let Report { title, subtitle, runs, evaluations, plots } = report;
    let settings: Vec<_> = runs.iter().map(|run| (run.name.as_str(), run.settings.as_str())).collect();
    let (differences, problems) = differences(&settings);
    let entries = |of: fn(&ReportRun) -> Vec<(String, String)>| -> Vec<_> {
        runs.iter().map(|run| (run.name.as_str(), of(run))).collect()
    };
    let page = Page {
        title,
        subtitle,
        runs,
        facts: side_by_side(&entries(|run| run.facts.clone())),
        provenance: side_by_side(&entries(|run| run.provenance.clone())),
        differences,
        problems,
        evaluations: evaluations.iter().map(Line::of).collect(),
        plots,
    };
    Ok(escaped_lines(&page.render()?).into_owned())
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: &'a str,
    subtitle: &'a str,
    runs: &'a [ReportRun],
    facts: SideBySide,
    provenance: SideBySide,
    differences: SideBySide,
    /// Settings that could not be compared.
    problems: Vec<String>,
    evaluations: Vec<Line<'a>>,
    plots: &'a [Plot],
}

/// An evaluation as it is written.
struct Line<'a> {
    run: &'a str,
    policy: &'a str,
    episodes: u64,
    mean: String,
    interval: String,
    median: String,
    reached_limit: String,
    mean_return: String,
}

impl<'a> Line<'a> {
    fn of(line: &'a EvaluationLine) -> Self {
        // What is not known is a dash to a reader.
        let number = |value: f64, digits: usize| {
            if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() }
        };
        Self {
            run: &line.run,
            policy: &line.policy,
            episodes: line.episodes,
            mean: number(line.survival_mean, 1),
            interval: line
                .interval
                .map_or_else(|| "–".to_owned(), |(low, high)| format!("{low:.1} – {high:.1}")),
            median: line.survival_median.map_or_else(|| "–".to_owned(), |median| number(median, 1)),
            reached_limit: format!("{} %", number(line.reached_limit * 100.0, 1)),
            mean_return: number(line.mean_return, 2),
        }
    }
}
