//! Holding the build against recorded facts: traces of the world, and networks and updates of `PyTorch`.
//!
//! A recorded file is checked by what it is called: `traces/*.jsonl` and `network/*.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use townlet_drqn::{
    BootstrapActions, DrqnConfig, LastStep, Learner, Loss, Memory, SequenceBatch, TargetEstimator,
    clip_global_norm,
};
use townlet_env::{ObservationLayout, trace};
use townlet_nets::{
    Array, Backend, FeedforwardQConfig, QNetwork, QNetworkConfig, QState, RandomNetworkDistillationConfig,
    StateDict, load_state_dict, state_dict,
};

use crate::case::values;

/// What one file came to.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    file: String,
    /// `none` for what needs no tensors.
    backend: String,
    compared: usize,
    unit: &'static str,
    /// Of the array that comes closest to its tolerance, or oversteps it furthest.
    largest_difference: Option<f32>,
    tolerance: f32,
    pub(crate) ok: bool,
    detail: String,
}

/// Checks everything below `folder` on every backend and prints one JSON object a file.
pub(crate) fn report(folder: &Path, backends: &[Backend]) -> ExitCode {
    let mut failed = false;
    for &backend in backends {
        match check_folder(folder, backend) {
            Ok(rows) => {
                for row in rows {
                    failed |= !row.ok;
                    println!("{}", serde_json::to_string(&row).expect("a row is plain data"));
                }
            }
            Err(error) => {
                eprintln!("{error:#}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Checks every recorded file below `folder`.
pub(crate) fn check_folder(folder: &Path, backend: Backend) -> Result<Vec<Row>> {
    let device = backend.device()?;
    let mut rows = Vec::new();
    for path in recorded_files(folder, "traces", "jsonl")? {
        rows.push(trace_row(folder, &path));
    }
    for path in recorded_files(folder, "network", "safetensors")? {
        for &way in Way::of(backend) {
            rows.push(network_row(folder, &path, backend, way, &device));
        }
    }
    Ok(rows)
}

/// Which of the two ways a network's passes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Through the kernels where the backend has them.
    Fastest,
    /// Through Burn's operations.
    Composed,
}

impl Way {
    /// The ways that differ on `backend`.
    fn of(backend: Backend) -> &'static [Self] {
        if backend.is_cpu() { &[Self::Fastest, Self::Composed] } else { &[Self::Fastest] }
    }
}

/// The files `*/directory/*.extension` below `folder`, sorted.
fn recorded_files(folder: &Path, directory: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension)
                && path.parent().is_some_and(|parent| parent.ends_with(directory))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn name(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

fn trace_row(folder: &Path, path: &Path) -> Row {
    let mut row = Row {
        file: name(folder, path),
        backend: "none".to_owned(),
        compared: 0,
        unit: "steps",
        largest_difference: Some(0.0),
        tolerance: 0.0,
        ok: false,
        detail: String::new(),
    };
    let opened = fs::File::open(path).map_err(|error| error.to_string());
    let verified = opened.and_then(|file| {
        trace::verify(BufReader::new(file), &row.file, None).map_err(|error| error.to_string())
    });
    match verified {
        Ok(report) => {
            row.compared = report.steps;
            row.ok = report.difference.is_none() && report.steps > 0;
            row.detail = match report.difference {
                None => format!("{} episodes, bit for bit", report.episodes),
                Some(difference) => {
                    row.largest_difference = None;
                    difference.to_string()
                }
            };
        }
        Err(error) => row.detail = error,
    }
    row
}

fn network_row(folder: &Path, path: &Path, backend: Backend, way: Way, device: &Device) -> Row {
    let mut comparison = Comparison::new(backend);
    let outcome = check_network_file(path, way, device, &mut comparison);
    let (detail, largest_difference, tolerance) = match &comparison.worst {
        Some(worst) => (worst.name.clone(), Some(worst.difference), worst.tolerance),
        None => (String::new(), None, 0.0),
    };
    let within = comparison.worst.as_ref().is_some_and(|worst| worst.difference <= worst.tolerance);
    Row {
        file: name(folder, path),
        backend: match way {
            Way::Fastest => backend.to_string(),
            Way::Composed => format!("{backend}, composed"),
        },
        compared: comparison.compared,
        unit: "arrays",
        largest_difference: largest_difference.filter(|difference| difference.is_finite()),
        tolerance,
        ok: outcome.is_ok() && within,
        detail: match outcome {
            Ok(()) => format!("worst: {detail}"),
            Err(error) => format!("{error:#}"),
        },
    }
}

/// Collects how far arrays lie apart.
struct Comparison {
    outputs: f32,
    losses: f32,
    compared: usize,
    worst: Option<Worst>,
}

struct Worst {
    name: String,
    difference: f32,
    tolerance: f32,
}

impl Comparison {
    /// Outputs and parameters may differ by the first tolerance (relative to 1 or to the value, whichever is
    /// larger), losses and norms by the second, relative to the value.
    fn new(backend: Backend) -> Self {
        let (outputs, losses) = if backend.is_cpu() { (2e-6, 1e-5) } else { (1e-4, 1e-5) };
        Self { outputs, losses, compared: 0, worst: None }
    }

    fn output(&mut self, name: &str, found: &[f32], expected: &Recorded) -> Result<()> {
        let tolerance = self.outputs;
        self.compare(name, found, &expected.values, tolerance, |expected| expected.abs().max(1.0))
    }

    fn loss(&mut self, name: &str, found: &[f32], expected: &Recorded) -> Result<()> {
        let tolerance = self.losses;
        self.compare(name, found, &expected.values, tolerance, f32::abs)
    }

    fn compare(
        &mut self,
        name: &str,
        found: &[f32],
        expected: &[f32],
        tolerance: f32,
        scale: impl Fn(f32) -> f32,
    ) -> Result<()> {
        ensure!(found.len() == expected.len(), "{name}: {} values, expected {}", found.len(), expected.len());
        let mut difference = 0.0;
        for (found, expected) in found.iter().zip(expected) {
            let d = (found - expected).abs() / scale(*expected);
            // A NaN must win, not vanish.
            if d > difference || d.is_nan() {
                difference = d;
            }
        }
        self.compared += 1;
        let worse = |worst: &Worst| {
            difference.is_nan() || difference / tolerance > worst.difference / worst.tolerance
        };
        if self.worst.as_ref().is_none_or(worse) {
            self.worst = Some(Worst { name: name.to_owned(), difference, tolerance });
        }
        Ok(())
    }
}

/// An array of a recorded file, whatever its element type, as floats.
struct Recorded {
    shape: Vec<usize>,
    values: Vec<f32>,
}

struct RecordedFile {
    arrays: BTreeMap<String, Recorded>,
    config: Option<UpdateConfig>,
}

/// The settings under which updates were recorded.
#[derive(Clone, Copy, Debug, Deserialize)]
struct UpdateConfig {
    gamma: f64,
    lr: f64,
    adam_eps: f32,
    clip: f64,
    carry: bool,
    bootstrap_last: bool,
    masked: bool,
    double: bool,
    loss: Loss,
}

impl RecordedFile {
    fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = SafeTensors::deserialize(&bytes).with_context(|| format!("{}", path.display()))?;
        let mut arrays = BTreeMap::new();
        for (name, view) in file.iter() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                Dtype::I64 => data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f32).collect(),
                Dtype::U8 => data.iter().map(|&b| f32::from(b)).collect(),
                other => bail!("{}: {name} holds {other:?}", path.display()),
            };
            arrays.insert(name.to_owned(), Recorded { shape: view.shape().to_vec(), values });
        }
        let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
        let config = metadata.metadata().as_ref().and_then(|metadata| metadata.get("config"));
        let config = config.map(|text| serde_json::from_str(text)).transpose().context("metadata: config")?;
        Ok(Self { arrays, config })
    }

    fn get(&self, name: &str) -> Result<&Recorded> {
        self.arrays.get(name).with_context(|| format!("{name} is missing"))
    }

    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Result<Tensor<D>> {
        let array = self.get(name)?;
        ensure!(array.shape.len() == D, "{name} has {} dimensions, expected {D}", array.shape.len());
        Ok(Tensor::from_data(TensorData::new(array.values.clone(), array.shape.clone()), device))
    }

    /// The arrays whose names begin with `prefix`, under the rest of their names.
    fn below(&self, prefix: &str) -> StateDict {
        self.arrays
            .iter()
            .filter_map(|(name, array)| {
                let name = name.strip_prefix(prefix)?.to_owned();
                Some((name, Array { shape: array.shape.clone(), values: array.values.clone() }))
            })
            .collect()
    }

    /// Holds every recorded parameter below `prefix` against `found`.
    fn compare_parameters(&self, prefix: &str, found: &StateDict, comparison: &mut Comparison) -> Result<()> {
        for (name, expected) in &self.arrays {
            if let Some(name) = name.strip_prefix(prefix) {
                let found = found.get(name).with_context(|| format!("there is no parameter {name}"))?;
                comparison.output(&format!("{prefix}{name}"), &found.values, expected)?;
            }
        }
        Ok(())
    }
}

