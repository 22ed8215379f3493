//! What is not a finite number is refused where it comes in, and seen where it arises.

use std::collections::BTreeMap;
use std::fs;

use burn::optim::GradientsParams;
use burn::tensor::activation::{relu, sigmoid, tanh};
use burn::tensor::{Device, Tensor};
use townlet_drqn::{
    Checkpoint, DrqnConfig, EvaluateError, Learner, LearnerError, NetworkPolicy, Progress, TrainError,
    TrainObserver, Trainer, UpdateSchedule, evaluate,
};
use townlet_env::{Action, Level, ObservationLayout, Step, StepError, Town, VectorEnv, WorldFault};
use townlet_nets::{
    Backend, StateDict, WeightsError, load_state_dict, read_weights, state_dict, write_safetensors,
};

use crate::case::{cases, values};
use crate::checkpoints;
use crate::damaged_states::{rewrite, safetensors};
use crate::small;

cases![
    weights_that_are_not_finite_are_neither_loaded_nor_written,
    a_checkpoint_with_weights_that_are_not_finite_is_refused_by_file_and_tensor,
    what_is_not_a_number_passes_through_burns_operations skips &[
        (Backend::Wgpu, "a shader may take it that there are no such numbers (WGSL, section 15.7.2)"),
    ],
    both_paths_pass_on_what_is_not_a_number skips &[
        (Backend::Wgpu, "a shader may take it that there are no such numbers (WGSL, section 15.7.2)"),
    ],
    a_world_that_shows_or_pays_what_is_not_finite_is_named,
    a_network_that_values_nothing_is_not_played,
    a_value_that_no_target_shows_is_seen,
    parameters_that_stop_being_finite_are_seen_at_once skips &[
        (Backend::Wgpu, "parameters on a GPU are not read back after each update; the next update sees it"),
    ],
    nothing_that_is_not_finite_takes_the_place_of_a_checkpoint,
    a_refused_update_beside_a_step_loses_nothing_of_the_step skips &[
        (Backend::Wgpu, "parameters on a GPU are not read back after each update; acting sees it before an update"),
    ],
];

const BAD: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

