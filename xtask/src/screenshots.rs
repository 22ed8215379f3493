//! `cargo xtask screenshots`: the pictures of the documents, in `docs/images`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::browser_tests::{browser, packages};
use crate::child;
use crate::workspace::Workspace;

/// How long the agent in the terminal lives before its picture is taken.
const TERMINAL_SECONDS: u64 = 8;

/// The part of a life that the README shows.
const LIFE: [&str; 5] = ["--gif", "--seed", "3", "--steps", "200"];

/// What the command takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The run to show, and to make life.gif of [default: a short one, trained first, and no life.gif]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// The folder for the pictures
    #[arg(long, value_name = "DIR", default_value = "docs/images")]
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let chromium = browser(false)?;
    // With an example beside it, what tests need is in the build: the one that tests have made already.
    let build = ["--bin", "townlet", "--example", "demo_server"];
    child::require(workspace.cargo_with_backends("build").args(build))?;
    let townlet = workspace.target().join("debug/townlet");
    let scratch = workspace.target().join("screenshots");
    fs::create_dir_all(&scratch)?;
    let out = workspace.root().join(&arguments.out);
    fs::create_dir_all(&out)?;

    let run = match &arguments.run {
        Some(run) => run.clone(),
        None => short_run(&townlet, &scratch)?,
    };
    let report = scratch.join("report.html");
    child::require(Command::new(&townlet).arg("report").arg(&run).arg("--out").arg(&report))?;
    if arguments.run.is_some() {
        let mut film = Command::new(&townlet);
        film.arg("export").arg(&run).args(LIFE).arg("--out").arg(out.join("life.gif"));
        child::require(&mut film)?;
    }
    let text = scratch.join("terminal.txt");
    if let Err(reason) = terminal(&townlet, &run, &text) {
        println!("no picture of the terminal: {reason:#}");
    }

    let folder = packages(workspace)?;
    let server = Server::start(&townlet, &run)?;
    let mut pictures = Command::new("node");
    pictures.arg("screenshots.js").arg(&server.url).args([&report, &text, &out]);
    child::require(pictures.env("CHROMIUM", chromium).current_dir(&folder))?;
    Ok(ExitCode::SUCCESS)
}

/// A run of a few minutes, trained once and kept in the target folder.
fn short_run(townlet: &Path, scratch: &Path) -> Result<PathBuf> {
    let run = scratch.join("run");
    if !run.join("best.safetensors").exists() {
        let mut train = Command::new(townlet);
        train.args(["train", "--steps", "60000", "--evaluate-every", "15000", "--out"]).arg(&run);
        child::require(&mut train)?;
        child::require(Command::new(townlet).arg("eval").arg(&run))?;
    }
    Ok(run)
}

/// Lets tmux show an agent in a terminal, and writes down what stands there, with the codes of its colours.
fn terminal(townlet: &Path, run: &Path, text: &Path) -> Result<()> {
    let tmux = |arguments: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new("tmux").args(["-L", "townlet-screenshots"]).args(arguments).output();
        let output = output.context("there is no tmux; install it")?;
        ensure!(output.status.success(), "tmux: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        Ok(output.stdout)
    };
    let command = format!("'{}' watch '{}' --terminal --speed 10", townlet.display(), run.display());
    tmux(&["new-session", "-d", "-x", "100", "-y", "30", &command])?;
    sleep(Duration::from_secs(TERMINAL_SECONDS));
    let shown = tmux(&["capture-pane", "-p", "-e"]);
    tmux(&["kill-server"])?;
    fs::write(text, shown?)?;
    Ok(())
}

/// The page of a run, ended with this value.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(townlet: &Path, run: &Path) -> Result<Self> {
        let mut command = Command::new(townlet);
        command.arg("watch").arg(run).args(["--port", "0", "--speed", "10", "--beside-wiped"]);
        let mut process = command.stderr(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stderr = process.stderr.take().context("the server has no output")?;
        BufReader::new(stderr).read_line(&mut line)?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.with_context(|| format!("the server says {line:?}"))?.to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