fn check_network_file(path: &Path, way: Way, device: &Device, comparison: &mut Comparison) -> Result<()> {
    let file = RecordedFile::open(path)?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match stem {
        "online" | "target" => weights_round_trip(&file, device, comparison),
        "unroll" => unroll(path, way, &file, device, comparison),
        "feedforward" => feedforward(&file, device, comparison),
        "rnd" => distillation(&file, device, comparison),
        _ if stem.starts_with("update-") => update(path, way, &file, device, comparison),
        _ => bail!(
            "unknown kind of recorded data; expected online, target, unroll, update-*, feedforward or rnd"
        ),
    }
}

/// The network that the recorded data is of.
fn recorded_network() -> QNetworkConfig {
    let layout = ObservationLayout::builder().window(5).position().meters(8).affordance(14).build();
    QNetworkConfig::new(layout, 5)
}

fn load(path: &Path, which: &str, way: Way, device: &Device) -> Result<QNetwork> {
    let file = RecordedFile::open(&path.with_file_name(format!("{which}.safetensors")))?;
    let network = load_state_dict(&recorded_network().init(0, device), &file.below(""))?;
    Ok(if way == Way::Composed { network.composed() } else { network })
}

fn weights_round_trip(file: &RecordedFile, device: &Device, comparison: &mut Comparison) -> Result<()> {
    let network = load_state_dict(&recorded_network().init(0, device), &file.below(""))?;
    file.compare_parameters("", &state_dict(&network), comparison)
}