fn weights_that_are_not_finite_are_neither_loaded_nor_written(device: &Device) {
    let network = small::network(small::layout()).init(1, device);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    for bad in BAD {
        let mut dict = state_dict(&network);
        dict.get_mut("lstm.bias_hh_l0").expect("there").values[7] = bad;
        let expected = format!("lstm.bias_hh_l0 holds {bad} at index 7");
        let error = load_state_dict(&network, &dict).expect_err("not finite").to_string();
        assert!(error.contains(&expected), "{error}");

        fs::write(&path, safetensors(&dict)).expect("writable");
        let error = read_weights(&path).expect_err("not finite");
        assert!(matches!(error, WeightsError::NotFinite { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(&expected) && error.contains("weights.safetensors"), "{error}");

        write_safetensors(&path, &state_dict(&network), &BTreeMap::new()).expect("finite");
        let before = fs::read(&path).expect("readable");
        let error = write_safetensors(&path, &dict, &BTreeMap::new()).expect_err("not finite");
        assert!(matches!(error, WeightsError::NotWritten { .. }), "{error:?}");
        assert!(fs::read(&path).expect("readable") == before, "what was there is there");
    }
    let mut dict = state_dict(&network);
    dict.get_mut("lstm.bias_hh_l0").expect("there").values.pop();
    let error = load_state_dict(&network, &dict).expect_err("too few values").to_string();
    assert!(error.contains("lstm.bias_hh_l0 has shape [47], expected [48]"), "{error}");
}

fn a_checkpoint_with_weights_that_are_not_finite_is_refused_by_file_and_tensor(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = checkpoints::runs().swap_remove(1);
    let mut whole = checkpoints::trainer(core, config.clone(), device);
    checkpoints::rounds(&mut whole, 60);
    let path = folder.path().join("saved");
    whole.save(&path, true, &()).expect("writable");
    for name in ["online", "target", "optimizer", "predictor", "predictor-optimizer"] {
        let name = format!("{name}.safetensors");
        let dict = read_weights(&path.join(&name)).expect("finite");
        let whole = fs::read(path.join(&name)).expect("readable");
        let mut bad = dict.clone();
        let (tensor, array) = bad.iter_mut().find(|(_, array)| array.values.len() > 3).expect("a tensor");
        array.values[3] = f32::NAN;
        let tensor = tensor.clone();
        rewrite(&path, &name, &safetensors(&bad));
        let checkpoint = Checkpoint::open(&path).expect("its checksum is right");
        let world = checkpoints::world();
        let resumed =
            Trainer::resume(world, &checkpoints::network(core), config.clone(), 5, device, &checkpoint);
        let error = resumed.err().unwrap_or_else(|| panic!("{name} is accepted")).to_string();
        assert!(
            error.contains(&name) && error.contains(&format!("{tensor} holds NaN at index 3")),
            "{error}"
        );
        rewrite(&path, &name, &whole);
    }
}

/// The operations that the networks are made of.
fn what_is_not_a_number_passes_through_burns_operations(device: &Device) {
    let row = [f32::NAN, 1.0, -1.0, f32::INFINITY];
    let x = || Tensor::<1>::from_floats(row, device);
    for (name, found) in [("relu", relu(x())), ("sigmoid", sigmoid(x())), ("tanh", tanh(x()))] {
        let found = values(found);
        assert!(found[0].is_nan() && found[1..].iter().all(|value| !value.is_nan()), "{name}: {found:?}");
    }
    assert!(values(x().clamp_max(0.5))[0].is_nan(), "the Huber loss");
    let weight = Tensor::<2>::from_floats([[f32::NAN, 1.0], [0.0, 1.0]], device);
    let product = values(Tensor::<2>::from_floats([[0.0, 1.0]], device).matmul(weight));
    assert!(product[0].is_nan() && product[1] == 1.0, "0 times what is not a number is none: {product:?}");
    let tracked = Tensor::<1>::from_floats(row, &device.clone().autodiff()).require_grad();
    let gradient = values(tracked.grad(&relu(tracked.clone()).sum().backward()).expect("it is used"));
    assert_eq!(gradient, [1.0, 1.0, 0.0, 1.0], "as in PyTorch");
}

/// Which entries are not numbers.
fn holes(dict: &StateDict) -> BTreeMap<String, Vec<bool>> {
    let of = |values: &[f32]| values.iter().map(|value| value.is_nan()).collect();
    dict.iter().map(|(name, array)| (name.clone(), of(&array.values))).collect()
}

/// `network` with something else in one of its parameters, past everything that would refuse it.
fn poisoned(network: townlet_nets::QNetwork, parameter: &str, bad: f32) -> townlet_nets::QNetwork {
    use burn::module::{Module, ModuleMapper, Param};

    struct Poison<'a> {
        path: Vec<String>,
        parameter: &'a str,
        bad: f32,
    }

    impl ModuleMapper for Poison<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.path.join(".") != self.parameter {
                return param;
            }
            let bad = self.bad;
            let trained = param.is_require_grad();
            param.map(|tensor| {
                let data = tensor.to_data();
                let shape = data.shape().clone();
                let mut values: Vec<f32> = data.iter::<f32>().collect();
                values[0] = bad;
                let data = burn::tensor::TensorData::new(values, shape);
                Tensor::from_data(data, &tensor.device()).detach().set_require_grad(trained)
            })
        }
    }

    network.map(&mut Poison { path: Vec::new(), parameter, bad })
}

fn both_paths_pass_on_what_is_not_a_number(device: &Device) {
    let layout = small::layout();
    let config = small::network(layout.clone());
    let device = device.clone().autodiff();
    let parameters =
        ["encoders.position.weight", "core.Lstm.weight_hh", "core.Lstm.bias_ih", "head.Plain.output.bias"];
    for parameter in parameters {
        let network = poisoned(config.init(1, &device), parameter, f32::NAN);
        let pass = |network: &townlet_nets::QNetwork| {
            let observations = small::tensor("observations", [3, 4, layout.len()], &device);
            let (q, _) = network.forward(observations, network.initial_state(3));
            let found = values(q.clone());
            let gradients = GradientsParams::from_grads((q.clone() * q).sum().backward(), network);
            let mut norms = gradients;
            let norm = values(townlet_drqn::clip_global_norm(&mut norms, network, 10.0))[0];
            (found.iter().map(|value| value.is_nan()).collect::<Vec<_>>(), norm.is_nan())
        };
        let (kernels, composed) = (pass(&network), pass(&network.clone().composed()));
        assert!(kernels.0.contains(&true) && kernels.1, "{parameter}: {kernels:?}");
        assert_eq!(kernels, composed, "{parameter}");
    }
    let learner = |composed: bool| {
        let online = poisoned(config.init(1, &device), "core.Lstm.weight_ih", f32::NAN);
        let online = if composed { online.composed() } else { online };
        Learner::from_networks(online, config.init(2, &device.clone().inner()), small::config())
    };
    let batch = small::batch(&layout);
    let [kernels, composed] = [false, true].map(|composed| holes(&learner(composed).gradients(&batch)));
    for (name, composed) in composed {
        // The kernels do not read what lies outside of a window, as PyTorch's do not.
        let same = name.starts_with("vision_encoder") || kernels[&name] == composed;
        assert!(same && kernels[&name].contains(&true) == composed.contains(&true), "{name}");
    }
}

