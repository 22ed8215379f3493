//! `townlet train`: train one network in many agents' lives, and keep what came of it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use jiff::ZonedDateTime;
use townlet_text::file_name;

use crate::messages;
use crate::newest_run::RUNS;
use crate::run_config::RunConfig;
use crate::run_setup::Place;
use crate::settings::{Resolved, SettingsArguments};
use crate::signals;
use crate::training::{self, Manner};

/// Train an agent
///
/// Writes a run directory with the resolved configuration (run.toml), the level (level.toml), where the run
/// comes from (provenance.json), what happened (metrics.sqlite, and events.out.tfevents.* for TensorBoard),
/// checkpoints from which `townlet resume` goes on, the trained network (weights.safetensors) and the one that
/// was evaluated best (best.safetensors). Ctrl-C saves and stops. The same arguments on the same CPU backend, with the
/// same number of threads (`RAYON_NUM_THREADS`) and the same instruction set, train the same network, bit for bit;
/// with another number of threads they train another one.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet train
  townlet train --level temporal --seed 3 --steps 2000000 --out runs/long
  townlet train --until 490
  townlet train --recipe drqn --level mine.toml --config small.toml --episodes 500
  townlet train --set learner.learning_rate=5e-4 --set network.core='{ kind = \"gru\" }'

A configuration file changes what it names of the recipe. `townlet config show` prints all
settings and where each is from:
  agents = 32
  [learner]
  learning_rate = 5e-4
  schedule = { update_every = 128 }
  [network]
  hidden = 128
  core = { kind = \"gru\" }")]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: SettingsArguments,

    /// The run directory to make [default: runs/LEVEL-DATE-TIME-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    manner: Manner,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        // Before the first file is written.
        signals::listen()?;
        let config = self.resolve()?;
        let place = self.out.clone().map_or_else(|| Place::Free(default_path(&config)), Place::Named);
        training::start(&place, &config, self.manner, &signals::asked_to_stop, out)
    }

    /// Puts all settings together, and says what of them means nothing here.
    fn resolve(&self) -> Result<RunConfig> {
        let Resolved { config, notes, .. } = self.settings.resolve()?;
        if config.evaluation.until.is_some() && config.evaluation.every == 0 {
            bail!("--until needs evaluations; give --evaluate-every, or evaluation.every in a --config file");
        }
        for note in notes {
            messages::note(note);
        }
        Ok(config)
    }
}

/// `runs/LEVEL-DATE-TIME-SEED`, the name of the level without anything that means something in a path.
fn default_path(config: &RunConfig) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name = file_name(&config.level.name.chars().map(plain).collect::<String>());
    let now = ZonedDateTime::now().strftime("%Y%m%d-%H%M%S");
    PathBuf::from(RUNS).join(format!("{name}-{now}-{}", config.seed))
}
