//! `townlet plot`: pictures of runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum, value_parser};

use crate::run_pictures::draw;

/// Draw runs: learning curves, loss, epsilon, values, deaths and where the agents were
///
/// Runs that differ in their seed alone are drawn as one curve with its 95 % interval. A run that is still training
/// can be drawn too.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet plot runs/pomdp-0
  townlet plot runs/pomdp-0 runs/pomdp-1 runs/pomdp-2 --out pictures --format png")]
pub(crate) struct Arguments {
    /// The run directories
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// The directory for the pictures [default: plots in the first run directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// The form of the pictures
    #[arg(long, value_enum, default_value_t)]
    format: PictureFormat,

    /// How wide PNG pictures are, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 1280, value_parser = value_parser!(u32).range(100..=8192))]
    width: u32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum PictureFormat {
    /// Sharp at every size
    Svg,
    /// For programs that do not show SVG
    Png,
    /// One of each
    #[default]
    Both,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let pictures = draw(&self.runs)?;
        if pictures.is_empty() {
            bail!("nothing was recorded in {} yet", names(&self.runs));
        }
        let folder = self.out.clone().unwrap_or_else(|| self.runs[0].join("plots"));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the directory {}", folder.display()))?;
        for picture in pictures {
            if self.format != PictureFormat::Png {
                let file = folder.join(format!("{}.svg", picture.name()));
                townlet_files::write(&file, picture.svg().as_bytes())?;
                writeln!(out, "{}", file.display())?;
            }
            if self.format != PictureFormat::Svg {
                let file = folder.join(format!("{}.png", picture.name()));
                townlet_files::write(&file, &picture.png(self.width)?)?;
                writeln!(out, "{}", file.display())?;
            }
        }
        Ok(())
    }
}

fn names(runs: &[PathBuf]) -> String {
    runs.iter().map(|run| Path::display(run).to_string()).collect::<Vec<_>>().join(", ")
}
