//! The tensor suite, and what has to be there before it can run on a backend.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::backend::Backend;
use crate::child;
use crate::lavapipe::{self, Variable};
use crate::workspace::{TestProgram, Workspace};

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

/// Prints the adapters that the suite sees, and counts those that it supports.
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
