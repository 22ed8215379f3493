//! A Python with PyTorch: one below the target folder, made once, or one that is named.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::child;
use crate::workspace::Workspace;

/// The release that is installed, so that figures of different days can be compared.
const TORCH: &str = "2.15.0";
/// Where PyTorch's builds without CUDA are: a tenth of the size of the others.
const CPU_INDEX: &str = "https://download.pytorch.org/whl/cpu";
/// What to do where there is no other way.
const OTHERWISE: &str = "or name a Python that has torch and numpy: --python PATH";

/// The interpreter to run: `named`, or that of an environment below the target folder, which is made if it
/// is not there yet.
///
/// # Errors
///
/// Where `named` has no PyTorch, and where none can be installed. The message says what is missing.
pub(super) fn interpreter(workspace: &Workspace, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        torch_version(named)?;
        return Ok(named.to_owned());
    }
    let folder = workspace.target().join("peer-venv");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let ready = || torch_version(&python).is_ok_and(|version| is_pinned(&version));
    if !ready() {
        install(&folder, &python)?;
        ensure!(ready(), "{} does not have PyTorch {TORCH}; delete it and try again", folder.display());
    }
    Ok(python)
}

/// The version of PyTorch that a Python has.
fn torch_version(python: &Path) -> Result<String> {
    let output = Command::new(python)
        .args(["-c", "import numpy, torch; print(torch.__version__)"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let reason = errors.trim_end().lines().next_back().unwrap_or("no reason given");
        bail!("{} cannot import numpy and torch: {reason}", python.display());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether this is the release that is installed, in whatever build: `2.0.0`, `2.0.0+cpu`.
fn is_pinned(version: &str) -> bool {
    version.split('+').next() == Some(TORCH)
}

fn install(folder: &Path, python: &Path) -> Result<()> {
    eprintln!("Installing PyTorch {TORCH} into {}", folder.display());
    let system = if cfg!(windows) { "python" } else { "python3" };
    // What an interrupted attempt left there goes.
    let mut venv = Command::new(system);
    venv.args(["-m", "venv", "--clear"]).arg(folder).stdout(Stdio::from(io::stderr()));
    child::require(&mut venv).with_context(|| {
        format!("cannot make a Python environment; install {system} with its venv module, {OTHERWISE}")
    })?;

    let torch = format!("torch=={TORCH}");
    let pip = |arguments: &[&str]| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
            // Nobody wants to build PyTorch: where there is no package for this Python, it is an error.
            .arg("--only-binary=:all:")
            .arg(&torch)
            .args(arguments)
            .stdout(Stdio::from(io::stderr()));
        pip
    };
    // Where this index is out of reach, pip would try for minutes.
    let from_cpu_index = pip(&["--index-url", CPU_INDEX, "--retries", "0", "--timeout", "10"])
        .status()
        .with_context(|| format!("cannot run {}", python.display()))?;
    if !from_cpu_index.success() {
        eprintln!("Not to be had from {CPU_INDEX}, so from PyPI, with some GB of CUDA where it runs");
    }
    // Brings what the index above does not have: numpy at least, and PyTorch itself if need be.
    child::require(&mut pip(&["numpy"])).with_context(|| {
        format!("cannot install PyTorch {TORCH}; check the network and the version of {system}, {OTHERWISE}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_of_the_pinned_release_are_it() {
        assert!(is_pinned(TORCH) && is_pinned(&format!("{TORCH}+cpu")));
        assert!(!is_pinned("2.0.0+cpu") && !is_pinned(&format!("{TORCH}1")) && !is_pinned(""));
    }

    #[test]
    fn a_python_that_is_not_there_is_named() {
        let error = torch_version(Path::new("no/such/python")).unwrap_err().to_string();
        assert_eq!(error, "cannot run no/such/python");
    }

    #[cfg(unix)]
    #[test]
    fn a_python_without_torch_says_why() {
        // Any program that fails will do.
        let error = torch_version(Path::new("false")).unwrap_err().to_string();
        assert_eq!(error, "false cannot import numpy and torch: no reason given");
    }
}
