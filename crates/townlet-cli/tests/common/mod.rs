//! What the tests of several commands need.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// Settings with which a run takes a second and still learns.
pub(crate) const TINY: &str = "\
[evaluation]
every = 0
episodes = 3

[learner]
batch_size = 2
trace_length = 4
period = 2
n_step = 2
schedule = { learning_starts = 100, update_every = 50, target_copy_every = 2 }

[network]
hidden = 8
vision_channels = [2, 2]
vision_features = 8
encoder_features = 4
head_features = 8
";

/// The program, in a fresh directory of its own.
pub(crate) struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { directory: TempDir::new().unwrap() };
        sandbox.write("tiny.toml", TINY);
        sandbox
    }

    /// `townlet` with these arguments, started in this directory.
    pub(crate) fn townlet(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("townlet").unwrap();
        command.current_dir(self.directory.path()).args(arguments).env_remove("RUST_LOG");
        command
    }

    /// A tiny run in the directory `out`.
    pub(crate) fn train(&self, out: &str, more: &[&str]) -> Command {
        let mut command = self.townlet(&["train", "--config", "tiny.toml", "--agents", "4", "--out", out]);
        command.args(more);
        command
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }
}

/// Two arms of two tiny runs each.
pub(crate) fn study() -> Sandbox {
    let sandbox = Sandbox::new();
    let settings = TINY
        .replace("[evaluation]", "[settings.evaluation]")
        .replace("[learner]", "[settings.learner]")
        .replace("[network]", "[settings.network]");
    let text = format!(
        "name = \"tiny\"\nseeds = [1, 2]\n\n[evaluation]\nepisodes = 4\nepsilons = [0.0, 1.0]\n\n\
         [settings]\nagents = 4\nsteps = 400\n\n{settings}\n\
         [[arms]]\nname = \"carried\"\n\n\
         [[arms]]\nname = \"reset\"\nsettings = {{ learner = {{ memory = \"reset-each-step\" }} }}\n"
    );
    sandbox.write("tiny-study.toml", text);
    sandbox
}