fn unroll(
    path: &Path,
    way: Way,
    file: &RecordedFile,
    device: &Device,
    comparison: &mut Comparison,
) -> Result<()> {
    let network = load(path, "online", way, device)?;
    let observations: Tensor<3> = file.tensor("observations", device)?;
    let [batch, time, features] = observations.dims();
    let zero = network.initial_state(batch);
    let start = QState::new(vec![file.tensor("start_hidden", device)?, file.tensor("start_cell", device)?]);
    for (suffix, start) in [("", zero), ("_from_start", start)] {
        let (q, _) = network.forward(observations.clone(), start.clone());
        comparison.output(&format!("q{suffix}"), &values(q), file.get(&format!("q{suffix}"))?)?;
        // The states of all steps: the network hands out the last one, so it is asked step by step.
        let (mut state, mut hidden, mut cell) = (start, Vec::new(), Vec::new());
        for t in 0..time {
            let step = observations.clone().slice([0..batch, t..t + 1, 0..features]);
            state = network.forward(step, state).1;
            hidden.push(state.parts()[0].clone());
            cell.push(state.parts()[1].clone());
        }
        for (name, states) in [("hidden", hidden), ("cell", cell)] {
            let name = format!("{name}{suffix}");
            comparison.output(&name, &values(Tensor::stack::<3>(states, 1)), file.get(&name)?)?;
        }
    }
    Ok(())
}

fn update(
    path: &Path,
    way: Way,
    file: &RecordedFile,
    device: &Device,
    comparison: &mut Comparison,
) -> Result<()> {
    let recorded = file.config.context("the metadata has no config")?;
    let config = DrqnConfig {
        discount: recorded.gamma,
        learning_rate: recorded.lr,
        adam_epsilon: recorded.adam_eps,
        max_grad_norm: recorded.clip,
        memory: if recorded.carry { Memory::Carried } else { Memory::ResetEachStep },
        last_step: if recorded.bootstrap_last { LastStep::Bootstrap } else { LastStep::RewardOnly },
        bootstrap_actions: if recorded.masked { BootstrapActions::Allowed } else { BootstrapActions::All },
        estimator: if recorded.double { TargetEstimator::Double } else { TargetEstimator::Max },
        loss: recorded.loss,
        ..DrqnConfig::default()
    };
    let online = load(path, "online", way, &device.clone().autodiff())?;
    let target = load(path, "target", way, device)?;
    let mut learner = Learner::from_networks(online, target, config);
    let batches = recorded_batches(file)?;

    let targets = file.get("targets1")?;
    comparison.output("targets1", &learner.targets(&batches[0]), targets)?;
    if file.arrays.keys().any(|name| name.starts_with("grad1/")) {
        file.compare_parameters("grad1/", &learner.gradients(&batches[0]), comparison)?;
    }
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for batch in &batches {
        let report = learner.update(batch)?;
        losses.push(report.loss);
        norms.push(report.grad_norm);
    }
    comparison.loss("loss", &losses, file.get("loss")?)?;
    comparison.loss("grad_norm", &norms, file.get("grad_norm")?)?;
    file.compare_parameters("after/", &state_dict(&learner.online().valid()), comparison)
}

