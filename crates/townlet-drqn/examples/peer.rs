//! The Townlet side of `cargo xtask bench-peer`, which races it against PyTorch.
//!
//! It reads one JSON request a line and writes one JSON answer a line. Every request but `about` says for
//! how many seconds to measure:
//!
//! | Request | Answer |
//! |---|---|
//! | `{"work": "about"}` | `program`, `version`, `threads` |
//! | `{"work": "train", "backend": "flex", "path": "kernels", "batch": 16, "time": 8, "seconds": 2}` | `median_ms` of one update, `repetitions`, `parameters` |
//! | the same with `"path": "composed"` | the same, the network composed of Burn's operations |
//! | `{"work": "act", "backend": "flex", "batch": 16, "seconds": 2}` | the same of one step of `batch` agents |
//! | `{"work": "loop", "backend": "flex", "settings": "plain", "agents": 1, "seconds": 2}` | `steps_per_second`, `updates_per_second` |
//!
//! A request that cannot be done is answered with `error`, and the next one is read. The exit code tells
//! only whether requests could be read and answers be written.

use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::Device;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use townlet_drqn::{
    Actor, DrqnConfig, EpsilonSchedule, Learner, Loss, SequenceBatch, StartState, TargetEstimator,
    TrainError, Trainer, UpdateSchedule,
};
use townlet_env::{Action, Level, Town, stream};
use townlet_nets::device::in_pool;
use townlet_nets::{Backend, QNetworkConfig};

/// The `townlet` program's allocator, so that what is measured here is what the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much of the time of a measurement is spent before it, unmeasured.
const WARM_UP: f64 = 0.25;
/// The fewest repetitions of a warm-up and of a measurement.
const FEWEST: usize = 3;
/// The most steps in one batch, so that a slip of the pen is refused and does not exhaust the memory.
const MOST_STEPS: usize = 1 << 20;
/// The most seconds of one measurement.
const MOST_SECONDS: f64 = 3_600.0;

#[derive(Deserialize)]
#[serde(tag = "work", rename_all = "lowercase", deny_unknown_fields)]
enum Request {
    About,
    Train { backend: Backend, path: Path, batch: usize, time: usize, seconds: f64 },
    Act { backend: Backend, batch: usize, seconds: f64 },
    Loop { backend: Backend, settings: Settings, agents: usize, seconds: f64 },
}

/// How a network computes.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Path {
    /// Through the kernels.
    Kernels,
    /// Through Burn's operations.
    Composed,
}

/// How a whole loop learns.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Settings {
    /// Plain DRQN with 16 sequences of 8 steps every 4 environment steps.
    Plain,
    /// What `townlet train` does when nobody tells it otherwise.
    Program,
}

/// The time of one piece of work.
#[derive(Serialize)]
struct Timing {
    median_ms: f64,
    repetitions: usize,
    /// Of the network, so that the two sides can be seen to compute the same one.
    parameters: usize,
}

/// Whatever may go wrong ends as one line of text.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match converse() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn converse() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Outcome<Value> {
    let answer = match serde_json::from_str(line)? {
        Request::About => json!({
            "program": "Townlet",
            "version": env!("CARGO_PKG_VERSION"),
            "threads": rayon::current_num_threads(),
        }),
        Request::Train { backend, path, batch, time, seconds } => {
            check(batch.saturating_mul(time), seconds)?;
            serde_json::to_value(train(&backend.device()?, path, [batch, time], seconds)?)?
        }
        Request::Act { backend, batch, seconds } => {
            check(batch, seconds)?;
            serde_json::to_value(act(&backend.device()?, batch, seconds)?)?
        }
        Request::Loop { backend, settings, agents, seconds } => {
            check(agents, seconds)?;
            run_loop(&backend.device()?, settings, agents, seconds)?
        }
    };
    Ok(answer)
}

fn check(steps: usize, seconds: f64) -> Outcome<()> {
    if !(1..=MOST_STEPS).contains(&steps) {
        return Err(format!("{steps} steps at once: expected 1 to {MOST_STEPS}").into());
    }
    if !(seconds > 0.0 && seconds <= MOST_SECONDS) {
        return Err(format!("seconds is {seconds}: expected more than 0 and at most {MOST_SECONDS}").into());
    }
    Ok(())
}

/// The network of the `pomdp` level, in its standard sizes.
fn network() -> Outcome<QNetworkConfig> {
    let layout = Level::builtin("pomdp")?.observation_layout();
    Ok(QNetworkConfig::new(layout, Town::ACTION_NAMES.len()))
}

/// Updates of plain DRQN, all from one batch.
fn train(device: &Device, path: Path, [batch, time]: [usize; 2], seconds: f64) -> Outcome<Timing> {
    let network = network()?;
    let config =
        DrqnConfig { learning_rate: 1e-4, batch_size: batch, trace_length: time, ..DrqnConfig::default() };
    let sequences = sequences(&network, batch, time);
    let mut online = network.init(1, &device.clone().autodiff());
    if path == Path::Composed {
        online = online.composed();
    }
    let target = online.valid();
    let mut learner = Learner::from_networks(online, target, config);
    let parameters = learner.online().num_params();
    measure(parameters, seconds, || {
        black_box(learner.update(&sequences)?);
        Ok(())
    })
}

