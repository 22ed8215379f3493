//! Memory is real: what was seen earlier changes what is thought now.

use burn::tensor::{Device, Tensor};
use townlet_nets::{CoreConfig, QNetworkConfig};

use crate::case::{CLOSE, cases, largest_difference, parts, values};
use crate::small;

cases![
    another_history_gives_another_value,
    the_same_history_gives_the_same_value_stepwise_and_as_a_sequence,
    sequences_of_a_batch_do_not_touch_each_other,
];

fn another_history_gives_another_value(device: &Device) {
    for config in small::networks() {
        let difference = difference_by_history(&config, device);
        if config.core == (CoreConfig::None {}) {
            assert_eq!(difference.to_bits(), 0, "{config:?} knows of a past");
        } else {
            assert!(difference > 1e-4, "two histories differ by {difference} only: {config:?}");
        }
    }
}

fn difference_by_history(config: &QNetworkConfig, device: &Device) -> f32 {
    let network = config.init(1, device);
    let features = small::layout().len();
    let last: Tensor<3> = small::tensor("last", [1, 1, features], device);
    let value_after = |history: &str| {
        let history = small::tensor(history, [1, 3, features], device);
        let observations = Tensor::cat(vec![history, last.clone()], 1);
        let (q, _) = network.forward(observations, network.initial_state(1));
        values(q.slice([0..1, 3..4, 0..3]))
    };
    assert_eq!(value_after("one"), value_after("one"), "the same history must give the same value");
    largest_difference(&value_after("one"), &value_after("another"))
}

fn the_same_history_gives_the_same_value_stepwise_and_as_a_sequence(device: &Device) {
    for config in small::networks() {
        replayed_as_acted(&config, device);
    }
}

fn replayed_as_acted(config: &QNetworkConfig, device: &Device) {
    let network = config.init(1, device);
    let features = small::layout().len();
    let observations: Tensor<3> = small::tensor("episode", [2, 5, features], device);
    let (replayed, end) = network.forward(observations.clone(), network.initial_state(2));
    let mut state = network.initial_state(2);
    let mut acted = Vec::new();
    for t in 0..5 {
        let (q, next) = network.forward(observations.clone().slice([0..2, t..t + 1, 0..features]), state);
        acted.push(q);
        state = next;
    }
    let difference = largest_difference(&values(replayed), &values(Tensor::cat(acted, 1)));
    assert!(difference <= CLOSE, "replayed and acted values differ by {difference}: {config:?}");
    let difference = largest_difference(&parts(&end).concat(), &parts(&state).concat());
    assert!(difference <= CLOSE, "the states after both differ by {difference}: {config:?}");
}

fn sequences_of_a_batch_do_not_touch_each_other(device: &Device) {
    for config in small::networks() {
        row_by_row(&config, device);
    }
}

fn row_by_row(config: &QNetworkConfig, device: &Device) {
    let network = config.init(1, device);
    let features = small::layout().len();
    let both: Tensor<3> = small::tensor("episode", [2, 4, features], device);
    let (together, _) = network.forward(both.clone(), network.initial_state(2));
    for row in 0..2 {
        let (alone, _) =
            network.forward(both.clone().slice([row..row + 1, 0..4, 0..features]), network.initial_state(1));
        let together = together.clone().slice([row..row + 1, 0..4, 0..3]);
        let difference = largest_difference(&values(together), &values(alone));
        assert!(difference <= CLOSE, "sequence {row} differs by {difference} when it is alone: {config:?}");
    }
}
