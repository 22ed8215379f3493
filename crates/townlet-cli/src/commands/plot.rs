//! `townlet plot`: pictures of runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum, value_parser};

use super::run_argument::all_or_newest;
use crate::run_pictures::draw;

/// Draw runs: learning curves, loss, epsilon, values, deaths and where the agents were
///
/// Runs that differ in their seed alone are drawn as one curve with its 95 % interval. A run that is still training
/// can be drawn too.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet plot
  townlet plot runs/first runs/second runs/third --out pictures --format png")]
pub(crate) struct Arguments {
    /// The run directories [default: the newest in runs]
    #[arg(value_name = "RUN")]
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
        let runs = all_or_newest(&self.runs)?;
        let pictures = draw(&runs)?;
        if pictures.is_empty() {
            bail!("nothing was recorded in {} yet", names(&runs));
        }
        let folder = self.out.clone().unwrap_or_else(|| runs[0].join("plots"));
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
