//! The networks themselves.

use burn::tensor::{Device, Tensor};
use townlet_env::{Level, Town, VectorEnv};
use townlet_nets::{
    FeedforwardQConfig, QNetworkConfig, RandomNetworkDistillationConfig, load_state_dict, state_dict,
};

use crate::case::{CLOSE, cases, largest_difference, values};
use crate::small;

cases![
    every_level_has_a_network,
    the_clock_reaches_the_network,
    initial_parameters_depend_on_the_seed_and_nothing_else,
    the_feedforward_network_sees_each_row_alone,
    novelty_is_zero_for_equal_networks_and_falls_with_training,
];

fn every_level_has_a_network(device: &Device) {
    for (name, parameters) in
        [("pomdp", 635_333), ("pomdp-shuffled", 635_333), ("temporal", 668_197), ("full", 398_917)]
    {
        let town = Town::new(Level::builtin(name).expect("built in"), 2).expect("a valid level");
        let layout = town.observation_layout().clone();
        let config = QNetworkConfig::new(layout, town.num_actions());
        let network = config.init(1, device);
        assert_eq!(burn::module::Module::num_params(&network), parameters, "{name}");
        let data = burn::tensor::TensorData::new(town.observations().to_vec(), [2, 1, config.layout.len()]);
        let observations = Tensor::from_data(data, device);
        let (q, state) = network.forward(observations, network.initial_state(2));
        assert_eq!(q.dims(), [2, 1, 5], "{name}");
        assert!(state.parts().iter().map(Tensor::dims).eq([[2, 256]; 2]), "{name}");
        assert!(values(q).iter().all(|q| q.is_finite()), "{name}");
    }
}

fn the_clock_reaches_the_network(device: &Device) {
    let layout = small::layout();
    let network = small::network(layout.clone()).init(1, device);
    let value_at = |hour: f32, progress: f32| {
        let mut row = small::numbers("row", layout.len());
        row[layout.hour().expect("has a clock")] = hour;
        row[layout.progress().expect("has a clock")] = progress;
        let data = burn::tensor::TensorData::new(row, [1, 1, layout.len()]);
        let observations = Tensor::from_data(data, device);
        values(network.forward(observations, network.initial_state(1)).0)
    };
    assert!(largest_difference(&value_at(0.0, 0.0), &value_at(1.0, 0.0)) > 1e-5, "the hour is not read");
    assert!(largest_difference(&value_at(0.0, 0.0), &value_at(0.0, 1.0)) > 1e-5, "progress is not read");
}

fn initial_parameters_depend_on_the_seed_and_nothing_else(device: &Device) {
    let config = small::network(small::layout());
    let drawn = |seed| state_dict(&config.init(seed, device));
    assert!(drawn(1) == drawn(1));
    for (name, array) in &drawn(1) {
        assert!(array.values != drawn(2)[name].values, "{name} is the same for two seeds");
        let fan_in = if name.starts_with("lstm") { 12 } else { continue };
        let bound = 1.0 / f32::sqrt(fan_in as f32);
        let largest = array.values.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        assert!(largest <= bound && largest > 0.8 * bound, "{name} reaches {largest} of {bound}");
    }
}

fn the_feedforward_network_sees_each_row_alone(device: &Device) {
    let network = FeedforwardQConfig { hidden: 8, ..FeedforwardQConfig::new(6, 3) }.init(1, device);
    let rows = small::tensor("rows", [3, 6], device);
    let together = values(network.forward(rows.clone()));
    let alone = values(network.forward(rows.slice([1..2, 0..6])));
    assert!(largest_difference(&together[3..6], &alone) <= CLOSE);
}

fn novelty_is_zero_for_equal_networks_and_falls_with_training(device: &Device) {
    use burn::optim::{AdamConfig, GradientsParams};

    let config = RandomNetworkDistillationConfig {
        hidden: [8, 8],
        embedding: 4,
        ..RandomNetworkDistillationConfig::new(5)
    };
    let mut rnd = config.init(1, &device.clone().autodiff());
    let observations: Tensor<2> = small::tensor("rnd", [6, 5], &device.clone().autodiff());
    let fixed = state_dict(&rnd.fixed);

    let mut equal = rnd.clone();
    equal.predictor = load_state_dict(&equal.predictor, &fixed).expect("the same shapes");
    assert_eq!(values(equal.novelty(observations.clone()).inner()), vec![0.0; 6]);

    let mean = |novelty: Vec<f32>| novelty.iter().sum::<f32>() / 6.0;
    let before = mean(values(rnd.novelty(observations.clone()).inner()));
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..12 {
        let loss = rnd.novelty(observations.clone()).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &rnd);
        rnd = optimizer.step(1e-2, rnd, gradients);
    }
    let after = mean(values(rnd.novelty(observations).inner()));
    assert!(after < 0.5 * before, "novelty went from {before} to {after}");
    assert!(state_dict(&rnd.fixed) == fixed, "the fixed network moved");
}
