//! A study: the same run many times over, with one thing changed.
//!
//! [`file`] is what a user writes, [`folder`] what is on the disk, [`runner`] does what is not done yet with
//! [`children`], and [`results`] compares.

mod children;
mod file;
mod folder;
mod results;
mod runner;

pub(crate) use self::file::Study;
pub(crate) use self::folder::StudyFolder;
pub(crate) use self::runner::{Runner, Tally};
