//! What networks remember with, and how they value actions: each against its paper, in plain numbers.

use burn::tensor::{Device, Tensor, TensorData};
use townlet_drqn::{DrqnConfig, StartState, Trainer, UpdateSchedule};
use townlet_env::probes::{DelayedTMaze, ProbeEnv};
use townlet_env::{ObservationLayout, VectorEnv};
use townlet_nets::{CoreConfig, HeadConfig, QNetworkConfig, StateDict, load_state_dict, state_dict};

use crate::case::{CLOSE, cases, largest_difference, values};
use crate::small;

cases![
    every_core_and_head_computes_what_its_paper_says,
    a_stack_of_frames_sees_so_far_and_no_further,
    every_kind_is_saved_and_loaded,
    every_kind_learns_from_stored_states_and_burn_in,
];

const FEATURES: usize = 3;

/// A layer of a state dict, applied to one row.
fn linear(dict: &StateDict, [weight, bias]: [&str; 2], row: &[f32]) -> Vec<f32> {
    let rows = dict[weight].values.chunks_exact(row.len());
    let product = |weights: &[f32]| weights.iter().zip(row).map(|(w, x)| w * x).sum::<f32>();
    rows.zip(&dict[bias].values).map(|(weights, bias)| product(weights) + bias).collect()
}

fn layer(dict: &StateDict, name: &str, row: &[f32]) -> Vec<f32> {
    linear(dict, [&format!("{name}.weight"), &format!("{name}.bias")], row)
}

