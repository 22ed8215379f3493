//! What cargo knows: where the workspace is, what its packages are called, which tests it built.

use std::collections::BTreeMap;
use std::env;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Deserialize;

use crate::backend::Backend;

/// The test target that holds the tensor suite.
const SUITE: &str = "backends";

/// The workspace around the current directory.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    root: PathBuf,
    #[serde(rename = "target_directory")]
    target: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    features: BTreeMap<String, Vec<String>>,
}

/// A test program that cargo built.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestProgram {
    /// The package it belongs to.
    package: String,
    /// The target it was built from: the library, a binary, or an integration test.
    target: String,
    folder: PathBuf,
    executable: PathBuf,
}

/// Every test program of the workspace.
pub(crate) struct TestPrograms {
    /// The tensor suite, which is run once for each backend.
    pub(crate) suite: TestProgram,
    /// The programs that take no backend.
    pub(crate) others: Vec<TestProgram>,
}

/// One line of `cargo --message-format=json`, as far as it is needed here.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact(Artifact),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Workspace {
    /// Asks cargo about the workspace around the current directory.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo_program()
            .args(["metadata", "--no-deps", "--format-version=1"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata failed: {}", output.status);
        serde_json::from_slice(&output.stdout).context("cargo metadata printed something unexpected")
    }

    /// The folder that cargo builds in.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `cargo SUBCOMMAND`, run at the root of the workspace.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = cargo_program();
        cargo.arg(subcommand).current_dir(&self.root);
        cargo
    }

    /// `cargo SUBCOMMAND` over the whole workspace with every backend enabled.
    ///
    /// Everything that builds tests or lints goes through here: another choice of packages or features
    /// would build the tensor library a second time.
    pub(crate) fn cargo_with_backends(&self, subcommand: &str) -> Command {
        let mut cargo = self.cargo(subcommand);
        cargo.args(["--workspace", "--features", &self.backend_features(Backend::value_variants())]);
        cargo
    }

    /// As [`cargo_with_backends`](Self::cargo_with_backends), with one more feature of a package.
    pub(crate) fn cargo_with_backends_and(&self, subcommand: &str, feature: &str) -> Command {
        let mut cargo = self.cargo_with_backends(subcommand);
        cargo.args(["--features", feature]);
        cargo
    }

    /// Every `package/backend` feature of the workspace for these backends, separated by commas.
    fn backend_features(&self, backends: &[Backend]) -> String {
        let mut features = Vec::new();
        for package in &self.packages {
            for backend in backends {
                if package.features.contains_key(backend.name()) {
                    features.push(format!("{}/{backend}", package.name));
                }
            }
        }
        features.join(",")
    }

    /// Builds every test program of the workspace, with every backend enabled.
    pub(crate) fn build_tests(&self) -> Result<TestPrograms> {
        let mut programs = Vec::new();
        let status = build(self.cargo_with_backends("test").arg("--no-run"), |artifact| {
            if let (true, Some(executable)) = (artifact.profile.test, artifact.executable) {
                programs.push(self.test_program(&artifact.package_id, artifact.target.name, executable)?);
            }
            Ok(())
        })?;
        ensure!(status.success(), "the tests do not build");
        programs.sort();
        let suite = programs
            .iter()
            .position(|program| program.target == SUITE)
            .with_context(|| format!("the workspace has no test target named {SUITE}"))?;
        Ok(TestPrograms { suite: programs.remove(suite), others: programs })
    }

    /// Builds an example for measurements, with these backends enabled, and says where it is.
    ///
    /// The whole workspace is selected for the reason that [`cargo_with_backends`](Self::cargo_with_backends) gives.
    pub(crate) fn build_example(&self, name: &str, backends: &[Backend]) -> Result<PathBuf> {
        let mut example = None;
        let mut cargo = self.cargo("build");
        cargo.args(["--release", "--workspace", "--example", name]);
        cargo.args(["--features", &self.backend_features(backends)]);
        let status = build(&mut cargo, |artifact| {
            if artifact.target.name == name && artifact.executable.is_some() {
                example = artifact.executable;
            }
            Ok(())
        })?;
        ensure!(status.success(), "the example {name} does not build");
        example.with_context(|| format!("cargo built no example {name}"))
    }

    fn test_program(&self, package: &str, target: String, executable: PathBuf) -> Result<TestProgram> {
        let package = self
            .packages
            .iter()
            .find(|candidate| candidate.id == package)
            .with_context(|| format!("{package} is no package of the workspace"))?;
        let folder = package.manifest_path.parent().context("a manifest has no folder")?;
        Ok(TestProgram { package: package.name.clone(), target, folder: folder.to_owned(), executable })
    }
}

impl TestProgram {
    /// What the program is called in messages.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.package, self.target)
    }

    /// The program as cargo would start it: in the folder of its package.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Runs a `cargo build`, and says where the programs are that it built, by their names.
pub(crate) fn build_programs(cargo: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    let mut programs = BTreeMap::new();
    let status = build(cargo, |artifact| {
        programs.extend(artifact.executable.map(|path| (artifact.target.name, path)));
        Ok(())
    })?;
    ensure!(status.success(), "the programs do not build");
    Ok(programs)
}

/// Runs a `cargo` that builds, and hands on what it built as soon as it is there.
fn build(cargo: &mut Command, mut on_artifact: impl FnMut(Artifact) -> Result<()>) -> Result<ExitStatus> {
    let mut build = cargo
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let stdout = build.stdout.take().context("cargo has no output")?;
    for message in serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter() {
        if let Message::CompilerArtifact(artifact) = message? {
            on_artifact(artifact)?;
        }
    }
    Ok(build.wait()?)
}

/// The cargo that started this program, so that a `+toolchain` argument carries through.
fn cargo_program() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
