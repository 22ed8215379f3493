//! The work that is measured, and choosing some of it.

use anyhow::{Result, bail};

use crate::backend::Backend;

use super::protocol::{Path, Settings, Work};

/// Everything, in the order of the report.
const WORKS: [Work; 12] = [
    train(Backend::Flex, Path::Kernels, 16, 8),
    train(Backend::Flex, Path::Kernels, 32, 40),
    train(Backend::Flex, Path::Kernels, 64, 80),
    train(Backend::Ndarray, Path::Kernels, 16, 8),
    train(Backend::Flex, Path::Composed, 16, 8),
    train(Backend::Ndarray, Path::Composed, 16, 8),
    act(1),
    act(16),
    act(256),
    act(1024),
    Work::Loop { backend: Backend::Flex, settings: Settings::Plain, agents: 1 },
    Work::Loop { backend: Backend::Flex, settings: Settings::Program, agents: 64 },
];

const fn train(backend: Backend, path: Path, batch: usize, time: usize) -> Work {
    Work::Train { backend, path, batch, time }
}

const fn act(batch: usize) -> Work {
    Work::Act { backend: Backend::Flex, batch }
}

impl Work {
    /// Whether PyTorch takes part.
    pub(super) fn is_race(&self) -> bool {
        matches!(self, Self::Train { .. } | Self::Act { .. })
    }

    /// What the work is called in arguments and tables.
    pub(super) fn name(&self) -> String {
        match self {
            Self::About => "about".to_owned(),
            Self::Train { backend, path: Path::Kernels, batch, time } => {
                format!("train-{batch}x{time}-{backend}")
            }
            Self::Train { backend, path: Path::Composed, batch, time } => {
                format!("composed-{batch}x{time}-{backend}")
            }
            Self::Act { batch, .. } => format!("act-{batch}"),
            Self::Loop { agents, .. } => format!("loop-{agents}"),
        }
    }
}

/// The work that one of `names` means: its whole name, or some of its parts from the front. All of it,
/// where there are no names.
pub(super) fn select(names: &[String]) -> Result<Vec<Work>> {
    let means = |name: &str, work: &Work| {
        work.name().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    for name in names {
        if !WORKS.iter().any(|work| means(name, work)) {
            let known: Vec<_> = WORKS.iter().map(Work::name).collect();
            bail!("there is no work named '{name}'; there are {}", known.join(", "));
        }
    }
    let selected = |work: &&Work| names.is_empty() || names.iter().any(|name| means(name, work));
    Ok(WORKS.iter().filter(selected).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        select(&names).unwrap().iter().map(Work::name).collect()
    }

    #[test]
    fn work_is_chosen_by_its_name() {
        assert_eq!(selected(&["act-1", "train-16x8-flex"]), ["train-16x8-flex", "act-1"]);
        assert_eq!(selected(&["loop-64", "loop-64"]), ["loop-64"]);
    }

    #[test]
    fn work_is_chosen_by_the_first_parts_of_its_name() {
        assert_eq!(selected(&["train-16x8"]), ["train-16x8-flex", "train-16x8-ndarray"]);
        assert_eq!(selected(&["loop"]), ["loop-1", "loop-64"]);
    }

    #[test]
    fn all_work_is_done_unless_some_is_named() {
        assert_eq!(selected(&[]).len(), WORKS.len());
    }

    #[test]
    fn unknown_work_lists_what_is_known() {
        for name in ["fly", "tr", "act-10", ""] {
            let error = select(&[name.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}'")) && error.contains("act-1024"), "{error}");
        }
    }
}
