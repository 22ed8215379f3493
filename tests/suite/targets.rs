//! What values are trained towards, on episodes small enough to work out by hand.

use burn::tensor::{Device, Tensor};
use townlet_drqn::{BootstrapActions, DrqnConfig, LastStep, Learner, Memory, SequenceBatch, TargetEstimator};
use townlet_nets::QNetwork;

use crate::case::{CLOSE, cases, largest_difference, values};
use crate::small;

cases![
    every_step_bootstraps_from_the_carried_value_of_what_follows,
    termination_does_not_bootstrap_and_truncation_does,
    a_masked_action_is_never_bootstrapped_from,
    nothing_is_bootstrapped_where_nothing_is_allowed,
    double_q_values_the_choice_of_the_online_network,
    a_target_reset_at_each_step_values_observations_alone,
    a_last_step_of_reward_only_does_not_bootstrap,
    n_step_returns_sum_and_stop_at_the_end,
    padding_changes_nothing,
];

const DISCOUNT: f32 = 0.9;

struct Scene {
    online: QNetwork,
    target: QNetwork,
    batch: SequenceBatch,
    device: Device,
}

impl Scene {
    fn new(device: &Device) -> Self {
        let layout = small::layout();
        let network = small::network(layout.clone());
        Self {
            online: network.init(1, &device.clone().autodiff()),
            target: network.init(2, device),
            batch: small::batch(&layout),
            device: device.clone(),
        }
    }

    fn targets(&self, mut config: DrqnConfig) -> Vec<f32> {
        config.discount = f64::from(DISCOUNT);
        Learner::from_networks(self.online.clone(), self.target.clone(), config).targets(&self.batch)
    }

    /// Values of all five observations of both sequences, the state carried, `[2 * 5][3]`.
    fn carried(&self, network: &QNetwork) -> Vec<Vec<f32>> {
        let network = burn::module::Module::valid(network);
        let (q, _) = network.forward(self.observations(), network.initial_state(2));
        values(q).chunks(3).map(<[f32]>::to_vec).collect()
    }

    fn observations(&self) -> Tensor<3> {
        let features = self.batch.features;
        let data = burn::tensor::TensorData::new(self.batch.observations.clone(), [2, 5, features]);
        Tensor::from_data(data, &self.device)
    }

    /// The target of each step where it bootstraps `value(row of the observation after it)`.
    fn one_step(&self, value: impl Fn(usize) -> f32) -> Vec<f32> {
        (0..8).map(|i| self.batch.rewards[i] + DISCOUNT * value(i / 4 * 5 + i % 4 + 1)).collect()
    }

    fn check(&self, config: DrqnConfig, expected: &[f32]) {
        let found = self.targets(config);
        let difference = largest_difference(&found, expected);
        assert!(difference <= CLOSE, "targets {found:?}, expected {expected:?}");
    }
}

fn max(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::MIN, f32::max)
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).expect("there are actions")
}

fn every_step_bootstraps_from_the_carried_value_of_what_follows(device: &Device) {
    let scene = Scene::new(device);
    let q = scene.carried(&scene.target);
    scene.check(DrqnConfig::default(), &scene.one_step(|row| max(&q[row])));
}

fn termination_does_not_bootstrap_and_truncation_does(device: &Device) {
    let mut scene = Scene::new(device);
    let q = scene.carried(&scene.target);
    scene.batch.terminated[3] = true;
    scene.batch.truncated[7] = true;
    let mut expected = scene.one_step(|row| max(&q[row]));
    expected[3] = scene.batch.rewards[3];
    scene.check(DrqnConfig::default(), &expected);
}

fn a_masked_action_is_never_bootstrapped_from(device: &Device) {
    let mut scene = Scene::new(device);
    let q = scene.carried(&scene.target);
    // Forbid what would be the best after the second step.
    let best = argmax(&q[2]);
    scene.batch.action_masks[2 * 3 + best] = false;
    let allowed: Vec<f32> = (0..3).filter(|&action| action != best).map(|action| q[2][action]).collect();
    let expected = scene.one_step(|row| if row == 2 { max(&allowed) } else { max(&q[row]) });
    scene.check(DrqnConfig::default(), &expected);
    let unmasked = scene.one_step(|row| max(&q[row]));
    let all = DrqnConfig { bootstrap_actions: BootstrapActions::All, ..DrqnConfig::default() };
    scene.check(all, &unmasked);
    assert_ne!(expected, unmasked);
}

