//! Where a run comes from: the program, the machine and the command.

use std::env;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};
use townlet_nets::Backend;
use townlet_nets::device::adapters;

use crate::run_config::RunConfig;

/// The version of Burn that the workspace pins.
pub(crate) const BURN_VERSION: &str = "0.22.1";

/// Where a run comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// The version of this program.
    pub(crate) townlet: String,
    /// The commit that it was built from, where it was built in a checkout.
    pub(crate) git_commit: Option<String>,
    pub(crate) burn: String,
    pub(crate) backend: Backend,
    /// The graphics adapters found, where the backend uses one.
    pub(crate) adapters: Vec<String>,
    pub(crate) os: String,
    pub(crate) arch: String,
    /// What the processor calls itself.
    pub(crate) cpu: Option<String>,
    pub(crate) cpu_cores: Option<usize>,
    /// How many threads compute.
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    /// The command line that made the run.
    pub(crate) command: Vec<String>,
    /// When the run was made, in seconds since 1970.
    pub(crate) started: u64,
}

impl Provenance {
    /// Of a run that this process makes now.
    pub(crate) fn of(config: &RunConfig) -> Self {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let uses_adapter = config.backend == Backend::Wgpu;
        Self {
            townlet: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: option_env!("TOWNLET_GIT_COMMIT").map(str::to_owned),
            burn: BURN_VERSION.to_owned(),
            backend: config.backend,
            adapters: if uses_adapter {
                adapters().iter().map(ToString::to_string).collect()
            } else {
                vec![]
            },
            os: env::consts::OS.to_owned(),
            arch: env::consts::ARCH.to_owned(),
            cpu: cpu_name(),
            cpu_cores: available_parallelism().ok().map(std::num::NonZero::get),
            threads: rayon::current_num_threads(),
            seed: config.seed,
            command: env::args().collect(),
            started: since_1970.map_or(0, |time| time.as_secs()),
        }
    }
}

impl Provenance {
    /// For a person to read.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let none = || "unknown".to_owned();
        let mut facts = vec![
            ("townlet", self.townlet.clone()),
            ("commit", self.git_commit.clone().unwrap_or_else(none)),
            ("Burn", self.burn.clone()),
            ("backend", self.backend.to_string()),
            ("system", format!("{} {}", self.os, self.arch)),
            ("processor", self.cpu.clone().unwrap_or_else(none)),
            ("threads", self.threads.to_string()),
            ("seed", self.seed.to_string()),
            ("command", self.command.join(" ")),
        ];
        if !self.adapters.is_empty() {
            facts.push(("adapters", self.adapters.join(", ")));
        }
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What the processor calls itself, on systems that say so in a file.
fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
