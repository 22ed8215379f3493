//! The same network once more, in double precision and plain loops, with nothing in common with the
//! kernels but the definition of the layers.
//!
//! What is not a finite number passes as in PyTorch, whose convolutions do not read what lies outside of the
//! window either.

use std::env;
use std::ops::Range;
use std::process::Command;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use townlet_kernels::{Architecture, Vision, instruction_set};

/// Numbers between -1 and 1.
pub(crate) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Small networks that differ in every respect which the kernels treat apart: windows of 3, 5 and 7 cells,
/// none at all, encoders of several stretches, sizes that fill no vector.
pub(crate) fn architectures() -> Vec<Architecture> {
    let vision = |column, side, channels, features| Some(Vision { column, side, channels, features });
    let one = |range: Range<usize>| vec![range];
    vec![
        Architecture {
            observation: 31,
            vision: vision(0, 5, [3, 4], 7),
            encoders: vec![one(25..27), one(27..31)],
            encoder_features: 3,
            hidden: 6,
            head_features: 5,
            actions: 5,
        },
        Architecture {
            observation: 15,
            vision: vision(2, 3, [17, 5], 19),
            encoders: vec![vec![0..2, 12..13], one(11..15)],
            encoder_features: 17,
            hidden: 18,
            head_features: 33,
            actions: 2,
        },
        Architecture {
            observation: 50,
            vision: vision(1, 7, [2, 3], 4),
            encoders: vec![],
            encoder_features: 8,
            hidden: 4,
            head_features: 3,
            actions: 7,
        },
        Architecture {
            observation: 9,
            vision: None,
            encoders: vec![one(0..4), one(4..9)],
            encoder_features: 5,
            hidden: 7,
            head_features: 4,
            actions: 3,
        },
    ]
}

/// Parameters of a size that keeps the gates off saturation.
pub(crate) fn parameters(of: &Architecture) -> Vec<Vec<f32>> {
    let lengths = of.parameter_lengths();
    lengths
        .iter()
        .enumerate()
        .map(|(i, &len)| random(len, 100 + i as u64).iter().map(|value| 0.4 * value).collect())
        .collect()
}

pub(crate) struct Result64 {
    /// `[batch, time, actions]`
    pub(crate) values: Vec<f64>,
    /// `[batch, hidden]`
    pub(crate) hidden: Vec<f64>,
    pub(crate) cell: Vec<f64>,
}

pub(crate) fn forward(
    of: &Architecture,
    parameters: &[Vec<f64>],
    [batch, time]: [usize; 2],
    observations: &[f64],
    hidden: &[f64],
    cell: &[f64],
) -> Result64 {
    let mut result = Result64 { values: Vec::new(), hidden: hidden.to_vec(), cell: cell.to_vec() };
    for b in 0..batch {
        let state = b * of.hidden..(b + 1) * of.hidden;
        for t in 0..time {
            let observation = &observations[(b * time + t) * of.observation..][..of.observation];
            let (h, c) = (&mut result.hidden[state.clone()], &mut result.cell[state.clone()]);
            result.values.extend(step(of, parameters, observation, h, c));
        }
    }
    result
}

fn step(
    of: &Architecture,
    parameters: &[Vec<f64>],
    observation: &[f64],
    h: &mut [f64],
    c: &mut [f64],
) -> Vec<f64> {
    let mut rest = parameters.iter();
    let mut next = || rest.next().expect("a parameter");
    let mut inputs = Vec::new();
    if let Some(vision) = of.vision {
        let [one, two] = vision.channels;
        let window = &observation[vision.column..][..vision.cells()];
        let first = relu(convolution(window, vision.side, [1, one], next(), next()));
        let second = relu(convolution(&first, vision.side, [one, two], next(), next()));
        inputs.extend(relu(linear(&second, next(), next())));
    }
    for columns in &of.encoders {
        let read: Vec<f64> = columns.iter().flat_map(|range| observation[range.clone()].to_vec()).collect();
        inputs.extend(relu(linear(&read, next(), next())));
    }
    let (input, hidden, first_bias, second_bias) = (next(), next(), next(), next());
    let from_input = linear(&inputs, input, first_bias);
    let from_hidden = linear(h, hidden, second_bias);
    let gate =
        |block: usize, i: usize| from_input[block * of.hidden + i] + from_hidden[block * of.hidden + i];
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for i in 0..of.hidden {
        c[i] = sigmoid(gate(1, i)) * c[i] + sigmoid(gate(0, i)) * gate(2, i).tanh();
        h[i] = sigmoid(gate(3, i)) * c[i].tanh();
    }
    let head = relu(linear(h, next(), next()));
    linear(&head, next(), next())
}

fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let outputs = bias.len();
    (0..outputs)
        .map(|o| bias[o] + x.iter().enumerate().map(|(i, x)| x * weight[i * outputs + o]).sum::<f64>())
        .collect()
}

/// `[channels, side, side]`, as PyTorch has it.
fn convolution(
    image: &[f64],
    side: usize,
    [inputs, outputs]: [usize; 2],
    weight: &[f64],
    bias: &[f64],
) -> Vec<f64> {
    let pixel = |channel: usize, y: usize, x: usize| {
        let inside = (1..=side).contains(&y) && (1..=side).contains(&x);
        inside.then(|| image[(channel * side + y - 1) * side + x - 1])
    };
    let mut out = Vec::new();
    for o in 0..outputs {
        for y in 0..side {
            for x in 0..side {
                let mut sum = bias[o];
                for i in 0..inputs {
                    for tap in 0..9 {
                        if let Some(pixel) = pixel(i, y + tap / 3, x + tap % 3) {
                            sum += weight[(o * inputs + i) * 9 + tap] * pixel;
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| if x <= 0.0 { 0.0 } else { x }).collect()
}

/// Every test of this program again, on what machines with less have.
pub(crate) fn again_on_smaller_sets() {
    if env::var_os("TOWNLET_SIMD").is_some() {
        return println!("on {}", instruction_set().0);
    }
    for (set, name) in smaller_sets() {
        let mut again = Command::new(env::current_exe().unwrap());
        let output = again.env("TOWNLET_SIMD", set).arg("--nocapture").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains(&format!("on {name}")), "{set}: {printed}");
    }
}

/// What `TOWNLET_SIMD` may ask for on this machine, and what the kernels then call it.
fn smaller_sets() -> Vec<(&'static str, &'static str)> {
    let mut sets = vec![("portable", "portable")];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        sets.push(("avx2", "AVX2"));
    }
    sets
}
