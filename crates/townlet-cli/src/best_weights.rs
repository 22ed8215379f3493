//! The best weights of a run whose file of them is lost: the best checkpoint has them too.

use anyhow::Result;
use serde::Deserialize;
use townlet_drqn::Checkpoint;
use townlet_metrics::EvaluationRow;
use townlet_nets::{Backend, QNetwork};

use crate::run_config::RunConfig;
use crate::run_directory::{RunDirectory, Weights};
use crate::run_status::{RunState, RunStatus};

/// As much as is needed here of what the program adds to a checkpoint.
#[derive(Deserialize)]
struct Saved {
    run: String,
    evaluations: Evaluations,
}

#[derive(Deserialize)]
struct Evaluations {
    best: Option<EvaluationRow>,
}

/// Where the best weights of a run are to be had.
pub(crate) enum Best {
    /// In their file.
    Kept,
    /// In a checkpoint alone.
    InCheckpoint(Checkpoint),
    /// They are the last ones: the evaluation after the end of training was the best.
    AreLast,
    /// Nowhere: the run was evaluated, and neither file nor checkpoint has what was best, or the file is damaged.
    Lost,
    /// The run was not evaluated on its way.
    None,
}

impl Best {
    /// Of a run, as far as its files tell.
    pub(crate) fn of(run: &RunDirectory, config: &RunConfig) -> Self {
        if run.weights_are_whole(Weights::Best) {
            return Self::Kept;
        }
        let mut saved: Option<Saved> = None;
        if let (Ok(list), Ok(identity)) = (run.checkpoints().list(), config.identity()) {
            saved = list.iter().rev().find_map(|(_, path)| {
                let saved: Saved = Checkpoint::open(path).ok()?.application().ok()?;
                (saved.run == identity).then_some(saved)
            });
        }
        // The last checkpoint is older than the evaluation that ends a run. Without a checkpoint nothing is known of
        // the evaluations before.
        let ended_best = saved.as_ref().is_some_and(|saved| {
            let before = saved.evaluations.best.map(|row| row.survival_mean);
            RunStatus::read(&run.status_file())
                .is_ok_and(|status| status.state == RunState::Finished && status.best_evaluation > before)
        });
        let best = saved.and_then(|saved| saved.evaluations.best);
        if ended_best && run.weights_are_whole(Weights::Last) {
            return Self::AreLast;
        }
        match best.map(|row| in_checkpoint(run, &row)) {
            Some(Some(checkpoint)) => Self::InCheckpoint(checkpoint),
            Some(None) => Self::Lost,
            None if run.has_weights(Weights::Best) || run.was_evaluated() => Self::Lost,
            None => Self::None,
        }
    }
}

/// The checkpoint with the network that was evaluated, if it is still there and whole.
pub(crate) fn in_checkpoint(run: &RunDirectory, row: &EvaluationRow) -> Option<Checkpoint> {
    let checkpoint = Checkpoint::open(&run.checkpoints().place(row.steps)).ok()?;
    (checkpoint.progress().updates == row.updates).then_some(checkpoint)
}

impl Best {
    /// What whoever uses the weights of a run has to know about them, if anything.
    pub(crate) fn note(&self, run: &RunDirectory) -> Option<String> {
        let file = run.weights_file(Weights::Best);
        let file = file.display();
        match self {
            Self::Kept | Self::None => None,
            Self::InCheckpoint(checkpoint) => {
                let path = checkpoint.path().display();
                Some(format!("{file} is lost; the same weights are in {path}, and are used"))
            }
            Self::AreLast => Some(format!("{file} is lost; the last weights are the same, and are used")),
            Self::Lost => Some(format!(
                "{file} is lost, and no checkpoint has the best weights any more; the last ones are used"
            )),
        }
    }
}

/// A network of a run, and which it is.
pub(crate) struct Usual {
    pub(crate) network: QNetwork,
    pub(crate) which: Weights,
    /// What the user has to know about them.
    pub(crate) note: Option<String>,
}

/// The best network of a run, or the last one if it was not evaluated, or if the best one is lost: `note` says so.
///
/// # Errors
///
/// If the backend cannot be used, or no weights can be read.
pub(crate) fn usual(run: &RunDirectory, config: &RunConfig, backend: Backend) -> Result<Usual> {
    let best = Best::of(run, config);
    let (which, network) = match &best {
        Best::Kept => (Weights::Best, run.load_network(Weights::Best, config, backend)?),
        Best::InCheckpoint(checkpoint) => {
            (Weights::Best, RunDirectory::checkpoint_network(checkpoint, config, backend)?)
        }
        Best::AreLast => (Weights::Best, run.load_network(Weights::Last, config, backend)?),
        Best::Lost | Best::None => (Weights::Last, run.load_network(Weights::Last, config, backend)?),
    };
    Ok(Usual { network, which, note: best.note(run) })
}
