//! What is not a finite number shows in whatever depends on it, forward and backward, as in PyTorch, and in nothing
//! else.

mod reference;

use reference::{architectures, forward, parameters, random, wide};
use townlet_kernels::{Architecture, Gradients, OutputGradients, Outputs, Sequences, Weights, Workspace};

const BAD: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
const BATCH: usize = 3;
const TIME: usize = 4;

#[derive(Clone)]
struct Case {
    of: Architecture,
    parameters: Vec<Vec<f32>>,
    observations: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

/// Values, and the hidden and cell states after them.
#[derive(Clone, Debug, PartialEq)]
struct Found([Vec<f32>; 3]);

impl Case {
    fn new(of: Architecture) -> Self {
        Self {
            parameters: parameters(&of),
            observations: random(BATCH * TIME * of.observation, 1),
            hidden: random(BATCH * of.hidden, 2),
            cell: random(BATCH * of.hidden, 3),
            of,
        }
    }

    fn run(&self, workspace: Workspace) -> (Found, Gradients, Workspace) {
        let slices: Vec<&[f32]> = self.parameters.iter().map(Vec::as_slice).collect();
        let weights = Weights::new(&self.of, &slices);
        let (values, states) = (BATCH * TIME * self.of.actions, BATCH * self.of.hidden);
        let [mut v, mut h, mut c] = [values, states, states].map(|len| vec![0.0; len]);
        let (observations, hidden, cell) = (&*self.observations, &*self.hidden, &*self.cell);
        let sequences = Sequences { batch: BATCH, time: TIME, observations, hidden, cell };
        let outputs = Outputs { values: &mut v, hidden: &mut h, cell: &mut c };
        let tape = weights.record(workspace, sequences, outputs);
        let of = [values, states, states].map(|len| random(len, 4));
        let of = OutputGradients { values: &of[0], hidden: &of[1], cell: &of[2] };
        let (gradients, workspace) = tape.backward(&weights, of);
        (Found([v, h, c]), gradients, workspace)
    }

    fn expected(&self) -> [Vec<f64>; 3] {
        let parameters: Vec<_> = self.parameters.iter().map(|values| wide(values)).collect();
        let (observations, hidden, cell) = (wide(&self.observations), wide(&self.hidden), wide(&self.cell));
        let found = forward(&self.of, &parameters, [BATCH, TIME], &observations, &hidden, &cell);
        [found.values, found.hidden, found.cell]
    }

    /// How many parameters come before those of the LSTM.
    fn lstm(&self) -> usize {
        self.parameters.len() - 8
    }