fn recorded_batches(file: &RecordedFile) -> Result<Vec<SequenceBatch>> {
    let observations = file.get("observations")?;
    let &[updates, batch, count, features] = observations.shape.as_slice() else {
        bail!("observations must have four dimensions");
    };
    let time = count - 1;
    let num_actions = *file.get("mask")?.shape.last().context("mask has no dimensions")?;
    let part = |name: &str, update: usize| -> Result<&[f32]> {
        let values = &file.get(name)?.values;
        let size = values.len() / updates;
        Ok(&values[update * size..][..size])
    };
    let flags = |name: &str, update: usize| -> Result<Vec<bool>> {
        Ok(part(name, update)?.iter().map(|&flag| flag != 0.0).collect())
    };
    (0..updates)
        .map(|update| {
            Ok(SequenceBatch {
                batch,
                time,
                features,
                num_actions,
                observations: part("observations", update)?.to_vec(),
                action_masks: flags("mask", update)?,
                actions: part("actions", update)?.iter().map(|&action| action as u8).collect(),
                rewards: part("rewards", update)?.to_vec(),
                terminated: flags("terminated", update)?,
                truncated: vec![false; batch * time],
                valid: vec![true; batch * time],
                ..SequenceBatch::default()
            })
        })
        .collect()
}

/// Five updates of the feed-forward network on one batch: one-step targets from the network itself, mean
/// squared error, clipping by norm 10, Adam with 2.5e-4.
fn feedforward(file: &RecordedFile, device: &Device, comparison: &mut Comparison) -> Result<()> {
    let autodiff = device.clone().autodiff();
    let observations: Tensor<2> = file.tensor("observations", device)?;
    let [batch, features] = observations.dims();
    let config = FeedforwardQConfig::new(features, 5);
    let mut network = load_state_dict(&config.init(0, &autodiff), &file.below("init/"))?;
    let q = network.valid().forward(observations.clone());
    comparison.output("q_init", &values(q), file.get("q_init")?)?;

    let actions: Tensor<2> = file.tensor::<1>("actions", &autodiff)?.reshape([batch, 1]);
    let actions: Tensor<2, Int> = actions.int();
    let next: Tensor<2> = file.tensor("next_observations", device)?;
    let rewards: Tensor<2> = file.tensor::<1>("rewards", device)?.reshape([batch, 1]);
    let goes_on = file.tensor::<1>("dones", device)?.reshape([batch, 1]).neg() + 1.0;
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = Vec::new();
    for update in 1..=5 {
        let best = network.valid().forward(next.clone()).max_dim(1);
        let targets = rewards.clone() + best * goes_on.clone() * 0.99;
        let q = network.forward(Tensor::from_inner(observations.clone())).gather(1, actions.clone());
        let error = q - Tensor::from_inner(targets);
        let loss = (error.clone() * error).mean();
        losses.extend(values(loss.clone().inner()));
        let mut gradients = GradientsParams::from_grads(loss.backward(), &network);
        clip_global_norm(&mut gradients, &network, 10.0);
        network = optimizer.step(2.5e-4, network, gradients);
        file.compare_parameters(&format!("after{update}/"), &state_dict(&network.valid()), comparison)?;
    }
    comparison.loss("loss", &losses, file.get("loss")?)
}

/// Novelty before and after one step of Adam (1e-4) on the first 128 observations.
fn distillation(file: &RecordedFile, device: &Device, comparison: &mut Comparison) -> Result<()> {
    let autodiff = device.clone().autodiff();
    let observations: Tensor<2> = file.tensor("obs", &autodiff)?;
    let features = observations.dims()[1];
    let mut rnd = RandomNetworkDistillationConfig::new(features).init(0, &autodiff);
    rnd.fixed = load_state_dict(&rnd.fixed, &file.below("fixed/"))?;
    rnd.predictor = load_state_dict(&rnd.predictor, &file.below("predictor_init/"))?;
    let before = values(rnd.novelty(observations.clone()).inner());
    comparison.output("intrinsic_before", &before, file.get("intrinsic_before")?)?;

    let loss = rnd.novelty(observations.clone().slice([0..128, 0..features])).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &rnd);
    rnd = AdamConfig::new().with_epsilon(1e-8).init().step(1e-4, rnd, gradients);
    file.compare_parameters("predictor_after1/", &state_dict(&rnd.valid().predictor), comparison)?;
    let after = values(rnd.novelty(observations).inner());
    comparison.output("intrinsic_after1", &after, file.get("intrinsic_after1")?)
}
