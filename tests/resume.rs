//! Runs that are killed and go on come to the same weights, replay and metrics as one that never stopped.
//!
//! The runs are processes of this program itself, so that they can be killed as the system kills (SIGKILL) at any
//! moment, also while a checkpoint is being written.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};
use rand::RngExt;
use townlet_drqn::{
    Checkpoint, CountNoveltyConfig, DrqnConfig, EpisodeReport, Intrinsic, Progress, Sampling, StartState,
    TrainObserver, Trainer, UpdateReport, UpdateSchedule,
};
use townlet_env::{Level, Town, VectorEnv, stream};
use townlet_metrics::{EpisodeRow, FinishedEpisode, Format, Options, Position, Recorder, UpdateRow, export};
use townlet_nets::{Backend, QNetworkConfig};

/// Says in which folder a process of this program is to train instead of testing.
const FOLDER: &str = "TOWNLET_RESUME_FOLDER";
const STEPS: u64 = 4_000;
const ROUNDS_BETWEEN_CHECKPOINTS: u64 = 50;
const SEED: u64 = 3;

fn main() -> ExitCode {
    if let Some(folder) = env::var_os(FOLDER) {
        return match train(Path::new(&folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let trials = vec![
        Trial::test("killed_at_random_moments_a_run_comes_to_the_same_end", || {
            same_end(|run, attempt, whole| {
                let moment = stream(11, "kill", attempt, 0).random_range(0.1..0.6);
                sleep(whole.mul_f64(moment));
                // It may be over already; that is found out afterwards.
                let _ = run.process.kill();
            });
            Ok(())
        }),
        Trial::test("killed_while_it_writes_a_checkpoint_a_run_comes_to_the_same_end", || {
            same_end(|run, _, _| {
                let folder = run.folder.join("checkpoints");
                let being_written = || {
                    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
                    entries.map(|entry| entry.path()).any(|path| is_partial(&path))
                };
                while run.process.try_wait().expect("it can be asked").is_none() {
                    if being_written() {
                        let _ = run.process.kill();
                        return;
                    }
                }
            });
            Ok(())
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A run in a process of its own.
struct Run {
    folder: PathBuf,
    process: Child,
}

impl Run {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.env(FOLDER, folder).env("RAYON_NUM_THREADS", "2").stdin(Stdio::null());
        Self { folder: folder.to_path_buf(), process: command.spawn().expect("this program starts") }
    }
}

/// Lets one run come to its end undisturbed, has another one killed three times, and compares all that they leave.
/// `kill` is given the run, which attempt it is, and how long a whole run takes.
fn same_end(kill: impl Fn(&mut Run, u64, Duration)) {
    let whole = tempfile::tempdir().expect("a temporary folder");
    let started = Instant::now();
    let status = Run::start(whole.path()).process.wait().expect("it can be waited for");
    assert!(status.success(), "{status}");

    let took = started.elapsed();

    let broken = tempfile::tempdir().expect("a temporary folder");
    let mut kills = 0;
    for attempt in 0..3 {
        let mut run = Run::start(broken.path());
        kill(&mut run, attempt, took);
        let status = run.process.wait().expect("it can be waited for");
        kills += usize::from(!status.success());
    }
    assert!(kills > 0, "the run was over before it could be killed");
    let status = Run::start(broken.path()).process.wait().expect("it can be waited for");
    assert!(status.success(), "{status}");

    let contents = |folder: &Path| {
        let mut contents = Vec::new();
        for part in ["end", "tables"] {
            for entry in fs::read_dir(folder.join(part)).expect("the run has come to its end") {
                let path = entry.expect("readable").path();
                contents.push((path.file_name().map(ToOwned::to_owned), fs::read(&path).expect("readable")));
            }
        }
        contents.sort();
        contents
    };
    let (expected, found) = (contents(whole.path()), contents(broken.path()));
    assert_eq!(expected.len(), found.len());
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        assert!(expected == found, "{name:?} differs");
    }
}

fn is_partial(path: &Path) -> bool {
    path.to_string_lossy().ends_with(townlet_files::PARTIAL)
}

/// Records what happens.
struct Observer {
    recorder: Recorder,
    steps: u64,
    episodes: u64,
    updates: u64,
}

impl TrainObserver<Town> for Observer {
    fn on_step(&mut self, _town: &Town, progress: &Progress) {
        self.steps = progress.steps;
    }

    fn on_episode(&mut self, town: &Town, episode: &EpisodeReport) {
        self.episodes = episode.episode + 1;
        let row = EpisodeRow {
            episode: episode.episode,
            steps: episode.steps,
            agent: episode.env as u64,
            survival_time: episode.length,
            total_reward: episode.total_reward,
            intrinsic_reward: episode.intrinsic_reward,
            terminated: episode.terminated,
            truncated: episode.truncated,
            cause: town.deaths()[episode.env].iter().map(|meter| meter.to_string()).collect(),
            ..EpisodeRow::default()
        };
        self.recorder.record(FinishedEpisode { row, ..FinishedEpisode::default() }).expect("recorded");
    }

    fn on_update(&mut self, update: &UpdateReport) {
        self.updates = update.updates;
        let row = UpdateRow {
            update: update.updates,
            steps: self.steps,
            loss: update.loss.into(),
            grad_norm: update.grad_norm.into(),
            ..UpdateRow::default()
        };
        self.recorder.record(row).expect("recorded");
    }
}

/// Trains in a folder, from its newest checkpoint if there is one, and leaves what it came to.
fn train(folder: &Path) -> Result<()> {
    let level = Level { step_limit: 60, ..Level::builtin("pomdp").context("built in")? };
    let town = Town::new(level, 4)?;
    let network = QNetworkConfig {
        hidden: 12,
        vision_channels: [2, 2],
        vision_features: 8,
        encoder_features: 4,
        head_features: 8,
        ..QNetworkConfig::new(town.observation_layout().clone(), town.num_actions())
    };
    let config = DrqnConfig {
        batch_size: 4,
        trace_length: 8,
        period: 4,
        n_step: 3,
        replay_capacity: 1_500,
        start_state: StartState::Stored,
        sampling: Sampling::Prioritised { alpha: 0.9, beta: 0.6 },
        intrinsic: Intrinsic::Counts(CountNoveltyConfig { counters: 256, ..CountNoveltyConfig::default() }),
        schedule: UpdateSchedule { learning_starts: 200, update_every: 8, target_copy_every: 20 },
        ..DrqnConfig::default()
    };
    let device = Backend::Flex.device()?;
    let checkpoints = folder.join("checkpoints");
    fs::create_dir_all(&checkpoints)?;
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&checkpoints)? {
        let path = entry?.path();
        if is_partial(&path) {
            fs::remove_dir_all(path)?;
        } else {
            found.push(path);
        }
    }
    found.sort();
    let (mut trainer, recorder) = if let Some(newest) = found.pop() {
        let checkpoint = Checkpoint::open(&newest)?;
        let trainer = Trainer::resume(town, &network, config, SEED, &device, &checkpoint)?;
        let position: Position = checkpoint.application()?;
        (trainer, Recorder::resume(folder, position, Options::default())?)
    } else {
        let trainer = Trainer::new(town, &network, config, SEED, &device)?;
        let recorder = if Recorder::is_at(folder) {
            Recorder::resume(folder, Position::default(), Options::default())?
        } else {
            Recorder::create(folder, Options::default())?
        };
        (trainer, recorder)
    };
    let progress = *trainer.progress();
    let mut observer =
        Observer { recorder, steps: progress.steps, episodes: progress.episodes, updates: progress.updates };
    let mut rounds = 0;
    while trainer.progress().steps < STEPS {
        trainer.round(&mut observer)?;
        rounds += 1;
        if rounds % ROUNDS_BETWEEN_CHECKPOINTS == 0 {
            observer.recorder.sync()?;
            let Observer { episodes, updates, .. } = observer;
            let steps = trainer.progress().steps;
            trainer.save(
                &checkpoints.join(format!("step-{steps:08}")),
                true,
                &Position { steps, episodes, updates },
            )?;
        }
    }
    trainer.finish(&mut observer)?;
    observer.recorder.finish()?;
    // There already, where an earlier process came as far as this.
    let end = folder.join("end");
    if end.exists() {
        fs::remove_dir_all(&end)?;
    }
    trainer.save(&end, true, &())?;
    export(folder, Format::Csv, &folder.join("exported"))?;
    without_times(&folder.join("exported"), &folder.join("tables"))
}

/// Copies tables but for their column `timestamp`, which says when something was written.
fn without_times(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let header: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
        let time = header.iter().position(|column| *column == "timestamp");
        let kept = text.lines().map(|line| {
            let cells = line.split(',').enumerate().filter(|(index, _)| Some(*index) != time);
            cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",") + "\n"
        });
        let name = path.file_name().context("a file has a name")?;
        fs::write(to.join(name), kept.collect::<String>())?;
    }
    Ok(())
}