/// A town that does something wrong in one of its steps.
struct Broken {
    town: Town,
    wrong: Wrong,
    steps: u64,
    observations: Vec<f32>,
    masks: Vec<bool>,
    rewards: Vec<f32>,
}

#[derive(Clone, Copy)]
enum Wrong {
    Nothing,
    Observation(f32),
    Reward(f32),
    Mask,
}

/// The step in which it is wrong.
const WHEN: u64 = 5;

impl Broken {
    fn new(wrong: Wrong) -> Self {
        let town = Town::new(Level::builtin("pomdp").expect("built in"), 3).expect("a valid level");
        let (observations, masks) = (town.observations().to_vec(), town.action_masks().to_vec());
        Self { town, wrong, steps: 0, observations, masks, rewards: vec![0.0; 3] }
    }
}

impl VectorEnv for Broken {
    fn num_envs(&self) -> usize {
        self.town.num_envs()
    }

    fn num_actions(&self) -> usize {
        self.town.num_actions()
    }

    fn observation_layout(&self) -> &ObservationLayout {
        self.town.observation_layout()
    }

    fn reset(&mut self, seed: u64) {
        self.town.reset(seed);
        self.steps = 0;
        self.observations.copy_from_slice(self.town.observations());
        self.masks.copy_from_slice(self.town.action_masks());
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn action_masks(&self) -> &[bool] {
        &self.masks
    }

    fn step(&mut self, actions: &[Action]) -> Result<Step<'_>, StepError> {
        self.steps += 1;
        let step = self.town.step(actions)?;
        self.observations.copy_from_slice(step.observations);
        self.masks.copy_from_slice(step.action_masks);
        self.rewards.copy_from_slice(step.rewards);
        if self.steps == WHEN {
            let features = self.observations.len() / 3;
            match self.wrong {
                Wrong::Nothing => {}
                Wrong::Observation(bad) => self.observations[features + 28] = bad,
                Wrong::Reward(bad) => self.rewards[2] = bad,
                Wrong::Mask => self.masks[..5].fill(false),
            }
        }
        let (observations, action_masks, rewards) = (&*self.observations, &*self.masks, &*self.rewards);
        Ok(Step { observations, action_masks, rewards, ..step })
    }
}

fn network() -> townlet_nets::QNetworkConfig {
    let world = Broken::new(Wrong::Nothing);
    let small = small::network(world.observation_layout().clone());
    townlet_nets::QNetworkConfig { num_actions: world.num_actions(), ..small }
}

