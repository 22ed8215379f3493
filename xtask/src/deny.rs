//! `cargo xtask deny`: what the dependencies may be, checked by cargo-deny.
//!
//! Licences, sources and duplicates need nothing but the lock file. Known vulnerabilities need the database of
//! `RustSec`, which lies on GitHub: where that cannot be reached, they are skipped, and that is said.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::Workspace;

/// What cargo-deny says where it cannot get the database.
const NO_DATABASE: &str = "failed to fetch advisory database";

/// What the command takes.
#[derive(Args, Default)]
pub(crate) struct Arguments {
    /// Build cargo-deny in the target folder if it is missing
    #[arg(long)]
    install: bool,
    /// Say so and succeed where there is no cargo-deny or no database
    #[arg(long)]
    skip_missing: bool,
}

impl Arguments {
    /// As the build server runs it.
    pub(crate) fn on_the_build_server() -> Self {
        Self { install: true, skip_missing: true }
    }
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let succeeded = check(workspace, arguments)?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks the dependencies, and prints what was not checked; whether nothing was found.
pub(crate) fn check(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let program = match program(workspace, arguments.install) {
        Ok(program) => program,
        Err(reason) if arguments.skip_missing => {
            println!("\n!! THE DEPENDENCIES WERE NOT CHECKED: {reason:#} !!\n");
            return Ok(true);
        }
        Err(reason) => return Err(reason),
    };
    let deny = |checks: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["--color=never", "--log-level=error", "check", "--hide-inclusion-graph"]).args(checks);
        command.current_dir(workspace.root());
        command
    };
    // Duplicates are a warning, of which there are many.
    let mut offline = deny(&["--allow=duplicate", "bans", "licenses", "sources"]);
    let mut succeeded =
        offline.status().with_context(|| format!("cannot run {}", program.display()))?.success();
    let advisories = deny(&["advisories"]).output()?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        println!("advisories ok");
    } else if said.contains(NO_DATABASE) && arguments.skip_missing {
        let reason = said.lines().find(|line| line.starts_with("fatal:")).unwrap_or(NO_DATABASE);
        println!(
            "\n!! KNOWN VULNERABILITIES WERE NOT LOOKED UP: there is no advisory database ({reason}) !!\n"
        );
    } else {
        println!("{}", said.trim_end());
        succeeded = false;
    }
    Ok(succeeded)
}

/// cargo-deny; built first, where that is wanted and possible.
fn program(workspace: &Workspace, install: bool) -> Result<PathBuf> {
    let runs = |program: &Path| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let on_the_path = PathBuf::from("cargo-deny");
    if runs(&on_the_path) {
        return Ok(on_the_path);
    }
    let folder = workspace.target().join("tools");
    let built = folder.join("bin/cargo-deny");
    if !runs(&built) && install {
        println!("building cargo-deny, about two minutes");
        // Unoptimised: it runs for seconds.
        let mut cargo = workspace.cargo("install");
        cargo.args(["cargo-deny", "--locked", "--debug", "--quiet", "--root"]).arg(&folder);
        // Whether that worked is seen below.
        let _ = cargo.env("CARGO_TARGET_DIR", folder.join("build")).status();
    }
    if runs(&built) {
        Ok(built)
    } else {
        bail!("there is no cargo-deny; get it with `cargo install cargo-deny --locked`")
    }
}
