//! Why a checkpoint could not be written, read or gone on from.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use townlet_files::FileError;
use townlet_nets::{OptimizerStateError, StateDictMismatch, WeightsError};

use crate::state_fault::StateFault;
use crate::trainer::TrainError;

/// Why a checkpoint could not be written, read or gone on from. Whatever was on disk before still is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Something could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder could not be written, or there is something already where the checkpoint was to go.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is in another format.
    #[error(
        "{} is a checkpoint in the format {found:?}; this version reads {expected:?}: \
         use the version of Townlet that wrote it, or train again",
        path.display()
    )]
    Format {
        /// The checkpoint.
        path: PathBuf,
        /// The format that it is in.
        found: String,
        /// The format that can be read.
        expected: &'static str,
    },
    /// A part is missing, cut short or changed.
    #[error("{} is damaged: {reason}; go on from another checkpoint", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A part says what cannot be so in the run.
    #[error("{} is damaged: {fault}; go on from another checkpoint", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// The field, and what is wrong with it.
        fault: StateFault,
    },
    /// Something that is not a finite number was to be saved. Nothing was written.
    #[error("{} is not written: {fault}", path.display())]
    NotSaved {
        /// The checkpoint.
        path: PathBuf,
        /// The field, and what is wrong with it.
        fault: StateFault,
    },
    /// What going on needs was taken out of it.
    #[error("{} holds weights only: what going on from it needs was removed", path.display())]
    WeightsOnly {
        /// The checkpoint.
        path: PathBuf,
    },
    /// It is of another run.
    #[error("{} is of another run: {what} is {found}, expected {expected}", path.display())]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the checkpoint has.
        found: String,
        /// What the run has.
        expected: String,
    },
    /// Its networks are not those of the run.
    #[error("{}: {source}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What differs.
        source: StateDictMismatch,
    },
    /// What its optimiser remembers is not of the run's network.
    #[error("{}: {source}", path.display())]
    Optimizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: OptimizerStateError,
    },
    /// A file of weights could not be written or read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The world does not take up the state that was saved.
    #[error("{}: the world cannot go on: {reason}", path.display())]
    World {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The run itself cannot be set up.
    #[error(transparent)]
    Train(#[from] TrainError),
}
