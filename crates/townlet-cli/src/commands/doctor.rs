//! `townlet doctor`: what this build and this machine can do.

use std::io::Write;
use std::thread::available_parallelism;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use townlet_nets::Backend;
use townlet_nets::device::adapters;

use crate::provenance::BURN_VERSION;

/// Say what this build and this machine can do
///
/// Names the backends in this build, tries each of them, and lists the graphics adapters found.
/// Fails where no backend works.
#[derive(Args)]
#[command(after_help = "Example: townlet doctor")]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Findings {
    townlet: &'static str,
    burn: &'static str,
    os: &'static str,
    arch: &'static str,
    cpu_cores: Option<usize>,
    backends: Vec<BackendFinding>,
    adapters: Vec<String>,
}

#[derive(Serialize)]
struct BackendFinding {
    name: Backend,
    compiled: bool,
    /// The Cargo feature that puts it in a build.
    feature: String,
    works: bool,
    /// Why it does not work.
    error: Option<String>,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let findings = Findings::gather();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
        } else {
            findings.print(out)?;
        }
        if !findings.backends.iter().any(|backend| backend.works) {
            bail!("no backend works, so nothing can be trained here; build again with --features flex");
        }
        Ok(())
    }
}

impl Findings {
    fn gather() -> Self {
        Self {
            townlet: env!("CARGO_PKG_VERSION"),
            burn: BURN_VERSION,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cpu_cores: available_parallelism().ok().map(std::num::NonZero::get),
            backends: Backend::ALL.into_iter().map(BackendFinding::of).collect(),
            adapters: adapters().iter().map(ToString::to_string).collect(),
        }
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { townlet, burn, os, arch, cpu_cores, backends, adapters } = self;
        let cores = cpu_cores.map_or("an unknown number of".to_owned(), |cores| cores.to_string());
        writeln!(out, "townlet {townlet}, Burn {burn}, {os} {arch}, {cores} CPU cores")?;
        writeln!(out, "backends")?;
        for BackendFinding { name, compiled, feature, error, .. } in backends {
            // Not `{name:9}`, which a backend's `Display` ignores.
            let name = name.to_string();
            match (compiled, error) {
                (false, _) => {
                    writeln!(out, "  {name:9}not in this build; add it with --features {feature}")?;
                }
                (true, None) => writeln!(out, "  {name:9}works")?,
                (true, Some(error)) => writeln!(out, "  {name:9}does not work: {error}")?,
            }
        }
        writeln!(out, "graphics adapters")?;
        if !Backend::Wgpu.is_compiled() {
            writeln!(out, "  not looked for: the wgpu backend is not in this build")?;
        } else if adapters.is_empty() {
            writeln!(out, "  none found")?;
        }
        for adapter in adapters {
            writeln!(out, "  {adapter}")?;
        }
        Ok(())
    }
}

impl BackendFinding {
    fn of(backend: Backend) -> Self {
        let compiled = backend.is_compiled();
        let error = backend.device().err().map(|error| error.to_string());
        Self { name: backend, compiled, feature: backend.to_string(), works: error.is_none(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::BURN_VERSION;

    #[test]
    fn the_version_of_burn_is_the_pinned_one() {
        // In a package on its own there is no workspace to compare with.
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let Ok(manifest) = std::fs::read_to_string(manifest) else { return };
        let manifest: toml::Table = manifest.parse().unwrap();
        let pinned = manifest["workspace"]["dependencies"]["burn"]["version"].as_str().unwrap();
        assert_eq!(pinned, format!("={BURN_VERSION}"));
    }
}
