//! Kills runs at moments that a seed chooses, resumes them until they end, and compares what they leave with a run
//! that nobody killed.
//!
//! One engine for the test suite and for `cargo xtask crash-test`, which includes this file. It therefore uses nothing
//! but the standard library and `anyhow`, and a program that is already built.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A run of about a second, with everything in it that a checkpoint has to carry.
const SETTINGS: &str = r#"
agents = 4
evaluation = { every = 900, episodes = 2 }
checkpoints = { every = 300 }

[learner]
batch_size = 2
trace_length = 4
period = 2
n_step = 2
replay_capacity = 1500
start_state = "stored"
sampling = { kind = "prioritised", alpha = 0.9, beta = 0.6 }
intrinsic = { kind = "counts", counters = 256 }
schedule = { learning_starts = 100, update_every = 50, target_copy_every = 2 }

[network]
hidden = 8
vision_channels = [2, 2]
vision_features = 8
encoder_features = 4
head_features = 8
"#;

const TRAIN: [&str; 8] = ["train", "--quiet", "--config", "crash.toml", "--steps", "2400", "--seed", "7"];

/// Starting, setting up and taking up a checkpoint fall into this time; half of the kills do, too.
const SET_UP: Duration = Duration::from_millis(200);

/// How often one run is killed before it is left to come to its end.
const KILLS_OF_A_RUN: u64 = 10;

/// What to do.
pub(crate) struct CrashTest<'a> {
    /// The program `townlet`.
    pub(crate) program: &'a Path,
    /// An empty folder to work in.
    pub(crate) folder: &'a Path,
    /// How many kills there are in all.
    pub(crate) kills: u64,
    /// What the moments follow from.
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many runs came to the same end.
    pub(crate) runs: u64,
    /// How many kills were tried; some processes are over before.
    pub(crate) attempts: u64,
    /// How many kills struck.
    pub(crate) kills: u64,
    /// How many of them struck in the first 200 ms of a process.
    pub(crate) at_set_up: u64,
    /// How many of them left nothing but perhaps a partial folder, so that the run was begun again.
    pub(crate) before_the_run: u64,
    /// How many of them struck while a checkpoint was being written.
    pub(crate) at_a_checkpoint: u64,
}

/// When to kill.
enum Moment {
    After(Duration),
    AtACheckpoint,
}

