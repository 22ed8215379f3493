//! The targets of one episode of six steps, worked out by hand to the last digit for every option.
//!
//! The networks value every observation alike, so each number below follows from the rewards, the masks and
//! the ends. γ is a half and all numbers are small fractions of powers of two: they are exact.

use burn::tensor::Device;
use townlet_drqn::{BootstrapActions, DrqnConfig, LastStep, Learner, Memory, SequenceBatch, TargetEstimator};
use townlet_nets::{QNetwork, load_state_dict, state_dict};

use crate::case::cases;
use crate::small;

cases![
    one_step_targets_are_those_worked_out_by_hand,
    three_step_targets_are_those_worked_out_by_hand,
    the_teaching_arms_are_those_worked_out_by_hand,
    rescaled_targets_are_those_worked_out_by_hand,
];

const STEPS: usize = 6;
/// Two steps longer than the episode, so that there is padding to reach into.
const TIME: usize = 8;
const REWARDS: [f32; STEPS] = [1.0, 0.0, -2.0, 4.0, 0.0, 8.0];
/// Of the target network. The best of observations 1 to 6, under the masks below: 8, 2, 8, 2, 8, 8.
const TARGET: [f32; 3] = [2.0, 8.0, -4.0];
/// Of the online network. What the target network says of its choice: -4, -4, -4, 2, -4, -4.
const ONLINE: [f32; 3] = [3.0, -1.0, 7.0];
/// Action 1 is forbidden in observation 2, actions 1 and 2 in observation 4.
const FORBIDDEN: [(usize, usize); 3] = [(2, 1), (4, 1), (4, 2)];

#[derive(Clone, Copy, PartialEq)]
enum End {
    Terminated,
    Truncated,
    Open,
}

/// A network that gives every observation the same values.
fn constant(values: [f32; 3], device: &Device) -> QNetwork {
    let network = small::network(small::layout()).init(1, device);
    let mut parameters = state_dict(&network);
    for (name, array) in &mut parameters {
        array.values.fill(0.0);
        if name == "q_head.2.bias" {
            array.values.copy_from_slice(&values);
        }
    }
    load_state_dict(&network, &parameters).expect("the same network")
}

/// The episode, and padding full of what must not be read.
fn episode(rewards: [f32; STEPS], end: End) -> SequenceBatch {
    let features = small::layout().len();
    let mut batch = SequenceBatch {
        batch: 1,
        time: TIME,
        features,
        num_actions: 3,
        observations: small::numbers("six steps", (TIME + 1) * features),
        action_masks: vec![true; (TIME + 1) * 3],
        actions: vec![0; TIME],
        rewards: vec![100.0; TIME],
        terminated: vec![false; TIME],
        truncated: vec![false; TIME],
        valid: (0..TIME).map(|t| t < STEPS).collect(),
        ..SequenceBatch::default()
    };
    batch.rewards[..STEPS].copy_from_slice(&rewards);
    for (observation, action) in FORBIDDEN {
        batch.action_masks[observation * 3 + action] = false;
    }
    batch.terminated[STEPS - 1] = end == End::Terminated;
    batch.truncated[STEPS - 1] = end == End::Truncated;
    batch
}

fn targets(device: &Device, target: [f32; 3], config: &DrqnConfig, batch: &SequenceBatch) -> Vec<f32> {
    let online = constant(ONLINE, &device.clone().autodiff());
    let config = DrqnConfig { discount: 0.5, ..config.clone() };
    let learner = Learner::from_networks(online, constant(target, device), config);
    learner.targets(batch)[..STEPS].to_vec()
}

fn check(device: &Device, end: End, config: &DrqnConfig, expected: [f32; STEPS]) {
    for memory in [Memory::Carried, Memory::ResetTargetOnly, Memory::ResetEachStep] {
        // Without a memory to speak of, it must not matter what becomes of it.
        let config = DrqnConfig { memory, ..config.clone() };
        assert_eq!(targets(device, TARGET, &config, &episode(REWARDS, end)), expected, "{memory:?}");
    }
}

