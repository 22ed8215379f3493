//! `townlet levels`: what worlds there are, and a level file to start from.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use townlet_env::{Layout, Level, Observability};

/// List the built-in levels, or print one as a level file
///
/// A level file is commented TOML: print one, change it, and name it wherever a level is asked for.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet levels
  townlet levels pomdp > mine.toml
  townlet levels --check mine.toml")]
pub(crate) struct Arguments {
    /// The built-in level to print
    name: Option<String>,

    /// Read a level file and say what is wrong with it, if anything is
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    check: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        if let Some(file) = &self.check {
            let level = Level::load(file)?;
            writeln!(out, "{}: fine; {}", file.display(), numbers(&level))?;
        } else if let Some(name) = &self.name {
            out.write_all(Level::builtin_source(name)?.as_bytes())?;
        } else {
            for name in Level::builtin_names() {
                let level = Level::builtin(name)?;
                writeln!(out, "{name}\n    {}\n    {}", level.description, numbers(&level))?;
            }
        }
        Ok(())
    }
}

/// The key numbers of a level in one line.
fn numbers(level: &Level) -> String {
    let Level { grid, meters, affordances, step_limit, vision_range, .. } = level;
    let sight = match level.observability {
        Observability::Full => "sees its cell on the whole grid".to_owned(),
        Observability::Partial => {
            let side = 2 * usize::from(*vision_range) + 1;
            format!("sees {side} x {side} cells")
        }
    };
    let layout = match level.layout {
        Layout::Fixed => "",
        Layout::Shuffled => ", shuffled",
    };
    let clock = if level.clock { ", a clock" } else { "" };
    format!(
        "{grid} cells, {} needs, {} places{layout}{clock}; an agent {sight} ({} features) for at most \
         {step_limit} steps",
        meters.len(),
        affordances.len(),
        level.observation_layout().len(),
    )
}
