#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod file;
mod folder;
mod leftovers;
mod lock;
mod place;

pub use error::FileError;
pub use file::{PartialFile, write};
pub use folder::{PartialFolder, sync_folder};
pub use leftovers::{remove_leftovers, remove_partials};

/// How the name of everything ends that is still being written, by this crate or by versions of Townlet that were
/// before it. Whoever lists files passes over such names.
pub const PARTIAL: &str = ".partial";
