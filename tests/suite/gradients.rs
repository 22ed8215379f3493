//! The gradient goes through time, and is the gradient of the loss.

use burn::tensor::Device;
use townlet_drqn::{DrqnConfig, Learner, Loss, Memory};
use townlet_nets::{StateDict, load_state_dict, state_dict};

use crate::case::cases;
use crate::small;

cases![
    the_recurrent_matrix_is_trained_when_state_is_carried,
    the_recurrent_matrix_gets_nothing_when_state_is_reset_at_each_step,
    every_parameter_gets_a_gradient,
    gradients_equal_finite_differences skips &[
        (townlet_nets::Backend::Wgpu, "sixty losses at half a second each under a software driver"),
    ],
];

fn gradients(device: &Device, config: DrqnConfig) -> StateDict {
    let layout = small::layout();
    let learner = Learner::new(&small::network(layout.clone()), config, 3, device);
    learner.gradients(&small::batch(&layout))
}

fn largest(dict: &StateDict, name: &str) -> f32 {
    dict[name].values.iter().fold(0.0, |max, value| value.abs().max(max))
}

fn the_recurrent_matrix_is_trained_when_state_is_carried(device: &Device) {
    let found = gradients(device, small::config());
    let size = largest(&found, "lstm.weight_hh_l0");
    assert!(size > 1e-5, "the largest gradient of the recurrent matrix is {size}");
}

fn the_recurrent_matrix_gets_nothing_when_state_is_reset_at_each_step(device: &Device) {
    let config = DrqnConfig { memory: Memory::ResetEachStep, ..small::config() };
    let found = gradients(device, config);
    assert_eq!(largest(&found, "lstm.weight_hh_l0"), 0.0);
    assert!(largest(&found, "lstm.weight_ih_l0") > 0.0, "the rest must still be trained");
}

fn every_parameter_gets_a_gradient(device: &Device) {
    let found = gradients(device, small::config());
    for name in found.keys() {
        assert!(largest(&found, name) > 0.0, "{name} gets no gradient");
    }
}

/// The loss has a target in it that must not be differentiated, so the finite difference moves the online
/// network alone.
fn gradients_equal_finite_differences(device: &Device) {
    let layout = small::layout();
    let network = small::network(layout.clone());
    let batch = small::batch(&layout);
    for loss in [Loss::Mse, Loss::Huber] {
        let config = DrqnConfig { loss, ..small::config() };
        let online = network.init(3, &device.clone().autodiff());
        let target = network.init(4, device);
        let learner = Learner::from_networks(online.clone(), target.clone(), config.clone());
        let analytic = learner.gradients(&batch);
        let parameters = state_dict(&online);
        for (name, array) in &parameters {
            // The entry with the largest gradient: its difference stands highest above rounding.
            let gradient = &analytic[name].values;
            let index = (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
            let index = index.expect("no parameter is empty");
            let step = 1e-2;
            let loss_at = |offset: f32| {
                let mut moved = parameters.clone();
                moved.get_mut(name).expect("it is one of these").values[index] = array.values[index] + offset;
                let online = load_state_dict(&online, &moved).expect("same network");
                let mut learner = Learner::from_networks(online, target.clone(), config.clone());
                learner.update(&batch).expect("finite").loss
            };
            let numeric = (loss_at(step) - loss_at(-step)) / (2.0 * step);
            let tolerance = 2e-3 + 0.02 * numeric.abs();
            assert!(
                (numeric - gradient[index]).abs() <= tolerance,
                "{loss:?} {name}[{index}]: gradient {}, finite difference {numeric}",
                gradient[index]
            );
        }
    }
}