fn one_step_targets_are_those_worked_out_by_hand(device: &Device) {
    let max = DrqnConfig::default();
    check(device, End::Terminated, &max, [5.0, 1.0, 2.0, 5.0, 4.0, 8.0]);
    check(device, End::Truncated, &max, [5.0, 1.0, 2.0, 5.0, 4.0, 12.0]);
    check(device, End::Open, &max, [5.0, 1.0, 2.0, 5.0, 4.0, 12.0]);
    let double = DrqnConfig { estimator: TargetEstimator::Double, ..DrqnConfig::default() };
    check(device, End::Terminated, &double, [-1.0, -2.0, -4.0, 5.0, -2.0, 8.0]);
    check(device, End::Truncated, &double, [-1.0, -2.0, -4.0, 5.0, -2.0, 6.0]);
    let scaled = DrqnConfig { reward_scale: 0.25, ..DrqnConfig::default() };
    check(device, End::Terminated, &scaled, [4.25, 1.0, 3.5, 2.0, 4.0, 2.0]);
}

fn three_step_targets_are_those_worked_out_by_hand(device: &Device) {
    let max = DrqnConfig { n_step: 3, ..DrqnConfig::default() };
    check(device, End::Terminated, &max, [1.5, 0.25, 1.0, 6.0, 4.0, 8.0]);
    check(device, End::Truncated, &max, [1.5, 0.25, 1.0, 7.0, 6.0, 12.0]);
    check(device, End::Open, &max, [1.5, 0.25, 1.0, 7.0, 6.0, 12.0]);
    let double = DrqnConfig { estimator: TargetEstimator::Double, ..max };
    check(device, End::Truncated, &double, [0.0, 0.25, -0.5, 5.5, 3.0, 6.0]);
}

fn the_teaching_arms_are_those_worked_out_by_hand(device: &Device) {
    let cut = DrqnConfig { last_step: LastStep::RewardOnly, ..DrqnConfig::default() };
    check(device, End::Open, &cut, [5.0, 1.0, 2.0, 5.0, 4.0, 8.0]);
    let cut = DrqnConfig { n_step: 3, ..cut };
    check(device, End::Open, &cut, [1.5, 0.25, 1.0, 6.0, 4.0, 8.0]);
    let all = DrqnConfig { bootstrap_actions: BootstrapActions::All, ..DrqnConfig::default() };
    check(device, End::Terminated, &all, [5.0, 4.0, 2.0, 8.0, 4.0, 8.0]);
}

/// A value of 1.003 stands for a return of 3, since √(3 + 1) - 1 + 3 / 1000 = 1.003; 9.099 for 99 and -2.008
/// for -8. The rewards are such that every sum is a square number less one again.
fn rescaled_targets_are_those_worked_out_by_hand(device: &Device) {
    let check = |end: End, config: DrqnConfig, rewards: [f32; STEPS], expected: [f32; STEPS]| {
        let config = DrqnConfig { value_rescaling: true, ..config };
        let found = targets(device, [1.003, 9.099, -2.008], &config, &episode(rewards, end));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(0.1), "{found}, not {expected}");
        }
    };
    // Sums: 63, 8, 48, -24, 120, 8.
    let rewards = [13.5, 6.5, -1.5, -25.5, 70.5, 8.0];
    check(End::Terminated, DrqnConfig::default(), rewards, [7.063, 2.008, 6.048, -4.024, 10.12, 2.008]);
    // Sums: 8, 0, -3, 3, -8, 8. The online network's choice is worth -8, but 3 where it is forbidden.
    let double = DrqnConfig { estimator: TargetEstimator::Double, ..DrqnConfig::default() };
    let rewards = [12.0, 4.0, 1.0, 1.5, -4.0, 8.0];
    check(End::Terminated, double, rewards, [2.008, 0.0, -1.003, 1.003, -2.008, 2.008]);
    // Sums: 24, 0, 8, 15, 35, 63.
    let three = DrqnConfig { n_step: 3, ..DrqnConfig::default() };
    let rewards = [11.5, 2.25, -4.0, -2.5, 3.5, 13.5];
    check(End::Truncated, three, rewards, [4.024, 0.0, 2.008, 3.015, 5.035, 7.063]);
}