fn nothing_is_bootstrapped_where_nothing_is_allowed(device: &Device) {
    let mut scene = Scene::new(device);
    let q = scene.carried(&scene.target);
    scene.batch.action_masks[2 * 3..3 * 3].fill(false);
    let expected = scene.one_step(|row| if row == 2 { 0.0 } else { max(&q[row]) });
    scene.check(DrqnConfig::default(), &expected);
}

fn double_q_values_the_choice_of_the_online_network(device: &Device) {
    let scene = Scene::new(device);
    let (online, target) = (scene.carried(&scene.online), scene.carried(&scene.target));
    let expected = scene.one_step(|row| target[row][argmax(&online[row])]);
    assert!(largest_difference(&expected, &scene.one_step(|row| max(&target[row]))) > 1e-3);
    let double = DrqnConfig { estimator: TargetEstimator::Double, ..DrqnConfig::default() };
    scene.check(double, &expected);
}

fn a_target_reset_at_each_step_values_observations_alone(device: &Device) {
    let scene = Scene::new(device);
    let features = scene.batch.features;
    let alone = scene.observations().reshape([10, 1, features]);
    let (q, _) = scene.target.forward(alone, scene.target.initial_state(10));
    let q: Vec<Vec<f32>> = values(q).chunks(3).map(<[f32]>::to_vec).collect();
    let expected = scene.one_step(|row| max(&q[row]));
    for memory in [Memory::ResetTargetOnly, Memory::ResetEachStep] {
        scene.check(DrqnConfig { memory, ..DrqnConfig::default() }, &expected);
    }
    let carried = scene.carried(&scene.target);
    assert!(largest_difference(&expected, &scene.one_step(|row| max(&carried[row]))) > 1e-4);
}

fn a_last_step_of_reward_only_does_not_bootstrap(device: &Device) {
    let scene = Scene::new(device);
    let q = scene.carried(&scene.target);
    let mut expected = scene.one_step(|row| max(&q[row]));
    expected[3] = scene.batch.rewards[3];
    expected[7] = scene.batch.rewards[7];
    scene.check(DrqnConfig { last_step: LastStep::RewardOnly, ..DrqnConfig::default() }, &expected);
}

fn n_step_returns_sum_and_stop_at_the_end(device: &Device) {
    let mut scene = Scene::new(device);
    let q = scene.carried(&scene.target);
    scene.batch.terminated[7] = true;
    let r = scene.batch.rewards.clone();
    let (g, v) = (DISCOUNT, |row: usize| max(&q[row]));
    let expected = [
        // Sequence 0 goes on: sums stop at the window's end and bootstrap from its last observation.
        r[0] + g * r[1] + g * g * r[2] + g * g * g * v(3),
        r[1] + g * r[2] + g * g * r[3] + g * g * g * v(4),
        r[2] + g * r[3] + g * g * v(4),
        r[3] + g * v(4),
        // Sequence 1 terminates with its last step.
        r[4] + g * r[5] + g * g * r[6] + g * g * g * v(8),
        r[5] + g * r[6] + g * g * r[7],
        r[6] + g * r[7],
        r[7],
    ];
    scene.check(DrqnConfig { n_step: 3, ..DrqnConfig::default() }, &expected);
}

/// A short episode is padded: what stands in the padding must reach neither loss nor gradient.
fn padding_changes_nothing(device: &Device) {
    let mut scene = Scene::new(device);
    scene.batch.valid[6..8].fill(false);
    let update = |batch: &SequenceBatch| {
        let learner = Learner::from_networks(scene.online.clone(), scene.target.clone(), small::config());
        let gradients = learner.gradients(batch);
        (learner.clone().update(batch).expect("finite").loss, gradients)
    };
    let (loss, gradients) = update(&scene.batch);
    let mut other = scene.batch.clone();
    let features = other.features;
    other.observations[8 * features..].fill(77.0);
    other.rewards[6..8].fill(-5.0);
    other.actions[6..8].fill(2);
    other.terminated[6] = true;
    let (other_loss, other_gradients) = update(&other);
    assert!((loss - other_loss).abs() <= CLOSE, "loss {loss} became {other_loss}");
    for (name, array) in &gradients {
        let difference = largest_difference(&array.values, &other_gradients[name].values);
        assert!(difference <= CLOSE, "the gradient of {name} differs by {difference}");
    }
}
