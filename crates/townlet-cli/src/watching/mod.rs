//! What the viewer watches: runs and their checkpoints, or levels with nobody trained in them.

mod level_source;
mod network_brain;
mod run_source;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use townlet_drqn::{Policy, RandomPolicy};
use townlet_env::ScriptedAgent;
use townlet_viewer::server::{ServerOptions, serve};
use townlet_viewer::{Baseline, Session, Source, terminal};

use self::level_source::LevelSource;
use self::run_source::RunSource;
use crate::evaluation::play;
use crate::level_argument;
use crate::messages;
use crate::run_directory::RunDirectory;
use crate::stop::NEVER;
use crate::world::{View, World};

/// How many episodes others play to be compared with.
const BASELINE_EPISODES: usize = 50;
/// What these episodes follow from.
const BASELINE_SEED: u64 = 1_000_003;

/// The source that a path names: a run directory, a checkpoint, or a level; and the checkpoint, if it is one.
///
/// # Errors
///
/// Where it is nothing of these, or damaged.
pub(crate) fn source(path: &Path) -> Result<(Arc<dyn Source>, Option<String>)> {
    if !RunDirectory::is_at(path) {
        let level = level_argument::load(path).with_context(|| {
            let shown = path.display();
            format!("{shown} is no run directory, so it was taken for a level, built in or a file")
        })?;
        return Ok((Arc::new(LevelSource::new(level)?), None));
    }
    let (run, config, checkpoint) = RunDirectory::open_with_checkpoint(path)?;
    let name =
        checkpoint.and_then(|checkpoint| Some(checkpoint.path().file_name()?.to_string_lossy().into_owned()));
    Ok((Arc::new(RunSource::new(run, config)?), name))
}

/// How long a random agent lives in the level of `view`, and one that knows everything.
fn baselines(view: &View) -> Result<Vec<Baseline>> {
    fn lives<P: Policy<World>>(
        view: &View,
        name: &str,
        policy: impl FnMut(usize, u64) -> P,
    ) -> Result<Baseline> {
        let played = play(view, BASELINE_EPISODES, &[BASELINE_SEED], NEVER, policy)?;
        Ok(Baseline { name: name.to_owned(), survival: played.survival_mean.unwrap_or_default() })
    }
    let random = lives(view, "random", |_, seed| RandomPolicy::new(seed))?;
    let scripted = lives(view, "scripted", |_, _| ScriptedAgent::new(&view.level))?;
    Ok(vec![random, scripted])
}

/// Where a session is shown.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Terminal,
    Page(Box<ServerOptions>),
}

/// Shows a session until the person has seen enough.
///
/// # Errors
///
/// Where there is no terminal, or no port.
pub(crate) fn show(mut session: Session, stage: Stage) -> Result<()> {
    match stage {
        Stage::Terminal => terminal::run(&mut session).context("cannot show it in this terminal"),
        Stage::Page(options) => {
            // Said on stderr and at once: whoever started this waits for it.
            serve(session, *options, |server| {
                let others = if server.is_for_others() { ", on this machine or another" } else { "" };
                messages::line(format_args!("Open {} in a browser{others}. Ctrl-C ends it.", server.url()));
                if let Some(warning) = server.warning() {
                    messages::warning(warning);
                }
            })
            .map_err(Into::into)
        }
    }
}
