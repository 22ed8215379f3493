//! The two paths of a pass: the kernels of a CPU backend, and Burn's operations on every backend.
//!
//! On wgpu there is only the second, and the cases hold it to itself.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use townlet_drqn::{DrqnConfig, Learner, Memory, TargetEstimator};
use townlet_env::{Level, ObservationLayout};
use townlet_nets::{
    Actor, Backend, QNetwork, QNetworkConfig, QState, StateDict, adam, load_state_dict, state_dict,
};

use crate::case::{CLOSE, cases, largest_difference, parts, values};
use crate::small;

cases![
    both_paths_value_every_level_alike,
    both_paths_have_the_same_gradients,
    both_paths_make_the_same_updates skips &[
        (Backend::Wgpu, "there is one path on a GPU, and updates of it are compared with recorded ones"),
    ],
    the_state_is_differentiated_on_both_paths,
    observations_are_differentiated,
    parameters_that_change_are_packed_again,
    an_actor_acts_alike_on_both_paths,
    the_state_of_adam_is_burns,
];

/// The network of every built-in level, and a small one with every kind of feature.
fn networks() -> BTreeMap<String, QNetworkConfig> {
    let mut networks: BTreeMap<_, _> = Level::builtin_names()
        .map(|name| {
            let layout = Level::builtin(name).expect("built in").observation_layout();
            (name.to_owned(), QNetworkConfig::new(layout, 5))
        })
        .collect();
    networks.insert("small".to_owned(), small::network(small::layout()));
    let bare = ObservationLayout::builder().features(3).build();
    let previous = small::layout().with_previous(4);
    networks.insert("with previous inputs".to_owned(), small::network(previous));
    networks.insert("bare".to_owned(), small::network(bare));
    networks
}

fn state(batch: usize, hidden: usize, device: &Device) -> QState {
    QState::new(["hidden", "cell"].map(|name| small::tensor(name, [batch, hidden], device)).to_vec())
}

/// Values and the state after them.
fn pass(network: &QNetwork, layout: &ObservationLayout, device: &Device) -> Vec<f32> {
    let observations = small::tensor("observations", [3, 4, layout.len()], device);
    let (q, state) = network.forward(observations, state(3, network.hidden_size(), device));
    [values(q), parts(&state).concat()].concat()
}

fn both_paths_value_every_level_alike(device: &Device) {
    for (name, config) in networks() {
        for device in [device.clone(), device.clone().autodiff()] {
            let network = config.init(1, &device);
            let kernels = pass(&network, &config.layout, &device);
            let composed = pass(&network.composed(), &config.layout, &device);
            let difference = largest_difference(&kernels, &composed);
            assert!(difference < CLOSE, "{name}: {difference}");
        }
    }
}

fn learners(config: &DrqnConfig, device: &Device) -> [Learner; 2] {
    let network = small::network(small::layout());
    let learner = |composed: bool| {
        let mut online = network.init(5, &device.clone().autodiff());
        let mut target = network.init(6, device);
        if composed {
            (online, target) = (online.composed(), target.composed());
        }
        Learner::from_networks(online, target, config.clone())
    };
    [learner(false), learner(true)]
}

fn assert_same(what: &str, found: &StateDict, expected: &StateDict) {
    assert!(!expected.is_empty());
    for (name, expected) in expected {
        let difference = largest_difference(&found[name].values, &expected.values);
        assert!(difference < CLOSE, "{what}: {name} differs by {difference}");
    }
}

fn settings() -> impl Iterator<Item = DrqnConfig> {
    let memories = [Memory::Carried, Memory::ResetTargetOnly, Memory::ResetEachStep];
    memories.into_iter().flat_map(|memory| {
        [TargetEstimator::Max, TargetEstimator::Double].map(|estimator| DrqnConfig {
            memory,
            estimator,
            ..small::config()
        })
    })
}

fn both_paths_have_the_same_gradients(device: &Device) {
    let batch = small::batch(&small::layout());
    for config in settings() {
        let [kernels, composed] = learners(&config, device).map(|learner| learner.gradients(&batch));
        assert_same(&format!("{:?}, {:?}", config.memory, config.estimator), &kernels, &composed);
    }
}

fn both_paths_make_the_same_updates(device: &Device) {
    let batch = small::batch(&small::layout());
    for config in settings() {
        // Small steps: Adam divides by the size of a gradient, and would turn rounding into whole steps.
        let config = DrqnConfig { learning_rate: 1e-4, ..config };
        let [mut kernels, mut composed] = learners(&config, device);
        for update in 1..=5 {
            let (found, expected) =
                (kernels.update(&batch).expect("finite"), composed.update(&batch).expect("finite"));
            let (found, expected) = ([found.loss, found.grad_norm], [expected.loss, expected.grad_norm]);
            assert!(
                largest_difference(&found, &expected) < CLOSE,
                "update {update}: {found:?}, {expected:?}"
            );
        }
        assert_same(&format!("{config:?}"), &state_dict(kernels.online()), &state_dict(composed.online()));
    }
}