    fn assert_as_defined(&self, what: &str) {
        let (Found(found), ..) = self.run(Workspace::default());
        for (found, expected) in found.iter().zip(self.expected()) {
            for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
                let same = if expected.is_finite() {
                    (f64::from(found) - expected).abs() <= 1e-5 * (1.0 + expected.abs())
                } else {
                    found.is_nan() && expected.is_nan() || f64::from(found) == expected
                };
                assert!(same, "{what}: {i} is {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn a_parameter_that_is_no_finite_number_shows_in_the_values_that_depend_on_it() {
    for of in architectures() {
        let whole = Case::new(of);
        for parameter in 0..whole.parameters.len() {
            let len = whole.parameters[parameter].len();
            for bad in BAD {
                for at in [0, len / 2, len - 1] {
                    let mut case = whole.clone();
                    case.parameters[parameter][at] = bad;
                    case.assert_as_defined(&format!("{bad} in parameter {parameter} at {at}"));
                }
            }
        }
    }
}

#[test]
fn an_observation_or_a_memory_that_is_no_finite_number_shows_in_its_own_sequence_alone() {
    for of in architectures() {
        let whole = Case::new(of);
        let (fine, fine_gradients, _) = whole.run(Workspace::default());
        for bad in BAD {
            let mut observed = whole.clone();
            // The second step of the second sequence.
            observed.observations[(TIME + 1) * whole.of.observation + 3] = bad;
            let (mut remembered, mut kept) = (whole.clone(), whole.clone());
            remembered.hidden[whole.of.hidden] = bad;
            kept.cell[whole.of.hidden] = bad;
            for (name, case) in
                [("observation", observed), ("hidden state", remembered), ("cell state", kept)]
            {
                case.assert_as_defined(&format!("{bad} in an {name}"));
                let (found, gradients, _) = case.run(Workspace::default());
                let row = |found: &[f32], sequence: usize| {
                    found.chunks_exact(found.len() / BATCH).nth(sequence).unwrap().to_vec()
                };
                for sequence in [0, 2] {
                    for (found, fine) in found.0.iter().zip(&fine.0) {
                        assert_eq!(row(found, sequence), row(fine, sequence), "{bad} in an {name}");
                    }
                    let states = (row(&gradients.hidden, sequence), row(&gradients.cell, sequence));
                    let fine = &fine_gradients;
                    assert_eq!(states, (row(&fine.hidden, sequence), row(&fine.cell, sequence)), "{name}");
                }
            }
        }
    }
}

/// What a recurrent network does whose recurrent bias is not a number: nothing that is one.
#[test]
fn nothing_behind_a_bias_that_is_not_a_number_is_one() {
    for of in architectures() {
        let mut case = Case::new(of);
        let lstm = case.lstm();
        case.parameters[lstm + 3].fill(f32::NAN);
        let (found, gradients, _) = case.run(Workspace::default());
        assert!(found.0.iter().flatten().all(|value| value.is_nan()));
        // The weights and biases of the LSTM, and the weights of the head. Its biases add up what is given.
        for (p, gradient) in gradients.parameters.iter().enumerate().skip(lstm) {
            let is_number = [5, 7].contains(&(p - lstm));
            assert!(gradient.iter().all(|value| value.is_finite() == is_number), "parameter {p}");
        }
        assert!(gradients.hidden.iter().chain(&gradients.cell).all(|value| value.is_nan()));
        // Every layer before passes it on, where it passes anything.
        for (p, gradient) in gradients.parameters.iter().enumerate().take(lstm) {
            assert!(gradient.iter().any(|value| value.is_nan()), "parameter {p}");
        }
    }
}

#[test]
fn a_gradient_that_is_no_finite_number_reaches_every_parameter() {
    for of in architectures() {
        let case = Case::new(of);
        let slices: Vec<&[f32]> = case.parameters.iter().map(Vec::as_slice).collect();
        let weights = Weights::new(&case.of, &slices);
        let (values, states) = (BATCH * TIME * case.of.actions, BATCH * case.of.hidden);
        for bad in BAD {
            let [mut v, mut h, mut c] = [values, states, states].map(|len| vec![0.0; len]);
            let (observations, hidden, cell) = (&*case.observations, &*case.hidden, &*case.cell);
            let sequences = Sequences { batch: BATCH, time: TIME, observations, hidden, cell };
            let outputs = Outputs { values: &mut v, hidden: &mut h, cell: &mut c };
            let tape = weights.record(Workspace::default(), sequences, outputs);
            let mut of_values = vec![0.0; values];
            of_values[values - 1] = bad;
            let zeros = vec![0.0; states];
            let of = OutputGradients { values: &of_values, hidden: &zeros, cell: &zeros };
            let (gradients, _) = tape.backward(&weights, of);
            for (p, gradient) in gradients.parameters.iter().enumerate() {
                assert!(gradient.iter().any(|value| !value.is_finite()), "{bad}: parameter {p}");
            }
        }
    }
}

#[test]
fn nothing_of_it_is_left_in_a_used_workspace() {
    for of in architectures() {
        let fine = Case::new(of);
        let mut bad = fine.clone();
        bad.parameters.iter_mut().flatten().for_each(|value| *value = f32::NAN);
        bad.observations.fill(f32::NAN);
        let (_, _, workspace) = bad.run(Workspace::default());
        let (again, gradients, _) = fine.run(workspace);
        let (fresh, fresh_gradients, _) = fine.run(Workspace::default());
        assert_eq!((again, gradients.parameters), (fresh, fresh_gradients.parameters));
    }
}

#[test]
fn the_same_holds_with_smaller_instruction_sets() {
    reference::again_on_smaller_sets();
}