fn a_world_that_shows_or_pays_what_is_not_finite_is_named(device: &Device) {
    let schedule = UpdateSchedule { learning_starts: 1_000_000, ..UpdateSchedule::default() };
    let config = DrqnConfig { schedule, ..small::config() };
    let mut wrongs: Vec<(Wrong, String)> =
        vec![(Wrong::Mask, format!("environment 0 allows no action after step {WHEN}"))];
    for bad in BAD {
        let shown = format!("environment 1 shows {bad} in feature 28 (meters[1]) after step {WHEN}");
        wrongs.push((Wrong::Observation(bad), shown));
        wrongs.push((Wrong::Reward(bad), format!("environment 2 pays {bad} for step {WHEN}")));
    }
    for (wrong, expected) in wrongs {
        let mut trainer =
            Trainer::new(Broken::new(wrong), &network(), config.clone(), 3, device).expect("it begins well");
        let error = trainer.train(3 * 20, &mut ()).expect_err("the world is broken");
        assert!(matches!(error, TrainError::World(_)), "{error:?}");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(trainer.progress().steps, 3 * (WHEN - 1), "the step before it was the last");

        let policy = &mut NetworkPolicy::new(&network().init(1, device), 3, 0.0, 1);
        let played = evaluate(&mut Broken::new(wrong), policy, 3, |_, _, _| {});
        let error = played.expect_err("the world is broken");
        assert!(matches!(error, EvaluateError::World(_)), "{error:?}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    Trainer::new(Broken::new(Wrong::Nothing), &network(), config, 3, device)
        .expect("it begins well")
        .train(3 * 20, &mut ())
        .expect("nothing is wrong");
    let fault = WorldFault::NothingAllowed { env: 1, step: 0 };
    assert!(fault.to_string().contains("expected at least one"), "{fault}");
}

fn a_network_that_values_nothing_is_not_played(device: &Device) {
    for bad in BAD {
        let network = poisoned(network().init(1, device), "head.Plain.output.bias", bad);
        let policy = &mut NetworkPolicy::new(&network, 3, 0.0, 1);
        let played = evaluate(&mut Broken::new(Wrong::Nothing), policy, 3, |_, _, _| {});
        let error = played.expect_err("no action has a value");
        let expected = format!("the network values action 0 in environment 0 at {bad} in step 1");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

/// A backend's maximum over actions may pass over what is not a number.
fn a_value_that_no_target_shows_is_seen(device: &Device) {
    let config = small::network(small::layout());
    let online = config.init(1, &device.clone().autodiff());
    let target = poisoned(config.init(2, device), "head.Plain.output.bias", f32::NAN);
    let mut learner = Learner::from_networks(online, target, small::config());
    let before = state_dict(learner.online());
    let error = learner.update(&small::batch(&small::layout())).expect_err("one action has no value");
    assert!(matches!(error, LearnerError::Diverged { updates: 1, .. }), "{error:?}");
    assert!(state_dict(learner.online()) == before);
}

fn parameters_that_stop_being_finite_are_seen_at_once(device: &Device) {
    // So large a step leaves the range of the numbers.
    let config = DrqnConfig { learning_rate: 1e300, ..small::config() };
    let mut learner = Learner::new(&small::network(small::layout()), config, 5, device);
    let error = learner.update(&small::batch(&small::layout())).expect_err("no number is so large");
    let LearnerError::Parameters { updates: 1, parameter } = error else { panic!("{error:?}") };
    assert!(state_dict(learner.online()).contains_key(&parameter), "{parameter}");
}

fn nothing_that_is_not_finite_takes_the_place_of_a_checkpoint(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = DrqnConfig {
        learning_rate: 1e300,
        schedule: UpdateSchedule { learning_starts: 30, update_every: 30, ..UpdateSchedule::default() },
        ..small::config()
    };
    let (_, core, _) = checkpoints::runs().swap_remove(0);
    let mut trainer =
        Trainer::new(checkpoints::world(), &checkpoints::network(core), config, 3, device).expect("valid");
    let path = |name: &str| folder.path().join(name);
    trainer.round(&mut ()).expect("nothing is learned yet");
    trainer.save(&path("before"), true, &()).expect("writable");
    let mut outcome = Ok(());
    for _ in 0..30 {
        outcome = outcome.and_then(|()| trainer.round(&mut ()));
    }
    outcome.expect_err("training stops");
    let error = trainer.save(&path("after"), true, &()).expect_err("there is nothing worth keeping");
    assert!(error.to_string().contains("is not written"), "{error}");
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("readable").map(|it| it.expect("there").file_name()).collect();
    assert_eq!(left, ["before"]);
    Checkpoint::open(&path("before")).expect("whole");
}

/// What a trainer told.
#[derive(Default)]
struct Told {
    steps: Vec<u64>,
    episodes: u64,
}

impl<E> TrainObserver<E> for Told {
    fn on_step(&mut self, _: &E, progress: &Progress) {
        self.steps.push(progress.steps);
    }

    fn on_episode(&mut self, _: &E, _: &townlet_drqn::EpisodeReport) {
        self.episodes += 1;
    }
}

fn a_refused_update_beside_a_step_loses_nothing_of_the_step(device: &Device) {
    let run = |overlap: bool, learning_rate: f64| {
        let config = DrqnConfig {
            learning_rate,
            overlap,
            // Nobody acts by what is learned, so that both runs take the same steps.
            epsilon: townlet_drqn::EpsilonSchedule::Linear { start: 1.0, end: 1.0, steps: 1 },
            schedule: UpdateSchedule { learning_starts: 90, update_every: 9, ..UpdateSchedule::default() },
            ..small::config()
        };
        let (_, core, _) = checkpoints::runs().swap_remove(0);
        let mut trainer = Trainer::new(checkpoints::world(), &checkpoints::network(core), config, 3, device)
            .expect("valid");
        let mut told = Told::default();
        // Until something is refused, which is in the middle of an episode or at its end.
        let refused = (0..200).position(|_| trainer.round(&mut told).is_err());
        let rounds = refused.map_or(200, |round| round as u64 + 1);
        assert_eq!(trainer.progress().steps, 3 * rounds, "every round took its step");
        assert_eq!(told.steps, (1..=rounds).map(|round| 3 * round).collect::<Vec<_>>(), "and told it");
        assert_eq!(trainer.progress().episodes, told.episodes, "with the episodes that it ended");
        refused
    };
    assert_eq!(run(false, 1e-3).or(run(true, 1e-3)), None);
    // The update of a step is made beside the next one.
    let (at_once, beside) = (run(false, 1e300).expect("refused"), run(true, 1e300).expect("refused"));
    assert_eq!(beside, at_once + 1);
}
