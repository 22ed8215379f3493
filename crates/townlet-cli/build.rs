//! Tells the program which commit it is built from, where it is built in a checkout.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) else { return };
    // Every commit and every checkout of another one adds a line there.
    let log = Path::new(&folder).join("logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        println!("cargo::rustc-env=TOWNLET_GIT_COMMIT={commit}");
    }
}
