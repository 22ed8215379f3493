//! `townlet study`: the same run many times over, with one thing changed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, bail};
use clap::{Args, value_parser};

use super::MAX_SEED;
use crate::shell::quoted;
use crate::signals;
use crate::stop::Stopped;
use crate::study::{Runner, Study, StudyFolder, Tally};

/// Train every arm of a study with every seed, and compare them
///
/// An arm is a set of settings. Each arm and seed is a run of its own in a process of its own, several at once; each
/// is evaluated. The table at the end shows means over seeds with 95 % intervals, each arm's difference from the
/// first, seed by seed, and how long a random agent and one that knows the map live in the same episodes. Ctrl-C
/// saves all runs and stops. Started again, a study goes on where it stopped; started twice at a time, the two share
/// the work.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet study docs/studies/memory-fixed.toml --out studies/memory
  townlet study docs/studies/plateau.toml --seeds 1,2,3

One study on several machines that share a folder, here job 2 of 5:
  townlet study docs/studies/memory-fixed.toml --out shared/memory --job 2/5")]
pub(crate) struct Arguments {
    /// The study
    #[arg(value_name = "FILE")]
    study: PathBuf,

    /// The directory for its runs and results [default: studies/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Run each arm with these seeds, separated by commas [default: those of the study]
    #[arg(long, value_name = "S,..", value_delimiter = ',', value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seeds: Option<Vec<u64>>,

    /// How many runs go on at once [default: one for each core, by the threads of a run]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    at_once: Option<u16>,

    /// Do only the I-th of N equal parts of the runs
    #[arg(long, alias = "part", value_name = "I/N", value_parser = job)]
    job: Option<(usize, usize)>,
}

fn job(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((i, n)) if (1..=n).contains(&i) => Ok((i, n)),
        _ => Err("expected I/N with I from 1 to N, as in 2/5".to_owned()),
    }
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        // Before the first process is started.
        signals::listen()?;
        let mut study = Study::read(&self.study)?;
        if let Some(seeds) = &self.seeds {
            study = study.with_seeds(seeds.clone())?;
        }
        let folder = self.out.clone().unwrap_or_else(|| Path::new("studies").join(study.name()));
        let folder = StudyFolder::new(&folder)?;
        folder.prepare(&study)?;
        let runner = Runner::new(&study, &folder, &signals::asked_to_stop)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let at_once = self.at_once.map_or((cores / study.threads()).max(1), usize::from);
        let Tally { done, failed, elsewhere } = runner.run_part(self.job.unwrap_or((1, 1)), at_once);
        if signals::asked_to_stop() {
            let (all, done) = runner.progress();
            writeln!(
                out,
                "Stopped with {done} of {all} runs done; the others are saved as far as they came."
            )?;
            writeln!(out, "Go on: {}", self.command())?;
            bail!(Stopped);
        }
        runner.collect()?.print(out)?;
        writeln!(
            out,
            "{} holds the runs, results.json, results.csv and the learning curves.",
            folder.path().display()
        )?;
        if !elsewhere.is_empty() {
            writeln!(
                out,
                "Another process is still at {}; it writes the whole table.",
                elsewhere.join(", ")
            )?;
        }
        if !failed.is_empty() {
            let all = done + failed.len() + elsewhere.len();
            bail!("{} of {all} runs failed: {}", failed.len(), failed.join("; "));
        }
        Ok(())
    }

    /// The command line that goes on.
    fn command(&self) -> String {
        let mut words = vec!["townlet study".to_owned(), quoted(&self.study)];
        if let Some(out) = &self.out {
            words.extend(["--out".to_owned(), quoted(out)]);
        }
        if let Some(seeds) = &self.seeds {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            words.extend(["--seeds".to_owned(), seeds.join(",")]);
        }
        if let Some(at_once) = self.at_once {
            words.extend(["--at-once".to_owned(), at_once.to_string()]);
        }
        if let Some((which, of)) = self.job {
            words.extend(["--job".to_owned(), format!("{which}/{of}")]);
        }
        words.join(" ")
    }
}
