//! `cargo xtask lavapipe`: a Vulkan driver for machines without one, and nothing installed.
//!
//! Mesa's lavapipe is a Vulkan driver that runs on the processor. On Debian, Ubuntu and their kin,
//! apt says which packages this system lacks for it, fetches them and checks them; they are
//! unpacked into the target folder, and environment variables point a program there. Needs no
//! root. What apt writes on the way stays in the target folder too.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::child;
use crate::workspace::Workspace;

/// The packages that make up the driver, and its loader.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// An environment variable for programs that are to find the driver.
pub(crate) type Variable = (&'static str, OsString);

/// Runs the command. Only the lines for the shell go to standard output, so that
/// `eval "$(cargo xtask lavapipe)"` works.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    for (variable, value) in environment(workspace)? {
        let value = value.to_string_lossy().replace('\'', r"'\''");
        println!("export {variable}='{value}'");
    }
    Ok(ExitCode::SUCCESS)
}

/// Fetches the driver if it is not there yet, and says how to reach it.
pub(crate) fn environment(workspace: &Workspace) -> Result<Vec<Variable>> {
    let folder = workspace.target().join("lavapipe");
    let root = folder.join("root");
    if !root.exists() {
        fetch(&folder, &root).with_context(|| {
            format!("cannot fetch a software Vulkan driver, so install {}", PACKAGES.join(" and "))
        })?;
    }
    point_at(&folder, &root).with_context(|| {
        format!("{} holds no usable driver; delete {} to fetch it again", root.display(), folder.display())
    })
}

/// Downloads and unpacks the driver. `root` appears last and whole, and an interrupted download
/// goes on where it stopped.
fn fetch(folder: &Path, root: &Path) -> Result<()> {
    let download = folder.join("download");
    let archives = download.join("cache/archives");
    fs::create_dir_all(download.join("lists/partial"))?;
    fs::create_dir_all(archives.join("partial"))?;
    let settings = download.join("apt.conf");
    fs::write(&settings, apt_settings(&download))?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").arg("--config-file").arg(&settings).args(arguments).stdout(Stdio::from(io::stderr()));
        apt
    };

    eprintln!("Fetching Mesa's lavapipe, a software Vulkan driver, into {}", folder.display());
    // Some unrelated source may be out of reach; whether that matters, the download shows.
    apt(&["update"]).status().context("cannot run apt-get, the package manager of Debian and Ubuntu")?;
    child::require(apt(&["install", "--download-only", "--yes", "--no-install-recommends"]).args(PACKAGES))?;

    let unpacked = folder.join("unpacked");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked)?;
    }
    let mut count = 0;
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        // A second C library beside the one that is running breaks every program.
        if archive.extension().is_some_and(|extension| extension == "deb") && !name.starts_with("libc6_") {
            child::require(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&unpacked))?;
            count += 1;
        }
    }
    ensure!(count > 0, "apt had nothing to fetch: {} are installed already", PACKAGES.join(" and "));
    fs::rename(&unpacked, root)?;
    fs::remove_dir_all(&download)?;
    eprintln!("Unpacked {count} packages");
    Ok(())
}

/// Settings that keep everything apt writes within `download`.
fn apt_settings(download: &Path) -> String {
    format!(
        "Dir::State::Lists \"{0}/lists\";\n\
         Dir::Cache \"{0}/cache\";\n\
         Debug::NoLocking \"true\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         #clear APT::Update::Pre-Invoke;\n\
         #clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n",
        download.display()
    )
}

/// Describes the driver below `root` to the Vulkan loader: the description that comes with it names
/// the place where it would have been installed.
fn point_at(folder: &Path, root: &Path) -> Result<Vec<Variable>> {
    let description = entries(&root.join("usr/share/vulkan/icd.d"))?
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd")))
        .context("no description of the lavapipe driver")?;
    let mut driver: Value = serde_json::from_slice(&fs::read(&description)?)?;
    let library = driver["ICD"]["library_path"].as_str().context("the description names no library")?;
    let library = Path::new(library).file_name().context("the library has no name")?;
    let libraries = entries(&root.join("usr/lib"))?
        .into_iter()
        .find(|path| path.join(library).exists())
        .with_context(|| format!("no {}", library.display()))?;
    driver["ICD"]["library_path"] = libraries.join(library).to_string_lossy().into();
    let description = folder.join("lvp_icd.json");
    fs::write(&description, format!("{driver:#}\n"))?;

    let architecture = libraries.file_name().context("the library folder has no name")?;
    let mut search = vec![libraries.clone(), root.join("lib").join(architecture)];
    search.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
    Ok(vec![
        ("VK_DRIVER_FILES", description.clone().into()),
        // The same variable for loaders before 1.3.207.
        ("VK_ICD_FILENAMES", description.into()),
        ("LD_LIBRARY_PATH", env::join_paths(search)?),
    ])
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("cannot read {}", folder.display()))
}
