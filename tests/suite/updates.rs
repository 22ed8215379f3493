//! Whole updates: what they move, what they leave alone, and when the target network follows.

use burn::tensor::Device;
use townlet_drqn::{DrqnConfig, Learner, LearnerError, Sampling, TargetUpdate, UpdateSchedule};
use townlet_nets::{StateDict, state_dict};

use crate::case::{CLOSE, cases, largest_difference};
use crate::small;

cases![
    target_copies_happen_exactly_when_scheduled,
    a_soft_update_moves_the_target_a_part_of_the_way,
    a_step_size_that_has_fallen_to_zero_moves_nothing,
    a_sequence_counts_as_much_as_its_weight,
    errors_are_told_where_sequences_are_drawn_by_them,
    an_update_reduces_the_loss_of_its_own_batch,
    a_diverging_update_is_refused_and_changes_nothing,
    the_same_seed_gives_the_same_updates,
    the_gradient_is_clipped_by_its_global_norm,
];

fn learner(config: DrqnConfig, device: &Device) -> Learner {
    Learner::new(&small::network(small::layout()), config, 5, device)
}

fn parameters(learner: &Learner) -> (StateDict, StateDict) {
    (state_dict(learner.online()), state_dict(learner.target()))
}

fn target_copies_happen_exactly_when_scheduled(device: &Device) {
    let schedule = UpdateSchedule { target_copy_every: 3, ..UpdateSchedule::default() };
    let mut learner = learner(DrqnConfig { schedule, ..small::config() }, device);
    let batch = small::batch(&small::layout());
    let (online, mut held) = parameters(&learner);
    assert!(online == held, "the target network starts as a copy");
    for update in 1..=7 {
        let report = learner.update(&batch).expect("finite");
        let (online, target) = parameters(&learner);
        assert_eq!(report.updates, update);
        assert_eq!(report.target_copied, update % 3 == 0, "update {update}");
        if report.target_copied {
            assert!(target == online, "update {update} must copy");
            held = target;
        } else {
            assert!(target == held, "update {update} must leave the target network alone");
            assert!(target != online, "update {update} must move the online network");
        }
    }
}

fn a_soft_update_moves_the_target_a_part_of_the_way(device: &Device) {
    let target_update = TargetUpdate::Polyak { tau: 0.25 };
    // Parameters of its own: a network that was loaded is not a copy of the other one.
    let config = DrqnConfig { target_update, ..small::config() };
    let network = small::network(small::layout());
    let (online, target) = (network.init(5, &device.clone().autodiff()), network.init(6, device));
    let mut learner = Learner::from_networks(online, target, config);
    let batch = small::batch(&small::layout());
    for _ in 0..2 {
        let (_, before) = parameters(&learner);
        let report = learner.update(&batch).expect("finite");
        assert!(!report.target_copied);
        let (online, target) = parameters(&learner);
        for (name, array) in &target {
            let way = before[name].values.iter().zip(&online[name].values);
            let expected: Vec<f32> = way.map(|(from, to)| 0.75 * from + 0.25 * to).collect();
            let difference = largest_difference(&array.values, &expected);
            assert!(difference <= CLOSE, "{name} differs by {difference}");
            assert!(array.values != before[name].values, "{name} has not moved");
        }
    }
}

fn a_step_size_that_has_fallen_to_zero_moves_nothing(device: &Device) {
    let config = DrqnConfig { learning_rate_end: 0.0, learning_rate_updates: 2, ..small::config() };
    let mut learner = learner(config, device);
    let batch = small::batch(&small::layout());
    let moved: Vec<bool> = (0..3)
        .map(|_| {
            let (before, _) = parameters(&learner);
            learner.update(&batch).expect("finite");
            parameters(&learner).0 != before
        })
        .collect();
    assert_eq!(moved, [true, true, false]);
}

