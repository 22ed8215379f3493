//! The passes against the definition in double precision, and their gradients against finite differences
//! of it.

mod reference;

use rayon::ThreadPoolBuilder;
use reference::{architectures, forward, parameters, random, wide};
use townlet_kernels::{Architecture, Gradients, OutputGradients, Outputs, Sequences, Weights, Workspace};

/// Values and final state of one pass.
#[derive(Debug, PartialEq)]
struct Found {
    values: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

/// A batch of random sequences, and weights with which its outputs are added up to one number.
struct Case {
    of: Architecture,
    parameters: Vec<Vec<f32>>,
    batch: usize,
    time: usize,
    observations: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
    of_values: Vec<f32>,
    of_hidden: Vec<f32>,
    of_cell: Vec<f32>,
}

impl Case {
    fn new(of: Architecture, [batch, time]: [usize; 2]) -> Self {
        let states = batch * of.hidden;
        Self {
            parameters: parameters(&of),
            batch,
            time,
            observations: random(batch * time * of.observation, 1),
            hidden: random(states, 2),
            cell: random(states, 3),
            of_values: random(batch * time * of.actions, 4),
            of_hidden: random(states, 5),
            of_cell: random(states, 6),
            of,
        }
    }

    fn slices(&self) -> Vec<&[f32]> {
        self.parameters.iter().map(Vec::as_slice).collect()
    }

    fn sequences(&self) -> Sequences<'_> {
        Sequences {
            batch: self.batch,
            time: self.time,
            observations: &self.observations,
            hidden: &self.hidden,
            cell: &self.cell,
        }
    }

    fn pass(&self, pass: impl FnOnce(&Weights, Sequences<'_>, Outputs<'_>)) -> Found {
        let weights = Weights::new(&self.of, &self.slices());
        let states = self.batch * self.of.hidden;
        let mut found = Found {
            values: vec![f32::NAN; self.batch * self.time * self.of.actions],
            hidden: vec![f32::NAN; states],
            cell: vec![f32::NAN; states],
        };
        let Found { values, hidden, cell } = &mut found;
        pass(&weights, self.sequences(), Outputs { values, hidden, cell });
        found
    }

    fn forward(&self) -> Found {
        self.pass(|weights, sequences, outputs| {
            weights.forward(&mut Workspace::default(), sequences, outputs);
        })
    }

    fn gradients_with(&self, workspace: Workspace) -> (Gradients, Workspace) {
        let mut gradients = None;
        self.pass(|weights, sequences, outputs| {
            let tape = weights.record(workspace, sequences, outputs);
            let of =
                OutputGradients { values: &self.of_values, hidden: &self.of_hidden, cell: &self.of_cell };
            gradients = Some(tape.backward(weights, of));
        });
        gradients.unwrap()
    }

    fn gradients(&self) -> Gradients {
        self.gradients_with(Workspace::default()).0
    }

    fn reference(&self, parameters: &[Vec<f64>], hidden: &[f64], cell: &[f64]) -> reference::Result64 {
        forward(&self.of, parameters, [self.batch, self.time], &wide(&self.observations), hidden, cell)
    }

    /// The number whose gradient [`Self::gradients`] is, in double precision.
    fn objective(&self, parameters: &[Vec<f64>], hidden: &[f64], cell: &[f64]) -> f64 {
        let found = self.reference(parameters, hidden, cell);
        let sum = |values: &[f64], of: &[f32]| -> f64 {
            values.iter().zip(of).map(|(value, &of)| value * f64::from(of)).sum()
        };
        sum(&found.values, &self.of_values)
            + sum(&found.hidden, &self.of_hidden)
            + sum(&found.cell, &self.of_cell)
    }
}

fn assert_close(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        assert!(difference <= tolerance * (1.0 + expected.abs()), "{name}[{i}]: {found} for {expected}");
    }
}

#[test]
fn values_and_states_are_those_of_the_definition() {
    for of in architectures() {
        for shape in [[1, 1], [1, 9], [5, 4], [130, 2], [3, 50]] {
            let case = Case::new(of.clone(), shape);
            let parameters: Vec<_> = case.parameters.iter().map(|values| wide(values)).collect();
            let expected = case.reference(&parameters, &wide(&case.hidden), &wide(&case.cell));
            let found = case.forward();
            assert_close("values", &found.values, &expected.values, 1e-5);
            assert_close("hidden", &found.hidden, &expected.hidden, 1e-5);
            assert_close("cell", &found.cell, &expected.cell, 1e-5);
        }
    }
}