impl CrashTest<'_> {
    /// Kills and compares. `tell` is given the outcome so far after every run.
    ///
    /// # Errors
    ///
    /// If a run does not go on, or comes to another end than the one that nobody killed.
    pub(crate) fn run(&self, mut tell: impl FnMut(&Outcome)) -> Result<Outcome> {
        fs::write(self.folder.join("crash.toml"), SETTINGS)?;
        let begun = Instant::now();
        finish(self.start("whole")?, "the run that nobody kills")?;
        let took = begun.elapsed();
        let whole = leavings(self.program, &self.folder.join("whole"))?;
        let mut outcome = Outcome::default();
        while outcome.kills < self.kills {
            let name = format!("broken-{}", outcome.runs);
            self.one_run(&name, took, &mut outcome).with_context(|| self.story(&name, &outcome))?;
            let broken = leavings(self.program, &self.folder.join(&name))?;
            same(&whole, &broken).with_context(|| self.story(&name, &outcome))?;
            self.nothing_is_left()?;
            fs::remove_dir_all(self.folder.join(&name))?;
            outcome.runs += 1;
            tell(&outcome);
        }
        Ok(outcome)
    }

    /// Kills one run a few times, then lets it come to its end.
    fn one_run(&self, name: &str, took: Duration, outcome: &mut Outcome) -> Result<()> {
        let mut kills = 0;
        while kills < KILLS_OF_A_RUN && outcome.kills < self.kills {
            let mut process = self.start(name)?;
            let begun = Instant::now();
            let moment = self.moment(outcome.attempts, kills == 0, took);
            outcome.attempts += 1;
            let at_a_checkpoint = matches!(moment, Moment::AtACheckpoint);
            match moment {
                Moment::After(time) => sleep(time),
                Moment::AtACheckpoint => {
                    while process.try_wait()?.is_none() && !self.writes_a_checkpoint(name) {}
                }
            }
            let alive = process.try_wait()?.is_none();
            if !alive {
                // Over before it could be killed: it must have come to its end.
                return finish(process, "a run that was not killed");
            }
            process.kill()?;
            outcome.at_set_up += u64::from(begun.elapsed() <= SET_UP);
            process.wait()?;
            outcome.at_a_checkpoint += u64::from(at_a_checkpoint);
            outcome.before_the_run += u64::from(!self.is_there(name));
            outcome.kills += 1;
            kills += 1;
        }
        finish(self.start(name)?, "a run that was killed, and then left alone")
    }

    /// The moment of a kill: every second one in the time in which a run is set up or taken up, every eighth while a
    /// checkpoint is written, the others at any time. The first kill of a run strikes early, while its directory is
    /// made.
    fn moment(&self, attempt: u64, is_first: bool, took: Duration) -> Moment {
        let mut hasher = DefaultHasher::new();
        (self.seed, "kill", attempt).hash(&mut hasher);
        let number = hasher.finish();
        let part = (number >> 11) as f64 / (1_u64 << 53) as f64;
        if is_first {
            return Moment::After(SET_UP.mul_f64(part * part));
        }
        match number % 8 {
            0..4 => Moment::After(SET_UP.mul_f64(part)),
            4 => Moment::AtACheckpoint,
            _ => Moment::After(took.mul_f64(part)),
        }
    }

    fn is_there(&self, name: &str) -> bool {
        self.folder.join(name).join("run.toml").exists()
    }

    fn writes_a_checkpoint(&self, name: &str) -> bool {
        names(&self.folder.join(name).join("checkpoints")).iter().any(|name| is_partial(name))
    }

    /// Begins a run, or goes on with it.
    fn start(&self, name: &str) -> Result<Child> {
        let mut command = Command::new(self.program);
        if self.is_there(name) {
            command.args(["resume", "--quiet", name]);
        } else {
            command.args(TRAIN).args(["--out", name]);
        }
        command.current_dir(self.folder).env("RAYON_NUM_THREADS", "1").env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// The folder around the runs, and every run, hold nothing that was never finished.
    fn nothing_is_left(&self) -> Result<()> {
        let mut folders = vec![self.folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for name in names(&folder) {
                let path = folder.join(&name);
                ensure!(!is_partial(&name), "{} was left", path.display());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        Ok(())
    }

    fn story(&self, name: &str, outcome: &Outcome) -> String {
        format!("seed {}, run {name}, after {} kills", self.seed, outcome.kills)
    }
}

/// Waits for a process that must succeed.
fn finish(process: Child, what: &str) -> Result<()> {
    let output = process.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed ({}):\n{said}", output.status);
    Ok(())
}

fn is_partial(name: &str) -> bool {
    name.ends_with(".partial")
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// What a run leaves that must not depend on interruptions: weights, settings, and tables without times.
pub(crate) fn leavings(program: &Path, run: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut leavings = Vec::new();
    for name in ["weights.safetensors", "best.safetensors", "run.toml", "level.toml"] {
        let path = run.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        leavings.push((name.to_owned(), bytes));
    }
    let tables: PathBuf = run.join("tables");
    let output =
        Command::new(program).args(["runs", "export"]).arg(run).arg("--out").arg(&tables).output()?;
    ensure!(output.status.success(), "no tables: {}", String::from_utf8_lossy(&output.stderr));
    for name in names(&tables) {
        let text = fs::read_to_string(tables.join(&name))?;
        leavings.push((name, without_times(&text).into_bytes()));
    }
    fs::remove_dir_all(&tables)?;
    leavings.sort();
    Ok(leavings)
}

/// A table but for the columns that say how long something took.
fn without_times(table: &str) -> String {
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split(',').collect();
    let is_time =
        |index: usize| header.get(index).is_some_and(|name| ["timestamp", "training_seconds"].contains(name));
    let mut kept = String::new();
    for line in table.lines() {
        let cells = line.split(',').enumerate().filter(|(index, _)| !is_time(*index));
        kept += &cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",");
        kept.push('\n');
    }
    kept
}

/// Makes sure that two runs left the same.
pub(crate) fn same(expected: &[(String, Vec<u8>)], found: &[(String, Vec<u8>)]) -> Result<()> {
    let of = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    ensure!(of(expected) == of(found), "expected {:?}, found {:?}", of(expected), of(found));
    for ((name, expected), (_, found)) in expected.iter().zip(found) {
        if expected != found {
            bail!("{name} differs from that of the run that nobody killed");
        }
    }
    Ok(())
}
