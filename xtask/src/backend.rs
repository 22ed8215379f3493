//! The tensor backends, and what has to be there before the tensor suite can run on them.

use std::fmt;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::child;
use crate::lavapipe::{self, Variable};
use crate::workspace::{TestProgram, Workspace};

/// A tensor backend. Each has a cargo feature of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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

/// The tensor suite, ready to be run on one backend.
pub(crate) struct Suite<'a> {
    program: &'a TestProgram,
    backend: Backend,
    environment: Vec<Variable>,
}

impl<'a> Suite<'a> {
    /// Prepares what `backend` needs: for wgpu, an adapter.
    ///
    /// # Errors
    ///
    /// If the backend cannot run on this machine. The message says what to install.
    pub(crate) fn prepare(workspace: &Workspace, program: &'a TestProgram, backend: Backend) -> Result<Self> {
        let environment =
            if backend == Backend::Wgpu { find_adapter(workspace, program)? } else { Vec::new() };
        Ok(Self { program, backend, environment })
    }

    /// The command that runs the suite.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.program.command();
        command.env("TOWNLET_BACKEND", self.backend.name()).envs(self.environment.iter().cloned());
        if self.backend == Backend::Wgpu {
            // The tests share one device, and software drivers use every core for one of them.
            command.arg("--test-threads=1");
        }
        command
    }
}

/// Finds an adapter for wgpu, or brings one, and says what programs need in their environment.
fn find_adapter(workspace: &Workspace, suite: &TestProgram) -> Result<Vec<Variable>> {
    if list_adapters(suite, &[])? > 0 {
        return Ok(Vec::new());
    }
    let environment = lavapipe::environment(workspace).context("no adapter")?;
    if list_adapters(suite, &environment)? > 0 {
        return Ok(environment);
    }
    bail!(
        "no adapter, even with the driver in {}, so install mesa-vulkan-drivers and libvulkan1",
        workspace.target().join("lavapipe").display()
    );
}

/// Prints the adapters that the suite sees, and counts them.
fn list_adapters(suite: &TestProgram, environment: &[Variable]) -> Result<usize> {
    let mut count = 0;
    let mut command = suite.command();
    command.env("TOWNLET_LIST_ADAPTERS", "1").envs(environment.iter().cloned());
    let status = child::follow(&mut command, |line| {
        println!("{line}");
        count += usize::from(line.starts_with("adapter: "));
    })?;
    if !status.success() {
        println!("listing the adapters failed: {status}");
        return Ok(0);
    }
    Ok(count)
}