#[test]
fn every_gradient_is_a_finite_difference() {
    const STEP: f64 = 1e-5;
    for of in architectures() {
        let case = Case::new(of, [3, 4]);
        let found = case.gradients();
        let mut parameters: Vec<_> = case.parameters.iter().map(|values| wide(values)).collect();
        let (mut hidden, mut cell) = (wide(&case.hidden), wide(&case.cell));
        for p in 0..parameters.len() {
            // Every number of small parameters, some hundred of large ones.
            let stride = parameters[p].len().div_ceil(150);
            for i in (0..parameters[p].len()).step_by(stride) {
                let here = parameters[p][i];
                parameters[p][i] = here + STEP;
                let above = case.objective(&parameters, &hidden, &cell);
                parameters[p][i] = here - STEP;
                let below = case.objective(&parameters, &hidden, &cell);
                parameters[p][i] = here;
                let expected = (above - below) / (2.0 * STEP);
                assert_close(&format!("parameter {p}, {i}"), &found.parameters[p][i..=i], &[expected], 2e-4);
            }
        }
        for i in 0..hidden.len() {
            let (h, c) = (hidden[i], cell[i]);
            let mut slope = |dh: f64, dc: f64| {
                (hidden[i], cell[i]) = (h + dh, c + dc);
                let above = case.objective(&parameters, &hidden, &cell);
                (hidden[i], cell[i]) = (h - dh, c - dc);
                let below = case.objective(&parameters, &hidden, &cell);
                (hidden[i], cell[i]) = (h, c);
                (above - below) / (2.0 * STEP)
            };
            let expected = [slope(STEP, 0.0), slope(0.0, STEP)];
            assert_close(&format!("state {i}"), &[found.hidden[i], found.cell[i]], &expected, 2e-4);
        }
    }
}

/// From some number of steps on, a backward pass works with transposed weights: the gradients of many
/// sequences are still the sums of those of their halves.
#[test]
fn many_sequences_have_the_gradients_of_their_halves() {
    for of in architectures() {
        let whole = Case::new(of.clone(), [60, 16]);
        let half = |first: bool| {
            let mut half = Case::new(of.clone(), [30, 16]);
            let take = |values: &[f32]| {
                let (one, two) = values.split_at(values.len() / 2);
                if first { one.to_vec() } else { two.to_vec() }
            };
            half.observations = take(&whole.observations);
            (half.hidden, half.cell) = (take(&whole.hidden), take(&whole.cell));
            half.of_values = take(&whole.of_values);
            (half.of_hidden, half.of_cell) = (take(&whole.of_hidden), take(&whole.of_cell));
            half.gradients()
        };
        let (found, one, two) = (whole.gradients(), half(true), half(false));
        for (p, values) in found.parameters.iter().enumerate() {
            let sums = one.parameters[p].iter().zip(&two.parameters[p]);
            let sums: Vec<f64> = sums.map(|(one, two)| f64::from(*one) + f64::from(*two)).collect();
            assert_close(&format!("parameter {p}"), values, &sums, 1e-4);
        }
        assert_close("hidden", &found.hidden, &wide(&[one.hidden, two.hidden].concat()), 1e-5);
        assert_close("cell", &found.cell, &wide(&[one.cell, two.cell].concat()), 1e-5);
    }
}

#[test]
fn a_pass_that_keeps_everything_puts_out_the_same_bits() {
    for of in architectures() {
        for shape in [[1, 1], [16, 9], [2, 200], [300, 3]] {
            let case = Case::new(of.clone(), shape);
            let kept = case.pass(|weights, sequences, outputs| {
                drop(weights.record(Workspace::default(), sequences, outputs));
            });
            assert_eq!(case.forward(), kept, "{shape:?}");
        }
    }
}

#[test]
fn a_used_workspace_changes_nothing() {
    let [large, small] = [[40, 7], [3, 2]].map(|shape| Case::new(architectures().remove(0), shape));
    let (_, workspace) = large.gradients_with(Workspace::default());
    let (again, _) = small.gradients_with(workspace);
    let fresh = small.gradients();
    assert_eq!((again.parameters, again.hidden, again.cell), (fresh.parameters, fresh.hidden, fresh.cell));
}

#[test]
fn as_many_threads_give_the_same_bits() {
    let case = Case::new(architectures().remove(1), [37, 5]);
    let run = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (case.forward(), case.gradients()))
    };
    let (forward, gradients) = run(1);
    for threads in 1..=4 {
        let (first, second) = (run(threads), run(threads));
        assert_eq!(first.0, second.0);
        assert_eq!(first.1.parameters, second.1.parameters);
        // Which rows share a call does not enter a value, so the forward pass knows no threads at all.
        assert_eq!(first.0, forward, "{threads} threads");
        for (p, (one, many)) in gradients.parameters.iter().zip(&first.1.parameters).enumerate() {
            assert_close(&format!("parameter {p}"), many, &wide(one), 1e-5);
        }
    }
}

#[test]
fn nothing_leaks_from_one_sequence_to_another() {
    let case = Case::new(architectures().remove(0), [6, 5]);
    let mut other = Case::new(architectures().remove(0), [6, 5]);
    // Another second sequence, and only that.
    let row = case.time * case.of.observation;
    other.observations[row..2 * row].fill(0.25);
    let (found, changed) = (case.forward(), other.forward());
    let values = case.time * case.of.actions;
    for b in 0..case.batch {
        let same = found.values[b * values..][..values] == changed.values[b * values..][..values];
        assert_eq!(same, b != 1, "sequence {b}");
    }
}

#[test]
fn the_same_holds_with_smaller_instruction_sets() {
    reference::again_on_smaller_sets();
}
