//! The tensor backends, and which of them to run on.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::Serialize;

/// A tensor backend. Each has a cargo feature of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// Burn's CPU backend
    Flex,
    /// The older CPU backend
    Ndarray,
    /// GPUs, through Vulkan, Metal or DirectX 12
    Wgpu,
}

impl Backend {
    /// The backend's name as a feature, an argument and a row of a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Which backends to run on.
#[derive(Args, Default)]
pub(crate) struct Selection {
    /// Run on this backend only; may be given several times
    #[arg(long = "backend", value_name = "BACKEND")]
    backends: Vec<Backend>,
    /// Skip a backend that cannot run on this machine, instead of failing
    #[arg(long)]
    pub(crate) skip_missing: bool,
}

impl Selection {
    /// The backends asked for, in a fixed order: all of them, unless some were named.
    pub(crate) fn backends(&self) -> impl Iterator<Item = Backend> {
        let all = Backend::value_variants().iter().copied();
        all.filter(|backend| self.backends.is_empty() || self.backends.contains(backend))
    }
}