fn relu(row: Vec<f32>) -> Vec<f32> {
    row.into_iter().map(|x| x.max(0.0)).collect()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Cho et al. 2014, equations 5 to 8, the reset gate where PyTorch has it.
fn gru(dict: &StateDict, features: &[f32], hidden: &[f32]) -> Vec<f32> {
    let input = linear(dict, ["gru.weight_ih_l0", "gru.bias_ih_l0"], features);
    let state = linear(dict, ["gru.weight_hh_l0", "gru.bias_hh_l0"], hidden);
    let n = hidden.len();
    let next = |i: usize| {
        let reset = sigmoid(input[i] + state[i]);
        let update = sigmoid(input[n + i] + state[n + i]);
        let new = (input[2 * n + i] + reset * state[2 * n + i]).tanh();
        (1.0 - update) * new + update * hidden[i]
    };
    (0..n).map(next).collect()
}

/// Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; returns hidden and cell state.
fn lstm(dict: &StateDict, features: &[f32], hidden: &[f32], cell: &[f32]) -> [Vec<f32>; 2] {
    let input = linear(dict, ["lstm.weight_ih_l0", "lstm.bias_ih_l0"], features);
    let state = linear(dict, ["lstm.weight_hh_l0", "lstm.bias_hh_l0"], hidden);
    let n = hidden.len();
    let gate = |block: usize, i: usize| input[block * n + i] + state[block * n + i];
    let cell: Vec<f32> =
        (0..n).map(|i| sigmoid(gate(1, i)) * cell[i] + sigmoid(gate(0, i)) * gate(2, i).tanh()).collect();
    let hidden = (0..n).map(|i| sigmoid(gate(3, i)) * cell[i].tanh()).collect();
    [hidden, cell]
}

/// Values along one sequence, number by number.
fn in_plain_numbers(config: &QNetworkConfig, dict: &StateDict, sequence: &[Vec<f32>]) -> Vec<f32> {
    let encode = |row: &[f32]| relu(layer(dict, "feature_encoder.0", row));
    let mut hidden = vec![0.0; config.hidden];
    let mut cell = vec![0.0; config.hidden];
    let mut seen = vec![vec![0.0; FEATURES]; 8];
    let mut found = Vec::new();
    for row in sequence {
        seen.push(row.clone());
        let stack = |count: usize| -> Vec<f32> {
            let features = seen[seen.len() - count..].iter().flat_map(|row| encode(row)).collect::<Vec<_>>();
            relu(layer(dict, "frames.0", &features))
        };
        let memory = match config.core {
            CoreConfig::Lstm {} => {
                [hidden, cell] = lstm(dict, &encode(row), &hidden, &cell);
                hidden.clone()
            }
            CoreConfig::Gru {} => {
                hidden = gru(dict, &encode(row), &hidden);
                hidden.clone()
            }
            CoreConfig::Frames { count } => stack(count),
            CoreConfig::None {} => stack(1),
        };
        let stream = |name: &str| {
            let features = relu(layer(dict, &format!("{name}.0"), &memory));
            layer(dict, &format!("{name}.2"), &features)
        };
        match config.head {
            HeadConfig::Plain => found.extend(stream("q_head")),
            HeadConfig::Dueling => {
                // Wang et al. 2016, equation 9.
                let (value, advantages) = (stream("value_head")[0], stream("advantage_head"));
                let mean = advantages.iter().sum::<f32>() / advantages.len() as f32;
                found.extend(advantages.iter().map(|advantage| value + advantage - mean));
            }
        }
    }
    found
}

fn every_core_and_head_computes_what_its_paper_says(device: &Device) {
    let layout = ObservationLayout::builder().features(FEATURES).build();
    let sequence: Vec<Vec<f32>> =
        small::numbers("sequence", 5 * FEATURES).chunks(FEATURES).map(<[f32]>::to_vec).collect();
    for config in small::networks() {
        let config = QNetworkConfig { layout: layout.clone(), ..config };
        let network = config.init(1, device);
        let data = TensorData::new(sequence.concat(), [1, 5, FEATURES]);
        let (q, _) = network.forward(Tensor::from_data(data, device), network.initial_state(1));
        let expected = in_plain_numbers(&config, &state_dict(&network), &sequence);
        let difference = largest_difference(&values(q), &expected);
        assert!(difference < CLOSE, "{:?}, {:?}: {difference}", config.core, config.head);
    }
}

fn a_stack_of_frames_sees_so_far_and_no_further(device: &Device) {
    let features = small::layout().len();
    let config = QNetworkConfig { core: CoreConfig::Frames { count: 3 }, ..small::network(small::layout()) };
    let network = config.init(1, device);
    let last_after = |changed: usize| {
        let mut sequence = small::numbers("sequence", 6 * features);
        sequence[changed * features..][..features].copy_from_slice(&small::numbers("change", features));
        let data = TensorData::new(sequence, [1, 6, features]);
        let (q, _) = network.forward(Tensor::from_data(data, device), network.initial_state(1));
        values(q.slice([0..1, 5..6, 0..3]))
    };
    // Of six observations the last value sees numbers 3 to 5.
    assert_eq!(last_after(1), last_after(2));
    assert!(largest_difference(&last_after(2), &last_after(3)) > 1e-4);
    assert!(largest_difference(&last_after(2), &last_after(5)) > 1e-4);
}

fn every_kind_is_saved_and_loaded(device: &Device) {
    let features = small::layout().len();
    for config in small::networks() {
        let (saved, other) = (config.init(1, device), config.init(2, device));
        let loaded = load_state_dict(&other, &state_dict(&saved)).expect("the same shapes");
        let see = || small::tensor("see", [2, 3, features], device);
        let q = |network: &townlet_nets::QNetwork| values(network.forward(see(), network.initial_state(2)).0);
        assert_eq!(q(&saved), q(&loaded), "{config:?}");
        assert_ne!(q(&saved), q(&other), "{config:?}");
    }
}

fn every_kind_learns_from_stored_states_and_burn_in(device: &Device) {
    for config in small::networks() {
        let maze = || ProbeEnv::new(DelayedTMaze::new(2, 3), 3);
        let network = QNetworkConfig {
            layout: maze().observation_layout().clone(),
            num_actions: maze().num_actions(),
            ..config
        };
        let train = || {
            let learner = DrqnConfig {
                batch_size: 4,
                trace_length: 3,
                burn_in: 2,
                start_state: StartState::Stored,
                schedule: UpdateSchedule { learning_starts: 24, update_every: 6, target_copy_every: 2 },
                overlap: true,
                ..small::config()
            };
            let mut trainer = Trainer::new(maze(), &network, learner, 5, device).expect("valid settings");
            trainer.train(60, &mut ()).expect("training goes on");
            assert!(trainer.progress().updates > 3);
            state_dict(&trainer.learner().acting_network())
        };
        let trained = train();
        let fresh = state_dict(&network.init(5, device));
        for (name, array) in &trained {
            assert!(array.values != fresh[name].values, "{name} was not trained: {network:?}");
        }
        assert!(trained == train(), "the same seed gives another run: {network:?}");
    }
}