/// Random sequences of full length, of which one step in fifty ends its episode.
fn sequences(network: &QNetworkConfig, batch: usize, time: usize) -> SequenceBatch {
    let (features, num_actions) = (network.layout.len(), network.num_actions);
    let mut rng = stream(1, "peer", 0, 0);
    let mut action_masks: Vec<bool> =
        (0..batch * (time + 1) * num_actions).map(|_| rng.random_bool(0.8)).collect();
    for mask in action_masks.chunks_exact_mut(num_actions) {
        // No observation of the town forbids everything.
        mask[num_actions - 1] = true;
    }
    SequenceBatch {
        batch,
        time,
        features,
        num_actions,
        observations: (0..batch * (time + 1) * features).map(|_| rng.random()).collect(),
        action_masks,
        actions: (0..batch * time).map(|_| rng.random_range(0..num_actions) as Action).collect(),
        rewards: (0..batch * time).map(|_| rng.random_range(-1.0..1.0)).collect(),
        terminated: (0..batch * time).map(|_| rng.random_bool(0.02)).collect(),
        truncated: vec![false; batch * time],
        valid: vec![true; batch * time],
        ..SequenceBatch::default()
    }
}

/// Steps of `batch` agents that remember, from observations on the host to actions on the host.
fn act(device: &Device, batch: usize, seconds: f64) -> Outcome<Timing> {
    let config = network()?;
    let network = config.init(1, device);
    let parameters = network.num_params();
    let mut rng = stream(1, "peer", 1, 0);
    let observations: Vec<f32> = (0..batch * config.layout.len()).map(|_| rng.random()).collect();
    let mut actor = Actor::new(&network, batch);
    let mut actions = vec![0; batch];
    measure(parameters, seconds, || {
        let values = actor.values(&observations);
        for (action, values) in actions.iter_mut().zip(values.chunks_exact(config.num_actions)) {
            *action = greedy(values);
        }
        black_box(&mut actions);
        Ok(())
    })
}

/// The action of highest value.
fn greedy(values: &[f32]) -> usize {
    let mut best = 0;
    for (action, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = action;
        }
    }
    best
}

/// The median time of `work`, after a warm-up.
fn measure(parameters: usize, seconds: f64, mut work: impl FnMut() -> Outcome<()>) -> Outcome<Timing> {
    repeat(seconds * WARM_UP, &mut work)?;
    let mut times = repeat(seconds, &mut work)?;
    times.sort_unstable();
    let middle = times.len() / 2;
    let median =
        if times.len().is_multiple_of(2) { (times[middle - 1] + times[middle]) / 2 } else { times[middle] };
    Ok(Timing { median_ms: median.as_secs_f64() * 1e3, repetitions: times.len(), parameters })
}

/// How long `work` takes, over and over until so many seconds have passed.
fn repeat(seconds: f64, work: &mut impl FnMut() -> Outcome<()>) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    let mut before = Instant::now();
    let end = before + Duration::from_secs_f64(seconds);
    while before < end || times.len() < FEWEST {
        work()?;
        let after = Instant::now();
        times.push(after - before);
        before = after;
    }
    Ok(times)
}

/// The pace of training in the `pomdp` level once it has begun to learn.
fn run_loop(device: &Device, settings: Settings, agents: usize, seconds: f64) -> Outcome<Value> {
    let config = match settings {
        Settings::Plain => plain(),
        Settings::Program => program(agents),
    };
    let town = Town::new(Level::builtin("pomdp")?, agents)?;
    let mut trainer = Trainer::new(town, &network()?, config, 1, device)?;
    let [steps, updates] = in_pool(device, || {
        while trainer.progress().updates < FEWEST as u64 {
            trainer.round(&mut ())?;
        }
        pace(&mut trainer, seconds * WARM_UP)?;
        pace(&mut trainer, seconds)
    })?;
    Ok(json!({ "steps_per_second": steps, "updates_per_second": updates }))
}

/// Environment steps and updates a second, over so many seconds and at least a few updates.
fn pace(trainer: &mut Trainer<Town>, seconds: f64) -> Result<[f64; 2], TrainError> {
    let from = *trainer.progress();
    let start = Instant::now();
    let updated = |trainer: &Trainer<Town>| trainer.progress().updates - from.updates;
    while start.elapsed().as_secs_f64() < seconds || updated(trainer) < FEWEST as u64 {
        trainer.round(&mut ())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let steps = trainer.progress().steps - from.steps;
    Ok([steps as f64 / seconds, updated(trainer) as f64 / seconds])
}

fn plain() -> DrqnConfig {
    DrqnConfig {
        learning_rate: 1e-4,
        batch_size: 16,
        trace_length: 8,
        schedule: UpdateSchedule { learning_starts: 1_000, update_every: 4, target_copy_every: 100 },
        overlap: true,
        ..DrqnConfig::default()
    }
}

/// The settings of `crates/townlet-cli/recipes/best.toml`. An example cannot reach them there: the program depends on
/// this crate.
fn program(agents: usize) -> DrqnConfig {
    DrqnConfig {
        discount: 0.995,
        n_step: 3,
        estimator: TargetEstimator::Double,
        loss: Loss::Huber,
        reward_scale: 0.01,
        learning_rate: 1e-3,
        learning_rate_end: 2e-4,
        learning_rate_updates: 14_000,
        replay_capacity: 300_000,
        batch_size: 32,
        trace_length: 20,
        start_state: StartState::Stored,
        period: 10,
        schedule: UpdateSchedule { learning_starts: 10_000, update_every: 256, target_copy_every: 50 },
        overlap: true,
        epsilon: if agents > 1 {
            EpsilonSchedule::Ladder { base: 0.5, exponent: 4.0 }
        } else {
            EpsilonSchedule::Linear { start: 1.0, end: 0.05, steps: 50_000 }
        },
        ..DrqnConfig::default()
    }
}