fn a_sequence_counts_as_much_as_its_weight(device: &Device) {
    let loss = |weights: &[f32]| {
        let mut batch = small::batch(&small::layout());
        batch.weights = weights.to_vec();
        learner(small::config(), device).update(&batch).expect("finite").loss
    };
    let (first, second) = (loss(&[1.0, 0.0]), loss(&[0.0, 1.0]));
    assert!(first > 0.0 && second > 0.0 && first != second);
    assert!((loss(&[0.25, 0.5]) - (0.25 * first + 0.5 * second)).abs() <= CLOSE);
    assert!((loss(&[]) - (first + second)).abs() <= CLOSE, "without weights both count whole");
}

fn errors_are_told_where_sequences_are_drawn_by_them(device: &Device) {
    let batch = small::batch(&small::layout());
    let mut uniform = learner(small::config(), device);
    uniform.update(&batch).expect("finite");
    assert!(uniform.td_errors().is_empty());
    let sampling = Sampling::Prioritised { alpha: 0.9, beta: 0.6 };
    let mut learner = learner(DrqnConfig { sampling, ..small::config() }, device);
    let report = learner.update(&batch).expect("finite");
    let errors = learner.td_errors();
    assert_eq!(errors.len(), 8);
    assert!(errors.iter().all(|&error| error > 0.0), "{errors:?}");
    let square = errors.iter().map(|error| error * error).sum::<f32>() / 8.0;
    assert!((square - report.loss).abs() <= CLOSE, "the loss is their mean square");
    assert!(parameters(&learner) == parameters(&uniform), "telling them changes nothing");
}

fn an_update_reduces_the_loss_of_its_own_batch(device: &Device) {
    let mut learner = learner(small::config(), device);
    let batch = small::batch(&small::layout());
    let first = learner.update(&batch).expect("finite").loss;
    for _ in 0..8 {
        learner.update(&batch).expect("finite");
    }
    let last = learner.update(&batch).expect("finite").loss;
    assert!(last < 0.5 * first, "the loss went from {first} to {last}");
}

fn a_diverging_update_is_refused_and_changes_nothing(device: &Device) {
    let mut learner = learner(small::config(), device);
    let mut batch = small::batch(&small::layout());
    batch.rewards[1] = f32::INFINITY;
    let before = parameters(&learner);
    let error = learner.update(&batch).expect_err("an infinite reward");
    assert!(matches!(error, LearnerError::Diverged { updates: 1, .. }), "{error}");
    assert!(parameters(&learner) == before);
    assert_eq!(learner.updates(), 0);
}

fn the_same_seed_gives_the_same_updates(device: &Device) {
    let batch = small::batch(&small::layout());
    let run = || {
        let mut learner = learner(small::config(), device);
        for _ in 0..3 {
            learner.update(&batch).expect("finite");
        }
        state_dict(learner.online())
    };
    assert!(run() == run(), "two runs with one seed differ");
}

/// With plain steps of Adam the size of a gradient does not show, so this looks at what a tiny limit does
/// to the second moment: clipped to almost nothing, Adam's epsilon swallows the step.
fn the_gradient_is_clipped_by_its_global_norm(device: &Device) {
    let batch = small::batch(&small::layout());
    let moved = |max_grad_norm: f64| {
        let mut learner = learner(DrqnConfig { max_grad_norm, ..small::config() }, device);
        let before = state_dict(learner.online());
        let report = learner.update(&batch).expect("finite");
        let after = state_dict(learner.online());
        let square = |name: &String| -> f32 {
            before[name].values.iter().zip(&after[name].values).map(|(a, b)| (a - b).powi(2)).sum()
        };
        (report.grad_norm, before.keys().map(square).sum::<f32>().sqrt())
    };
    let (norm, free) = moved(1e6);
    let (same_norm, clipped) = moved(1e-9);
    assert_eq!(norm, same_norm, "the norm is reported as it was before clipping");
    assert!(clipped < 0.2 * free, "clipped to 1e-9, the parameters moved by {clipped}, free by {free}");
}