fn the_state_is_differentiated_on_both_paths(device: &Device) {
    let device = device.clone().autodiff();
    let layout = small::layout();
    let gradients = |network: QNetwork| {
        let start = state(3, network.hidden_size(), &device);
        let start = start.map(Tensor::require_grad);
        let observations = small::tensor("observations", [3, 4, layout.len()], &device);
        let (q, end) = network.forward(observations, start.clone());
        let [hidden, cell] = end.parts() else { panic!("an LSTM has two parts") };
        let sum = q.sum() + (hidden.clone() * 0.5).sum() + (cell.clone() * 0.25).sum();
        let gradients = sum.backward();
        let gradient = |part: &Tensor<2>| values(part.grad(&gradients).expect("the state is used"));
        start.parts().iter().flat_map(gradient).collect::<Vec<f32>>()
    };
    let network = small::network(layout.clone()).init(1, &device);
    let (kernels, composed) = (gradients(network.clone()), gradients(network.composed()));
    assert!(kernels.iter().any(|gradient| gradient.abs() > 1e-3));
    assert!(largest_difference(&kernels, &composed) < CLOSE);
}

/// The kernels know no gradient of the observations, so a graph through them takes the other path by itself.
fn observations_are_differentiated(device: &Device) {
    let device = device.clone().autodiff();
    let layout = small::layout();
    let network = small::network(layout.clone()).init(1, &device);
    let leaf = small::tensor::<3>("observations", [3, 4, layout.len()], &device).require_grad();
    for observations in [leaf.clone(), leaf.clone() * 2.0] {
        let (q, _) = network.forward(observations, network.initial_state(3));
        let gradient = leaf.grad(&q.sum().backward()).expect("the observations are used");
        assert!(values(gradient).iter().any(|gradient| gradient.abs() > 1e-4));
    }
}

/// Whoever changes parameters, the next pass is one with the new ones.
fn parameters_that_change_are_packed_again(device: &Device) {
    let layout = small::layout();
    let config = small::network(layout.clone());
    let autodiff = device.clone().autodiff();
    let network = config.init(1, &autodiff);
    let before = pass(&network, &layout, &autodiff);

    let loaded = load_state_dict(&network, &state_dict(&config.init(2, device))).expect("it fits");
    let expected = pass(&config.init(2, &autodiff), &layout, &autodiff);
    assert_eq!(pass(&loaded, &layout, &autodiff), expected, "after loading");

    for optimizer in [AdamConfig::new().init(), adam(1e-8)] {
        let mut optimizer: ModuleOptimizer = optimizer;
        let mut network = network.clone();
        for _ in 0..3 {
            let observations = small::tensor("observations", [3, 4, layout.len()], &autodiff);
            let (q, _) = network.forward(observations, network.initial_state(3));
            let gradients = GradientsParams::from_grads(q.sum().backward(), &network);
            network = network.step(&mut optimizer, 0.01, gradients);
            let fresh = load_state_dict(&config.init(3, &autodiff), &state_dict(&network)).expect("it fits");
            assert_eq!(pass(&network, &layout, &autodiff), pass(&fresh, &layout, &autodiff));
            assert_eq!(pass(&network.valid(), &layout, device), pass(&fresh.valid(), &layout, device));
        }
    }
    assert_eq!(pass(&network, &layout, &autodiff), before, "the clones were changed, the network was not");
}

fn an_actor_acts_alike_on_both_paths(device: &Device) {
    let layout = small::layout();
    let network = small::network(layout.clone()).init(1, device);
    let mut actors = [network.clone(), network.composed()].map(|network| Actor::new(&network, 5));
    for step in 0..6 {
        let observations = small::numbers(&format!("step {step}"), 5 * layout.len());
        let [kernels, composed] = actors.each_mut().map(|actor| actor.values(&observations).to_vec());
        assert!(largest_difference(&kernels, &composed) < CLOSE, "step {step}");
        let ended: Vec<bool> = (0..5).map(|env| (env + step) % 3 == 0).collect();
        for actor in &mut actors {
            actor.forget(&ended);
        }
    }
    let [kernels, composed] = actors.map(|actor| actor.state());
    assert!(largest_difference(&parts(&kernels).concat(), &parts(&composed).concat()) < CLOSE);
}

/// Two steps with one, a third with the other that has loaded the state: the same as three with either.
fn the_state_of_adam_is_burns(device: &Device) {
    let layout = small::layout();
    let autodiff = device.clone().autodiff();
    let start = small::network(layout.clone()).init(1, &autodiff);
    let ours = || adam(1e-8);
    let burns = || AdamConfig::new().with_epsilon(1e-8).init();
    let step = |network: QNetwork, optimizer: &mut ModuleOptimizer| {
        let observations = small::tensor("observations", [3, 4, layout.len()], &autodiff);
        let (q, _) = network.forward(observations, network.initial_state(3));
        let gradients = GradientsParams::from_grads((q.clone() * q).sum().backward(), &network);
        network.step(optimizer, 1e-3, gradients)
    };
    let run = |first: ModuleOptimizer, then: ModuleOptimizer| {
        let (mut first, mut network) = (first, start.clone());
        for _ in 0..2 {
            network = step(network, &mut first);
        }
        let mut then = then.load_record(first.to_record());
        state_dict(&step(network, &mut then))
    };
    let expected = run(burns(), burns());
    assert_same("ours", &run(ours(), ours()), &expected);
    assert_same("ours, then Burn's", &run(ours(), burns()), &expected);
    assert_same("Burn's, then ours", &run(burns(), ours()), &expected);
    let forgotten = run(ours(), ours()) == {
        let mut network = start.clone();
        for _ in 0..3 {
            network = step(network, &mut ours());
        }
        state_dict(&network)
    };
    assert!(!forgotten, "a state that counts for nothing would pass unseen");
}
