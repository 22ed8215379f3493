//! `townlet export`: an episode to take home.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, value_parser};
use townlet_viewer::export::{Film, gif, html, png};
use townlet_viewer::{Beside, Session, SessionOptions, Source};

use super::MAX_SEED;
use super::replay::recording;
use super::run_argument::or_newest;
use crate::run_directory::{RunDirectory, Weights};
use crate::watching::source;

/// Write an episode as an animation, as a page that plays offline, or a step of it as a picture
///
/// A trace shows what happened. A run shows what its agent thought and remembered, too: it plays an episode first.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet export --gif
  townlet export first.jsonl --png 40 --out step.png
  townlet export runs/first --html --beside-wiped --seed 7")]
pub(crate) struct Arguments {
    /// A trace, a run directory, or one of its checkpoints [default: the newest run in runs]
    #[arg(value_name = "TRACE|RUN|CHECKPOINT")]
    what: Option<PathBuf>,

    #[command(flatten)]
    form: Form,

    /// The file to write [default: named after what is exported, in this directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Which episode of a trace, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    episode: usize,

    /// What the episode of a run follows from
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: u64,

    /// Which weights of a run play [default: best, where the run was evaluated on its way]
    #[arg(long, value_name = "WHICH")]
    weights: Option<Weights>,

    /// Beside a run's agent, the same weights with their memory wiped before every step
    #[arg(long)]
    beside_wiped: bool,

    /// Show the first so many steps [default: the whole episode]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// Steps a second of an animation
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u16).range(1..=50))]
    speed: u16,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Form {
    /// An animated GIF
    #[arg(long)]
    gif: bool,

    /// One HTML file that plays in any browser, without a network
    #[arg(long)]
    html: bool,

    /// A picture of this step
    #[arg(long, value_name = "STEP")]
    png: Option<u32>,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let what = or_newest(self.what.as_deref())?;
        let (mut film, weights) = self.film(&what)?;
        if let Some(steps) = self.steps {
            film.cut(steps);
        }
        let mut bytes = Vec::new();
        let extension = match (self.form.gif, self.form.png) {
            (true, _) => {
                gif(&film, self.speed, &mut bytes)?;
                "gif"
            }
            (false, Some(step)) => {
                png(&film, step, &mut bytes)?;
                "png"
            }
            (false, None) => {
                bytes = html(&film).into_bytes();
                "html"
            }
        };
        let file = match (&self.out, what.file_stem()) {
            (Some(file), _) => file.clone(),
            (None, Some(name)) => Path::new(name).with_extension(extension),
            (None, None) => bail!("name the file to write with --out"),
        };
        townlet_files::write(&file, &bytes)?;
        let steps = film.frames.len() - 1;
        Ok(writeln!(
            out,
            "{}: {steps} steps, {} KiB{}",
            file.display(),
            fs::metadata(&file)?.len().div_ceil(1024),
            weights.map(|weights| format!(", played with {weights}")).unwrap_or_default()
        )?)
    }

    /// The episode, and what of a run played it.
    fn film(&self, what: &Path) -> Result<(Film, Option<String>)> {
        if !RunDirectory::is_at(what) {
            if self.weights.is_some() {
                bail!("--weights chooses among those of a run; in a trace nothing is left to choose");
            }
            return Ok((Film::of_recording(&recording(what)?, self.episode)?, None));
        }
        let (source, checkpoint) = source(what)?;
        let (checkpoint, played) = self.choose(what, &*source, checkpoint)?;
        let beside = if self.beside_wiped { Beside::MemoryWiped {} } else { Beside::Nobody {} };
        let options = SessionOptions { checkpoint, seed: self.seed, beside, ..SessionOptions::default() };
        Ok((Film::of_session(&mut Session::watch(source, options)?)?, Some(played)))
    }

    /// What plays, and how that is said: as `townlet eval` chooses, or the newest checkpoint of a run that has no
    /// weights yet.
    fn choose(
        &self,
        run: &Path,
        source: &dyn Source,
        checkpoint: Option<String>,
    ) -> Result<(Option<String>, String)> {
        let saved = source.checkpoints();
        let is_there = |which: &Weights| saved.iter().any(|found| found.id == which.name());
        let weights = match (checkpoint, self.weights) {
            (Some(_), Some(_)) => bail!("--weights chooses among those of a run; a checkpoint has its own"),
            (Some(id), None) => {
                let played = format!("the checkpoint {id}");
                return Ok((Some(id), played));
            }
            (None, Some(which)) if is_there(&which) => Some(which),
            (None, Some(which)) => bail!(
                "{} has no {} weights yet; leave out --weights, or name one of its checkpoints",
                run.display(),
                which.name()
            ),
            (None, None) => [Weights::Best, Weights::Last].into_iter().find(is_there),
        };
        if let Some(which) = weights {
            return Ok((Some(which.name().to_owned()), format!("the {} weights", which.name())));
        }
        let newest = source.latest().map(|newest| newest.id);
        let played =
            format!("the newest checkpoint, {}", newest.as_deref().unwrap_or("of which there is none"));
        Ok((newest, played))
    }
}
