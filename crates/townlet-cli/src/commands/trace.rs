//! `townlet trace`: episodes written down step by step, and replayed bit by bit.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum, value_parser};
use townlet_drqn::{NetworkPolicy, Policy, RandomPolicy};
use townlet_env::trace::{TRACE_FORMAT_WITHOUT_END, TraceReport, TraceWriter, verify};
use townlet_env::{Level, VectorEnv};
use townlet_files::PartialFile;
use townlet_nets::Backend;

use super::MAX_SEED;
use super::run_argument::or_newest;
use crate::best_weights::{self, Usual};
use crate::run_directory::RunDirectory;
use crate::shell::quoted;
use crate::stop::Stopped;
use crate::world::{View, World};
use crate::{error_message, level_argument, messages, signals};

/// Record episodes step by step, or replay recorded ones
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet trace record pomdp --out random.jsonl
  townlet trace verify random.jsonl")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: TraceCommand,
}

#[derive(Subcommand)]
enum TraceCommand {
    Record(Record),
    Verify(Verify),
}

/// Play episodes and write down everything that the agent saw, did and got
///
/// The trace holds its level, so it can be verified without anything else.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet record --out trained.jsonl
  townlet record runs/first --episodes 10 --out first.jsonl
  townlet record temporal --out random.jsonl")]
pub(crate) struct Record {
    /// A run directory, a built-in level, or a level file [default: the newest run in runs]
    #[arg(value_name = "RUN|LEVEL")]
    source: Option<PathBuf>,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// How many episodes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    episodes: u32,

    /// What the episodes follow from
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: u64,

    /// How the agent chooses [default: greedy for a run, random for a level]
    #[arg(long)]
    policy: Option<PolicyName>,

    /// The backend of a greedy agent: flex, ndarray or wgpu [default: that of the run]
    #[arg(long)]
    backend: Option<Backend>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PolicyName {
    /// Any allowed action, each equally likely
    Random,
    /// The action that the trained network values most
    Greedy,
}

/// Replay traces and compare every value, to the last bit
///
/// Prints the first difference of each trace. Fails where there is one, or a trace cannot be read.
#[derive(Args)]
#[command(after_help = "Example: townlet trace verify random.jsonl trained.jsonl")]
struct Verify {
    /// The traces
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The level to replay in, built in or a file [default: the one in the trace]
    #[arg(long, value_name = "NAME|FILE")]
    level: Option<String>,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        match &self.command {
            TraceCommand::Record(arguments) => arguments.run(out),
            TraceCommand::Verify(arguments) => arguments.run(out),
        }
    }
}

impl Record {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        signals::listen()?;
        let source = or_newest(self.source.as_deref())?;
        let path = source.as_path();
        let run = RunDirectory::is_at(path).then(|| RunDirectory::open(path)).transpose()?;
        let random = RandomPolicy::new(self.seed);
        let steps = match (run, self.policy) {
            (Some((run, config)), Some(PolicyName::Greedy) | None) => {
                let backend = self.backend.unwrap_or(config.backend);
                let Usual { network, note, .. } = best_weights::usual(&run, &config, backend)?;
                if let Some(note) = note {
                    messages::warning(note);
                }
                let greedy = NetworkPolicy::new(&network, 1, 0.0, self.seed);
                self.record(&config.view(), greedy, "greedy")?
            }
            (Some((_, config)), Some(PolicyName::Random)) => self.record(&config.view(), random, "random")?,
            (None, Some(PolicyName::Greedy)) => bail!(
                "a greedy agent needs a trained network, and {} is not a run directory; name one, or \
                 choose --policy random",
                path.display()
            ),
            (None, Some(PolicyName::Random) | None) => {
                let level = level_argument::load(path)?;
                self.record(&View::plain(level), random, "random")?
            }
        };
        let (episodes, file) = (self.episodes, self.out.display());
        writeln!(out, "{file}: {} recorded", counts(episodes.into(), steps))?;
        writeln!(out, "See it: townlet replay {}", quoted(&self.out))?;
        Ok(())
    }

    /// Writes the trace and returns the number of its steps.
    fn record(&self, view: &View, mut policy: impl Policy<World>, policy_name: &str) -> Result<u64> {
        let context = || format!("cannot write {}", self.out.display());
        let mut world = view.world(1)?;
        world.reset(self.seed);
        let mut file = PartialFile::create(&self.out)?;
        let version = env!("CARGO_PKG_VERSION");
        let source = format!("townlet {version}, {policy_name} policy, seed {}", self.seed);
        let mut trace = TraceWriter::new(&mut file, &view.level, &source).with_context(context)?;
        let mut steps = 0;
        for episode in 0..self.episodes {
            trace.begin(&format!("episode {episode}"), world.inner(), 0).with_context(context)?;
            let mut ended = false;
            while !ended {
                if signals::asked_to_stop() {
                    bail!(Stopped);
                }
                let mut actions = [0];
                policy.act(&world, &mut actions)?;
                world.step(&actions)?;
                steps += 1;
                ended = trace.step(world.inner(), actions[0]).with_context(context)?;
                policy.ended(&[ended]);
            }
        }
        trace.into_inner().with_context(context)?;
        file.finish()?;
        Ok(steps)
    }
}

impl Verify {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let level = self.level.as_deref().map(level_argument::load).transpose()?;
        let mut failures = 0;
        for file in &self.files {
            let shown = file.display();
            match replay(file, level.as_ref()) {
                Ok(TraceReport { episodes, steps, has_end, difference: None }) => {
                    writeln!(out, "{shown}: {} equal", counts(episodes as u64, steps as u64))?;
                    if !has_end {
                        messages::warning(format_args!(
                            "{shown} is of the format {TRACE_FORMAT_WITHOUT_END}, which does not say where a \
                             trace ends: nothing tells whether it is whole"
                        ));
                    }
                }
                Ok(TraceReport { episodes, steps, difference: Some(difference), .. }) => {
                    failures += 1;
                    let counts = counts(episodes as u64, steps as u64);
                    writeln!(out, "{shown}: differs after {counts}: {difference}")?;
                }
                Err(error) if self.files.len() == 1 => return Err(error),
                // One bad file must not hide what is to be said about the others.
                Err(error) => {
                    failures += 1;
                    writeln!(out, "{}", error_message::of(&error))?;
                }
            }
        }
        match (failures, self.files.len()) {
            (0, _) => Ok(()),
            (_, 1) => bail!("the trace does not replay"),
            (failures, files) => bail!("{failures} of {files} traces do not replay"),
        }
    }
}

fn replay(file: &Path, level: Option<&Level>) -> Result<TraceReport> {
    let input = File::open(file).with_context(|| format!("cannot read the trace {}", file.display()))?;
    Ok(verify(BufReader::new(input), &file.display().to_string(), level)?)
}

fn counts(episodes: u64, steps: u64) -> String {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    format!("{episodes} episode{}, {steps} step{}", plural(episodes), plural(steps))
}
